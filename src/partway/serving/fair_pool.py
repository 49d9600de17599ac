"""Work in a pool's threads, in turn by who asks for it: whoever asks for much keeps nobody else waiting.

Input: work and the name of who wants it done. Output: futures. Called by the models' keeper; safe to use from several
threads.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from partway.errors import TooManyRequests
from partway.serving.turns import Turns

T = TypeVar("T")

_MOST_WAITING = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    by: str
    run: Callable[[], None]
    cancel: Callable[[], object]


class FairPool:
    """A pool that serves names round robin.

    Args:
        pool: whose threads do the work.
        most: pieces of work at once; fewer than the pool has threads, where others use it too.
        most_each: of one name.
        most_waiting: of one name that are not begun yet.
    """

    def __init__(self, pool: Pool, *, most: int = 3, most_each: int = 2, most_waiting: int = _MOST_WAITING) -> None:
        self._pool = pool
        self._most = most
        self._most_each = most_each
        self._most_waiting = most_waiting
        self._waiting: Turns[_Task] = Turns()
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def submit(self, by: str, work: Callable[[], T]) -> Future[T]:
        """Have something done in its turn.

        Args:
            by: who wants it done.
            work: what.

        Raises:
            TooManyRequests: as much of theirs waits as may.
        """
        future: Future[T] = Future()
        task = _Task(by=by, run=lambda: _fulfil(future, work), cancel=future.cancel)
        with self._lock:
            if self._waiting.waiting(by) >= self._most_waiting:
                raise TooManyRequests(
                    f"{self._most_waiting} cuts or shapes that {by} asked for wait to be built, as many of one client "
                    "as may; ask for those that are there, or for others later"
                )
            self._waiting.add(by, task)
        self._go_on()
        return future

    def _go_on(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._pool.submit(self._work, task)
            except RuntimeError:  # the pool was shut down: whoever still waits has to know
                task.cancel()
                self._leave(task)

    def _next(self) -> _Task | None:
        with self._lock:
            if self._running.total() >= self._most:
                return None
            task = next((task for task in self._waiting if self._running[task.by] < self._most_each), None)
            if task is not None:
                self._waiting.take(task.by, task)
                self._running[task.by] += 1
            return task

    def _work(self, task: _Task) -> None:
        try:
            task.run()
        finally:
            self._leave(task)
            self._go_on()

    def _leave(self, task: _Task) -> None:
        with self._lock:
            self._running[task.by] -= 1
            if not self._running[task.by]:
                del self._running[task.by]


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it through the future
        future.set_exception(error)
    else:
        future.set_result(value)
