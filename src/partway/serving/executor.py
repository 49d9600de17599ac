"""The queue in front of the processor, and what it knows of the server's load.

    submit -> [ bounded queue ] -> worker -> Served(value, load)
                  |      |
             full: busy  late or cancelled: dropped before it runs

Input: jobs, each a callable with the seconds that it should take. Output: their results with the `Load` that
travels on every answer. ONNX Runtime spreads one job over all cores, so one worker is the rule. Called by the
handlers; learning in the background asks it for idle moments.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from partway.engine import Clock
from partway.errors import ModelUnavailable, RequestExpired, ServerBusy
from partway.serving.slowdown import Slowdown
from partway.wire import Load

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SMOOTHING = 0.25  # the share of the newest job in what a job usually takes
_LONGEST_S = 3600.0  # of any number that is reported
_IDLE_PATIENCE_S = 2.0  # a server that is never idle still has to become faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[T]):
    """A job's result.

    Attributes:
        value: what it returned.
        load: the server's load at its end, and what the job itself waited and took.
    """

    value: T
    load: Load


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    work: Callable[[], object]
    future: Future[Served[object]]
    expected_s: float | None
    unloaded_s: float | None
    deadline_s: float | None
    arrived_s: float
    lead_s: float
    aside_s: Callable[[], float]


class Executor:
    """Runs jobs one after the other, refuses what would not be served in time.

    Args:
        clock: seconds, monotonic.
        workers: threads that run jobs.
        capacity: most jobs that may wait.
    """

    def __init__(self, *, clock: Clock, workers: int = 1, capacity: int = 64) -> None:
        self._clock = clock
        self._capacity = capacity
        self._queue: deque[_Job] = deque()
        self._running: dict[_Job, float] = {}
        self._closed = False
        self._slowdown = Slowdown()
        self._usual_s = 0.0  # what a job takes of which nothing is known
        self._started = 0
        self._changed = threading.Condition()
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
        expected_s: float | None = None,
        unloaded_s: float | None = None,
        deadline_s: float | None = None,
        arrived_s: float | None = None,
        lead_s: float = 0.0,
        aside_s: Callable[[], float] = lambda: 0.0,
    ) -> Future[Served[T]]:
        """Queue a job; cancelling the future before its turn takes it out again.

        Args:
            work: what to run.
            expected_s: seconds it may take on an idle machine, or None where nobody knows.
            unloaded_s: seconds it was seen to take on an idle machine; what it takes now, against these, is the
                slowdown. None where nobody saw it.
            deadline_s: the clock's reading after which nobody waits for it.
            arrived_s: the clock's reading when its request arrived; now by default.
            lead_s: seconds of service that it received before, such as reading its message.
            aside_s: asked once it ran: seconds of the run that are service, and no part of `unloaded_s`.

        Raises:
            ServerBusy: as many jobs as may wait do.
            RequestExpired: its deadline has passed.
            ModelUnavailable: the executor is closed.
        """
        future: Future[Served[T]] = Future()
        now_s = self._clock()
        if deadline_s is not None and now_s >= deadline_s:
            raise RequestExpired("the deadline passed before the request could be queued; allow it more time")
        with self._changed:
            if self._closed:
                raise ModelUnavailable("the server is shutting down; send the request elsewhere", state="draining")
            late = self._drop_late(now_s) if len(self._queue) >= self._capacity else []
            full = len(self._queue) >= self._capacity
            if not full:
                job = _Job(
                    work=work,
                    future=future,  # type: ignore[arg-type]  # a future of T is read as one of objects, never written so
                    expected_s=expected_s,
                    unloaded_s=unloaded_s,
                    deadline_s=deadline_s,
                    arrived_s=now_s if arrived_s is None else arrived_s,
                    lead_s=lead_s,
                    aside_s=aside_s,
                )
                self._queue.append(job)
                self._changed.notify_all()
        for late_job in late:
            _expire(late_job)
        if full:
            raise ServerBusy(f"{self._capacity} requests wait already, as many as may; send it later or elsewhere")
        future.add_done_callback(lambda done: self._forget(job) if done.cancelled() else None)
        return future

    def load(self) -> Load:
        """The load that a request would find now."""
        return self._load(self._clock(), service_s=0.0, queue_s=0.0)

    @property
    def started(self) -> int:
        """How many jobs left the queue so far: the same number before and after means that none ran in between."""
        return self._started

    @property
    def idle(self) -> bool:
        """Whether no job waits or runs."""
        return not self._queue and not self._running

    @property
    def alone(self) -> bool:
        """Whether at most one job waits or runs."""
        return len(self._queue) + len(self._running) <= 1

    def wait_idle(self, patience_s: float = _IDLE_PATIENCE_S) -> bool:
        """Return when no job waits or runs, or patience is over; False when the executor was closed meanwhile.

        Args:
            patience_s: go on after so long, idle or not; `idle` tells which.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.idle, patience_s)
            return not self._closed

    def close(self, timeout_s: float | None = None) -> None:
        """Refuse whatever waits, let what runs finish. Repeated calls do nothing.

        Args:
            timeout_s: give up on what runs after so long; None waits for it.
        """
        with self._changed:
            self._closed = True
            left = tuple(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for job in left:
            if job.future.set_running_or_notify_cancel():
                reason = "the server shut down before the request's turn came; send it elsewhere"
                job.future.set_exception(ModelUnavailable(reason, state="draining"))
        for thread in self._threads:
            thread.join(timeout_s)
            if thread.is_alive():
                logger.warning("job_abandoned thread=%s", thread.name)

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            try:
                if not job.future.set_running_or_notify_cancel():
                    logger.info("job_cancelled")
                elif job.deadline_s is not None and self._clock() >= job.deadline_s:
                    _expire(job, running=True)
                else:
                    self._run(job)
            finally:
                self._leave(job)
            del job  # its tensors may be large: not kept until the next one comes

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._queue))
            if not self._queue:
                return None
            job = self._queue.popleft()
            self._running[job] = self._clock()
            self._started += 1
            return job

    def _run(self, job: _Job) -> None:
        start_s = self._clock()
        try:
            value = job.work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the job gets it through the future
            self._leave(job)
            job.future.set_exception(error)
            return
        end_s = self._clock()
        self._learn(job, end_s - start_s, end_s)
        self._leave(job)
        service_s = end_s - start_s + job.lead_s
        queue_s = start_s - job.arrived_s - job.lead_s
        job.future.set_result(Served(value=value, load=self._load(end_s, service_s=service_s, queue_s=queue_s)))

    def _leave(self, job: _Job) -> None:
        with self._changed:
            self._running.pop(job, None)
            self._changed.notify_all()

    def _learn(self, job: _Job, took_s: float, now_s: float) -> None:
        with self._changed:
            self._usual_s += _SMOOTHING * (took_s - self._usual_s) if self._usual_s else took_s
            if job.unloaded_s:
                self._slowdown.observe(took_s + job.lead_s - job.aside_s(), job.unloaded_s, now_s)

    def _load(self, now_s: float, *, service_s: float, queue_s: float) -> Load:
        with self._changed:
            slowdown = self._slowdown.value(now_s)
            waiting_s = sum(self._expected_s(job, slowdown) for job in self._queue if not job.future.cancelled())
            running_s = sum(
                max(0.0, self._expected_s(job, slowdown) - (now_s - start_s)) for job, start_s in self._running.items()
            )
        return Load(
            queue_delay_s=_within((waiting_s + running_s) / len(self._threads)),
            slowdown=slowdown,
            service_s=_within(service_s),
            queue_s=_within(queue_s),
        )

    def _expected_s(self, job: _Job, slowdown: float) -> float:
        # The usual time was observed, so it has the slowdown in it already.
        return self._usual_s if job.expected_s is None else slowdown * job.expected_s

    def _forget(self, job: _Job) -> None:
        with self._changed:
            if job in self._queue:  # its tensors may be large: not kept until its turn comes
                self._queue.remove(job)
                self._changed.notify_all()

    def _drop_late(self, now_s: float) -> list[_Job]:
        gone = [
            job
            for job in self._queue
            if job.future.cancelled() or (job.deadline_s is not None and now_s >= job.deadline_s)
        ]
        for job in gone:
            self._queue.remove(job)
        return gone


def _expire(job: _Job, *, running: bool = False) -> None:
    if running or job.future.set_running_or_notify_cancel():
        logger.info("job_expired")
        job.future.set_exception(
            RequestExpired("the deadline passed while the request waited for its turn; allow it more time")
        )


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_S)
