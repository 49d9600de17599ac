"""When an answer is later than it should be, so that the device begins to finish alone beside it.

    head ── sent ─────────── expected ──── hedge: the device runs the tail too ──── whichever comes first
                 <- remaining_s -> <- lateness ->     <- at most local_s ->

Input: what the decision expects of the rest, how sure that is, and how late answers have really been. Output: the
wait. Why so long and no longer: docs/decisions/0013. Called by `Remote` before it sends; safe to use from several
threads.
"""

import math
import threading
from dataclasses import dataclass

from partway.link import LinkEstimate
from partway.planning import Conditions, CutCost, parts

_QUANTILE = 1.645
"""Standard deviations to the 95th percentile, so that of answers that come as expected one in twenty is hedged.

Source: Dean and Barroso, The Tail at Scale, CACM 2013: a second request that is deferred until the first has been
outstanding for longer than the 95th percentile adds about 5 % of load.
"""
_MOST_OF_LOCAL = 0.5  # lateness that costs more than half of the local tail is not waited for, however unsure
_LEAST_LATENESS_S = 0.002  # threads and timers alone are late by so much
_GAIN = 0.1
_FIRST_SPREAD = 0.25
_LEAST_SPREAD, _MOST_SPREAD = 0.05, 1.0
_MOST_LOG = math.log(4.0)  # one answer that is later than that teaches no more than one that is so late


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What to expect of a request once its crossing tensors are ready to be sent.

    Attributes:
        remaining_s: seconds until the answer is there.
        spread: how far that may be off, a standard deviation of its logarithm, from what link and costs know.
        local_s: seconds that the rest would take here.
        uplink_s: of `remaining_s`, the crossing tensors on their way.
        queue_s: of `remaining_s`, waiting for the server's turn.
        rtt_s: of `remaining_s`, the round trip of an empty message.
        thrifty: whether joules count, so that a tail here is not begun for the sake of latency alone.
        deadline_s: seconds left until the answer has to be there; infinite without a deadline.
    """

    remaining_s: float
    spread: float
    local_s: float
    uplink_s: float
    queue_s: float = 0.0
    rtt_s: float = 0.0
    thrifty: bool = False
    deadline_s: float = math.inf

    @classmethod
    def of(
        cls,
        cost: CutCost,
        alone: CutCost,
        conditions: Conditions,
        link: LinkEstimate,
        *,
        thrifty: bool = False,
        deadline_s: float = math.inf,
    ) -> "Outlook":
        """The outlook of a cut.

        Args:
            cost: what the cut costs.
            alone: what the device alone costs.
            conditions: under which it was chosen.
            link: how well the link is known.
            thrifty: whether joules count.
            deadline_s: seconds left until the answer has to be there.
        """
        part = parts(cost, conditions)
        remaining_s = part.total_s - part.device_s
        network_s = conditions.rtt_s + part.uplink_s + part.downlink_s
        deviation_s = math.hypot(
            _deviation_s(network_s, link.spread_of(cost.up_bytes, cost.down_bytes)),
            _deviation_s(part.server_s, cost.server_spread or 0.0),
        )
        return cls(
            remaining_s=remaining_s,
            spread=deviation_s / remaining_s if remaining_s > 0.0 else 0.0,
            local_s=max(0.0, conditions.device_factor * (alone.device_s - cost.device_s)),
            uplink_s=part.uplink_s,
            queue_s=conditions.queue_delay_s if cost.offloaded else 0.0,
            rtt_s=conditions.rtt_s if cost.offloaded else 0.0,
            thrifty=thrifty,
            deadline_s=deadline_s,
        )

    @property
    def rest_s(self) -> float:
        """Of `remaining_s`, all but the crossing tensors' way: round trip, queue, tail, and the answer's way."""
        return self.remaining_s - self.uplink_s

    @property
    def bearable_queue_s(self) -> float | None:
        """How long the request may wait for its turn and still be answered before the device is, told of it at once.

        Either way something travels back. None where joules count: the device would rather wait.
        """
        return None if self.thrifty else max(0.0, self.local_s - (self.rest_s - self.queue_s - self.rtt_s))


def _deviation_s(seconds: float, spread: float) -> float:
    return seconds * min(spread, _MOST_SPREAD)  # of what is not known at all, too


class Hedge:
    """Says how long to wait, from how late answers have been."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bias = 0.0  # mean of the logarithm of what answers took over what was expected
        self._variance = _FIRST_SPREAD**2

    @property
    def spread(self) -> float:
        """How far answers scatter around what was expected, a standard deviation of the logarithm."""
        return min(_MOST_SPREAD, max(_LEAST_SPREAD, math.sqrt(self._variance)))

    def wait_s(self, outlook: Outlook) -> float:
        """Seconds from sending until the device begins to finish alone.

        The 95th percentile of when the answer comes, later than expected by no more than half of what the rest takes
        here where joules do not count, and by no less than threads and timers are late. With a deadline that the device
        can still meet it is early enough for that; with one that it cannot, the answer is waited for until then.

        Args:
            outlook: of the request.
        """
        with self._lock:
            spread = max(self.spread, outlook.spread)
            bias = max(0.0, self._bias)
        ratio = math.exp(min(bias + _QUANTILE * spread, 2 * _MOST_LOG))
        most_s = math.inf if outlook.thrifty else max(_LEAST_LATENESS_S, _MOST_OF_LOCAL * outlook.local_s)
        lateness_s = min(most_s, max(_LEAST_LATENESS_S, (ratio - 1.0) * outlook.remaining_s))
        wait_s = outlook.remaining_s + lateness_s
        spare_s = outlook.deadline_s - outlook.local_s
        if spare_s >= 0.0:
            return min(wait_s, spare_s)
        return min(wait_s, max(outlook.deadline_s, outlook.remaining_s + _LEAST_LATENESS_S))

    def saw(self, outlook: Outlook, took_s: float) -> None:
        """An answer came, or was outrun after so long: it is as late as that at least.

        Args:
            outlook: of the request.
            took_s: from sending on.
        """
        if outlook.remaining_s <= 0.0 or took_s <= 0.0:
            return
        late = min(_MOST_LOG, max(-_MOST_LOG, math.log(took_s / outlook.remaining_s)))
        with self._lock:
            step = late - self._bias
            self._bias += _GAIN * step
            self._variance += _GAIN * (step * step - self._variance)
