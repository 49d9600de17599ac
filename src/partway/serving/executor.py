"""The queue in front of the processor, and what it knows of the server's load.

    submit -> [ turns, bounded ] -> worker: one job, or several of a group as one -> Served(value, load)
      |          |         |
      |      full: busy  late or cancelled: dropped before it runs
    turns_away: before it queues, whoever would wait longer than it may

Input: jobs, each a callable with the seconds that it should take. Output: their results with the `Load` that
travels on every answer. ONNX Runtime spreads one job over all cores, so one worker is the rule. Called by the
handlers; learning in the background asks it for idle moments.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from partway.engine import Clock
from partway.errors import EngineError, ModelUnavailable, RequestExpired, RunStopped, ServerBusy, TooManyRequests
from partway.serving.jobs import Group, Job, Seat, Served, expire, members_of, pick, refuse
from partway.serving.lingering import Patience, patience_for
from partway.serving.metrics import Metrics, NullMetrics
from partway.serving.outlook import Outlook, Run
from partway.serving.turns import Turns
from partway.wire import Load

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_S = 3600.0  # of any number that is reported
_IDLE_PATIENCE_S = 2.0  # a server that is never idle still has to become faster
_NEWCOMER = "somebody of whom nothing waits"


class Executor:
    """Runs jobs in fair turns, refuses what would not be served in time.

    Args:
        clock: seconds, monotonic.
        workers: threads that run jobs.
        capacity: most jobs that may wait.
        metrics: told how many jobs each run answers.
    """

    def __init__(self, *, clock: Clock, workers: int = 1, capacity: int = 256, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics or NullMetrics()
        self._capacity = capacity
        self._turns: Turns[Job] = Turns()
        self._running: list[Run] = []
        self._closed = False
        self._outlook = Outlook()
        self._started = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)  # what waits
        self._emptied = threading.Condition(self._lock)
        self._threads = tuple(
            threading.Thread(target=self._serve, name=f"partway-compute-{index}", daemon=True)
            for index in range(workers)
        )
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        work: Callable[[], T],
        *,
        share: str = "",
        line: str = "",
        seat: Seat | None = None,
        expected_s: float | None = None,
        unloaded_s: float | None = None,
        deadline_s: float | None = None,
        arrived_s: float | None = None,
        lead_s: float = 0.0,
        aside_s: Callable[[], float] = lambda: 0.0,
        brief: bool = False,
    ) -> Future[Served[T]]:
        """Queue a job; cancelling the future before its turn takes it out again.

        Where as many wait as may, the newest job of whoever has most of them makes room for somebody who has fewer; and
        within a share, that of its longest line for a shorter one.

        Args:
            work: what to run.
            share: whose turn it takes.
            line: of that share, which take turns among themselves.
            seat: its place in the group that it may run with, if there is one.
            expected_s: seconds it may take on an idle machine, or None where nobody knows.
            unloaded_s: seconds it was seen to take on an idle machine; what it takes now, against these, is the
                slowdown. None where nobody saw it.
            deadline_s: the clock's reading after which nobody waits for it.
            arrived_s: the clock's reading when its request arrived; now by default.
            lead_s: seconds of service that it received before, such as reading its message.
            aside_s: asked once it ran: seconds of the run that are service, and no part of `unloaded_s`.
            brief: whether it is over sooner than a worker would begin with it. Where nobody is before it and it has no
                seat, it runs on the caller's own thread then, and the future is done.

        Raises:
            ServerBusy: as many jobs as may wait do, and nobody has more of them than this share.
            RequestExpired: its deadline has passed.
            ModelUnavailable: the executor is closed.
        """
        now_s = self._clock()
        future: Future[Served[T]] = Future()
        job = Job(
            work=work,
            future=future,  # type: ignore[arg-type]  # a future of T is read as one of objects, never written so
            share=share,
            line=line,
            seat=seat,
            expected_s=expected_s,
            unloaded_s=unloaded_s,
            deadline_s=deadline_s,
            arrived_s=now_s if arrived_s is None else arrived_s,
            lead_s=lead_s,
            aside_s=aside_s,
        )
        if job.is_late(now_s):
            raise RequestExpired("the deadline passed before the request could be queued; allow it more time")
        if brief and (run := self._begin_alone(job, now_s)) is not None:
            self._carry_out(run)
            return future
        with self._lock:
            if self._closed:
                raise ModelUnavailable("the server is shutting down; send the request elsewhere", state="draining")
            late = self._drop_late(now_s) if len(self._turns) >= self._capacity else ()
            displaced = self._displace(share, line) if len(self._turns) >= self._capacity else None
            full = len(self._turns) >= self._capacity
            if not full:
                self._turns.add(share, job, line)
                if job.group is not None:
                    job.group.returning.came(job.asker, now_s)
                self._changed.notify_all()
        expire(late)
        if displaced is not None:
            so = f"{displaced.share} has most of them, and its newest gave way"
            refuse(displaced, TooManyRequests(self._crowded(so)))
        if full:
            raise ServerBusy(self._crowded("send it later or elsewhere"))
        future.add_done_callback(lambda done: self._forget(job) if done.cancelled() else None)
        return future

    def turns_away(self, within_s: float, *, share: str, line: str, seat: Seat | None) -> Load | None:
        """The load, where a job would wait for its turn for longer than it may; None where it may come.

        Args:
            within_s: how long it may wait.
            share: as in `submit`.
            line: likewise.
            seat: likewise.
        """
        arrival = Job(work=_nothing, share=share, line=line, seat=seat)
        load = self._load(arrival, self._clock(), service_s=0.0, queue_s=0.0)
        return load if load.queue_delay_s > within_s else None

    def load(self) -> Load:
        """The load that a request would find now that runs alone, of somebody of whom nothing waits."""
        return self._load(Job(work=_nothing, share=_NEWCOMER), self._clock(), service_s=0.0, queue_s=0.0)

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._turns)

    @property
    def started(self) -> int:
        """How many jobs left the queue so far: the same number before and after means that none ran in between."""
        return self._started

    @property
    def idle(self) -> bool:
        """Whether no job waits or runs."""
        return not len(self._turns) and not self._running

    @property
    def alone(self) -> bool:
        """Whether at most one job waits or runs."""
        return len(self._turns) + sum(len(run.left) for run in tuple(self._running)) <= 1

    def wait_idle(self, patience_s: float = _IDLE_PATIENCE_S) -> bool:
        """Return when no job waits or runs, or patience is over; False when the executor was closed meanwhile.

        Args:
            patience_s: go on after so long, idle or not; `idle` tells which.
        """
        with self._lock:
            self._emptied.wait_for(lambda: self._closed or self.idle, patience_s)
            return not self._closed

    def close(self, timeout_s: float | None = None) -> None:
        """Refuse whatever waits, let what runs finish. Repeated calls do nothing.

        Args:
            timeout_s: give up on what runs after so long; None waits for it.
        """
        with self._lock:
            self._closed = True
            left = self._turns.clear()
            self._changed.notify_all()
            self._emptied.notify_all()
        for job in left:
            reason = "the server shut down before the request's turn came; send it elsewhere"
            refuse(job, ModelUnavailable(reason, state="draining"))
        for thread in self._threads:
            thread.join(timeout_s)
            if thread.is_alive():
                logger.warning("job_abandoned thread=%s", thread.name)

    def _serve(self) -> None:
        while (run := self._next()) is not None:
            self._carry_out(run)
            del run  # its tensors may be large: not kept until the next one comes

    def _carry_out(self, run: Run) -> None:
        try:
            self._work_off(run)
        except Exception:  # whatever it is, it must reach the log, and the thread must live on: others wait for it
            logger.exception("worker_failed jobs=%d", len(run.left))
            for job in tuple(run.left):
                refuse(job, EngineError("the server failed on this request; its log says why"))
        self._leave(run)

    def _begin_alone(self, job: Job, now_s: float) -> Run | None:
        with self._lock:
            if self._closed or job.seat is not None or not self.idle:
                return None
            run = Run(jobs=(job,), left=[job], start_s=now_s)
            self._running.append(run)
            self._started += 1
            return run

    def _next(self) -> Run | None:
        with self._lock:
            while True:
                self._changed.wait_for(lambda: self._closed or len(self._turns) > 0)
                if self._closed:
                    return None
                if (patience := patience_for(self._turns, self._clock())) is None:
                    break
                self._changed.wait_for(partial(self._is_over, patience), patience.most_s)
                if len(self._turns):  # none may be left, if they were cancelled or another worker was quicker
                    break
            now_s = self._clock()
            late = self._drop_late(now_s)
            jobs = pick(self._turns) if len(self._turns) else ()
            run = Run(jobs=jobs, left=list(jobs), start_s=now_s)
            self._running.append(run)
            self._started += len(jobs)
            if run.group is not None:
                run.group.note(len(jobs) + sum(job.group is run.group for job in self._turns))
        expire(late)
        return run

    def _is_over(self, patience: Patience) -> bool:
        return self._closed or patience.is_over(self._turns)

    def _work_off(self, run: Run) -> None:
        group = run.group
        if group is not None and len(run.jobs) > 1 and group.proved(len(run.jobs)):
            jobs = [job for job in run.jobs if self._admit(run, job)]
            if len(jobs) < 2 or not self._run_together(run, group, jobs):
                for job in jobs:
                    self._run_alone(run, job)
            return
        for job in run.jobs:
            if self._admit(run, job):
                self._run_alone(run, job)

    def _admit(self, run: Run, job: Job) -> bool:
        """Whether somebody still waits for a job; from then on it cannot be cancelled."""
        if not job.future.set_running_or_notify_cancel():
            logger.info("job_cancelled")
        elif job.is_late(self._clock()):
            expire((job,))
        else:
            return True
        with self._lock:
            run.left.remove(job)
        return False

    def _run_together(self, run: Run, group: Group, jobs: Sequence[Job]) -> bool:
        """Whether jobs ran as one; where that fails, each may still run by itself."""
        start_s = self._clock()
        try:
            outcomes = group.run(members_of(jobs))
        except Exception as error:  # noqa: BLE001 - what fails for all of them may work for each, and say so for itself
            logger.warning("batch_failed members=%d reason=%s", len(jobs), error)
            return False
        end_s = self._clock()
        self._metrics.batch(len(jobs))
        with self._lock:
            if not any(isinstance(outcome, RunStopped) for outcome in outcomes):
                self._outlook.learn_together(group, len(jobs), end_s - start_s, end_s)
            for job in jobs:
                group.returning.answered(job.asker, end_s)
        self._leave(run)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._answer(job, outcome, start_s, end_s)
        return True

    def _run_alone(self, run: Run, job: Job) -> None:
        start_s = self._clock()
        outcome: object
        try:
            outcome = job.work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the job gets it through the future
            outcome = error
        end_s = self._clock()
        self._metrics.batch(1)
        with self._lock:
            run.left.remove(job)
            run.start_s = end_s
            if not isinstance(outcome, BaseException):
                self._outlook.learn(job, end_s - start_s, end_s)
            if job.group is not None:
                job.group.returning.answered(job.asker, end_s)
        if len(run.jobs) == 1:
            self._leave(run)
        self._answer(job, outcome, start_s, end_s)

    def _answer(self, job: Job, outcome: object, start_s: float, end_s: float) -> None:
        if isinstance(outcome, BaseException):
            job.future.set_exception(outcome)
            return
        queue_s = start_s - job.arrived_s - job.lead_s
        load = self._load(job, end_s, service_s=end_s - start_s + job.lead_s, queue_s=queue_s)
        job.future.set_result(Served(value=outcome, load=load))

    def _leave(self, run: Run) -> None:
        with self._lock:
            if run in self._running:
                self._running.remove(run)
            if self.idle:
                self._emptied.notify_all()

    def _load(self, job: Job, now_s: float, *, service_s: float, queue_s: float) -> Load:
        """The load that the next job of the same share and group will find."""
        arrival = Job(work=job.work, share=job.share, line=job.line, seat=job.seat)
        with self._lock:
            delay_s = self._outlook.delay_s(self._turns, self._running, len(self._threads), arrival, now_s)
            slowdown = self._outlook.slowdown(job.group, now_s)
        return Load(
            queue_delay_s=_within(delay_s),
            slowdown=slowdown,
            service_s=_within(service_s),
            queue_s=_within(queue_s),
        )

    def _displace(self, share: str, line: str) -> Job | None:
        """Take out the newest job of whoever has most, where that is fairer than to refuse this one."""
        turns = self._turns
        largest = turns.largest
        if turns.waiting(largest) > turns.waiting(share) + 1:
            return turns.take_newest(largest)
        if turns.most_in_line(share) > turns.waiting(share, line) + 1:
            return turns.take_newest(share)
        return None

    def _crowded(self, so: str) -> str:
        return f"{self._capacity} requests wait already, as many as may; {so}"

    def _forget(self, job: Job) -> None:
        with self._lock:
            if self._turns.remove(job.share, job, job.line):  # its tensors may be large: not kept until its turn comes
                self._changed.notify_all()
                self._emptied.notify_all()

    def _drop_late(self, now_s: float) -> tuple[Job, ...]:
        gone = tuple(job for job in self._turns if job.future.cancelled() or job.is_late(now_s))
        for job in gone:
            self._turns.remove(job.share, job, job.line)
        return gone


def _nothing() -> None:
    """The work of a job that is only thought of."""


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_S)
