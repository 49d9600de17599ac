"""What the link is like, learnt from the transfers that went over it.

Observed transfers come in from the client after each request or question; a `LinkEstimate` leaves for the
decision. Pure: times are handed in. One caller at a time: locking is the client's.

The model is `network_s = rtt + up_bytes/uplink + down_bytes/downlink`. All three are followed together, as the
logarithms of their seconds, by one Kalman filter whose observation is the logarithm of the transfer's time: what a
transfer teaches goes to each by its share of that time and by how little it was known. One cut that repeats has
always the same shares, and its covariance says that the three cannot be told apart.

Each transfer is weighed under four explanations, and the estimate is what they amount to together:

    as ever      the link drifted as it usually does
    changed      its rates are others now, as often as was seen lately: the transfer is believed
    elsewhere    the path is another one, round trip and all
    stalled      this transfer alone was held up: it says little

A transfer that is too quick can only mean a change; one that is too slow may be either, and the next tells.
`docs/decisions/0014` has the measurements behind the form and its constants.
"""

import math
from dataclasses import dataclass, field

from partway.errors import LinkError
from partway.link.belief import (
    DIAGONAL,
    PRIOR_SPREAD,
    RATIO_SPREAD,
    Belief,
    Covariance,
    dot,
    ratio_spread,
    reverted,
    shares_of,
    side_by_side,
    times,
    together,
    updated,
    widened,
    within_prior,
)
from partway.link.state import NAMED_LINKS, Link

# All that follows are standard deviations of logarithms: 0.1 is give or take 10 %.

# What traffic has taken less than a quarter off the prior's is not known at all.
_UNKNOWN_SPREAD = 0.75 * PRIOR_SPREAD
_UNKNOWN_RATIO_SPREAD = 0.75 * RATIO_SPREAD

# Known within a factor of two counts as observed.
_OBSERVED_SPREAD = math.log(2)

# Of round trip and rates: their drift in a second; how far they are apart before and after a change of the rates, and
# after one of the path, such as another radio's.
_DRIFT, _CHANGE, _OTHER_PATH = (0.02, 0.05), (0.0, 0.8), (1.6, 0.8)

# How many changes were seen in how many seconds, before any was; what is seen is forgotten in about a minute.
_CHANGES, _CHANGES_SEEN_S, _REMEMBERED_S = 1.0, 10.0, 60.0

# How often a single transfer stalls, and how often the path is another one. A nearly empty transfer shows that much
# better than bytes do, and where transfers have just been other than expected it is likely.
_STALLS, _OTHER_PATHS = 0.01, 0.0003
_SMALL_OTHER_PATHS, _AFTER_CHANGE = 0.01, 0.9

# Scatter of transfers on a calm link: what it begins with and the least that is ever believed. A stall is as long as
# it likes, and the first transfer of a connection pays for handshakes and slow start.
_FIRST_SCATTER, _LEAST_SCATTER, _STALL_SCATTER, _FRESH_SCATTER = 0.1, 0.02, 1.5, 0.5
_SCATTER_GAIN = 0.05

# How long it is remembered what the downlink is beside the uplink. Left to itself, a downlink that requests hardly use
# would become the cause of whatever is left unexplained.
_RATIO_KEPT_S = 8.0

# Transfers that follow at once are apart by no less than that.
_LEAST_IDLE_S = 0.05

# What is shorter is no matter of its bytes.
_SMALL_BYTES = 2048

