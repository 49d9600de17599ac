"""The requests that run now, so that measuring can stay out of their way. Kept by the session, asked by the learner."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Traffic:
    """Counts the requests that run now."""

    def __init__(self) -> None:
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Spans one request."""
        with self._changed:
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no request runs; whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)

    @property
    def alone(self) -> bool:
        """Whether at most one request runs."""
        return self._running <= 1
