"""`partway evaluate`: predicted against measured, on models that this machine can run.

Input: a profile and models. Output: how far predictions of whole models, heads and tails are from what they take here,
beside how far the machine is from repeating itself; as tables, JSON, and on request a scatter plot.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from partway.cli.evaluate_report import Report, document, plotted, print_report
from partway.cli.foreign import foreign
from partway.cli.options import MODEL_HELP, add_inputs, add_json, add_threads, as_argument, only_once, parse_count
from partway.cli.writing import require_writable
from partway.engine import OrtRuntime
from partway.errors import EngineError, InputError
from partway.graph import Binding, Source
from partway.prediction.evaluation import summarise
from partway.prediction.model_evaluation import ModelEvaluation
from partway.prediction.predictor import Predictor
from partway.prediction.profile import read_profile
from partway.prediction.trial import CUTS, MOST_CUTS, Trial, measure, prepare
from partway.profiling.comparison import PASSES
from partway.profiling.machine import read_machine
from partway.profiling.quiet import Noise, check_noise
from partway.reporting import follow, print_json, require_drawable, share
from partway.reporting.figures import draw_scatter

_EXAMPLES = """examples:
  partway evaluate pi4.json resnet50.onnx
  partway evaluate pi4.json *.onnx --plot pi4.png
  partway evaluate pi4.json detector.onnx --shape x=1,3,640,480 --json

Every model is measured whole, and head and tail of some cuts, all of it twice.
--shape and --bind apply to the models that have such an input. Close other
programs first: what disturbs the machine counts as an error of the profile.
"""
_LEAST_BUSY_SHARE = 0.9
_MOST_NAMED = 4


def parse_cuts(text: str) -> int:
    """How many cuts of each model; 0 for whole models only.

    Raises:
        InputError: no whole number, or more than can be kept apart.
    """
    wanted = parse_count(text, least=0)
    if wanted > MOST_CUTS:
        raise InputError(f"{text} cuts are too many: each keeps a tensor from being fused; give at most {MOST_CUTS}")
    return wanted


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="predicted against measured",
        description="Hold what a profile predicts of models against what they take on this machine.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("profile", type=Path, metavar="PROFILE", help="what `partway profile -o` wrote")
    parser.add_argument("models", nargs="+", metavar="MODEL", help=MODEL_HELP)
    add_inputs(parser)
    add_threads(parser)
    parser.add_argument(
        "--cuts",
        type=as_argument(parse_cuts),
        default=CUTS,
        metavar="N",
        help=f"cuts of each model: candidates of planning, and others evenly between (default {CUTS}; 0: none)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse kinds of kernels that the profile has no samples of"
    )
    parser.add_argument("--pieces", action="store_true", help="show every head and tail, also of several models")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a scatter plot: png, svg or pdf")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict, measure and print; 0.

    Raises:
        InputError: an option, the profile or a model cannot be used; all are looked at before anything is measured.
        EngineError: the runtime fails on a model.
    """
    if arguments.plot is not None:
        require_drawable(arguments.plot)
        require_writable(arguments.plot)
    profile = read_profile(arguments.profile)
    threads = profile.settle_threads(arguments.threads)
    predictor = profile.predictor(threads)
    runtime = OrtRuntime(threads=threads, providers=profile.providers)
    difference = foreign(profile, read_machine(), runtime)
    listener = _Listener(
        difference and f"the profile is not of this machine: {difference}; errors below are how different the two are"
    )
    trials = _prepare_all(arguments, predictor, runtime)
    listener.tell(*unsampled(trials))
    evaluations = _measure_all(trials, runtime, listener, quiet=arguments.json)
    listener.tell(*_afterthoughts(evaluations))
    report = Report(
        profile=str(arguments.profile),
        machine=profile.machine,
        runtime=profile.runtime,
        threads=threads,
        evaluations=evaluations,
        summary=summarise(evaluations),
        noises=tuple(listener.noises),
        notes=tuple(listener.notes),
    )
    if arguments.plot is not None:
        series, title = plotted(report)
        draw_scatter(arguments.plot, series, title=title)
    if arguments.json:
        print_json(document(report))
    else:
        print_report(report, pieces=arguments.pieces or len(evaluations) == 1, plot=arguments.plot)
    return 0