# What a measured time and an estimate over its prior are clipped to, so that nonsense stays a number.
_LEAST_S, _MOST_S = 1e-6, 86400.0
_MOST_LOG_RATIO = math.log(1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One request or question, as the network saw it.

    Attributes:
        at_s: the client's clock when the answer was there, in seconds.
        up_bytes: bytes sent, at least 0.
        down_bytes: bytes received, at least 0.
        network_s: the round trip less the time the server had the request. Clocks are imperfect, so it
            may be below 0: it then counts as nearly none.
        fresh: whether it was the first of its connection, which pays for handshakes and slow start too.

    Raises:
        LinkError: a value is not finite, or a size below 0.
    """

    at_s: float
    up_bytes: int
    down_bytes: int
    network_s: float
    fresh: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at_s) and math.isfinite(self.network_s)):
            raise LinkError(f"a transfer took {self.network_s} s, until {self.at_s} s; give finite times")
        if self.up_bytes < 0 or self.down_bytes < 0:
            raise LinkError(f"a transfer has {self.up_bytes} bytes up, {self.down_bytes} down; give sizes from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstimate:
    """The link as far as it is known; what was not observed is the prior's.

    Spreads are standard deviations of logarithms: 0.1 says give or take 10 %. Infinite where the traffic cannot tell:
    nothing was sent that way, or all transfers were of one size.

    Attributes:
        link: the estimate.
        observed_transfers: how many transfers it was made from.
        rtt_spread: of the round trip time.
        uplink_spread: of the uplink rate.
        downlink_spread: of the downlink rate.
    """

    link: Link
    observed_transfers: int
    rtt_spread: float
    uplink_spread: float
    downlink_spread: float
    _covariance: Covariance = field(repr=False)

    def spread_of(self, up_bytes: float, down_bytes: float) -> float:
        """How well the time of a transfer is known: the standard deviation of its logarithm, always finite.

        Better than rates and round trip themselves where one size repeats: its time is known, whatever it consists of.

        Args:
            up_bytes: bytes to send.
            down_bytes: bytes to receive.
        """
        terms = (
            self.link.rtt_s,
            up_bytes / self.link.uplink_bytes_per_s,
            down_bytes / self.link.downlink_bytes_per_s,
        )
        total_s = sum(terms)
        shares = (terms[0] / total_s, terms[1] / total_s, terms[2] / total_s) if total_s > 0.0 else (1.0, 0.0, 0.0)
        return math.sqrt(max(dot(shares, times(self._covariance, shares)), 0.0))

    @property
    def rtt_observed(self) -> bool:
        """Whether the round trip is known within a factor of two."""
        return self.rtt_spread < _OBSERVED_SPREAD

    @property
    def uplink_observed(self) -> bool:
        """Whether the uplink rate is known within a factor of two."""
        return self.uplink_spread < _OBSERVED_SPREAD

    @property
    def downlink_observed(self) -> bool:
        """Whether the downlink rate is known within a factor of two."""
        return self.downlink_spread < _OBSERVED_SPREAD


class LinkEstimator:
    """Follows one link; feed it every transfer, ask it before every decision.

    Args:
        prior: what to believe before anything is observed.
    """

    def __init__(self, prior: Link = NAMED_LINKS["lte"]) -> None:
        self._prior_link = prior
        self._prior = (
            math.log(max(prior.rtt_s, _LEAST_S)),
            -math.log(prior.uplink_bytes_per_s),
            -math.log(prior.downlink_bytes_per_s),
        )
        self._belief = Belief(self._prior, side_by_side(PRIOR_SPREAD, PRIOR_SPREAD))
        self._scatter = _FIRST_SCATTER
        self._stalled = {False: 0.0, True: 0.0}
        self._unsettled = 0.0
        self._changes, self._seen_s = _CHANGES, _CHANGES_SEEN_S
        self._last_s: float | None = None
        self._observed_transfers = 0

    def observe(self, transfer: Transfer) -> None:
        """Learn from a transfer; they come in the order of their times."""
        self._observed_transfers += 1
        idle_s = self._idle_s(transfer.at_s)
        self._last_s = transfer.at_s
        sizes = (1.0, float(transfer.up_bytes), float(transfer.down_bytes))
        log_s = math.log(min(max(transfer.network_s, _LEAST_S), _MOST_S))
        scatter = math.hypot(self._scatter, _FRESH_SCATTER if transfer.fresh else 0.0)
        drifted = self._drifted(idle_s)
        expected_s, shares = shares_of(drifted.mean, sizes)
        surprise = log_s - math.log(expected_s)
        changes = self._change_within(max(idle_s, _LEAST_IDLE_S))
        # Stalls do not come in a row: two slow transfers of a kind are a slow link, whatever came between that could
        # not tell. None is ever quicker than the link.
        small = transfer.up_bytes + transfer.down_bytes < _SMALL_BYTES
        stalls = 2.0 * _STALLS * (1.0 - self._stalled[small]) if surprise > 0.0 else 0.0
        elsewhere = max(_SMALL_OTHER_PATHS, _AFTER_CHANGE * self._unsettled) if small else _OTHER_PATHS
        beliefs = (
            updated(drifted, sizes, log_s, scatter, (1.0 - changes) * (1.0 - stalls)),
            updated(widened(drifted, _CHANGE), sizes, log_s, scatter, changes),
            updated(widened(drifted, _OTHER_PATH), sizes, log_s, scatter, elsewhere),
            updated(drifted, sizes, log_s, math.hypot(scatter, _STALL_SCATTER), stalls),
        )
        total = sum(belief.weight for belief in beliefs)
        self._belief = self._within_reach(together(beliefs, total))
        if total > 0.0:
            self._stalled[small] = beliefs[3].weight / total
            self._unsettled = 0.0 if small else max(self._unsettled, 1.0 - beliefs[0].weight / total)
            self._learn_changes(beliefs[1].weight / total, idle_s)
            explained = dot(shares, times(drifted.covariance, shares))
            self._learn_scatter(surprise, explained, beliefs[0].weight / total)

    def observe_timeout(self, *, at_s: float, up_bytes: int, waited_s: float) -> None:
        """Learn from a request that was given up: the uplink is at most so fast, and maybe much slower.

        Args:
            at_s: when it was given up.
            up_bytes: its length; a small one says nothing of the rate.
            waited_s: how long it was waited for.
        """
        rtt, up, down = self._belief.mean
        if up_bytes < _SMALL_BYTES or not waited_s > up_bytes * math.exp(up):
            return
        of_rtt, _, of_rtt_and_down, _, _, of_down = self._belief.covariance
        covariance = (of_rtt, 0.0, of_rtt_and_down, PRIOR_SPREAD**2, 0.0, of_down)
        mean = (rtt, math.log(min(waited_s, _MOST_S)) - math.log(up_bytes), down)
        self._belief = self._within_reach(Belief(mean, covariance))
        self._last_s = at_s

    def estimate(self, now_s: float) -> LinkEstimate:
        """The link as it is believed to be at `now_s`; unobserved time makes it less sure."""
        idle_s = self._idle_s(now_s)
        belief = widened(self._drifted(idle_s), _CHANGE, self._change_within(idle_s))
        rtt, up, down = belief.mean
        spreads = [math.sqrt(belief.covariance[place]) for place in DIAGONAL]
        rtt_spread, uplink_spread, downlink_spread = (
            spread if spread < _UNKNOWN_SPREAD else math.inf for spread in spreads
        )
        if ratio_spread(belief.covariance) > _UNKNOWN_RATIO_SPREAD:
            downlink_spread = math.inf
        return LinkEstimate(
            link=Link(uplink_bytes_per_s=math.exp(-up), downlink_bytes_per_s=math.exp(-down), rtt_s=math.exp(rtt))
            if self._last_s is not None
            else self._prior_link,
            observed_transfers=self._observed_transfers,
            rtt_spread=rtt_spread,
            uplink_spread=uplink_spread,
            downlink_spread=downlink_spread,
            _covariance=belief.covariance,
        )

    def _idle_s(self, now_s: float) -> float:
        return 0.0 if self._last_s is None else max(0.0, now_s - self._last_s)

    def _drifted(self, idle_s: float) -> Belief:
        kept = math.exp(-idle_s / _RATIO_KEPT_S)
        drifted = widened(self._belief, _DRIFT, min(idle_s, _MOST_S))
        return reverted(drifted, self._prior[2] - self._prior[1], kept)

    def _within_reach(self, belief: Belief) -> Belief:
        rtt, up, down = (
            min(max(value, start - _MOST_LOG_RATIO), start + _MOST_LOG_RATIO)
            for value, start in zip(belief.mean, self._prior, strict=True)
        )
        return Belief((rtt, up, down), within_prior(belief.covariance))

    def _change_within(self, idle_s: float) -> float:
        """How likely the link is to be another one after so long, by how often it was before."""
        return 1.0 - math.exp(-idle_s * self._changes / self._seen_s)

    def _learn_changes(self, changed: float, idle_s: float) -> None:
        kept = math.exp(-idle_s / _REMEMBERED_S)
        self._changes = kept * self._changes + (1.0 - kept) * _CHANGES + changed
        self._seen_s = kept * self._seen_s + (1.0 - kept) * _CHANGES_SEEN_S + min(idle_s, _MOST_S)

    def _learn_scatter(self, surprise: float, explained: float, usual: float) -> None:
        # Of an expected square only what the estimate's own spread does not explain is the transfers' scatter.
        if explained < self._scatter**2:
            found = max(surprise**2 - explained, 0.0)
            variance = self._scatter**2 + _SCATTER_GAIN * usual * (found - self._scatter**2)
            self._scatter = max(math.sqrt(variance), _LEAST_SCATTER)
