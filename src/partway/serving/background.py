"""Work that waits for idle moments, as long as its turn says: optimising graphs and timing pieces.

One thread of its own, and every task asks for its turn before each step. The thread runs at normal priority on
purpose: sessions are made on it, and the threads of a session inherit the priority of the one that made it.
Called by the learner.
"""

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait

logger = logging.getLogger(__name__)


class Background:
    """A queue of tasks that yield to requests.

    Args:
        turn: waits for an idle moment, or until it has waited enough; False when nothing is to run any more.
    """

    def __init__(self, turn: Callable[[], bool]) -> None:
        self.turn = turn
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="partway-background")
        self._waiting: set[Hashable] = set()
        self._unfinished: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, key: Hashable, task: Callable[[], None]) -> None:
        """Queue a task, unless one with the same key waits already; one that runs does not count."""
        with self._lock:
            if self._closed or key in self._waiting:
                return
            self._waiting.add(key)
            future = self._pool.submit(self._run, key, task)
            self._unfinished.add(future)
        future.add_done_callback(self._finish)

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when no task waits or runs, those included that tasks queue.

        Raises:
            TimeoutError: one of them takes longer than `timeout_s`.
        """
        while unfinished := self._still_unfinished():
            if wait(unfinished, timeout=timeout_s).not_done:
                raise TimeoutError(f"background work did not end within {timeout_s} s")

    def close(self) -> None:
        """Forget what waits; what runs finishes on its own."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, key: Hashable, task: Callable[[], None]) -> None:
        go_on = self.turn()
        with self._lock:
            self._waiting.discard(key)
        if go_on:
            task()

    def _still_unfinished(self) -> tuple[Future[None], ...]:
        with self._lock:
            return tuple(future for future in self._unfinished if not future.done())

    def _finish(self, future: Future[None]) -> None:
        with self._lock:
            self._unfinished.discard(future)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            logger.error("background_task_failed", exc_info=error)
