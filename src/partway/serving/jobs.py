"""What the executor runs: jobs, the groups of those that may run as one, and what a job gives.

Input: work and what is known of it. Output: records that the executor queues. Groups are made by the batcher; the
executor knows no more of them than is written here.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from partway.engine import Stop
from partway.errors import PartwayError, RequestExpired
from partway.serving.returning import Returning
from partway.serving.slowdown import Slowdown
from partway.serving.turns import Turns
from partway.wire import Load

logger = logging.getLogger(__name__)

T = TypeVar("T")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[T]):
    """A job's result.

    Attributes:
        value: what it returned.
        load: the server's load at its end, and what the job itself waited and took.
    """

    value: T
    load: Load


class Member(Protocol):
    """What a group knows of a job."""

    @property
    def stop(self) -> Stop:
        """Said when nobody waits for it any more."""

    def feeds(self) -> Arrays:
        """What it is fed.

        Raises:
            PartwayError: it cannot be read.
        """

    def run(self) -> Arrays:
        """What it gives, run by itself.

        Raises:
            PartwayError: that fails.
        """


class Group(Protocol):
    """Jobs of one kind, some of which may run as one."""

    @property
    def returning(self) -> Returning:
        """Who of those that were answered comes again at once."""

    @property
    def stretch(self) -> Slowdown:
        """How many times longer than alone its members ran lately, since they ran with others."""

    @property
    def usable(self) -> bool:
        """Whether its members may ever run as one."""

    def meet(self, member: Member) -> None:
        """Take in a job that comes, whose numbers show what those of its kind are like."""

    def size(self, waiting: int) -> int:
        """How many of so many that wait should be taken at once; at least 1."""

    def seconds(self, members: int) -> float | None:
        """Seconds that so many take on an idle machine, the way they would run now; None where nobody knows."""

    def note(self, waiting: int) -> None:
        """Take in that so many waited at the same time, the one whose turn it is among them."""

    def proved(self, members: int) -> bool:
        """Whether so many may run as one: it was proved to be right, and seen to pay."""

    def run(self, members: Sequence[Member]) -> Sequence[Arrays | PartwayError]:
        """What each member gives, or the error that is its own alone, in their order.

        Raises:
            PartwayError: they cannot run as one; each may still run by itself.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A job's place in a group.

    Attributes:
        group: of its kind.
        member: what the group knows the job as.
    """

    group: Group
    member: Member


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What waits or runs; the executor's `submit` says what is what."""

    work: Callable[[], object]
    future: Future[Served[object]] = field(default_factory=Future)
    share: str = ""
    line: str = ""
    seat: Seat | None = None
    expected_s: float | None = None
    unloaded_s: float | None = None
    deadline_s: float | None = None
    arrived_s: float = 0.0
    lead_s: float = 0.0
    aside_s: Callable[[], float] = lambda: 0.0

    @property
    def asker(self) -> tuple[str, str]:
        """Who waits for it, by share and line."""
        return self.share, self.line

    @property
    def group(self) -> Group | None:
        """Its group, if it has one."""
        return None if self.seat is None else self.seat.group

    def is_late(self, now_s: float) -> bool:
        """Whether nobody waits for it any more."""
        return self.deadline_s is not None and now_s >= self.deadline_s


def members_of(jobs: Iterable[Job]) -> list[Member]:
    """What their group knows jobs as."""
    return [job.seat.member for job in jobs if job.seat is not None]


def expire(jobs: Iterable[Job]) -> None:
    """Tell who waits for jobs that their deadline passed."""
    for job in jobs:
        if job.future.running() or job.future.set_running_or_notify_cancel():
            logger.info("job_expired")
            job.future.set_exception(
                RequestExpired("the deadline passed while the request waited for its turn; allow it more time")
            )


def refuse(job: Job, error: PartwayError) -> None:
    """Tell who waits for a job, if anybody still does, that it is not done."""
    if not job.future.done() and (job.future.running() or job.future.set_running_or_notify_cancel()):
        job.future.set_exception(error)


def pick(take_from: Turns[Job]) -> tuple[Job, ...]:
    """Take the jobs that run next: the one whose turn it is, and those that join it.

    Where others wait too, each share gives one job at most, so that nobody waits for more than a round of turns; where
    all who wait are of one share, each of its lines does.

    Raises:
        LookupError: nothing waits.
    """
    first = take_from.take_next()
    group = first.group
    if group is None or not take_from:
        return (first,)
    alike = [job for job in take_from if job.group is group]
    if len(alike) < len(take_from):
        rivals = take_from.waiting(first.share) < len(take_from)
        ones: dict[tuple[str, str], Job] = {(first.share, "" if rivals else first.line): first}
        for job in alike:
            ones.setdefault((job.share, "" if rivals else job.line), job)
        alike = list(ones.values())[1:]
    joined = alike[: group.size(1 + len(alike)) - 1]
    for job in joined:
        take_from.take(job.share, job, job.line)
    return (first, *joined)
