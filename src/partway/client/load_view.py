"""How busy a device takes the server to be: its reports, smoothed, aged, and doubted by each device in its own way.

    report ─> smoothed ─> aged: fades to idle ─> times the device's own doubt ─┬─> queue delay for the next decision
    an answer that nobody waited for any longer ─> so much at least ───────────┘

Many devices of one server read the same number. Were all to believe it to the letter, all would leave at the same
moment, find the server idle, and all come back: a herd. So each gives queue delays a weight of its own, drawn anew
from time to time: where the number lies near the point at which leaving pays, some leave and some stay, and the share
that stays is the one that the server can bear. Nobody takes it for much less than it is: who does sends to a server
that is busy, waits in vain and computes it all here after that. Input: reports, and answers that did not come. Output:
queue delay and slowdown. Called by the observer, which locks; clock and randomness are handed in. `docs/link.md` shows
the herd with and without.
"""

import math

import numpy as np

from partway.engine import Clock
from partway.wire import Load

# A queue moves in milliseconds and a report is old when it arrives; a second of reports says how long it usually is.
_SMOOTHED_OVER_S = 1.0

# What was not heard of for so long is taken for idle by 1 - 1/e: someone has to look whether it still is busy.
_FADES_IN_S = 20.0

# Standard deviation of the logarithm of a device's weight, and how long it keeps one on average. Wide enough to spread
# a herd over a factor of three of queue delay; the weight is never less than the last, see docs/link.md.
_DOUBT, _DOUBT_LASTS_S, _LEAST_WEIGHT = 0.65, 10.0, 0.7


class LoadView:
    """The server's load, as one device goes by it.

    Args:
        clock: seconds, monotonic.
        generator: draws the device's doubt.
        doubt: standard deviation of the logarithm of the weight of queue delays; 0 for a device that has none.
    """

    def __init__(self, *, clock: Clock, generator: np.random.Generator, doubt: float = _DOUBT) -> None:
        self._clock = clock
        self._generator = generator
        self._doubt = doubt
        self._queue_delay_s = 0.0
        self._slowdown = 1.0
        self._heard_s = -math.inf
        self._reported_s: float | None = None
        self._least_delay_s, self._overdue_s = 0.0, -math.inf
        self._weight = self._draw()

    @property
    def heard_s(self) -> float:
        """The clock's reading when the last report came; minus infinity before the first."""
        return self._heard_s

    @property
    def reported_s(self) -> float | None:
        """The queue delay of the last report as it came, neither smoothed, aged nor doubted; None before the first."""
        return self._reported_s

    def saw(self, load: Load) -> None:
        """A report came with an answer."""
        now_s = self._clock()
        since_s = now_s - self._heard_s
        keep = math.exp(-max(since_s, 0.0) / _SMOOTHED_OVER_S)
        self._queue_delay_s = keep * self._queue_delay_s + (1.0 - keep) * load.queue_delay_s
        self._slowdown = keep * self._slowdown + (1.0 - keep) * load.slowdown
        self._heard_s, self._reported_s = now_s, load.queue_delay_s
        self._least_delay_s = 0.0
        if self._generator.random() < 1.0 - math.exp(-min(max(since_s, 0.0), 1e6) / _DOUBT_LASTS_S):
            self._weight = self._draw()

    def overdue(self, queue_delay_s: float) -> None:
        """No answer came for so long that its request must have waited, and so it brings no report.

        Args:
            queue_delay_s: how long at least, in seconds; it holds until the server says how long it is.
        """
        if queue_delay_s > self._least_s():
            self._least_delay_s, self._overdue_s = queue_delay_s, self._clock()

    def queue_delay_s(self) -> float:
        """What a request that is sent now may wait, in seconds."""
        return max(self._least_s(), self._weight * _faded(self._clock() - self._heard_s) * self._queue_delay_s)

    def _least_s(self) -> float:
        return self._least_delay_s * _faded(self._clock() - self._overdue_s)

    def slowdown(self) -> float:
        """How many times longer than unloaded a tail may take now."""
        return 1.0 + _faded(self._clock() - self._heard_s) * (self._slowdown - 1.0)

    def _draw(self) -> float:
        return max(_LEAST_WEIGHT, math.exp(self._generator.normal(0.0, self._doubt))) if self._doubt else 1.0


def _faded(age_s: float) -> float:
    return math.exp(-max(age_s, 0.0) / _FADES_IN_S)
