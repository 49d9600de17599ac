"""`partway profile`: measure this machine, so that models can be predicted that never ran on it.

Input: nothing but the machine and a budget of time. Output: samples of random graphs, kept beside the profile as they
are measured, and what there is of them, as a table or JSON. Interrupted in any way, it goes on where it was.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from partway.cli.options import add_inputs, add_json, as_argument, count
from partway.cli.profile_model import run_compare, run_model
from partway.cli.profile_report import Summary, document, follow_budget, print_summary
from partway.cli.writing import require_writable
from partway.documents import read_document, write_document
from partway.engine import CPU, OrtRuntime, prepare_timing
from partway.errors import DocumentError, InputError, PartwayError
from partway.prediction.physical import load_nnls
from partway.prediction.profile import Profile
from partway.prediction.refit import SamplesJudge, fit_profile
from partway.profiling.machine import Machine, read_machine
from partway.profiling.power import PowerMeter, find_meters
from partway.profiling.quiet import Noise, check_noise
from partway.profiling.samples import Record, SamplesHeader
from partway.profiling.samples_file import SamplesFile
from partway.profiling.sampling import CacheSweep, Sampler, Turn, refuse
from partway.profiling.session import Collected, Guide, Schedule, collect
from partway.reporting import print_json, waiting
from partway.units import parse_duration
from partway.zoo import BLOCKS, random_graph

_EXAMPLES = """examples:
  partway profile -o pi4.json
  partway profile -o pi4.json --budget 30min --threads 1 --threads 4
  partway profile -o gpu.json --provider CUDA
  partway profile -o pi4.json --model detector.onnx
  partway profile --compare pi4.json server.json

