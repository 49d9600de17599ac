"""What `partway plan` prints: a plan under given conditions, as tables or JSON.

Input: a ranked plan and all that it was made from. Output: text on stdout.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from partway.cli.conditions import Situation
from partway.cli.plan_energy import EnergyAccount
from partway.cli.plan_sources import Source
from partway.graph import Cut, Model
from partway.planning import EnergyParts, PlanDocument, RankedCut
from partway.reporting import Column, name_set, print_json, print_lines, print_table
from partway.units import format_duration, format_energy, format_rate, format_size


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
        device: where heads run.
        server: where tails run.
        energy: where joules come from.
        notes: what the reader should know of the costs.
    """

    path: str
    model: Model
    cuts: tuple[Cut, ...]
    plan: PlanDocument
    situation: Situation
    ranked: tuple[RankedCut, ...]
    device: Source
    server: Source
    energy: EnergyAccount
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
    rows_shown = [_cut_row(report, place, ranked) for place, ranked in shown]
    columns: tuple[Column, ...] = _CUT_COLUMNS
    if any(ranked.energy is not None for ranked in report.ranked):
        columns = (*columns, Column(title="energy"))
        rows_shown = [(*row, _joules(ranked)) for row, (_, ranked) in zip(rows_shown, shown, strict=True)]
    print_table(title, columns, rows_shown)
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
            "device_how": report.device.how,
            "server_how": report.server.how,
            "device_emulated_slowdown": report.device.emulated_slowdown,
            "server_emulated_slowdown": report.server.emulated_slowdown,
            "device_unsampled": report.device.unsampled,
            "server_unsampled": report.server.unsampled,
            "busy_share": _busy_share(report),
            "energy": report.energy.document(),
            "notes": report.notes,
            "best": _cut_document(report, report.ranked[0]),
            "cuts": [_cut_document(report, ranked) for ranked in report.ranked],
            "best_over_time": [
                {"crossing": report.cuts[row].crossing, "share": share}
                for row, share in report.situation.shares(report.plan.costs).items()
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
    yield "costs", _provenance(report)
    for note in report.notes:
        yield "note", note
    if written is not None:
        yield "written", str(written)
    others = [ranked for ranked in report.ranked[1:] if report.name(ranked.index).startswith("(")]
    compared = "; ".join(f"{report.name(r.index).strip('()')} {format_duration(r.latency_s)}" for r in others)
    give_or_take = f" ± {format_duration(best.spread_s)}" if best.spread_s is not None else ""
    yield (
        "best",
        f"{report.name(best.index).strip('()')} in {format_duration(best.latency_s)}{give_or_take}"
        + (f"; {compared}" if compared else ""),
    )
    known = [ranked for ranked in report.ranked if _total_j(ranked.energy) is not None]
    if len(known) > 1:
        least = min(known, key=lambda ranked: _total_j(ranked.energy) or 0.0)
        others = [ranked for ranked in known if ranked is not least and report.name(ranked.index).startswith("(")]
        compared = "".join(f"; {report.name(r.index).strip('()')} {_joules(r)}" for r in others)
        yield "least energy", f"{report.name(least.index).strip('()')} with {_joules(least)}{compared}"


def _provenance(report: PlanReport) -> str:
    counts = Counter(ranked.cost.how for ranked in report.ranked)
    cuts = ", ".join(f"{counts[how]} {how}" for how in ("measured", "predicted", "interpolated") if counts[how])
    return f"device {report.device.how}, server {report.server.how}; of the cuts {cuts}"


def _busy_share(report: PlanReport) -> float | None:
    return max(
        (source.busy_share for source in (report.device, report.server) if source.busy_share is not None), default=None
    )


def _total_j(energy: EnergyParts | None) -> float | None:
    return None if energy is None else energy.total_j


def _joules(ranked: RankedCut) -> str:
    total_j = _total_j(ranked.energy)
    return "" if total_j is None else format_energy(total_j)


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
        "latency_spread_s": ranked.spread_s,
        "energy_j": _total_j(ranked.energy),
        "energy_parts": None if ranked.energy is None else _energy_document(ranked.energy),
        "device_j_how": cost.device_j_how,
        "how": cost.how,
        "depth": report.cuts[ranked.index].depth,
        "on_frontier": ranked.on_frontier,
    }


def _energy_document(energy: EnergyParts) -> dict[str, float | None]:
    return {field.name: getattr(energy, field.name) for field in fields(energy)}