def unsampled(trials: Sequence[Trial]) -> tuple[str, ...]:
    """What is to be said of kinds of kernels that the profile has no samples of; nothing where there are none."""
    largest: dict[str, float] = {}
    for trial in trials:
        for estimate in (piece for cut in (trial.whole, *trial.cuts) for piece in (cut.head, cut.tail) if piece):
            for part in estimate.parts:
                if not part.sampled:
                    largest[part.variant] = max(largest.get(part.variant, 0.0), part.seconds / estimate.seconds)
    if not largest:
        return ()
    named = ", ".join(
        f"{variant} (up to {share(part, 1.0)} of a piece)"
        for variant, part in sorted(largest.items(), key=lambda item: -item[1])
    )
    return (
        f"the profile has no samples of {named}: their predictions are a roofline's, and rough; profile longer, or "
        "refuse them with --strict",
    )


class _Listener:
    """Collects what has to be said, and says each thing once, at once."""

    def __init__(self, *notes: str | None) -> None:
        self.notes: list[str] = []
        self.noises: list[Noise] = []
        self.tell(*(note for note in notes if note is not None))

    def tell(self, *notes: str) -> None:
        for note in notes:
            self.notes.append(note)
            print(f"partway: {note}", file=sys.stderr)

    def listen(self) -> None:
        noise = check_noise()
        if not noise.quiet and all(before.quiet for before in self.noises):
            self.tell(
                f"this machine is not quiet: {'; '.join(noise.disturbances)}. Close other programs, plug it in, let it "
                "cool. Measuring goes on, and what disturbs it counts as an error of the prediction."
            )
        self.noises.append(noise)


def _prepare_all(arguments: argparse.Namespace, predictor: Predictor, runtime: OrtRuntime) -> list[Trial]:
    with follow("preparing models", quiet=arguments.json) as progress:
        trials = []
        opened = _open_all(arguments)
        for done, (source, binding) in enumerate(opened):
            progress(done, len(opened))
            with _naming(source.label):
                trials.append(
                    prepare(
                        source,
                        binding,
                        predictor,
                        runtime,
                        cuts=arguments.cuts,
                        seed=arguments.seed,
                        strict=arguments.strict,
                    )
                )
        return trials


def _open_all(arguments: argparse.Namespace) -> tuple[tuple[Source, Binding], ...]:
    shapes = only_once("--shape", arguments.shape)
    values = only_once("--bind", arguments.bind)
    sources = tuple(map(Source.open, arguments.models))
    inputs = [{tensor.name for tensor in (*source.inputs, *source.optional_inputs)} for source in sources]
    if strange := (shapes.keys() | values.keys()).difference(*inputs):
        known = ", ".join(sorted(set().union(*inputs)))
        raise InputError(f"no model has an input {', '.join(sorted(strange))}; their inputs are {known}")
    opened = []
    for source, own in zip(sources, inputs, strict=True):
        with _naming(source.label):
            binding = source.bind(
                {name: lengths for name, lengths in shapes.items() if name in own},
                {name: value for name, value in values.items() if name in own},
            )
        opened.append((source, binding))
    return tuple(opened)


@contextmanager
def _naming(model: str) -> Iterator[None]:
    # Of several models, an error says which it is about.
    try:
        yield
    except (InputError, EngineError) as error:
        if model in str(error):
            raise
        kind = InputError if isinstance(error, InputError) else EngineError
        raise kind(f"{model}: {error}") from error


def _measure_all(
    trials: list[Trial], runtime: OrtRuntime, listener: _Listener, *, quiet: bool
) -> tuple[ModelEvaluation, ...]:
    steps = [PASSES * (1 + len(trial.cuts)) for trial in trials]
    evaluations = []
    with follow("measuring", quiet=quiet) as progress:

        def advance(before: int, done: int, _of: int) -> None:
            progress(before + done, sum(steps))

        for place, trial in enumerate(trials):
            listener.listen()
            with _naming(trial.name):
                evaluations.append(measure(trial, runtime, progress=partial(advance, sum(steps[:place]))))
    listener.listen()
    return tuple(evaluations)


def _afterthoughts(evaluations: Sequence[ModelEvaluation]) -> Iterator[str]:
    disturbed = [found.model for found in evaluations if found.whole.busy_share < _LEAST_BUSY_SHARE]
    if disturbed:
        yield f"while these models were timed, something else had their core: {_listed(disturbed)}; evaluate them again"
    plain = [found.model for found in evaluations if not found.optimised]
    if plain:
        yield f"the runtime did not optimise these models with their cuts kept: {_listed(plain)}; their pieces ran slow"


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
