"""Whether the worker should wait a moment before it takes what waits, so that more of it runs as one.

Input: the jobs that wait. Output: for how many to wait, and how long at most. Called by the executor, under its lock.
"""

from dataclasses import dataclass

from partway.serving.jobs import Group, Job
from partway.serving.turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """A wait that pays.

    Attributes:
        group: of all jobs that wait.
        wanted: how many of it there will be when all came that are expected.
        most_s: seconds to wait at most.
    """

    group: Group
    wanted: int
    most_s: float

    def is_over(self, turns: Turns[Job]) -> bool:
        """Whether all came, or something else did that must not wait."""
        return not 0 < len(turns) < self.wanted or any(job.group is not self.group for job in turns)


def patience_for(turns: Turns[Job], now_s: float) -> Patience | None:
    """The wait that pays now; None where there is none.

    It pays where all who wait are of one group, and others of it, who ask again right after each answer, were answered
    a moment ago: until they come or are too late, and no longer than joining them saves.

    Args:
        turns: the jobs that wait, at least one.
        now_s: the clock.
    """
    group = next(iter(turns)).group
    if group is None or any(job.group is not group for job in turns):
        return None
    there = len(turns)
    coming, until_s = group.returning.expected(now_s)
    apart_s, alone_s, together_s = group.seconds(there), group.seconds(1), group.seconds(there + coming)
    if not coming or apart_s is None or alone_s is None or together_s is None:
        return None
    saved_s = apart_s + coming * alone_s - together_s
    return Patience(group=group, wanted=there + coming, most_s=min(until_s, saved_s)) if saved_s > 0.0 else None
