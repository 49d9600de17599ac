"""How well a profile predicts models that it has never seen, ours and the paper's regressions on the same samples.

    python -m benchmarks.prediction --profile pi4.json --list test --json results.json

Every model is measured whole, and head and tail of ten cuts, in two passes; a line a model goes to pi4.measured.jsonl
(or --measured FILE) as soon as it is there, so the same command goes on where the last one was ended, and a model that
is there is never measured again. The samples lie beside the profile (pi4.samples.jsonl).

    python -m benchmarks.prediction --profile other.json --again-from pi4.measured.jsonl

holds another profile against the same measurements. Whole models are held against their first timing, pieces against
their second: the first timing of the whole, or of three pieces, is what calibrates. Models whose two timings differ by
more than 5 % are listed apart. Exit status 1 where a model could not be measured.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
from benchmarks.contest import Contestant, chosen, contestants, estimate, evaluation
from benchmarks.measured import MeasuredFile, MeasuredHeader, MeasuredModel, read_measured
from benchmarks.measuring import measure_model
from benchmarks.model_lists import LISTS

from partway.documents import read_document
from partway.engine import OrtRuntime
from partway.errors import PartwayError
from partway.prediction.evaluation import Errors, Share, Summary, summarise
from partway.prediction.model_evaluation import ModelEvaluation
from partway.prediction.profile import Profile
from partway.prediction.trial import CUTS
from partway.profiling.machine import read_machine
from partway.profiling.quiet import check_noise
from partway.reporting.tables import Column, print_table
from partway.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One contestant on all models.

    Attributes:
        name: of the contestant.
        evaluations: one a model, calibrated by one timing.
        summary: of them.
        after_three: pieces once three timings had calibrated; those that were timed are left out.
    """

    name: str
    evaluations: tuple[ModelEvaluation, ...]
    summary: Summary
    after_three: Errors


def score(contestant: Contestant, models: Sequence[MeasuredModel], threads: int) -> Result:
    """A contestant on measured models."""
    prediction = contestant.prediction
    found = [estimate(model, prediction) for model in models]
    one = tuple(evaluation(it, threads=threads, prediction=prediction) for it in found)
    three = [evaluation(it, threads=threads, prediction=prediction, three=True) for it in found]
    return Result(
        name=contestant.name,
        evaluations=one,
        summary=summarise(one),
        after_three=summarise(three).calibrated_pieces,
    )


def measure_all(path: Path, names: Sequence[str], header: MeasuredHeader) -> int:
    """Measure the models that a file does not have yet, each in a process of its own.

    Returns:
        How many could not be measured; they are tried again next time.
    """
    file = MeasuredFile(path, header)
    failed = 0
    for done, name in enumerate(names):
        if name in file.names:
            continue
        print(f"{done + 1}/{len(names)} {name}", end=" ", file=sys.stderr, flush=True)
        model = measure_apart(name, header)
        if isinstance(model, str):
            failed += 1
            print(f"NOT MEASURED: {model}", file=sys.stderr)
            continue
        file.append(model)
        times = model.whole.times
        print(
            f"{format_duration(times.measured_s)}, {format_duration(times.repeated_s)}, {len(model.cuts)} cuts; took "
            f"{model.took_s:.0f} s",
            file=sys.stderr,
        )
    return failed


