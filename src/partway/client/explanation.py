"""What a session would do with a request now, and what it goes by, in a form that people read.

Input: the costs of the cuts, the conditions, the link as it is believed to be, the server's state. Output: an
`Explanation`, whose text has one line for each thing believed and one for each cut. Made by the session when asked;
nothing is changed by asking.
"""

import math
from dataclasses import dataclass

from partway.client.bound import BoundModel
from partway.client.observer import Observer
from partway.client.remote import Remote
from partway.link import LinkEstimate
from partway.planning import Conditions, CostTable, Decision, describe_cut, parts
from partway.units import format_duration, format_energy, format_rate, format_size

_HEADINGS = ("", "head", "up", "bytes", "server", "down", "wait", "total", "energy")


def explain(bound: BoundModel | None, remote: Remote | None, observer: Observer, why_not: str) -> "Explanation":
    """What would be done with a request now.

    Args:
        bound: the model under the request's binding; None while it is not prepared.
        remote: the server; None where there is none.
        observer: what was seen of link, load and device.
        why_not: why there is no bound model, or no server.
    """
    if bound is None or remote is None:
        return Explanation(reason=f"the device alone, since {why_not}", server=why_not)
    conditions, link = observer.conditions(), observer.link
    choices, decision = bound.foresee(conditions)
    breaker = remote.breaker
    reason, server = decision.reason, "is asked"
    if not breaker.closed:
        server = f"is left alone, for {format_duration(breaker.pause_left_s)} more: {breaker.why_not}"
    elif len(choices.cuts) == 1:
        server = breaker.why_not
    if server != "is asked":
        reason = f"the device alone, since {breaker.why_not}"
    return Explanation(
        reason=reason,
        server=server,
        decision=decision,
        table=choices.table,
        conditions=conditions,
        link=link,
        queue_reported_s=observer.queue_reported_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why requests run where they run.

    Attributes:
        reason: in a sentence.
        server: whether the server is asked now, and why not.
        decision: what would be chosen now; None where nothing can be decided.
        table: what every cut that can be chosen costs, device-only last; None likewise.
        conditions: link, load and device as the decision goes by them.
        link: the link with what is known of its uncertainty.
        queue_reported_s: the queue delay that the server reported last; None before it reported any.
    """

    reason: str
    server: str
    decision: Decision | None = None
    table: CostTable | None = None
    conditions: Conditions | None = None
    link: LinkEstimate | None = None
    queue_reported_s: float | None = None

    def __str__(self) -> str:
        """Several lines: the reason, what is believed, and a table of the cuts."""
        lines = [("now", self.reason), ("server", self.server)]
        if self.conditions is not None:
            lines += _believed(self.conditions, self.link, self.queue_reported_s)
        if self.decision is not None and self.decision.charge is not None:
            lines.append(("battery", f"{self.decision.charge:.0%} charged"))
        elif self.decision is not None and self.decision.objective == "balanced":
            lines.append(("battery", "not known, and weighed as full"))
        text = [f"{label:<8}{words}" for label, words in lines]
        if self.table is not None and self.conditions is not None:
            text += ["", *_cut_lines(self.table, self.conditions, self.decision)]
        return "\n".join(text)


def _believed(
    conditions: Conditions, link: LinkEstimate | None, queue_reported_s: float | None
) -> list[tuple[str, str]]:
    up, down = format_rate(conditions.uplink_bytes_per_s), format_rate(conditions.downlink_bytes_per_s)
    rtt = format_duration(conditions.rtt_s)
    if link is not None:
        up += _give_or_take(link.uplink_spread)
        down += _give_or_take(link.downlink_spread)
        rtt += _give_or_take(link.rtt_spread)
    queue = format_duration(conditions.queue_delay_s)
    if queue_reported_s is not None:
        queue += f" (the server said {format_duration(queue_reported_s)})"
    return [
        ("link", f"up {up}, down {down}, round trip {rtt}"),
        ("load", f"a queue of {queue}, tails take {conditions.slowdown:.2g} times what they take idle"),
        ("device", f"heads take {conditions.device_factor:.2g} times what they were timed at"),
    ]


def _give_or_take(spread: float) -> str:
    if not spread < math.log(2.0):
        return " (a guess)"
    return f" (give or take {math.expm1(spread):.0%})"


def _cut_lines(table: CostTable, conditions: Conditions, decision: Decision | None) -> list[str]:
    rows = [_HEADINGS]
    for index, cost in enumerate(table.costs):
        took = parts(cost, conditions)
        mark = "> " if decision is not None and index == decision.index else "  "
        rows.append(
            (
                mark + describe_cut(cost),
                format_duration(took.device_s),
                format_duration(took.uplink_s) if cost.offloaded else "",
                format_size(cost.up_bytes) if cost.offloaded else "",
                format_duration(took.server_s) if cost.offloaded else "",
                format_duration(took.downlink_s) if cost.offloaded else "",
                format_duration(took.wait_s) if cost.offloaded else "",
                format_duration(took.total_s),
                "" if cost.device_j is None else format_energy(cost.device_j),
            )
        )
    used = [column for column in range(len(_HEADINGS)) if any(row[column] for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in used]
    return [
        "  ".join(
            row[column].ljust(width) if column == 0 else row[column].rjust(width)
            for column, width in zip(used, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
