"""Codecs on real activations: how small, how fast, whether the answer stays, and how they move the best cut.

    python -m benchmarks.coding [--slowdown 8 64] [--max-error 1%] [--json]

Five trained models run on inputs of the kind that they were made for. Sizes and seconds are those of the tensors that
the candidate cuts send, errors and answers those of head, codec and tail at each of these cuts. For each link the best
pair of cut and codec is found raw only, with lossless codecs, and with every codec within the error. The server is
this machine; the device is this machine so many times slower, its encoding too. Exit status 1 when a lossless codec
changed an answer.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
from benchmarks.real_inputs import Task, tasks
from tests.models import missing_models

from partway.codecs import available_codecs, is_lossless
from partway.engine import OrtRuntime, PieceStore
from partway.graph import Cut, Source, candidate_cuts, canonicalise
from partway.link import NAMED_LINKS
from partway.planning import Conditions, CostTable, CutCost, latency_s
from partway.planning.coded import coded_costs
from partway.planning.measured import costs_of_cuts, slowed
from partway.profiling import Effort, describe_machine, measure_cuts
from partway.reporting import Column, name_set, print_table
from partway.units import format_duration, format_size, parse_share
from partway.verification import (
    CodecTrial,
    CodedCheck,
    TensorTrial,
    check_codecs,
    crossing_arrays,
    cut_trials,
    measure_codecs,
    run_coded,
)

_EFFORT = Effort(budget_s=0.3)
_TIMED_BYTES = 16384  # tensors below it take what calling a codec takes
_ALLOWED = ("raw", "lossless", "within")
_LINKS = ("3g", "lte", "wifi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers under one codec, over all candidate cuts and samples.

    Attributes:
        codec: its name.
        error: the largest at any cut, as a share of the output's scale.
        best_error: the largest at the cut that bears the codec best.
        cuts: how many candidate cuts.
        within: how many of them are within the accepted error.
        bit_equal: whether every answer was the same to the bit.
        asked: answers compared; 0 where the outputs are no word.
        same: answers that stayed.
        right: answers that were right.
        right_raw: answers that are right without a codec.
    """

    codec: str
    error: float
    best_error: float
    cuts: int
    within: int
    bit_equal: bool
    asked: int
    same: int
    right: int
    right_raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The best cut on one link.

    Attributes:
        slowdown: how many times slower the device is.
        link: its name.
        allowed: which codecs were: raw, lossless or within the error.
        crossing: what is sent.
        codec: how.
        up_bytes: what travels.
        latency_s: of the request.
    """

    slowdown: float
    link: str
    allowed: str
    crossing: tuple[str, ...]
    codec: str
    up_bytes: int
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model's."""

    model: str
    samples: int
    tensors: tuple[TensorTrial, ...]
    cuts: tuple[CodecTrial, ...]
    answers: tuple[Answers, ...]
    choices: tuple[Choice, ...]


def choices(costs: Sequence[CutCost], max_error: float, slowdown: float) -> Iterator[Choice]:
    """The best cut on every named link, raw only, with lossless codecs, and with all that are within an error.

    Args:
        costs: cuts, raw and coded.
        max_error: share of an output's scale.
        slowdown: of the device that they are of.
    """
    lossless = [cost for cost in costs if is_lossless((cost.codec,))]
    ways = (
        [cost for cost in costs if cost.codec == "raw"],
        lossless,
        [*lossless, *(cost for cost in costs if cost not in lossless and cost.error <= max_error)],
    )
    for name in _LINKS:
        link = NAMED_LINKS[name]
        conditions = Conditions(
            uplink_bytes_per_s=link.uplink_bytes_per_s,
            downlink_bytes_per_s=link.downlink_bytes_per_s,
            rtt_s=link.rtt_s,
        )
        for allowed, rows in zip(_ALLOWED, ways, strict=True):
            seconds = latency_s(CostTable.of(rows), conditions)
            best = rows[int(np.argmin(seconds))]
            yield Choice(
                slowdown=slowdown,
                link=name,
                allowed=allowed,
                crossing=best.crossing,
                codec=best.codec,
                up_bytes=best.up_bytes,
                latency_s=float(seconds.min()),
            )


def examine(task: Task, codecs: Sequence[str], slowdowns: Sequence[float], max_error: float) -> Result:
    """One model: tensors, answers, choices."""
    runtime = OrtRuntime()
    source = Source.open(task.path)
    model = canonicalise(source, source.bind_feeds(task.samples[0], {}), runtime)
    cuts = candidate_cuts(model)
    store = PieceStore(model, runtime)
    store.want_candidates()
    store.promote()
    measured = measure_cuts(
        store, cuts, task.samples[0], environment=describe_machine(runtime.version, runtime.threads), effort=_EFFORT
    )
    checks = check_codecs(store, cuts, codecs, task.samples)
    tensors = measure_codecs(crossing_arrays(store, cuts, task.samples[0]), codecs)
    trials = cut_trials(cuts, tensors, checks)
    return Result(
        model=task.name,
        samples=len(task.samples),
        tensors=tensors,
        cuts=trials,
        answers=tuple(_answers(task, store, cuts, checks, codecs, max_error)),
        choices=tuple(
            choice
            for slowdown in slowdowns
            for choice in choices(
                coded_costs(
                    costs_of_cuts(model, cuts, device=slowed(measured, slowdown), server=measured),
                    trials,
                    device_scale=slowdown,
                ),
                max_error,
                slowdown,
            )
        ),
    )


