"""How a run that nobody waits for any more is ended.

A `Stop` is handed to `Session.run`; whoever holds it may say `stop()` from any thread, also before the run begins.
Called by the client's race and by the server, whose callers may go away.
"""

import threading
from collections.abc import Callable, Sequence

from partway.errors import RunStopped


class Stop:
    """Says once, for good and to everybody who asks, that a run shall end; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._next = 0

    @property
    def stopped(self) -> bool:
        """Whether it was said."""
        return self._stopped

    def stop(self) -> None:
        """Say it. Repeated calls do nothing."""
        with self._lock:
            self._stopped = True
            callbacks = tuple(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_stop(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have something called when it is said, on the thread that says it; at once when it was said before.

        Args:
            callback: must be quick and not raise.

        Returns:
            What to call when the callback is no longer wanted.
        """
        with self._lock:
            if not self._stopped:
                key = self._next
                self._next += 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return lambda: None

    def check(self) -> None:
        """Go on unless it was said.

        Raises:
            RunStopped: it was.
        """
        if self._stopped:
            raise RunStopped("the run was stopped, since nobody waits for it any more")

    @staticmethod
    def once_all(stops: "Sequence[Stop]") -> "Stop":
        """What is said once every one of some others was, at the end of the last of those who wait for one run.

        Args:
            stops: the others, at least one.
        """
        together = Stop()

        def check() -> None:
            if all(stop.stopped for stop in stops):
                together.stop()

        for stop in stops:
            stop.on_stop(check)
        return together

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
