"""`partway plan`: which cut is the fastest over a given link, and what every other would take.

Input: a model, a link, and costs: measured on this machine, or read from the measurements of two. Output: a ranked
table or JSON, and on request a plan or measurement document.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from partway.cli import plan_report
from partway.cli.conditions import Situation
from partway.cli.inspect import known_cuts
from partway.cli.measuring import Taken, take_measurement
from partway.cli.opening import Subject, open_graph, open_subject
from partway.cli.options import add_json, add_model, as_argument, count_or_none, factor
from partway.cli.writing import require_writable
from partway.documents import read_document, write_document
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Cut, Model, candidate_cuts
from partway.planning import make_plan, rank
from partway.planning.measured import costs_of_cuts, describe_environment, slowed
from partway.profiling import Measurement
from partway.units import parse_duration

_EXAMPLES = """examples:
  partway plan resnet50.onnx --link lte
  partway plan resnet50.onnx --link up=6Mbit/s,down=14Mbit/s,rtt=50ms
  partway plan resnet50.onnx --link drive.csv --device-slowdown 8 -o plan.json

two machines:
  device$  partway plan resnet50.onnx --measure-only -o device.json
  server$  partway plan resnet50.onnx --measure-only -o server.json
  either$  partway plan resnet50.onnx --link wifi \\
               --device device.json --server server.json

