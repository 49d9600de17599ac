"""Whether requests go to the server now: no request ever finds out for the others that it is still gone.

    closed ── a failure ──> open: requests run on the device ── the pause is over ──> half-open: one question is asked
      ^                      ^────────────────── no answer, a longer pause ──────────────┘      │
      └──────────────────────────────────── an answer ──────────────────────────────────────────┘

Input: how requests and background questions went. Output: whether to send, and when to ask again. Kept by `Remote`,
asked by requests and by `Reconnection`. Safe to use from several threads; clock and randomness are handed in.
"""

import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np

from partway.engine import Clock
from partway.errors import PartwayError, ServerNotReady, ServerRefused, ServerUnavailable

logger = logging.getLogger(__name__)

State = Literal["closed", "open", "half-open"]

_LEAST_JITTER = 0.5  # pauses are drawn between this share and the whole: clients that failed together return apart
_FORGIVEN_AFTER_S = 60.0  # failures longer ago than this lengthen no pause
_QUESTION_S = 15.0  # longer than any lasts: after this long, nobody is thought to be asking any more
_MOST_LATE = 3
_BUSY = frozenset({"RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    first_s: float
    growth: float
    longest_s: float

    def after(self, failures: int) -> float:
        # The bound on the exponent keeps the power a number.
        return min(self.longest_s, self.first_s * self.growth ** min(failures - 1, 32))


class Fault(Enum):
    """What went wrong."""

    UNREACHABLE = "unreachable"
    """Nobody there, a connection that broke, or silence."""
    DAMAGED = "damaged"
    """Answers that are not what was asked for: on the way, or made so."""
    BUSY = "busy"
    """A queue that is full, which empties in the time of a few requests."""
    NOT_READY = "not_ready"
    """A server that opens the model or shuts down: there, and soon ready or replaced."""
    REFUSED = "refused"
    """Another model, or one that is not served: until somebody mends it."""
    LATE = "late"
    """Answers that the device outran, several in a row without one that came in time."""

    @classmethod
    def of(cls, error: PartwayError) -> "Fault":
        """What an error of the server's part says about asking again."""
        if isinstance(error, ServerNotReady):
            return cls.NOT_READY
        if isinstance(error, ServerUnavailable):
            return cls.UNREACHABLE
        if isinstance(error, ServerRefused):
            return cls.BUSY if error.status in _BUSY else cls.REFUSED
        return cls.DAMAGED


# How long each keeps requests away.
_DEAD = _Pause(first_s=0.25, growth=2.0, longest_s=30.0)
_PAUSES: Mapping[Fault, _Pause] = {
    Fault.UNREACHABLE: _DEAD,
    Fault.DAMAGED: _DEAD,
    Fault.LATE: _DEAD,
    Fault.BUSY: _Pause(first_s=0.2, growth=1.5, longest_s=2.0),
    Fault.NOT_READY: _Pause(first_s=0.5, growth=1.0, longest_s=0.5),
    Fault.REFUSED: _Pause(first_s=2.0, growth=2.0, longest_s=30.0),
}


class Breaker:
    """Opens when the server fails a request, closes when it answers a question.

    Failures of one kind in a row lengthen the pause; only an answered request begins anew, since questions are small
    and may pass where requests do not.

    Args:
        clock: seconds, monotonic.
        generator: jitters the pauses.
        why_not: what to say of a server that was not asked yet.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        generator: np.random.Generator,
        why_not: str = "the server has not said yet what its part would take",
    ) -> None:
        self._clock = clock
        self._generator = generator
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._failures = 0
        self._fault: Fault | None = None
        self._silences = 0
        self._openings = 0
        self._late = 0
        self._failed_s = self._late_s = -math.inf
        self._until_s = -math.inf
        self._why_not = why_not

    @property
    def state(self) -> State:
        """Closed: requests are sent. Open: they are not. Half-open: nor are they, and a question is on its way."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether requests go to the server."""
        return self._state == "closed"

    @property
    def silences(self) -> int:
        """How many requests and questions in a row had no answer at all."""
        return self._silences

    @property
    def openings(self) -> int:
        """How often a failure kept requests from the server that were sent to it before."""
        return self._openings

    @property
    def why_not(self) -> str:
        """What went wrong last, in a sentence."""
        return self._why_not

    @property
    def pause_left_s(self) -> float:
        """Seconds until a question may be asked, 0 where it may be now."""
        return max(0.0, self._until_s - self._clock())

    def claim(self) -> bool:
        """Take it on oneself to ask a question now; whether one may be asked.

        Of an open breaker that waits for nobody else's question, once its pause is over; of a closed one always.
        """
        with self._lock:
            now_s = self._clock()
            if self._state != "closed" and now_s >= self._until_s:
                self._state, self._until_s = "half-open", now_s + _QUESTION_S
                return True
            return self._state == "closed"

    def answered(self, *, question: bool) -> None:
        """The server answered.

        Args:
            question: one of the background's, and no request.
        """
        with self._lock:
            was, self._state = self._state, "closed"
            self._silences = 0
            if not question:
                self._failures = self._late = 0
        if was != "closed":
            logger.info("breaker_closed after=%s", was)

    def failed(self, fault: Fault, why: str) -> None:
        """The server did not answer as it should.

        Args:
            fault: what went wrong.
            why: the same as a sentence.
        """
        with self._lock:
            now_s = self._clock()
            if fault is not self._fault or now_s - self._failed_s > _FORGIVEN_AFTER_S:
                self._failures = 0  # another trouble, or another time: it begins anew
            self._silences = self._silences + 1 if fault is Fault.UNREACHABLE else 0
            if self._state == "open" and now_s < self._until_s:
                return  # one of several that were on their way together: the first one counted
            self._failures += 1
            self._openings += self._state == "closed"
            self._fault, self._failed_s = fault, now_s
            pause_s = _PAUSES[fault].after(self._failures) * self._generator.uniform(_LEAST_JITTER, 1.0)
            self._state, self._until_s, self._why_not = "open", now_s + pause_s, why
            failures = self._failures
        logger.warning("breaker_open fault=%s failures=%d pause_s=%.2f reason=%s", fault.value, failures, pause_s, why)

    def outrun(self) -> None:
        """The device finished before a late answer came: that alone proves nothing, several in a row do."""
        with self._lock:
            now_s = self._clock()
            self._late = 1 if now_s - self._late_s > _FORGIVEN_AFTER_S else self._late + 1
            self._late_s, late = now_s, self._late
        if late >= _MOST_LATE:
            self.failed(Fault.LATE, f"the last {late} answers did not come before the device had its own")
