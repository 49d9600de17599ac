"""`partway plan`: which cut is the fastest over a given link, and what every other would take.

Input: a model, a link, and costs: measured on this machine, or read from measurements or profiles of two. Output: a
ranked table or JSON, and on request a plan or measurement document.
"""

import argparse
from pathlib import Path

from partway.cli import measurement_report, plan_report
from partway.cli.conditions import Situation
from partway.cli.inspect import known_cuts
from partway.cli.measuring import Taken, take_measurement
from partway.cli.opening import Subject, open_graph, open_subject
from partway.cli.options import add_json, add_model, as_argument, count_or_none, factor
from partway.cli.plan_energy import EnergyAccount, add_energy
from partway.cli.plan_sources import Source, Whose, measured_source, predicted_source, read_source
from partway.cli.writing import require_writable
from partway.documents import write_document
from partway.engine import OrtRuntime, PieceStore
from partway.errors import InputError
from partway.graph import Cut, Model, candidate_cuts
from partway.planning import PlanDocument, costs_of_sides, make_plan, rank
from partway.planning.measured import slowed
from partway.prediction.energy import FittedPower
from partway.prediction.profile import Profile
from partway.profiling import Measurement
from partway.reporting import waiting
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

two machines that the model never ran on, known by `partway profile`:
  partway plan resnet50.onnx --link lte --device pi4.json --server xeon.json \\
          --device-power raspberry-pi-4

A link is 3g, lte or wifi; up=RATE,down=RATE,rtt=TIME; or a CSV trace with the
columns t_s and mbps. Measured costs are kept and used again. Cuts that were
neither measured nor predicted lie between their neighbours, by work or by
predicted seconds. Either file may be a measurement or a profile; with two
profiles nothing is run.
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
    add_energy(parser)
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
        "--device", type=Path, metavar="FILE", help="the device's measurement or profile, instead of this machine's"
    )
    group.add_argument("--server", type=Path, metavar="FILE", help="the server's, instead of this machine's")
    group.add_argument(
        "--strict", action="store_true", help="refuse profiles that never sampled a kind of kernel that is needed"
    )
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
        for given in (arguments.device, arguments.server):
            if given is not None and given.resolve() == arguments.output.resolve():
                raise InputError(f"-o would replace {given}, which the plan is made from; name another file")
    if arguments.measure_only:
        return _measure_only(arguments)
    if arguments.link is None:
        raise InputError("no link was given; add for instance --link lte, or --measure-only to measure and stop")
    situation = Situation.of(arguments.link, queue_delay_s=arguments.queue_delay, slowdown=arguments.slowdown)
    documents: _Documents = {"device": read_source(arguments.device), "server": read_source(arguments.server)}
    energy = EnergyAccount.of(arguments, _metered(documents["device"], arguments.threads))
    subject, model, runtime = _open(arguments)
    sources = _Sources(arguments, documents, subject, model, runtime)
    device, server = sources.of("device", slowdown=arguments.device_slowdown), sources.of("server")
    plan = make_plan(
        model=model.source_digest,
        binding=model.binding.encode(),
        costs=costs_of_sides(sources.cuts, device=device.side, server=server.side, power=arguments.device_power),
        device=device.machine,
        server=server.machine,
        created_from=sources.describe(),
        device_energy=energy.device_source(),
    )
    conditions = situation.mean()
    report = plan_report.PlanReport(
        path=arguments.model,
        model=model,
        cuts=sources.cuts,
        plan=plan,
        situation=situation,
        ranked=rank(plan, conditions, energy.draw(conditions)),
        device=device,
        server=server,
        energy=energy,
        notes=tuple(dict.fromkeys((*device.notes, *server.notes, *sources.notes, *energy.notes()))),
    )
    _show(arguments, plan, report)
    return 0


def _show(arguments: argparse.Namespace, plan: PlanDocument, report: plan_report.PlanReport) -> None:
    if arguments.output is not None:
        write_document(arguments.output, plan)
    if arguments.json:
        plan_report.print_plan_json(report)
    else:
        plan_report.print_plan(report, rows=arguments.rows, written=arguments.output)


_Documents = dict[Whose, Measurement | Profile | None]


class _Sources:
    """Where heads and tails were measured or profiled: files where they were given, else this machine, now."""

    def __init__(
        self, arguments: argparse.Namespace, documents: _Documents, subject: Subject, model: Model, runtime: OrtRuntime
    ) -> None:
        self.cuts = _ordered(model)
        self.notes: list[str] = []
        self._arguments = arguments
        self._documents = documents
        self._model = model
        self._runtime = runtime
        self._taken: Taken | None = None
        if None in documents.values():
            self._taken = _take(arguments, subject, model, runtime, self.cuts)
            if not self._taken.anew:
                self.notes.append(f"costs were kept from an earlier run in {self._taken.path}; --again measures anew")
        self._store: PieceStore | None = None
        if any(isinstance(document, Profile) for document in documents.values()):
            self._store = self._optimised()

    def of(self, whose: Whose, *, slowdown: float = 1.0) -> Source:
        """What is known of one side.

        Raises:
            InputError: its document cannot be used for this model.
        """
        document = self._documents[whose] or (self._taken and self._taken.measurement)
        if isinstance(document, Profile) and self._store is not None:
            return predicted_source(
                self._store,
                self.cuts,
                document,
                whose,
                runtime=self._runtime,
                strict=self._arguments.strict,
                slowdown=slowdown,
            )
        if isinstance(document, Measurement):
            return measured_source(self._model, self.cuts, document, whose, slowdown=slowdown)
        raise InputError(f"the {whose} has neither a measurement nor a profile; give --device and --server, or neither")

    def describe(self) -> str:
        """Both, as a plan's document says it."""
        here = "measured on this machine"
        return f"device: {self._arguments.device or here}; server: {self._arguments.server or here}"

    def _optimised(self) -> PieceStore:
        store = PieceStore(self._model, self._runtime)
        with waiting("optimising for this machine", quiet=self._arguments.json):
            store.want_candidates()
            kept = store.promote()
        if not kept:
            self.notes.append(
                "the runtime did not optimise the graph with the cuts in it, so predictions are of the plain graph and "
                "too long"
            )
        return store


def _metered(document: Measurement | Profile | None, threads: int | None) -> FittedPower | None:
    return document.power(document.settle_threads(threads)) if isinstance(document, Profile) else None


def _measure_only(arguments: argparse.Namespace) -> int:
    if arguments.device is not None or arguments.server is not None:
        raise InputError("--measure-only measures this machine; leave --device and --server out")
    subject, model, runtime = _open(arguments)
    taken = _take(arguments, subject, model, runtime, known_cuts(model))
    measurement = slowed(taken.measurement, arguments.device_slowdown)
    if arguments.output is not None:
        write_document(arguments.output, measurement)
    if arguments.json:
        measurement_report.print_measurement_json(arguments.model, measurement)
    else:
        measurement_report.print_measurement(arguments.model, measurement, written=arguments.output or taken.path)
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