def _answers(
    task: Task,
    store: PieceStore,
    cuts: Sequence[Cut],
    checks: Sequence[CodedCheck],
    codecs: Sequence[str],
    max_error: float,
) -> Iterator[Answers]:
    offloaded = [cut for cut in cuts if cut.offloaded]
    plain = {cut.crossing: _said(task, store, cut, "raw") for cut in offloaded}
    for codec in codecs:
        found = [check for check in checks if check.codec == codec]
        pairs = [
            triple
            for cut in offloaded
            for triple in zip(_said(task, store, cut, codec), plain[cut.crossing], task.expected, strict=False)
        ]
        yield Answers(
            codec=codec,
            error=max(check.error for check in found),
            best_error=min(check.error for check in found),
            cuts=len(found),
            within=sum(check.error <= max_error for check in found),
            bit_equal=all(check.bit_equal for check in found),
            asked=len(pairs),
            same=sum(coded == raw for coded, raw, _ in pairs),
            right=sum(coded == expected for coded, _, expected in pairs),
            right_raw=sum(raw == expected for _, raw, expected in pairs),
        )


def _said(task: Task, store: PieceStore, cut: Cut, codec: str) -> tuple[str, ...]:
    if task.answer is None:
        return ()
    return tuple(task.answer(run_coded(store, cut, feeds, codec)) for feeds in task.samples)


def show_tensors(results: Sequence[Result], codecs: Sequence[str]) -> None:
    """Sizes and rates."""
    rows = []
    for result in results:
        for codec in codecs:
            trials = [trial for trial in result.tensors if trial.codec == codec]
            large = [trial for trial in trials if trial.raw_bytes >= _TIMED_BYTES]
            encode = [trial.raw_bytes / trial.encode_s / 1e6 for trial in large]
            decode = [trial.raw_bytes / trial.decode_s / 1e6 for trial in large]
            ratios = [trial.raw_bytes / trial.coded_bytes for trial in trials]
            rows.append((result.model, codec, str(len(trials)), _range(ratios, ".2f"), _range(encode), _range(decode)))
    print_table(
        f"Tensors that candidate cuts send: median (least to most); rates of those of {format_size(_TIMED_BYTES)} up",
        (
            Column(title="model", right=False),
            Column(title="codec", right=False),
            Column(title="tensors"),
            Column(title="raw / coded"),
            Column(title="encode MB/s"),
            Column(title="decode MB/s"),
        ),
        rows,
    )


def show_answers(results: Sequence[Result], max_error: float) -> None:
    """Errors and answers."""
    print_table(
        "Answers of head, codec and tail, over all candidate cuts and inputs",
        (
            Column(title="model", right=False),
            Column(title="codec", right=False),
            Column(title="least error"),
            Column(title="largest error"),
            Column(title=f"cuts within {100 * max_error:g} %"),
            Column(title="answers as without"),
            Column(title="right"),
            Column(title="right without"),
        ),
        (
            (
                result.model,
                row.codec,
                "bit-equal" if row.bit_equal else f"{100 * row.best_error:.2g} %",
                "bit-equal" if row.bit_equal else f"{100 * row.error:.2g} %",
                f"{row.within} of {row.cuts}",
                f"{row.same} of {row.asked}" if row.asked else "-",
                str(row.right) if row.asked else "-",
                str(row.right_raw) if row.asked else "-",
            )
            for result in results
            for row in result.answers
        ),
    )


def show_choices(results: Sequence[Result]) -> None:
    """The best cuts."""
    rows = []
    for result in results:
        found = {(row.slowdown, row.link, row.allowed): row for row in result.choices}
        for slowdown, link in dict.fromkeys((row.slowdown, row.link) for row in result.choices):
            raw, lossless, within = (found[slowdown, link, allowed] for allowed in _ALLOWED)
            rows.append(
                (
                    result.model,
                    f"{slowdown:g}x",
                    link,
                    f"{_how(raw)}, {format_duration(raw.latency_s)}",
                    f"{_how(lossless)}, {format_duration(lossless.latency_s)}",
                    f"{lossless.latency_s / raw.latency_s - 1:+.0%}",
                    f"{_how(within)}, {format_duration(within.latency_s)}",
                    f"{within.latency_s / raw.latency_s - 1:+.0%}",
                )
            )
    print_table(
        "The best cut and codec, for devices so many times slower than this machine and a server like it",
        (
            Column(title="model", right=False),
            Column(title="device", right=False),
            Column(title="link", right=False),
            Column(title="raw only", right=False),
            Column(title="lossless", right=False),
            Column(title=""),
            Column(title="within the error", right=False),
            Column(title=""),
        ),
        rows,
    )


def _how(choice: Choice) -> str:
    if not choice.crossing:
        return "device alone"
    return f"{name_set(choice.crossing, none='', most=1)} {choice.codec} {format_size(choice.up_bytes)}"


def _range(values: Sequence[float], form: str = ".0f") -> str:
    if not values:
        return "-"
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> int:
    """Examine every model and print; 1 when a lossless codec changed an answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slowdown", type=float, nargs="+", default=[8.0], help="how many times slower the device is")
    parser.add_argument("--max-error", type=parse_share, default=0.01, help="which lossy codecs may be chosen")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    codecs = tuple(name for name in available_codecs() if name != "raw")
    results = [examine(task, codecs, arguments.slowdown, arguments.max_error) for task in tasks()]
    for sentence in missing_models():
        print(sentence, file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        show_tensors(results, codecs)
        show_answers(results, arguments.max_error)
        show_choices(results)
    kept = all(row.bit_equal for result in results for row in result.answers if is_lossless((row.codec,)))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
