"""What `partway simulate` prints: tables of points, and the document of `--json`.

Input: a report. Output: text on stdout, or plain values. Called by `simulate`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict

from partway.cli.simulate_answer import answer_text, late_groups
from partway.reporting import Column, print_lines, print_table
from partway.simulation import (
    AgainstLoad,
    AsItIs,
    BadHour,
    Estimate,
    Group,
    MostWithin,
    Point,
    Report,
    Target,
    WorkersFor,
)
from partway.simulation.fleets import Fleet
from partway.units import format_count, format_duration

_KINDS = {AsItIs: "run", AgainstLoad: "load", MostWithin: "throughput", WorkersFor: "servers", BadHour: "hour"}
_UNSETTLED = 0.49
_APART = 0.02  # busy and load, where chance alone does not part them
_MOST_CUTS = 3  # of a group, in the table


def print_report(report: Report) -> None:
    """Print the points, the groups of the one that answers, and what all of it took."""
    scenario = report.scenario
    confidence = f"{scenario.precision.confidence:.0%}"
    print_table(
        f"{scenario.title} (± {confidence} confidence)",
        [Column(title=title, right=place > 0) for place, title in enumerate(_titles(report))],
        [_cells(point) for point in report.points],
    )
    found = report.points[report.answer]
    if found.groups and isinstance(scenario.subject, Fleet):
        _print_groups(found, scenario.subject.groups, _target(report))
    print_lines(_lines(report))
    _print_notes(report)


def _print_notes(report: Report) -> None:
    target, found = _target(report), report.points[report.answer]
    if target is not None:
        late = late_groups(found, target)
        names = [f"{group.name!r}" for group, is_late in zip(found.groups, late, strict=True) if is_late]
        if names:
            print(f"note: * {' and '.join(names)}: above the target, which is over the requests of all devices")
    if found.load is not None and found.utilisation.value > found.load + _APART:
        print(
            "note: load is of what full batches would bear; a worker that takes smaller ones is busy for longer, so "
            "busy may be near 100 % without a queue that grows"
        )
    for point in report.points:
        if point.settled >= _UNSETTLED:
            print(f"note: {point.name}: half of every run was warm-up, so these may be too good; make runs longer")
        if not point.reached:
            print(
                f"note: {point.name}: not known as surely as wanted after {point.runs} runs; raise most_runs or the "
                "length of a run, or be content with the intervals above"
            )


def document(report: Report) -> dict[str, object]:
    """The report as plain values; the keys on top are those of the point that answers."""
    scenario = report.scenario
    found = report.points[report.answer]
    return {
        "title": scenario.title,
        "question": _KINDS[type(scenario.question)],
        "answer": answer_text(report),
        "seed": scenario.seed,
        "confidence": scenario.precision.confidence,
        "jobs": report.jobs,
        "wall_s": report.wall_s,
        "throughput_per_s": found.throughput_per_s.value,
        "mean_s": found.mean_s.value,
        "p95_s": found.p95_s.value,
        "utilisation": found.utilisation.value,
        "workers": found.workers,
        "devices": found.devices,
        "load": found.load,
        "offloaded": None if found.offloaded is None else found.offloaded.value,
        "reached": all(point.reached for point in report.points),
        "points": [_point(point) for point in report.points],
        "lost_s": report.lost_s,
        "timeline": None if report.timeline is None else asdict(report.timeline),
    }


def _point(point: Point) -> dict[str, object]:
    numbers: dict[str, object] = {}
    for name, value in asdict(point).items():
        estimate = getattr(point, name)
        if isinstance(estimate, Estimate):
            numbers[name] = estimate.value
            numbers[f"{name}_half_width"] = estimate.half_width
        else:
            numbers[name] = value
    return numbers


def _titles(report: Report) -> tuple[str, ...]:
    fleet = isinstance(report.scenario.subject, Fleet)
    return (
        "",
        "workers",
        "answers",
        "mean",
        "median",
        "95 %",
        "99 %",
        "wait",
        "busy",
        "offloaded" if fleet else "runs",
    )


def _cells(point: Point) -> tuple[str, ...]:
    last = str(point.runs) if point.offloaded is None else f"{point.offloaded.value:.0%}"
    return (
        point.name,
        f"{point.workers:,}",
        f"{format_count(point.throughput_per_s.value)}/s",
        _seconds(point.mean_s),
        format_duration(point.p50_s.value),
        _seconds(point.p95_s),
        format_duration(point.p99_s.value),
        format_duration(point.mean_wait_s.value),
        f"{point.utilisation.value:.1%}",
        last,
    )


def _target(report: Report) -> Target | None:
    question = report.scenario.question
    return question.target if isinstance(question, MostWithin | WorkersFor) else None


def _print_groups(point: Point, groups: Sequence[Group], target: Target | None) -> None:
    late = [False] * len(groups) if target is None else late_groups(point, target)
    mean_mark, p95_mark = (
        ["* " if is_late and target is not None and target.quantity == quantity else "" for is_late in late]
        for quantity in ("mean", "p95")
    )
    print_table(
        f"Devices, {point.name}",
        [
            Column(title=title, right=place > 0)
            for place, title in enumerate(("", "requests", "mean", "95 %", "offloaded"))
        ]
        + [Column(title="cuts", right=False, shrinks=True)],
        [
            (
                found.name,
                f"{found.jobs:,}",
                f"{mean_mark[place]}{format_duration(found.mean_s)}",
                f"{p95_mark[place]}{format_duration(found.p95_s)}",
                f"{found.offloaded:.0%}",
                _cuts(found.cuts, group),
            )
            for place, (found, group) in enumerate(zip(point.groups, groups, strict=True))
        ],
    )


def _cuts(shares: Sequence[float], group: Group) -> str:
    names = [" + ".join(cost.crossing) if cost.offloaded else "device alone" for cost in group.table.costs]
    used = sorted((-share, name) for share, name in zip(shares, names, strict=True) if share > 0)
    return ", ".join(f"{name} {-share:.0%}" for share, name in used[:_MOST_CUTS])


def _lines(report: Report) -> list[tuple[str, str]]:
    scenario = report.scenario
    seconds = max(report.wall_s, 1e-9)
    lines = [
        (
            "played",
            f"{report.jobs:,} requests in {format_duration(report.wall_s)}, {format_count(report.jobs / seconds)}/s",
        ),
        ("seed", str(scenario.seed)),
    ]
    target = _target(report)
    if target is not None:
        over = ", over the requests of all devices" if isinstance(scenario.subject, Fleet) else ""
        lines.insert(0, ("target", f"{target.quantity} within {format_duration(target.seconds)}{over}"))
    lines.append(("answer", answer_text(report)))
    return lines


def _seconds(estimate: Estimate) -> str:
    if not math.isfinite(estimate.half_width):
        return f"{format_duration(estimate.value)} ± ?"
    return f"{format_duration(estimate.value)} ± {estimate.relative:.1%}"
