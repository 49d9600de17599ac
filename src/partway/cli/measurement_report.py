"""What `partway plan --measure-only` prints: what every measured cut takes on one machine, as a table or JSON.

Input: a measurement. Output: text on stdout.
"""

from pathlib import Path

from partway.planning.measured import describe_environment
from partway.profiling import CutTiming, Measurement
from partway.reporting import Column, name_set, print_json, print_lines, print_table
from partway.units import format_duration

DISTURBED_SHARE = 0.1
"""Share of a machine that others may take before its measurement is called disturbed."""


def print_measurement(path: str, measurement: Measurement, *, written: Path) -> None:
    """Print what every measured cut takes on one machine.

    Args:
        path: the model as the user named it.
        measurement: the times.
        written: the file that they were written to.
    """
    columns = (
        Column(title="cut", right=False, shrinks=True),
        Column(title="head"),
        Column(title="spread"),
        Column(title="tail"),
        Column(title="spread"),
    )
    print_table("Measured cuts, the shallowest first", columns, (_timing_row(timing) for timing in measurement.cuts))
    lines = [("model", path), ("machine", describe_environment(measurement))]
    if measurement.busy_share > DISTURBED_SHARE:
        lines.append(
            ("note", f"other programs took {measurement.busy_share:.0%} of the machine meanwhile; try --again")
        )
    print_lines((*lines, ("written", str(written))))


def print_measurement_json(path: str, measurement: Measurement) -> None:
    """Print a measurement as one JSON document."""
    environment = measurement.environment
    print_json(
        {
            "model": path,
            "digest": measurement.model,
            "binding": measurement.binding,
            "host": environment.host,
            "runtime": environment.runtime,
            "threads": environment.threads,
            "emulated_slowdown": environment.emulated_slowdown,
            "busy_share": measurement.busy_share,
            "cuts": [
                {
                    "crossing": timing.crossing,
                    "head_s": timing.head.median_s if timing.head else 0.0,
                    "tail_s": timing.tail.median_s if timing.tail else 0.0,
                }
                for timing in measurement.cuts
            ],
        }
    )


def _timing_row(timing: CutTiming) -> tuple[str, ...]:
    cells = [name_set(timing.crossing, none="(device alone)")]
    for piece in (timing.head, timing.tail):
        cells += ["", ""] if piece is None else [format_duration(piece.median_s), f"{piece.spread:.0%}"]
    return tuple(cells)
