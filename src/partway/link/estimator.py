"""What the link is like, learnt from the transfers that went over it.

Observed transfers come in from the client after each request or ping; a `LinkEstimate` leaves for the
decision. Pure: times are handed in. One caller at a time: locking is the client's.

The model is `network_s = rtt + up_bytes/uplink + down_bytes/downlink`. One cut that repeats has always the
same bytes and cannot tell the three apart, so they are learnt apart: the round trip from transfers of nearly
no bytes (pings), each rate from transfers whose time it dominates.
"""

import math
from collections import deque
from dataclasses import dataclass

from partway.errors import LinkError
from partway.link.state import NAMED_LINKS, Link

# A transfer of fewer bytes both ways measures the round trip, one of more a rate.
SMALL_BYTES = 2048

# The round trip is the second shortest of this many recent pings: low, since waiting only ever adds, but
# not the very shortest, so that one lucky ping or a changed link is not believed for long.
_PINGS = 5

# Without a ping, the round trip is at most half of the shortest of this many recent transfers.
_RECENT = 8

# Standard deviations of a rate's logarithm. The prior: within a factor of ten in two cases of three. A
# transfer's own scatter on a calm link. The drift of a link in one second.
_PRIOR_SPREAD, _LEAST_SCATTER, _DRIFT_PER_ROOT_S = math.log(10), 0.1, 0.1

# An estimate never grows so sure of itself that it stops to learn.
_LEAST_GAIN = 0.15

# Two successive surprises of this many standard deviations that agree are a change of the link.
_SURPRISE = 2.5

# Known within a factor of two counts as observed.
_OBSERVED_SPREAD = math.log(2)

