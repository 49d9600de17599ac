"""What `partway plan` prints: a plan under given conditions, as tables or JSON.

Input: a ranked plan and all that it was made from. Output: text on stdout.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec

from partway.cli.conditions import Situation
from partway.cli.plan_energy import EnergyAccount
from partway.cli.plan_sources import Source
from partway.graph import Cut, Model
from partway.planning import CostTable, EnergyParts, PlanDocument, RankedCut, SearchRecord
from partway.planning.objective import weigh
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
        charge: how full the device's battery is; None where the objective does not ask.
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
    charge: float | None
    notes: tuple[str, ...]

    def cut_name(self, row: int) -> str:
        """What to call the cut of a row: the extremes by where they run, others by what they send."""
        cut = self.cuts[row]
        if not cut.offloaded:
            return "(device alone)"
        return "(server alone)" if cut.depth == 0 else name_set(cut.crossing, none="")

    def name(self, row: int) -> str:
        """The same, with the codec where there is one."""
        codec = self.plan.costs[row].codec
        return self.cut_name(row) if codec == "raw" else f"{self.cut_name(row)} as {codec}"

    def said(self, row: int) -> str:
        """The same within a sentence."""
        name, codec = self.cut_name(row), self.plan.costs[row].codec
        return name.strip("()") if codec == "raw" else f"{name.strip('()')} as {codec}"

    @property
    def extremes(self) -> tuple[RankedCut, ...]:
        """The device alone and the server alone, each under its best codec, best first."""
        found: dict[str, RankedCut] = {}
        for ranked in self.ranked:
            if (name := self.cut_name(ranked.index)).startswith("("):
                found.setdefault(name, ranked)
        return tuple(found.values())

    def answer(self) -> str:
        """The best cut and what it takes, in a few words; why there is none, where there is none."""
        best = self.ranked[0]
        if not best.feasible:
            return f"none: {self.said(best.index)} {'; '.join(best.misses)}"
        return f"{self.said(best.index)} {self.amount(best)}"

    def amount(self, ranked: RankedCut) -> str:
        """What a cut reaches, in the objective's terms."""
        if self.plan.objective == "throughput":
            return f"at {ranked.inputs_per_s:.3g} inputs/s, each in {format_duration(ranked.latency_s)}"
        if self.plan.objective == "latency":
            return f"in {format_duration(ranked.latency_s)}"
        return f"with {_joules(ranked) or 'unknown joules'} in {format_duration(ranked.latency_s)}"

    def shares(self) -> dict[int, float]:
        """For what share of a varying link's time each row is the best."""
        return self.situation.shares(self.plan, self.energy.device_draw, self.charge)

    def require_feasible(self) -> None:
        """Refuse to go on where no cut does what is asked.

        Raises:
            InputError: it names the cut that comes nearest, and what to loosen.
        """
        conditions = self.situation.mean()
        table = CostTable.of(self.plan.costs)
        draw = self.energy.draw(conditions)
        weigh(table, conditions, self.plan.goal, draw=draw, charge=self.charge).require_feasible()


