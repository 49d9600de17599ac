"""Requests that event loops await: each on a thread of its own, stopped when its task is cancelled.

Input: work that can be stopped. Output: what it gives, awaited. Kept by the session, which runs `run_async` on it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from partway.engine import Stop
from partway.errors import InputError

T = TypeVar("T")

_MOST_AT_ONCE = 64


class AwaitedWork:
    """Threads for awaited requests, made when they are first needed; safe to use from several loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._closed = False

    async def run(self, work: Callable[[Stop], T]) -> T:
        """Await what `work` gives; at most 64 at once, others wait for their turn.

        Args:
            work: is told to stop when the awaiting task is cancelled.

        Raises:
            InputError: it was closed.
        """
        stop = Stop()
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                raise InputError("the session is closed; make a new one")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="partway-awaited")
            pending = loop.run_in_executor(self._threads, work, stop)
        try:
            return await pending
        except asyncio.CancelledError:
            stop.stop()
            raise

    def close(self) -> None:
        """Take no more; what has begun goes on, and so does what waits, which ends at once or says why not."""
        with self._lock:
            self._closed = True
            if self._threads is not None:
                self._threads.shutdown(wait=False)