def measure_apart(name: str, header: MeasuredHeader) -> MeasuredModel | str:
    """Measure a model in a process of its own, or say why it could not be measured."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_measured, args=(sender, name, header.threads, header.cuts))
    child.start()
    sender.close()  # so that the child's end is the only one, and its death is seen
    found: MeasuredModel | str
    try:
        found = receiver.recv()
    except EOFError:
        found = "its process ended without an answer"
    child.join()
    return found


def _send_measured(sender: Connection, name: str, threads: int, cuts: int) -> None:
    try:
        sender.send(measure_model(name, threads=threads, cuts=cuts))
    except PartwayError as error:
        sender.send(str(error))


def print_results(results: Sequence[Result]) -> None:
    """The tables."""
    ours = results[0]
    columns = [Column(title="model", right=False), Column(title="measured"), Column(title="again")]
    columns += [Column(title=result.name) for result in results]
    columns += [Column(title="stated"), Column(title="pieces"), Column(title="calibrated")]
    for steady, title in ((True, "Whole models"), (False, "Whole models that did not repeat within 5 %")):
        rows = [_model_row(place, results) for place, it in enumerate(ours.evaluations) if it.whole.steady is steady]
        print_table(title, columns, rows)
    print_table(
        "Whole models: share within 10 % and 20 % (95 % interval)",
        [Column(title=title, right=bool(place)) for place, title in enumerate(("of", *_ERROR_TITLES))],
        [
            (f"{result.name}, {which}", *_errors(errors))
            for result in results
            for which, errors in (("all", result.summary.models), ("steady", result.summary.steady_models))
        ],
    )
    print_table(
        "Pieces, second timing",
        [Column(title=title, right=bool(place)) for place, title in enumerate(("of", *_ERROR_TITLES))],
        [(f"{result.name}, {which}", *_errors(errors)) for result in results for which, errors in _pieces(result)],
    )


def _pieces(result: Result) -> tuple[tuple[str, Errors], ...]:
    summary = result.summary
    return (
        ("the profile alone", summary.pieces),
        ("after one timing", summary.calibrated_pieces),
        ("after three timings", result.after_three),
        ("steady, the profile alone", summary.steady_pieces),
        ("steady, after one timing", summary.steady_calibrated_pieces),
    )


_ERROR_TITLES = (
    "count",
    "median",
    "within 10 %",
    "within 15 %",
    "within 20 %",
    "in 1 spread",
    "in 2 spreads",
    "repeat",
)


def _errors(errors: Errors) -> tuple[str, ...]:
    return (
        str(errors.count),
        _percent(errors.median_error),
        _share(errors.within_10_percent),
        _share(errors.within_15_percent),
        _share(errors.within_20_percent),
        _percent(errors.within_one_spread.share, 0),
        _percent(errors.within_two_spreads.share, 0),
        _percent(errors.median_repeat_error),
    )


def _model_row(place: int, results: Sequence[Result]) -> tuple[str, ...]:
    own = results[0].evaluations[place]
    alone = summarise([own])
    wholes = [result.evaluations[place].whole for result in results]
    return (
        own.model,
        format_duration(own.whole.measured_s),
        f"{own.whole.repeated_s / own.whole.measured_s - 1.0:+.1%}",
        *(f"{whole.predicted_s / whole.measured_s - 1.0:+.1%}" for whole in wholes),
        f"±{own.whole.spread:.0%}",
        _percent(alone.pieces.median_error),
        _percent(alone.calibrated_pieces.median_error),
    )


def _share(share: Share) -> str:
    return "" if share.share is None else f"{share.share:.0%} ({share.low:.0%}-{share.high:.0%})"


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}%}"


def write_json(path: Path, header: MeasuredHeader, results: Sequence[Result]) -> None:
    """All that the tables are made from."""
    body = {"measured": msgspec.to_builtins(header), "results": msgspec.to_builtins(list(results))}
    path.write_text(json.dumps(body, indent=1) + "\n")


def main() -> int:
    """Measure what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE")
    parser.add_argument("--list", choices=sorted(LISTS), default="test", help="of benchmarks/model_lists.py")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="these instead, such as light/vgg19 family/bert-3")
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"of each model, at most (default {CUTS})")
    parser.add_argument("--threads", type=int, help="within an operator; the profile's first setting by default")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="where measurements are kept")
    parser.add_argument("--again-from", type=Path, metavar="FILE", help="measure nothing: use these measurements")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    names = tuple(arguments.models or LISTS[arguments.list])
    failed = 0
    source: Path | None = arguments.again_from
    if source is None:
        source = arguments.measured or arguments.profile.with_name(f"{arguments.profile.stem}.measured.jsonl")
        profile = read_document(arguments.profile, Profile)
        threads = profile.predictors[0].threads if arguments.threads is None else arguments.threads
        header = MeasuredHeader(
            machine=read_machine(), runtime=OrtRuntime().version, threads=threads, cuts=arguments.cuts
        )
        for disturbance in check_noise().disturbances:
            print(f"this machine is not quiet: {disturbance}", file=sys.stderr)
        failed = measure_all(source, names, header)
    header, models = read_measured(source)
    models = chosen(models, names)
    results = [score(it, models, header.threads) for it in contestants(arguments.profile, header.threads)]
    print_results(results)
    if arguments.json:
        write_json(arguments.json, header, results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