No model is needed: random graphs are run, and every kernel in them is timed.
What was measured lies in pi4.samples.jsonl. The same command goes on where the
last one ended, for as long again. Ctrl-C ends it and keeps everything.
"""
_DEFAULT_BUDGET_S = 600.0
_PROVIDER = "ExecutionProvider"
_FLOAT16_SHARE = 0.25
_SAMPLES = ".samples.jsonl"
_KIND_WITHIN_BYTES = 64
_INTERRUPTED = 130
_GRAPHICS_METERS = "nvml"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "profile",
        help="measure this machine",
        description="Measure this machine on random graphs, for predictions of models that never\nran on it.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the profile; samples lie beside it")
    parser.add_argument(
        "--budget",
        type=as_argument(parse_duration),
        default=_DEFAULT_BUDGET_S,
        metavar="TIME",
        help="how long to measure now (default 10min)",
    )
    parser.add_argument(
        "--threads",
        type=count,
        action="append",
        metavar="N",
        help="threads within an operator (default: every core); several take turns (repeatable)",
    )
    parser.add_argument(
        "--provider", default=CPU, metavar="NAME", help="ONNX Runtime's execution provider (default CPU)"
    )
    parser.add_argument("--float16", action="store_true", help="one graph in four computes in float16")
    parser.add_argument("--again", action="store_true", help="forget the samples that are there")
    parser.add_argument("--refit", action="store_true", help="measure nothing: fit to the samples that are there")
    group = parser.add_argument_group("instead of measuring the machine")
    group.add_argument(
        "--model", metavar="MODEL", help="time an ONNX file, or a network by its name, to predict its pieces better"
    )
    group.add_argument("--compare", nargs=2, metavar=("A", "B"), help="hold one profile beside another")
    add_inputs(parser)
    add_json(parser)
    parser.set_defaults(run=run, input=None)


def run(arguments: argparse.Namespace) -> int:
    """Measure, fit, and print what there is; 0, or 130 after Ctrl-C.

    Raises:
        InputError: an option or the samples file cannot be used.
        EngineError: the runtime refuses nearly everything.
    """
    _require_one_purpose(arguments)
    if arguments.compare is not None:
        return run_compare(arguments)
    if arguments.output is None:
        raise InputError("no file was named for the profile; add for instance -o pi4.json")
    if arguments.model is not None:
        return run_model(arguments)
    require_writable(arguments.output)
    _require_replaceable(arguments.output)
    load_nnls()  # without it there is no profile: better said before ten minutes of measuring
    samples = samples_beside(arguments.output)
    if arguments.refit and not samples.exists():
        raise InputError(f"there are no samples at {samples} to fit to; leave --refit out to measure some")
    collected = None if arguments.refit else _measure(arguments, samples)
    interrupted = collected is not None and collected.ended == "interrupted"
    summary = Summary.of(samples)
    profile = None
    if not interrupted:
        with waiting("fitting", quiet=arguments.json):
            profile = fit_profile(samples)
        _tell_dropped(arguments.output)
        write_document(arguments.output, profile)
    if arguments.json:
        print_json(document(samples, arguments.output, profile, summary, collected))
    else:
        print_summary(
            samples,
            arguments.output,
            profile,
            summary,
            collected,
            refit=f"partway profile -o {arguments.output} --refit",
        )
    return _INTERRUPTED if interrupted else 0


def _require_one_purpose(arguments: argparse.Namespace) -> None:
    given = {"--compare": arguments.compare, "--model": arguments.model, "--refit": arguments.refit or None}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} were both given; each is for itself, so give one")
    if named and arguments.again:
        raise InputError(f"--again measures the machine anew, and {named[0]} does not measure it; leave one out")


def _require_replaceable(output: Path) -> None:
    # The name of a profile may be given by mistake for that of something which took as long to make.
    if output.name.endswith(_SAMPLES):
        raise InputError(f"{output} is a name for samples; name the profile, and its samples lie beside it")
    if output.exists() and output.stat().st_size:
        with output.open("rb") as file:
            begins = file.read(_KIND_WITHIN_BYTES)
        if Profile.kind.encode() not in begins:
            raise InputError(f"{output} is there already and is no profile; name another file, or remove it")


def _tell_dropped(output: Path) -> None:
    # Timings of models correct the fit that they were taken with, and no other.
    try:
        timed = len(read_document(output, Profile).calibrations)
    except DocumentError:
        return  # there is none yet, or not one that this release could have used
    if timed:
        print(
            f"timings of models were dropped ({timed}), since they corrected the fit before; give --model again",
            file=sys.stderr,
        )


def samples_beside(output: Path) -> Path:
    """Where the samples of a profile lie: `pi4.samples.jsonl` for `pi4.json`."""
    return output.with_name(f"{output.stem}{_SAMPLES}")


def _measure(arguments: argparse.Namespace, samples: Path) -> Collected:
    threads = tuple(dict.fromkeys(arguments.threads or (0,)))
    providers = _providers(arguments.provider)
    runtimes = {setting: OrtRuntime(threads=setting or None, providers=providers) for setting in threads}
    machine, judge = read_machine(), SamplesJudge()
    with ExitStack() as stack:
        meter = _open_meter(stack, providers)
        header = SamplesHeader(
            seed=arguments.seed,
            machine=machine,
            runtime=runtimes[threads[0]].version,
            providers=providers,
            threads=threads,
            meter=None if meter is None else meter.name,
        )
        sink = stack.enter_context(SamplesFile(samples, header, again=arguments.again))
        if sink.resumed:
            print(f"going on after {sink.count} graphs in {samples}", file=sys.stderr)
        progress = stack.enter_context(follow_budget(arguments.budget, quiet=arguments.json))
        return collect(
            sink,
            _Measurer(runtimes, machine, meter, float16=arguments.float16),
            Schedule(seed=arguments.seed, blocks=tuple(BLOCKS), threads=threads),
            budget_s=arguments.budget,
            guide=Guide(needs=judge.needs, good_enough=judge.good_enough),
            listen=_Listener(),
            progress=progress,
        )


class _Measurer:
    """Makes the random graph of a turn, and measures it."""

    def __init__(
        self, runtimes: dict[int, OrtRuntime], machine: Machine, meter: PowerMeter | None, *, float16: bool
    ) -> None:
        self._runtimes = runtimes
        self._sampler = Sampler(sweep=CacheSweep.of(machine), meter=meter)
        self._float16 = float16

    def __call__(self, turn: Turn) -> Record:
        narrow = self._float16 and turn.generator.random() < _FLOAT16_SHARE
        graph = random_graph(turn.generator, focus=turn.focus or None, dtype="float16" if narrow else "float32")
        if graph is None:
            return refuse(turn, "no graph came of it")
        return self._sampler.measure(lambda: prepare_timing(graph, self._runtimes[turn.threads]), turn)


class _Listener:
    """Checks the noise, and says so once if there is any."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self) -> Noise:
        noise = check_noise()
        if not noise.quiet and not self._told:
            self._told = True
            print(
                f"this machine is not quiet: {'; '.join(noise.disturbances)}. Close other programs, plug it in, let it "
                "cool. Measuring goes on, and samples that suffer from it are marked as disturbed.",
                file=sys.stderr,
            )
        return noise


def _providers(name: str) -> tuple[str, ...]:
    full = name if name.endswith(_PROVIDER) else f"{name}{_PROVIDER}"
    return (CPU,) if full == CPU else (full, CPU)


def _open_meter(stack: ExitStack, providers: tuple[str, ...]) -> PowerMeter | None:
    # The widest meter of what computes.
    for meter in find_meters().meters:
        on_graphics = meter.name.startswith(_GRAPHICS_METERS)
        if meter.part_of is None and on_graphics == (providers != (CPU,)):
            try:
                return stack.enter_context(meter)
            except PartwayError as error:
                print(f"{error}", file=sys.stderr)
    return None