# What a measured time and a rate over its prior are clipped to, so that nonsense stays a number.
_LEAST_S, _MOST_S = 1e-6, 86400.0
_MOST_LOG_RATIO = math.log(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One request or ping, as the network saw it.

    Attributes:
        at_s: the client's clock when the answer was there, in seconds.
        up_bytes: bytes sent, at least 0.
        down_bytes: bytes received, at least 0.
        network_s: the round trip less the time the server had the request. Clocks are imperfect, so it
            may be below 0: it then counts as nearly none.

    Raises:
        LinkError: a value is not finite, or a size below 0.
    """

    at_s: float
    up_bytes: int
    down_bytes: int
    network_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at_s) and math.isfinite(self.network_s)):
            raise LinkError(f"a transfer took {self.network_s} s, until {self.at_s} s; give finite times")
        if self.up_bytes < 0 or self.down_bytes < 0:
            raise LinkError(f"a transfer has {self.up_bytes} bytes up, {self.down_bytes} down; give sizes from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstimate:
    """The link as far as it is known; what was not observed is the prior's.

    Attributes:
        link: the estimate.
        observed_transfers: how many transfers it was made from.
        rtt_observed: whether a ping has measured the round trip.
        uplink_observed: whether the uplink rate is known within a factor of two.
        downlink_observed: whether the downlink rate is known within a factor of two.
        relative_spread: the standard deviation of the uplink rate's logarithm: 0.1 says give or take
            10 %, more than 0.7 that the rate is a guess.
    """

    link: Link
    observed_transfers: int
    rtt_observed: bool
    uplink_observed: bool
    downlink_observed: bool
    relative_spread: float


class LinkEstimator:
    """Follows one link; feed it every transfer, ask it before every decision.

    Args:
        prior: what to believe before anything is observed.
    """

    def __init__(self, prior: Link = NAMED_LINKS["lte"]) -> None:
        self._prior = prior
        self._pings: deque[Transfer] = deque(maxlen=_PINGS)
        self._recent_s: deque[float] = deque(maxlen=_RECENT)
        self._uplink = _RateFilter(prior.uplink_bytes_per_s)
        self._downlink = _RateFilter(prior.downlink_bytes_per_s)
        self._observed_transfers = 0

    def observe(self, transfer: Transfer) -> None:
        """Learn from a transfer; they come in the order of their times."""
        self._observed_transfers += 1
        if max(transfer.up_bytes, transfer.down_bytes) < SMALL_BYTES:
            self._pings.append(transfer)
            return
        network_s = min(max(transfer.network_s, _LEAST_S), _MOST_S)
        self._recent_s.append(network_s)
        rtt_s, rtt_spread_s = self._round_trip()
        up_s = transfer.up_bytes / self._uplink.bytes_per_s
        down_s = transfer.down_bytes / self._downlink.bytes_per_s
        up_spread_s = up_s * self._uplink.spread_at(transfer.at_s)
        down_spread_s = down_s * self._downlink.spread_at(transfer.at_s)
        # What was not expected of the time is laid to the way whose share of it was less sure.
        if up_spread_s >= down_spread_s:
            learner, size_bytes, other_s, other_spread_s = self._uplink, transfer.up_bytes, down_s, down_spread_s
        else:
            learner, size_bytes, other_s, other_spread_s = self._downlink, transfer.down_bytes, up_s, up_spread_s
        # What is left for the bytes. On a link quicker than was thought nothing may be left: some always is.
        own_s = max(network_s - rtt_s - other_s, 0.05 * network_s)
        learner.learn(size_bytes / own_s, math.hypot(rtt_spread_s, other_spread_s) / own_s, transfer.at_s)

    def observe_timeout(self, *, at_s: float, up_bytes: int, waited_s: float) -> None:
        """Learn from a request that was given up: the uplink is at most so fast, and maybe much slower.

        Args:
            at_s: when it was given up.
            up_bytes: its length; a small one says nothing of the rate.
            waited_s: how long it was waited for.
        """
        if up_bytes >= SMALL_BYTES and waited_s > 0:
            self._uplink.lower_to(up_bytes / waited_s, at_s)

    def estimate(self, now_s: float) -> LinkEstimate:
        """The link as it is believed to be at `now_s`; unobserved time makes it less sure."""
        spread = self._uplink.spread_at(now_s)
        return LinkEstimate(
            link=Link(
                uplink_bytes_per_s=self._uplink.bytes_per_s,
                downlink_bytes_per_s=self._downlink.bytes_per_s,
                rtt_s=self._round_trip()[0],
            ),
            observed_transfers=self._observed_transfers,
            rtt_observed=bool(self._pings),
            uplink_observed=spread < _OBSERVED_SPREAD,
            downlink_observed=self._downlink.spread_at(now_s) < _OBSERVED_SPREAD,
            relative_spread=spread,
        )

    def _round_trip(self) -> tuple[float, float]:
        """The round trip time and how far it may be off, in seconds."""
        if not self._pings:
            rtt_s = min(self._prior.rtt_s, 0.5 * min(self._recent_s, default=math.inf))
            return rtt_s, rtt_s
        times_s = sorted(self._without_bytes(ping) for ping in self._pings)
        rtt_s = times_s[min(1, len(times_s) - 1)] if len(times_s) > 2 else times_s[0]
        bound_s = min(self._recent_s, default=math.inf)
        if rtt_s > bound_s:
            # Bytes came and went sooner than pings say: these are of a link that was slower.
            return 0.5 * bound_s, 0.5 * bound_s
        return rtt_s, max(times_s[len(times_s) // 2] - times_s[0], 0.1 * rtt_s)

    def _without_bytes(self, ping: Transfer) -> float:
        up_s = ping.up_bytes / self._uplink.bytes_per_s
        down_s = ping.down_bytes / self._downlink.bytes_per_s
        network_s = min(max(ping.network_s, _LEAST_S), _MOST_S)
        return max(network_s - up_s - down_s, 0.5 * network_s)


class _RateFilter:
    """A Kalman filter of one number, the logarithm of a rate over its prior, ready to forget when the link changes."""

    def __init__(self, prior_bytes_per_s: float) -> None:
        self._prior_bytes_per_s = prior_bytes_per_s
        self._log_ratio = 0.0
        self._variance = _PRIOR_SPREAD**2
        self._scatter = _LEAST_SCATTER
        self._last_s: float | None = None
        self._surprise = 0.0

    @property
    def bytes_per_s(self) -> float:
        return self._prior_bytes_per_s * math.exp(self._log_ratio)

    def spread_at(self, now_s: float) -> float:
        idle_s = 0.0 if self._last_s is None else max(0.0, now_s - self._last_s)
        return min(_PRIOR_SPREAD, math.sqrt(self._variance + _DRIFT_PER_ROOT_S**2 * idle_s))

    def lower_to(self, rate_bytes_per_s: float, now_s: float) -> None:
        """Believe in no more than a rate, and be as unsure of it as of a prior."""
        log_ratio = max(math.log(rate_bytes_per_s / self._prior_bytes_per_s), -_MOST_LOG_RATIO)
        if log_ratio < self._log_ratio:
            self._log_ratio, self._variance, self._surprise = log_ratio, _PRIOR_SPREAD**2, 0.0
            self._last_s = now_s

    def learn(self, rate_bytes_per_s: float, relative_error: float, now_s: float) -> None:
        """Take in one observed rate.

        Args:
            rate_bytes_per_s: what the transfer shows.
            relative_error: how far that may be off, because of all that the transfer's time also holds.
            now_s: when.
        """
        variance = self.spread_at(now_s) ** 2
        self._last_s = now_s
        noise = self._scatter**2 + relative_error**2
        residual = math.log(rate_bytes_per_s / self._prior_bytes_per_s) - self._log_ratio
        surprise_at = _SURPRISE * math.sqrt(variance + noise)
        if abs(residual) <= surprise_at:
            self._surprise = 0.0
            step, self._scatter = residual, 0.85 * self._scatter + 0.15 * max(abs(residual), _LEAST_SCATTER)
        elif abs(residual - self._surprise) < 0.5 * abs(residual):
            # Surprised twice, and the same way: the link is another one now.
            self._surprise, step, variance = 0.0, residual, _PRIOR_SPREAD**2
        else:
            # Once may be chance: note it, and go only as far as chance would.
            self._surprise, step = residual, math.copysign(surprise_at, residual)
        gain = max(variance / (variance + noise), _LEAST_GAIN if relative_error < 1 else 0.0)
        self._log_ratio = min(max(self._log_ratio + gain * step, -_MOST_LOG_RATIO), _MOST_LOG_RATIO)
        self._variance = (1 - gain) * variance if gain < 1 else noise
