"""Asks a server that was left alone whether it answers again, in the background and only while somebody wants it.

Input: that the session is in use, and a breaker. Output: one question at the end of each of its pauses, on the
thread that asks. The pauses are the breaker's, jittered and growing, so nothing here needs to be.
"""

import math
import threading
from collections.abc import Callable
from functools import partial

from partway.client.breaker import Breaker
from partway.client.surroundings import Later
from partway.engine import Clock

_IN_USE_S = 60.0  # a session that nobody used for a minute leaves the network in peace
_LEAST_S = 0.01


class Reconnection:
    """Plans the next question for as long as the breaker is not closed.

    Args:
        breaker: says whether and when.
        ask: asks the question, then calls `plan`; must return at once.
        later: calls it.
        clock: seconds, monotonic.
    """

    def __init__(self, breaker: Breaker, ask: Callable[[], object], *, later: Later, clock: Clock) -> None:
        self._breaker = breaker
        self._ask = ask
        self._later = later
        self._clock = clock
        self._lock = threading.Lock()
        self._used_s = -math.inf
        self._due_s = math.inf
        self._call_off: Callable[[], None] = _nothing
        self._closed = False

    def used(self) -> None:
        """A request was answered, wherever: the session is in use."""
        self._used_s = self._clock()
        self.plan()

    def plan(self) -> None:
        """Have the question asked when the breaker's pause is over, unless it is planned or not wanted."""
        if self._breaker.closed or self._clock() - self._used_s > _IN_USE_S:
            return
        with self._lock:
            delay_s = max(_LEAST_S, self._breaker.pause_left_s)
            due_s = self._clock() + delay_s
            # One planned for later is called off: it waits for another question to be given up, or a pause that ended.
            if due_s < self._due_s - _LEAST_S and not self._closed:
                self._call_off()
                self._due_s = due_s
                self._call_off = self._later(delay_s, partial(self._due, due_s))

    def close(self) -> None:
        """Ask nothing any more."""
        with self._lock:
            self._closed = True
            call_off, self._call_off = self._call_off, _nothing
        call_off()

    def _due(self, due_s: float) -> None:
        with self._lock:
            if self._closed or due_s != self._due_s:  # called off while it was about to ring
                return
            self._due_s, self._call_off = math.inf, _nothing
        self._ask()


def _nothing() -> None:
    """Calls nothing off."""