def print_plan(report: PlanReport, *, top: int, written: Sequence[Path]) -> None:
    """Print the best cuts and what they were ranked by.

    Args:
        report: the plan.
        top: most cuts to show, the extremes always among them; 0 for all.
        written: the files that were written.
    """
    extremes = {ranked.index for ranked in report.extremes}
    shown = [
        (place, ranked)
        for place, ranked in enumerate(report.ranked, start=1)
        if not top or place <= top or ranked.index in extremes
    ]
    title = f"{len(shown)} of {len(report.ranked)} cuts ({_legend(report)})"
    rows_shown = [_cut_row(report, place, ranked) for place, ranked in shown]
    columns: tuple[Column, ...] = _CUT_COLUMNS
    if any(ranked.energy is not None for ranked in report.ranked):
        columns = (*columns, Column(title="energy"))
        rows_shown = [(*row, _joules(ranked)) for row, (_, ranked) in zip(rows_shown, shown, strict=True)]
    if report.plan.objective == "throughput":
        columns = (*columns, Column(title="inputs/s"), Column(title="bound by", right=False))
        rows_shown = [
            (*row, f"{ranked.inputs_per_s:.3g}", ranked.slowest or "")
            for row, (_, ranked) in zip(rows_shown, shown, strict=True)
        ]
    print_table(title, columns, rows_shown)
    if shares := report.shares():
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
            "constraints": msgspec.to_builtins(report.plan.constraints),
            "charge": report.charge,
            "search": msgspec.to_builtins(report.plan.search),
            "busy_share": _busy_share(report),
            "energy": report.energy.document(),
            "notes": report.notes,
            "best": cut_document(report, report.ranked[0]),
            "cuts": [cut_document(report, ranked) for ranked in report.ranked],
            "best_over_time": [
                {"crossing": report.cuts[row].crossing, "codec": report.plan.costs[row].codec, "share": share}
                for row, share in report.shares().items()
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
    mark = "!" if not ranked.feasible else "*" if place == 1 else "+" if ranked.on_frontier else " "
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


def _legend(report: PlanReport) -> str:
    marks = ["* best", "+ can be the best on another link", "~ interpolated"]
    if not all(ranked.feasible for ranked in report.ranked):
        marks.append("! misses what must hold")
    return ", ".join(marks)


def _summary(report: PlanReport, written: Sequence[Path]) -> Iterator[tuple[str, str]]:
    conditions = report.situation.mean()
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
    if report.plan.search is not None:
        yield "search", _searched(report.plan, report.plan.search)
    for note in report.notes:
        yield "note", note
    for path in written:
        yield "written", str(path)
    yield from _answers(report)


def _answers(report: PlanReport) -> Iterator[tuple[str, str]]:
    best = report.ranked[0]
    compared = "".join(f"; {_compared(report, other)}" for other in report.extremes if other is not best)
    give_or_take = f" ± {format_duration(best.spread_s)}" if best.spread_s is not None else ""
    if best.cost.error:
        give_or_take += f", answers off by up to {best.cost.error:.2g} of their scale"
    objective = report.plan.objective
    if objective == "balanced" and report.charge is not None:
        give_or_take += f", with {report.charge:.0%} of the battery left"
    if objective == "throughput":
        fastest = min((ranked for ranked in report.ranked if ranked.feasible), key=lambda ranked: ranked.latency_s)
        give_or_take += f", {format_duration(best.latency_s - fastest.latency_s)} more than at the fastest cut"
    yield "best", f"{report.said(best.index)} {report.amount(best)}{give_or_take}{compared}"
    known = [ranked for ranked in report.ranked if ranked.feasible and _total_j(ranked.energy) is not None]
    if objective != "energy" and len(known) > 1:
        least = min(known, key=lambda ranked: _total_j(ranked.energy) or 0.0)
        others = [other for other in report.extremes if other is not least and _joules(other)]
        compared = "".join(f"; {report.said(other.index)} {_joules(other)}" for other in others)
        yield "least energy", f"{report.said(least.index)} with {_joules(least)}{compared}"


def _compared(report: PlanReport, other: RankedCut) -> str:
    missing = "" if other.feasible else ", which misses what must hold"
    return f"{report.said(other.index)} {report.amount(other)}{missing}"


def _searched(plan: PlanDocument, search: SearchRecord) -> str:
    return (
        f"all cuts of {search.nodes} nodes, {search.single_tensor_cuts} of them of one tensor: {search.proposed} "
        f"proposed, {_proven(plan, search)}; {search.searches} searches in {format_duration(search.seconds)}"
    )


def _proven(plan: PlanDocument, search: SearchRecord) -> str:
    # What is known of the best of all cuts, by nodes' seconds that add up.
    limits = plan.constraints
    if search.gap is not None:
        return f"and by nodes' seconds the best of all is here better by {search.gap:.1%} at most"
    if plan.goal.linear and limits.device_memory_bytes is None and limits.max_up_bytes is None and search.certified:
        return f"within {search.tolerance:.1%} of the best of all by nodes' seconds"
    return "and nothing bounds by how much the best of all may be better"


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


def cut_document(report: PlanReport, ranked: RankedCut) -> dict[str, object]:
    """One cut for JSON."""
    cost, parts = ranked.cost, ranked.parts
    return {
        "crossing": cost.crossing,
        "codec": cost.codec,
        "error": cost.error,
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
        "device_bytes": cost.device_bytes,
        "value": ranked.value,
        "feasible": ranked.feasible,
        "misses": ranked.misses,
        "inputs_per_s": ranked.inputs_per_s,
        "slowest": ranked.slowest,
        "on_frontier": ranked.on_frontier,
    }


def _energy_document(energy: EnergyParts) -> dict[str, float | None]:
    return {field.name: getattr(energy, field.name) for field in fields(energy)}
