"""What `partway plan` prints: a plan under given conditions, or a measurement, as tables or JSON.

Input: a ranked plan and all that it was made from. Output: text on stdout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from partway.cli.conditions import Situation
from partway.graph import Cut, Model
from partway.planning import PlanDocument, RankedCut
from partway.planning.measured import describe_environment
from partway.profiling import CutTiming, Measurement
from partway.reporting import Column, name_set, print_json, print_lines, print_table
from partway.units import format_duration, format_rate, format_size

DISTURBED_SHARE = 0.1
"""Share of a machine that others may take before its measurement is called disturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """A plan, and what it was asked.

    Attributes:
        path: the model as the user named it.
        model: its canonical graph.
        cuts: its cuts, row by row as the plan's costs.
        plan: costs and frontier.
        situation: link and load.
        ranked: the plan under the situation's mean, fastest first.
        device: where heads were measured.
        server: where tails were measured.
        notes: what the reader should know of the costs.
    """

    path: str
    model: Model
    cuts: tuple[Cut, ...]
    plan: PlanDocument
    situation: Situation
    ranked: tuple[RankedCut, ...]
    device: Measurement
    server: Measurement
    notes: tuple[str, ...]

    def name(self, row: int) -> str:
        """What to call a row of the plan: the extremes by where they run, others by what they send."""
        cut = self.cuts[row]
        if not cut.offloaded:
            return "(device alone)"
        return "(server alone)" if cut.depth == 0 else name_set(cut.crossing, none="")


def print_plan(report: PlanReport, *, rows: int, written: Path | None) -> None:
    """Print the best cuts and what they were ranked by.

    Args:
        report: the plan.
        rows: most cuts to show, the extremes always among them; 0 for all.
        written: the file that the plan was written to.
    """
    extremes = {index for index, cut in enumerate(report.cuts) if not cut.offloaded or cut.depth == 0}
    shown = [
        (place, ranked)
        for place, ranked in enumerate(report.ranked, start=1)
        if not rows or place <= rows or ranked.index in extremes
    ]
    title = f"{len(shown)} of {len(report.ranked)} cuts (* best, + can be the best on another link, ~ interpolated)"
    print_table(title, _CUT_COLUMNS, (_cut_row(report, place, ranked) for place, ranked in shown))
    if shares := report.situation.shares(report.plan.costs):
        print_table(
            "While the link varies",
            (Column(title="best cut", right=False), Column(title="share of the time")),
            ((report.name(row), f"{share:.0%}") for row, share in shares.items()),
        )
    print_lines(_summary(report, written))


def print_plan_json(report: PlanReport) -> None:
    """Print the plan and its ranking as one JSON document."""
    conditions = report.situation.mean()
    print_json(
        {
            "model": report.path,
            "digest": report.plan.model,
            "binding": report.plan.binding,
            "objective": report.plan.objective,
            "link": report.situation.text,
            "conditions": {
                "uplink_bytes_per_s": conditions.uplink_bytes_per_s,
                "downlink_bytes_per_s": conditions.downlink_bytes_per_s,
                "rtt_s": conditions.rtt_s,
                "queue_delay_s": conditions.queue_delay_s,
                "slowdown": conditions.slowdown,
            },
            "device": report.plan.device,
            "server": report.plan.server,
            "device_emulated_slowdown": report.device.environment.emulated_slowdown,
            "server_emulated_slowdown": report.server.environment.emulated_slowdown,
            "busy_share": max(report.device.busy_share, report.server.busy_share),
            "notes": report.notes,
            "best": _cut_document(report, report.ranked[0]),
            "cuts": [_cut_document(report, ranked) for ranked in report.ranked],
            "best_over_time": [
                {"crossing": report.cuts[row].crossing, "share": share}
                for row, share in report.situation.shares(report.plan.costs).items()
            ],
        }
    )


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


_CUT_COLUMNS = (
    Column(title="#"),
    Column(title="", right=False),
    Column(title="sends", right=False, shrinks=True),
    Column(title="device"),
    Column(title="up"),
    Column(title="server"),
    Column(title="down"),
    Column(title="wait"),
    Column(title="total"),
    Column(title="bytes"),
)


def _cut_row(report: PlanReport, place: int, ranked: RankedCut) -> tuple[str, ...]:
    parts = ranked.parts
    mark = "*" if place == 1 else "+" if ranked.on_frontier else " "
    mark += "~" if ranked.cost.how == "interpolated" else ""
    durations = (parts.device_s, parts.uplink_s, parts.server_s, parts.downlink_s, parts.wait_s)
    return (
        str(place),
        mark,
        report.name(ranked.index),
        *(format_duration(seconds) if seconds else "" for seconds in durations),
        format_duration(ranked.latency_s),
        format_size(ranked.cost.up_bytes) if ranked.cost.offloaded else "",
    )


def _summary(report: PlanReport, written: Path | None) -> Iterator[tuple[str, str]]:
    conditions = report.situation.mean()
    best = report.ranked[0]
    yield "model", report.path
    yield (
        "link",
        f"{report.situation.text}{' at its mean' if report.situation.varies else ''}: "
        f"up {format_rate(conditions.uplink_bytes_per_s)}, down {format_rate(conditions.downlink_bytes_per_s)}, "
        f"round trip {format_duration(conditions.rtt_s)}",
    )
    if conditions.queue_delay_s or conditions.slowdown != 1.0:
        yield "load", f"queue {format_duration(conditions.queue_delay_s)}, server {conditions.slowdown:g}x slower"
    yield "device", report.plan.device
    yield "server", report.plan.server
    for note in report.notes:
        yield "note", note
    if written is not None:
        yield "written", str(written)
    others = [ranked for ranked in report.ranked[1:] if report.name(ranked.index).startswith("(")]
    compared = "; ".join(f"{report.name(r.index).strip('()')} {format_duration(r.latency_s)}" for r in others)
    yield (
        "best",
        f"{report.name(best.index).strip('()')} in {format_duration(best.latency_s)}"
        + (f"; {compared}" if compared else ""),
    )


def _cut_document(report: PlanReport, ranked: RankedCut) -> dict[str, object]:
    cost, parts = ranked.cost, ranked.parts
    return {
        "crossing": cost.crossing,
        "offloaded": cost.offloaded,
        "device_s": cost.device_s,
        "up_bytes": cost.up_bytes,
        "server_s": cost.server_s,
        "down_bytes": cost.down_bytes,
        "uplink_s": parts.uplink_s,
        "downlink_s": parts.downlink_s,
        "wait_s": parts.wait_s,
        "latency_s": ranked.latency_s,
        "energy_j": None,
        "how": cost.how,
        "depth": report.cuts[ranked.index].depth,
        "on_frontier": ranked.on_frontier,
    }


def _timing_row(timing: CutTiming) -> tuple[str, ...]:
    cells = [name_set(timing.crossing, none="(device alone)")]
    for piece in (timing.head, timing.tail):
        cells += ["", ""] if piece is None else [format_duration(piece.median_s), f"{piece.spread:.0%}"]
    return tuple(cells)
