"""The requests that run now, so that measuring can stay out of their way. Kept by the session, asked by the learner."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Traffic:
    """Counts the requests that run now."""

    def __init__(self) -> None:
        self._running = 0
        self._changed = threading.Condition()
        self._then: list[Callable[[], object]] = []

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
            self._run_when_idle()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Have something called once, as soon as no request runs; at once if none does."""
        with self._changed:
            self._then.append(callback)
        self._run_when_idle()

    def _run_when_idle(self) -> None:
        with self._changed:
            if self._running:
                return
            callbacks, self._then = self._then, []
        for callback in callbacks:
            callback()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no request runs; whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)

    @property
    def alone(self) -> bool:
        """Whether at most one request runs."""
        return self._running <= 1
