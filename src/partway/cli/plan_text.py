"""What `partway plan` prints for people: the best cuts as a table, and what they were ranked by.

Input: a `PlanReport`. Output: text on stdout. Called by `partway plan`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from partway.cli.plan_report import PlanReport, joules, total_j
from partway.planning import PlanDocument, RankedCut, SearchRecord
from partway.planning.costs import How
from partway.reporting import Column, print_lines, print_table
from partway.units import format_duration, format_rate, format_size


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
    coded = any(ranked.cost.codec != "raw" for ranked in report.ranked)
    what = "pairs of cut and codec" if coded else "cuts"
    title = f"{len(shown)} of {len(report.ranked)} {what} ({_legend(report)})"
    rows_shown = [_cut_row(report, place, ranked) for place, ranked in shown]
    columns: tuple[Column, ...] = _CUT_COLUMNS
    if any(ranked.energy is not None for ranked in report.ranked):
        columns = (*columns, Column(title="energy"))
        rows_shown = [(*row, joules(ranked)) for row, (_, ranked) in zip(rows_shown, shown, strict=True)]
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
        give_or_take += f", answers off by up to {100 * best.cost.error:.2g} % of their scale"
    objective = report.plan.objective
    if objective == "balanced" and report.charge is not None:
        give_or_take += f", with {report.charge:.0%} of the battery left"
    if objective == "throughput":
        fastest = min((ranked for ranked in report.ranked if ranked.feasible), key=lambda ranked: ranked.latency_s)
        if best.latency_s > fastest.latency_s:
            give_or_take += f", {format_duration(best.latency_s - fastest.latency_s)} more than at the fastest cut"
    yield "best", f"{report.said(best.index)} {report.amount(best)}{give_or_take}{compared}"
    known = [ranked for ranked in report.ranked if ranked.feasible and total_j(ranked.energy) is not None]
    if objective != "energy" and len(known) > 1:
        least = min(known, key=lambda ranked: total_j(ranked.energy) or 0.0)
        others = [other for other in report.extremes if other is not least and joules(other)]
        compared = "".join(f"; {report.said(other.index)} {joules(other)}" for other in others)
        yield "least energy", f"{report.said(least.index)} with {joules(least)}{compared}"


def _compared(report: PlanReport, other: RankedCut) -> str:
    missing = "" if other.feasible else ", which misses what must hold"
    return f"{report.said(other.index)} {report.amount(other)}{missing}"


def _searched(plan: PlanDocument, search: SearchRecord) -> str:
    return (
        f"all cuts of {search.nodes} layers, of which {search.single_tensor_cuts} send one tensor: {search.proposed} "
        f"proposed, {_proven(plan, search)}; {search.searches} searches in {format_duration(search.seconds)}"
    )


def _proven(plan: PlanDocument, search: SearchRecord) -> str:
    # What is known of the best of all cuts, by nodes' seconds that add up.
    limits = plan.constraints
    if search.gap is not None:
        return f"the best of all is here better by {search.gap:.1%} at most (by seconds of single layers)"
    if plan.goal.linear and limits.device_memory_bytes is None and limits.max_up_bytes is None and search.certified:
        return f"within {search.tolerance:.1%} of the best of all (by seconds of single layers)"
    return "and the best of all may be better: for these limits no bound is known"


_HOWS: tuple[How, ...] = ("measured", "predicted", "interpolated", "analytic")


def _provenance(report: PlanReport) -> str:
    counts = Counter(ranked.cost.how for ranked in report.ranked)
    cuts = ", ".join(f"{counts[how]} {how}" for how in _HOWS if counts[how])
    return f"device {report.device.how}, server {report.server.how}; of the cuts {cuts}"