A link is 3g, lte or wifi; up=RATE,down=RATE,rtt=TIME; or a CSV trace with the
columns t_s and mbps. Costs are kept and used again. Cuts that were not measured
are interpolated from their neighbours by multiply-accumulates.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "plan",
        help="the best cut over a link, and every other",
        description="Measure what the cuts of a model cost, and rank them over a link.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    _add_conditions(parser)
    _add_costs(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the plan (or the measurement) as JSON")
    parser.add_argument(
        "--rows", type=count_or_none, default=12, metavar="N", help="cuts to show, the best first (default 12; 0: all)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("link and load")
    group.add_argument("--link", metavar="LINK", help="the link between device and server")
    group.add_argument(
        "--queue-delay",
        type=as_argument(parse_duration),
        default=0.0,
        metavar="TIME",
        help="wait in the server's queue, for instance 5ms",
    )
    group.add_argument(
        "--slowdown", type=factor, default=1.0, metavar="N", help="a busy server: so many times slower than measured"
    )


def _add_costs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("costs")
    group.add_argument(
        "--device", type=Path, metavar="FILE", help="the device's measurement, instead of this machine's"
    )
    group.add_argument("--server", type=Path, metavar="FILE", help="the server's, instead of this machine's")
    group.add_argument(
        "--device-slowdown", type=factor, default=1.0, metavar="N", help="emulate a device so many times slower"
    )
    group.add_argument(
        "--all-cuts",
        action="store_true",
        help="measure every single-tensor cut; all but the candidates run as first served, a little slower",
    )
    group.add_argument("--again", action="store_true", help="measure anew even where there are kept costs")
    group.add_argument(
        "--measure-only", action="store_true", help="measure this machine and stop; -o keeps it as a file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Plan, or only measure, and print; 0.

    Raises:
        InputError: an option, the model, its inputs or a document cannot be used.
        EngineError: the runtime fails on a piece.
    """
    if arguments.output is not None:
        require_writable(arguments.output)
    if arguments.measure_only:
        return _measure_only(arguments)
    if arguments.link is None:
        raise InputError("no link was given; add for instance --link lte, or --measure-only to measure and stop")
    situation = Situation.of(arguments.link, queue_delay_s=arguments.queue_delay, slowdown=arguments.slowdown)
    device_file = _read(arguments.device)
    server_file = _read(arguments.server)
    subject, model, runtime = _open(arguments)
    cuts = _ordered(model)
    taken = None
    if device_file is None or server_file is None:
        taken = _take(arguments, subject, model, runtime, cuts)
    sources = _Sources(device=device_file, server=server_file, taken=taken, slowdown=arguments.device_slowdown)
    device, server = sources.measurements()
    plan = make_plan(
        model=model.source_digest,
        binding=model.binding.encode(),
        costs=costs_of_cuts(model, cuts, device=device, server=server),
        device=describe_environment(device),
        server=describe_environment(server),
        created_from=sources.describe(arguments.device, arguments.server),
    )
    report = plan_report.PlanReport(
        path=arguments.model,
        model=model,
        cuts=cuts,
        plan=plan,
        situation=situation,
        ranked=rank(plan, situation.mean()),
        device=device,
        server=server,
        notes=sources.notes(),
    )
    if arguments.output is not None:
        write_document(arguments.output, plan)
    if arguments.json:
        plan_report.print_plan_json(report)
    else:
        plan_report.print_plan(report, rows=arguments.rows, written=arguments.output)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    # Where heads and tails were measured: files where they were given, else this machine.
    device: Measurement | None
    server: Measurement | None
    taken: Taken | None
    slowdown: float

    def measurements(self) -> tuple[Measurement, Measurement]:
        device, server = self.device, self.server
        if self.taken is not None:
            device, server = device or self.taken.measurement, server or self.taken.measurement
        if device is None or server is None:
            raise InputError("a side of the plan has no measurement; give --device and --server, or neither")
        return slowed(device, self.slowdown), server

    def describe(self, device_path: Path | None, server_path: Path | None) -> str:
        here = "measured on this machine"
        return f"device: {device_path or here}; server: {server_path or here}"

    def notes(self) -> tuple[str, ...]:
        notes = [
            f"other programs took {measurement.busy_share:.0%} of {measurement.environment.host} while it was "
            "measured, so its times are too long; measure again when it is idle (--again)"
            for measurement in self.measurements()
            if measurement.busy_share > plan_report.DISTURBED_SHARE
        ]
        if self.taken is not None and not self.taken.anew:
            notes.append(f"costs were kept from an earlier run in {self.taken.path}; --again measures anew")
        return tuple(dict.fromkeys(notes))


def _measure_only(arguments: argparse.Namespace) -> int:
    if arguments.device is not None or arguments.server is not None:
        raise InputError("--measure-only measures this machine; leave --device and --server out")
    subject, model, runtime = _open(arguments)
    taken = _take(arguments, subject, model, runtime, known_cuts(model))
    measurement = slowed(taken.measurement, arguments.device_slowdown)
    if arguments.output is not None:
        write_document(arguments.output, measurement)
    if arguments.json:
        plan_report.print_measurement_json(arguments.model, measurement)
    else:
        plan_report.print_measurement(arguments.model, measurement, written=arguments.output or taken.path)
    return 0


def _open(arguments: argparse.Namespace) -> tuple[Subject, Model, OrtRuntime]:
    subject = open_subject(arguments)
    runtime = OrtRuntime(threads=arguments.threads)
    return subject, open_graph(subject, runtime, quiet=arguments.json), runtime


def _take(
    arguments: argparse.Namespace, subject: Subject, model: Model, runtime: OrtRuntime, cuts: tuple[Cut, ...]
) -> Taken:
    wanted = cuts if arguments.all_cuts else candidate_cuts(model)
    feeds = subject.feeds(arguments.seed)
    return take_measurement(model, wanted, runtime, feeds, again=arguments.again, quiet=arguments.json)


def _ordered(model: Model) -> tuple[Cut, ...]:
    # From server-only to device-only; where two cuts leave the same work, the one that planning measures comes first,
    # so that it wins ties against those that are interpolated from it.
    candidates = frozenset(cut.crossing for cut in candidate_cuts(model))

    def place(cut: Cut) -> tuple[bool, int, bool, int]:
        return (not cut.offloaded, cut.macs if model.macs else cut.depth, cut.crossing not in candidates, cut.depth)

    return tuple(sorted(known_cuts(model), key=place))


def _read(path: Path | None) -> Measurement | None:
    return None if path is None else read_document(path, Measurement)
