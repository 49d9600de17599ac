"""`partway plan`: which cut is the best over a given link, under which codec, and what every other would take.

Input: a model, a link, what is to be made small and what must hold, and costs: measured on this machine, or read from
measurements, profiles or datasheets of two. Output: a ranked table or JSON, and on request a plan, a figure or a page;
for several links or machines a table of what is best for each.
"""

import argparse
import itertools
from pathlib import Path

from partway.cli import measurement_report, plan_matrix, plan_report, plan_text
from partway.cli.conditions import Situation
from partway.cli.inspect import known_cuts
from partway.cli.measuring import take_measurement
from partway.cli.opening import Subject, open_graph, open_subject
from partway.cli.options import add_json, add_model, as_argument, count_or_none, factor
from partway.cli.plan_costs import Costing
from partway.cli.plan_energy import EnergyAccount, add_energy
from partway.cli.plan_goal import add_goal, charge_of, codecs_of, goal_of
from partway.cli.plan_pair import Pair, Planned, own_power
from partway.cli.plan_show import show_view
from partway.cli.writing import require_writable
from partway.documents import write_document
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Model, candidate_cuts
from partway.planning import rank
from partway.planning.measured import slowed
from partway.reporting import require_drawable
from partway.units import parse_duration

_EXAMPLES = """examples:
  partway plan resnet50.onnx --link lte
  partway plan resnet50.onnx --link up=6Mbit/s,down=14Mbit/s,rtt=50ms --top 5
  partway plan resnet50.onnx --link drive.csv --device-slowdown 8 -o plan.json
  partway plan resnet50.onnx --link lte --plot plan.png --html plan.html

objectives and limits:
  partway plan resnet50.onnx --link lte --objective energy --deadline 200ms \\
          --device-power raspberry-pi-4
  partway plan resnet50.onnx --link wifi --keep-on-device inputs
  partway plan resnet50.onnx --link 3g --codec int8 --max-error 1% \\
          --input photo.npz

two machines, of which the model need not have run on either:
  device$  partway profile -o pi4.json
  server$  partway profile -o xeon.json
  either$  partway plan resnet50.onnx --link lte --device pi4.json \\
               --server xeon.json

what if: every combination of links, devices and servers
  partway plan resnet50.onnx --link 3g --link lte --link wifi \\
          --device pi4.json --device pi5.json --server xeon.json

the machines and links of the Neurosurgeon paper, from datasheets:
  partway plan alexnet.onnx --link paper-wifi \\
          --device jetson-tk1-gpu --server tesla-k40

A link is 3g, lte or wifi, or paper-3g, paper-lte or paper-wifi; or
up=RATE,down=RATE,rtt=TIME; or a CSV trace with the columns t_s and mbps.
A machine is jetson-tk1-cpu, jetson-tk1-gpu or tesla-k40, or a file: of
--measure-only, of partway profile, or of kind partway.machine, which says of
a machine what its datasheet says. Measured costs are kept and used again. Cuts
that were neither measured nor predicted lie between their neighbours, by work
or by predicted seconds. With two profiles or machines nothing is run but what
codecs are tried on.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "plan",
        help="the best cut over a link, and every other",
        description="Find out what the cuts of a model cost, and rank them over a link.",
        epilog=_EXAMPLES,
    )
    add_model(parser)
    _add_conditions(parser)
    add_goal(parser)
    _add_costs(parser)
    add_energy(parser)
    _add_outputs(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("link and load")
    group.add_argument(
        "--link", action="append", default=[], metavar="LINK", help="between device and server (repeatable: what if)"
    )
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
        "--device",
        action="append",
        default=[],
        type=Path,
        metavar="FILE|NAME",
        help="the device's measurement or profile, or a machine's name, instead of this machine (repeatable: what if)",
    )
    group.add_argument(
        "--server", action="append", default=[], type=Path, metavar="FILE|NAME", help="the server's, likewise"
    )
    group.add_argument(
        "--strict", action="store_true", help="refuse profiles that never sampled a kind of kernel that is needed"
    )
    group.add_argument(
        "--device-slowdown", type=factor, default=1.0, metavar="N", help="emulate a device so many times slower"
    )
    group.add_argument(
        "--all-cuts",
        action="store_true",
        help="measure every single-tensor cut; all but those proposed run as first served, a little slower",
    )
    group.add_argument("--again", action="store_true", help="measure anew even where there are kept costs")
    group.add_argument(
        "--measure-only", action="store_true", help="measure this machine and stop; -o keeps it as a file"
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what comes out")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the plan (or the measurement) as JSON")
    group.add_argument(
        "--top", type=count_or_none, default=12, metavar="N", help="cuts to show, the best first (default 12; 0: all)"
    )
    group.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw layers, and latency and energy of every cut: png, svg or pdf"
    )
    group.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with sliders for the link and the load, whole in itself"
    )


def run(arguments: argparse.Namespace) -> int:
    """Plan, or only measure, and print; 0.

    Raises:
        InputError: an option, the model, its inputs or a document cannot be used, or no cut does what is asked.
        EngineError: the runtime fails on a piece.
    """
    _check_outputs(arguments)
    if arguments.measure_only:
        return _measure_only(arguments)
    if not arguments.link:
        raise InputError("no link was given; add for instance --link lte, or --measure-only to measure and stop")
    goal, charge, codecs = goal_of(arguments), charge_of(arguments), codecs_of(arguments)
    situations = [
        Situation.of(text, queue_delay_s=arguments.queue_delay, slowdown=arguments.slowdown)
        for text in dict.fromkeys(arguments.link)
    ]
    pairs = [
        Pair(device=device, server=server)
        for device, server in itertools.product(
            dict.fromkeys(arguments.device) or [None], dict.fromkeys(arguments.server) or [None]
        )
    ]
    _check_use(arguments, pairs, codecs)
    accounts = {
        (pair, situation.text): EnergyAccount.of(arguments, situation.text, own_power(pair.device, arguments.threads))
        for pair, situation in itertools.product(pairs, situations)
    }
    subject, model, runtime = _open(arguments)
    costing = Costing(arguments, subject, model, runtime, goal=goal, codecs=codecs)
    reports = []
    for pair in pairs:
        planned = costing.plan(pair, accounts[pair, situations[0].text], situations[0].mean())
        for situation in situations:
            energy = accounts[pair, situation.text]
            reports.append(_report(arguments.model, model, planned, situation, energy, charge))
    if len(reports) == 1:
        _show(arguments, reports[0], planned)
    elif arguments.json:
        plan_matrix.print_matrix_json(arguments.model, pairs, situations, reports)
    else:
        plan_matrix.print_matrix(arguments.model, pairs, situations, reports)
    return 0


def _report(
    path: str, model: Model, planned: Planned, situation: Situation, energy: EnergyAccount, charge: float | None
) -> plan_report.PlanReport:
    conditions = situation.mean()
    return plan_report.PlanReport(
        path=path,
        model=model,
        cuts=planned.cuts,
        plan=planned.plan,
        situation=situation,
        ranked=rank(planned.plan, conditions, energy.draw(conditions), charge),
        device=planned.device,
        server=planned.server,
        energy=energy,
        charge=charge,
        notes=planned.notes,
    )


def _show(arguments: argparse.Namespace, report: plan_report.PlanReport, planned: Planned) -> None:
    report.require_feasible()
    if arguments.output is not None:
        write_document(arguments.output, report.plan)
    written = [path for path in (arguments.output, arguments.plot, arguments.html) if path is not None]
    show_view(report, planned.nodes, plot=arguments.plot, page=arguments.html)
    if arguments.json:
        plan_report.print_plan_json(report)
    else:
        plan_text.print_plan(report, top=arguments.top, written=written)


def _check_outputs(arguments: argparse.Namespace) -> None:
    if arguments.plot is not None:
        require_drawable(arguments.plot)
    read = (arguments.model, arguments.input, *arguments.link, *arguments.device, *arguments.server)
    sources = {Path(given).resolve() for given in read if given is not None}
    written: set[Path] = set()
    for path in (arguments.output, arguments.plot, arguments.html):
        if path is None:
            continue
        require_writable(path)
        if path.resolve() in sources:
            raise InputError(f"{path} is what the plan is made from, and would be replaced; name another file")
        if path.resolve() in written:
            raise InputError(f"{path} is named for two outputs; name a file for each")
        written.add(path.resolve())
    several = max(len(set(given)) for given in (arguments.device, arguments.server, arguments.link)) > 1
    for option, path in (("-o", arguments.output), ("--plot", arguments.plot), ("--html", arguments.html)):
        if several and path is not None:
            raise InputError(f"{option} writes one plan, and several links or machines were given; name one of each")


def _check_use(arguments: argparse.Namespace, pairs: list[Pair], codecs: tuple[str, ...]) -> None:
    if all(None not in (pair.device, pair.server) for pair in pairs):
        for option, useless in (("--all-cuts", arguments.all_cuts), ("--again", arguments.again and not codecs)):
            if useless:
                raise InputError(f"{option} is for measuring, and nothing is measured with --device and --server both")


def _measure_only(arguments: argparse.Namespace) -> int:
    if arguments.device or arguments.server:
        raise InputError("--measure-only measures this machine; leave --device and --server out")
    for option, given in (("--plot", arguments.plot), ("--html", arguments.html)):
        if given is not None:
            raise InputError(f"{option} shows a plan, and --measure-only makes none; leave one of them out")
    subject, model, runtime = _open(arguments)
    wanted = known_cuts(model) if arguments.all_cuts else candidate_cuts(model)
    feeds = subject.feeds(arguments.seed)
    taken = take_measurement(model, wanted, runtime, feeds, again=arguments.again, quiet=arguments.json)
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
