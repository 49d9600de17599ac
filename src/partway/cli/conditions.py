"""From `--link` and the load options to the conditions that a plan is ranked under.

Input: text. Output: `Conditions`; for a link that varies, those of its mean and of each of its steps. Called by
`partway plan`.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partway.link import Link, LinkTrace, Trace, parse_link
from partway.planning import Conditions, CostTable, DeviceDraw, PlanDocument
from partway.planning.objective import weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The link and the load that the user asks about.

    Attributes:
        text: the link as the user wrote it.
        link: the same, understood.
        queue_delay_s: wait in the server's queue.
        slowdown: of a busy server.
    """

    text: str
    link: Link | LinkTrace
    queue_delay_s: float
    slowdown: float

    @classmethod
    def of(cls, text: str, *, queue_delay_s: float, slowdown: float) -> "Situation":
        """The situation with the link that `text` describes.

        Raises:
            LinkError: the text describes none.
        """
        return cls(text=text, link=parse_link(text), queue_delay_s=queue_delay_s, slowdown=slowdown)

    @property
    def varies(self) -> bool:
        """Whether the link follows a trace."""
        return isinstance(self.link, LinkTrace)

    def mean(self) -> Conditions:
        """The conditions; those at the time-averaged rates where the link varies."""
        if isinstance(self.link, Link):
            return self._conditions(self.link)
        steps = tuple(_steps(self.link))
        total_s = math.fsum(duration_s for duration_s, _ in steps)
        mean = Link(
            uplink_bytes_per_s=math.fsum(s * link.uplink_bytes_per_s for s, link in steps) / total_s,
            downlink_bytes_per_s=math.fsum(s * link.downlink_bytes_per_s for s, link in steps) / total_s,
            rtt_s=self.link.rtt_s,
        )
        return self._conditions(mean)

    def shares(self, plan: PlanDocument, draw: DeviceDraw | None, charge: float | None) -> dict[int, float]:
        """For what share of a varying link's time each cut is the best; stretches in which none may be chosen are out.

        Args:
            plan: the cuts and the goal.
            draw: what the device draws, where that is known.
            charge: how full its battery is, where the goal asks.

        Returns:
            Rows of the plan and their shares, the largest first; nothing where the link does not vary.
        """
        if isinstance(self.link, Link):
            return {}
        table = CostTable.of(plan.costs)
        best_s: dict[int, float] = {}
        total_s = 0.0
        for duration_s, link in _steps(self.link):
            conditions = self._conditions(link)
            now = None if draw is None else draw.at(conditions)
            weighed = weigh(table, conditions, plan.goal, draw=now, charge=charge)
            total_s += duration_s
            feasible = True if weighed.feasible is None else weighed.feasible
            if np.any(feasible):
                row = int(np.where(feasible, weighed.values, math.inf).argmin())
                best_s[row] = best_s.get(row, 0.0) + duration_s
        return {row: s / total_s for row, s in sorted(best_s.items(), key=lambda item: -item[1])}

    def _conditions(self, link: Link) -> Conditions:
        return Conditions(
            uplink_bytes_per_s=link.uplink_bytes_per_s,
            downlink_bytes_per_s=link.downlink_bytes_per_s,
            rtt_s=link.rtt_s,
            queue_delay_s=self.queue_delay_s,
            slowdown=self.slowdown,
        )


def _steps(trace: LinkTrace) -> Iterator[tuple[float, Link]]:
    # Seconds of each stretch in which neither way changes, and the link during it.
    duration_s = trace.duration_s
    starts_s = sorted({*_starts_s(trace.uplink, duration_s), *_starts_s(trace.downlink, duration_s), duration_s})
    for start_s, end_s in itertools.pairwise(starts_s):
        yield end_s - start_s, trace.at((start_s + end_s) / 2)


def _starts_s(way: Trace, until_s: float) -> Iterator[float]:
    if len(way.starts_s) == 1:
        yield 0.0
        return
    for lap in range(math.ceil(until_s / way.duration_s)):
        for start_s in way.starts_s:
            if (at_s := lap * way.duration_s + start_s) < until_s:
                yield at_s
