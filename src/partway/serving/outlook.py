"""What jobs will take, from what they took lately, and what one that arrives now would wait.

Input: jobs that ended, wait or run. Output: seconds, and the slowdown that travels on every answer. Kept by the
executor, under its lock.
"""

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from partway.serving.jobs import Group, Job, pick
from partway.serving.slowdown import Slowdown
from partway.serving.turns import Turns

_MOST_PICKS = 64  # that are played where batches of several groups wait; what is behind them counts one by one
_SMOOTHING = 0.25  # the share of the newest job in what a job usually takes

Jobs = tuple[Job, ...]  # that a worker takes at once


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """What one worker does.

    Attributes:
        jobs: that it took, all of one group where there are several.
        left: those of them that are not answered yet.
        start_s: the clock's reading when the first of these began.
    """

    jobs: tuple[Job, ...]
    left: list[Job]
    start_s: float

    @property
    def group(self) -> Group | None:
        """The group of the jobs, if they have one."""
        return self.jobs[0].group if self.jobs else None


@dataclass(slots=True)
class Outlook:
    """What to expect of jobs."""

    _slowdown: Slowdown = field(default_factory=Slowdown)
    _usual_s: float = 0.0  # what a job takes of which nothing is known
    _ahead: dict[Hashable, tuple[Jobs, ...]] = field(default_factory=dict)  # of who arrives, while the same wait
    _ahead_at: int = -1

    def learn(self, job: Job, took_s: float, now_s: float) -> None:
        """Take in a job that ran by itself.

        Args:
            job: which.
            took_s: seconds it ran.
            now_s: the clock at its end.
        """
        self._usual_s += _SMOOTHING * (took_s - self._usual_s) if self._usual_s else took_s
        if job.unloaded_s:
            self._slowdown.observe(took_s + job.lead_s - job.aside_s(), job.unloaded_s, now_s)
        if job.group is not None:
            job.group.stretch.observe(1.0, 1.0, now_s)

    def learn_together(self, group: Group, members: int, took_s: float, now_s: float) -> None:
        """Take in members of a group that ran as one.

        That one of them took longer than alone is no slowdown of the machine, which is measured against what so many
        take together; but it is what the next of their kind will find, so the group remembers it.

        Args:
            group: theirs.
            members: how many.
            took_s: seconds they ran.
            now_s: the clock at their end.
        """
        together_s, alone_s = group.seconds(members), group.seconds(1)
        if together_s and alone_s:
            self._slowdown.observe(took_s, together_s, now_s)
            for _ in range(members):
                group.stretch.observe(together_s, alone_s, now_s)

    def slowdown(self, group: Group | None, now_s: float) -> float:
        """How many times longer than on an idle server the next job of a group, or of none, will take."""
        return self._slowdown.value(now_s) * (1.0 if group is None else group.stretch.value(now_s))

    def _seconds(self, jobs: Sequence[Job], slowdown: float) -> float:
        """What jobs that are taken at once will take; 0 for none."""
        group = jobs[0].group if len(jobs) > 1 else None
        together_s = None if group is None else group.seconds(len(jobs))
        if together_s is not None:
            return slowdown * together_s
        # The usual time was observed, so it has the slowdown in it already.
        return sum(self._usual_s if job.expected_s is None else slowdown * job.expected_s for job in jobs)

    def delay_s(self, turns: Turns[Job], running: Sequence[Run], workers: int, arrival: Job, now_s: float) -> float:
        """Seconds that a job would wait if it arrived now: the same picks as the workers', played through.

        Exact where every job takes what is expected of it, whoever else comes, for somebody of whom nothing waits:
        later arrivals stand behind. It is too short by what they add to a batch ahead of it, and, for somebody of
        whom others wait, by one turn for each new share. What is found to be ahead holds until somebody comes or
        leaves, since many ask meanwhile.

        Args:
            turns: who waits.
            running: what the workers do.
            workers: how many there are.
            arrival: the job.
            now_s: the clock.
        """
        if not len(turns) and len(running) < workers:
            self._ahead.clear()
            return 0.0  # nearly always, and every answer asks
        slowdown = self._slowdown.value(now_s)
        rest_s = [max(0.0, self._seconds(run.left, slowdown) - (now_s - run.start_s)) for run in running]
        busy_s = heapq.nlargest(workers, rest_s)  # a brief job runs beside them, on no worker
        free_s = busy_s + [0.0] * (workers - len(busy_s))
        heapq.heapify(free_s)
        for jobs in self._ahead_of(arrival, turns):
            heapq.heapreplace(free_s, free_s[0] + self._seconds(jobs, slowdown))
        return free_s[0]

    def _ahead_of(self, arrival: Job, turns: Turns[Job]) -> tuple[Jobs, ...]:
        if self._ahead_at != turns.changes:
            self._ahead.clear()
            self._ahead_at = turns.changes
        # Names and connections of which nothing waits are all alike.
        share = arrival.share if turns.waiting(arrival.share) else None
        line = arrival.line if turns.waiting(arrival.share, arrival.line) else None
        who = arrival.group, share, line
        if who not in self._ahead:
            self._ahead[who] = _picks_before(arrival, turns)
        return self._ahead[who]


def _picks_before(arrival: Job, turns: Turns[Job]) -> tuple[Jobs, ...]:
    """What workers take before a job that arrives now, in their order."""
    ahead = turns.copy()
    ahead.add(arrival.share, arrival, arrival.line)
    waiting = Counter(job.group for job in ahead)
    if len(waiting) == 1 or not any(group.size(count) > 1 for group, count in waiting.items() if group is not None):
        return _in_order(arrival, ahead, arrival.group if len(waiting) == 1 else None)
    picks: list[Jobs] = []
    while len(picks) < _MOST_PICKS:
        jobs = pick(ahead)
        if arrival in jobs:
            return tuple(picks)
        picks.append(jobs)
    return (*picks, *_in_order(arrival, ahead, None))


def _in_order(arrival: Job, ahead: Turns[Job], group: Group | None) -> tuple[Jobs, ...]:
    """The picks before a job where all who wait are of one group, or each runs alone: no turn is taken early then."""
    picks: list[Jobs] = []
    left, order = len(ahead), iter(ahead)
    while True:
        jobs = tuple(islice(order, 1 if group is None else group.size(left)))
        if arrival in jobs:
            return tuple(picks)
        picks.append(jobs)
        left -= len(jobs)
