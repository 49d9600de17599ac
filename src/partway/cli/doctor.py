"""`partway doctor`: what this machine offers for running and measuring, and what is missing to get more.

Input: nothing but the machine. Output: what was found, line by line with what it means, as a table or JSON. It
reads, and computes for half a second; nothing is changed.
"""

import argparse
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import msgspec

from partway.cli.doctor_report import MeterReading, Report, advise
from partway.cli.options import add_json
from partway.engine import OrtRuntime
from partway.engine.providers import available_providers
from partway.errors import PartwayError
from partway.profiling.machine import read_machine
from partway.profiling.power import NAMED_POWERS, Obstacle, PowerMeter, find_meters
from partway.profiling.power.nvml import has_nvidia_gpu
from partway.profiling.quiet import Noise, check_noise
from partway.profiling.sysfs import Files
from partway.reporting import Column, print_json, print_table

_EXAMPLES = """examples:
  partway doctor
  sudo partway doctor          with the meters that only root may read
  partway doctor --json
"""
_COLUMNS = (
    Column(title="", right=False),
    Column(title="what", right=False),
    Column(title="found", right=False, shrinks=True),
    Column(title="what it means, what to do", right=False, shrinks=True),
)
ROOT = Path("/")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="what this machine offers to run and measure with",
        description="Show what this machine offers for running models and for measuring seconds\n"
        "and joules, and what to do to get more.",
        epilog=_EXAMPLES,
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look at the machine and print what was found; 0."""
    report = examine(ROOT)  # without a spinner, which would be noise
    if arguments.json:
        print_json(_document(report))
        return 0
    rows: list[tuple[str, str, str, str]] = []
    topic = ""
    for advice in advise(report):
        rows.append(("" if advice.topic == topic else advice.topic, advice.what, advice.found, advice.meaning))
        topic = advice.topic
    print_table("This machine", _COLUMNS, rows)
    return 0


def examine(root: Path) -> Report:
    """Everything that there is to say of the machine below a root.

    Args:
        root: where /proc and /sys lie.
    """
    found = find_meters(root)
    noise, readings, failed = _watch(root, found.meters)
    return Report(
        machine=read_machine(root),
        runtime=OrtRuntime().version,
        providers=available_providers(),
        nvidia_gpu=has_nvidia_gpu(Files(root)),
        meters=readings,
        obstacles=(*found.obstacles, *failed),
        noise=noise,
    )


def _watch(root: Path, meters: Iterable[PowerMeter]) -> tuple[Noise, tuple[MeterReading, ...], tuple[Obstacle, ...]]:
    # The noise check doubles as something to meter: a meter that can be opened is not yet one that works.
    failed: list[Obstacle] = []
    opened: list[tuple[PowerMeter, float]] = []
    readings: list[MeterReading] = []
    with ExitStack() as stack:
        for meter in meters:
            try:
                opened.append((stack.enter_context(meter), meter.energy_j()))
            except PartwayError as error:
                failed.append(_failure(meter, error))
        noise = check_noise(root)
        for meter, before_j in opened:
            try:
                readings.append(MeterReading(meter=meter, energy_j=meter.energy_j() - before_j, span_s=noise.span_s))
            except PartwayError as error:
                failed.append(_failure(meter, error))
    return noise, tuple(readings), tuple(failed)


def _failure(meter: PowerMeter, error: PartwayError) -> Obstacle:
    return Obstacle(name=meter.name, found="a meter that fails", remedy=str(error))


def _document(report: Report) -> dict[str, object]:
    return {
        "machine": msgspec.to_builtins(report.machine),
        "runtime": report.runtime,
        "providers": report.providers,
        "meters": [
            {
                "name": reading.meter.name,
                "scope": reading.meter.scope,
                "kind": reading.meter.kind,
                "part_of": reading.meter.part_of,
                "resolution_s": reading.meter.resolution_s,
                "resolution_j": reading.meter.resolution_j,
                "power_w": reading.power_w,
            }
            for reading in report.meters
        ],
        "obstacles": [asdict(obstacle) for obstacle in report.obstacles],
        "constants": [msgspec.to_builtins(power) for power in NAMED_POWERS.values()],
        "noise": {**msgspec.to_builtins(report.noise), "quiet": report.noise.quiet},
        "advice": [asdict(advice) for advice in advise(report)],
    }
