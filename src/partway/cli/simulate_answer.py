"""What a scenario asked, answered in a sentence.

Input: a report. Output: a line of text, for people and for `--json`. Called by `simulate_report`.
"""

from partway.simulation import AgainstLoad, BadHour, MostWithin, Point, Report, Target, WorkersFor
from partway.simulation.fleets import Fleet
from partway.units import format_count, format_duration


def answer_text(report: Report) -> str:
    """The answer in a sentence, such as `573 requests/s (load 0.933) within p95 50 ms`."""
    question = report.scenario.question
    found = report.points[report.answer]
    if isinstance(question, MostWithin):
        return f"{_borne(found)} within {target_text(question.target)}"
    if isinstance(question, WorkersFor):
        fleet = isinstance(report.scenario.subject, Fleet)
        needed = (
            f"{_some(point.workers, 'worker')} for {_some(round(at), 'device') if fleet else f'{at:,.6g} requests/s'}"
            for at, point in zip(question.points, report.points, strict=True)
        )
        return f"{', '.join(needed)}, within {target_text(question.target)}"
    if isinstance(question, AgainstLoad) and len(report.points) > 1:
        first, last = report.points[0], report.points[-1]
        return f"from {first.name} to {last.name} {_change(first, last)}"
    if isinstance(question, BadHour):
        return f"{hour_cost(report)} (mean {_means(report.points[-1], found)})"
    return f"mean {format_duration(found.mean_s.value)}, p95 {format_duration(found.p95_s.value)} at {_borne(found)}"


def target_text(target: Target) -> str:
    """A target, as tables and answers say it: `p95 50 ms`."""
    return f"{target.quantity} {format_duration(target.seconds)}"


def hour_cost(report: Report) -> str:
    """What a bad hour costs, for each request and for all of them together; empty of other questions."""
    question, lost_s = report.scenario.question, report.lost_s
    if not isinstance(question, BadHour) or lost_s is None:
        return ""
    during, without = report.points[report.answer], report.points[-1]
    requests = during.throughput_per_s.value * (question.until_s - question.from_s)
    return (
        f"{format_duration(during.mean_s.value - without.mean_s.value)} more a request while links are bad, "
        f"{format_duration(lost_s)} summed over all {format_count(requests)} of them"
    )


def late_groups(point: Point, target: Target) -> tuple[bool, ...]:
    """Of each group of a fleet, whether it alone misses the target, which is over the requests of all.

    Args:
        point: what was found.
        target: that the fleet keeps to.
    """
    return tuple(
        (found.mean_s if target.quantity == "mean" else found.p95_s) > target.seconds for found in point.groups
    )


def _borne(point: Point) -> str:
    if point.devices is not None:
        return _some(point.devices, "device")
    load = "" if point.load is None else f" (load {point.load:.3g})"
    return f"{format_count(point.throughput_per_s.value)} requests/s{load}"


def _change(first: Point, last: Point) -> str:
    p95 = f"{format_duration(first.p95_s.value)} to {format_duration(last.p95_s.value)}"
    return f"the mean goes from {_means(first, last)}, p95 from {p95}"


def _means(first: Point, last: Point) -> str:
    return f"{format_duration(first.mean_s.value)} to {format_duration(last.mean_s.value)}"


def _some(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
