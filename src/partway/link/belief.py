"""Round trip, seconds a byte up and seconds a byte down, as a Gaussian of their logarithms.

The arithmetic of the estimator: a belief and an observed transfer come in, a belief and how well it foresaw it leave.
Plain numbers, since arrays of three take ten times as long and requests wait for it. Called by `estimator`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

Vector = tuple[float, float, float]
Covariance = tuple[float, float, float, float, float, float]
"""Of rtt with rtt, with uplink, with downlink; of uplink with uplink, with downlink; of downlink with downlink."""

DIAGONAL = (0, 3, 5)
"""Places of the variances in a covariance."""

# The prior: within a factor of ten in two cases of three. No estimate is less sure than it. Uplink and downlink are one
# radio's: where one is better than was thought, so will be the other, until something comes that way and tells.
PRIOR_SPREAD = math.log(10)
_SIDE_BY_SIDE = 0.9

RATIO_SPREAD = 0.5
"""Of the ratio of the rates, where no transfer told it: within a factor of three in nearly all cases."""

_MOST_PULL = 1.0

# Rounding may take a variance below nothing.
_LEAST_VARIANCE = 1e-8

_ROUNDS, _CLOSE_ENOUGH, _LEAST_STEP = 12, 1e-4, 1e-3


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed.

    Attributes:
        mean: logarithms of rtt, seconds a byte up and seconds a byte down.
        covariance: of these.
        weight: how likely it is beside others, unscaled.
    """

    mean: Vector
    covariance: Covariance
    weight: float = 1.0


class _Point(NamedTuple):
    # The mean moved by the covariance times `pull`: how unlikely that is, beside the observation, is `cost`.
    pull: Vector
    mean: Vector
    shares: Vector
    missed: float
    cost: float


def updated(belief: Belief, sizes: Vector, log_s: float, scatter: float, probability: float) -> Belief:
    """The belief after one observation, weighed by how well it foresaw it.

    An iterated extended Kalman update: the observation's slope, which is each term's share of the time, is taken where
    the estimate ends up, since the three terms of a far-off prior may change places.

    Source: Bell and Cathey, The iterated Kalman filter update as a Gauss-Newton method, IEEE TAC 1993.
    """
    if probability <= 0.0:
        return Belief(belief.mean, belief.covariance, 0.0)
    point = _likeliest(belief, sizes, log_s, scatter)
    toward = times(belief.covariance, point.shares)
    variance = dot(point.shares, toward) + scatter**2
    weight = probability * math.exp(max(-0.5 * point.cost, -700.0)) / math.sqrt(variance)
    return Belief(point.mean, _add(belief.covariance, _outer(toward), -1.0 / variance), weight)


def _likeliest(belief: Belief, sizes: Vector, log_s: float, scatter: float) -> _Point:
    def at(pull: Vector) -> _Point:
        moved = times(belief.covariance, pull)
        mean = _add_vectors(belief.mean, moved)
        expected_s, shares = shares_of(mean, sizes)
        missed = log_s - math.log(expected_s)
        return _Point(pull, mean, shares, missed, dot(pull, moved) + (missed / scatter) ** 2)

    point = at((0.0, 0.0, 0.0))
    for _ in range(_ROUNDS):
        toward = times(belief.covariance, point.shares)
        gain = (point.missed + dot(point.pull, toward)) / (dot(point.shares, toward) + scatter**2)
        x, y, z = point.shares
        step, taken = _add_vectors((gain * x, gain * y, gain * z), point.pull, -1.0), 1.0
        # A whole step may swing past the likeliest point, and back, for ever.
        while (tried := at(_add_vectors(point.pull, step, taken))).cost > point.cost:
            taken /= 2.0
            if taken < _LEAST_STEP:
                return point
        gained, point = point.cost - tried.cost, tried
        if gained < _CLOSE_ENOUGH:
            break
    return point


def together(beliefs: tuple[Belief, ...], total: float) -> Belief:
    """One belief of the same mean and covariance as several together; the first where none is likely at all.

    Args:
        beliefs: weighed.
        total: sum of the weights.
    """
    if total <= 0.0:
        return beliefs[0]
    shares = [belief.weight / total for belief in beliefs]
    rtt, up, down = (
        sum(share * belief.mean[place] for share, belief in zip(shares, beliefs, strict=True)) for place in range(3)
    )
    covariance = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for share, belief in zip(shares, beliefs, strict=True):
        apart = (belief.mean[0] - rtt, belief.mean[1] - up, belief.mean[2] - down)
        covariance = _add(_add(covariance, belief.covariance, share), _outer(apart), share)
    return Belief((rtt, up, down), covariance)


def widened(belief: Belief, by: tuple[float, float], factor: float = 1.0) -> Belief:
    """Less sure by so much of round trip and rates: standard deviations, whose squares count so many times."""
    return Belief(belief.mean, within_prior(_add(belief.covariance, side_by_side(*by), factor)))


def reverted(belief: Belief, ratio: float, kept: float) -> Belief:
    """The belief when the rates' ratio is, but for so much of it, forgotten: then it is any that a radio may have.

    Args:
        belief: whose ratio fades.
        ratio: logarithm of seconds a byte down over seconds a byte up, as radios usually have it.
        kept: from 0, all is forgotten, to 1.
    """
    rtt, up, down = belief.mean
    a, b, c, d, e, f = belief.covariance
    lost = 1.0 - kept
    spread = RATIO_SPREAD**2 * (1.0 - kept * kept)
    covariance = (
        a,
        b,
        kept * c + lost * b,
        d,
        kept * e + lost * d,
        kept * kept * f + 2.0 * kept * lost * e + lost * lost * d + spread,
    )
    # A radio may be an odd one: what was measured far off is not drawn back the more for it.
    off = max(-_MOST_PULL, min(_MOST_PULL, up + ratio - down))
    return Belief((rtt, up, down + lost * off), within_prior(covariance))


def ratio_spread(covariance: Covariance) -> float:
    """How well the ratio of the rates is known: the standard deviation of its logarithm."""
    return math.sqrt(max(covariance[3] - 2.0 * covariance[4] + covariance[5], 0.0))


def within_prior(covariance: Covariance) -> Covariance:
    """The covariance with no variance above the prior's, correlations kept."""
    if (
        max(covariance[place] for place in DIAGONAL) <= PRIOR_SPREAD**2
        and min(covariance[place] for place in DIAGONAL) >= _LEAST_VARIANCE
    ):
        return covariance
    rtt, up, down = (min(1.0, PRIOR_SPREAD / math.sqrt(max(covariance[place], _LEAST_VARIANCE))) for place in DIAGONAL)
    scales = (rtt * rtt, rtt * up, rtt * down, up * up, up * down, down * down)
    scaled = [value * scale for value, scale in zip(covariance, scales, strict=True)]
    for place in DIAGONAL:
        scaled[place] = max(scaled[place], _LEAST_VARIANCE)
    return (scaled[0], scaled[1], scaled[2], scaled[3], scaled[4], scaled[5])


def shares_of(mean: Vector, sizes: Vector) -> tuple[float, Vector]:
    """The seconds of a transfer, and the share of each of the three in them."""
    rtt_s, up_s, down_s = math.exp(mean[0]), sizes[1] * math.exp(mean[1]), sizes[2] * math.exp(mean[2])
    total_s = rtt_s + up_s + down_s
    return total_s, (rtt_s / total_s, up_s / total_s, down_s / total_s)


def side_by_side(rtt: float, rate: float) -> Covariance:
    """The covariance with so much spread of round trip and of both rates, which go together."""
    return (rtt * rtt, 0.0, 0.0, rate * rate, _SIDE_BY_SIDE * rate * rate, rate * rate)


def _add(one: Covariance, other: Covariance, times: float) -> Covariance:
    return (
        one[0] + times * other[0],
        one[1] + times * other[1],
        one[2] + times * other[2],
        one[3] + times * other[3],
        one[4] + times * other[4],
        one[5] + times * other[5],
    )


def times(covariance: Covariance, vector: Vector) -> Vector:
    """A covariance times a vector."""
    a, b, c, d, e, f = covariance
    x, y, z = vector
    return a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z


def _add_vectors(one: Vector, other: Vector, times: float = 1.0) -> Vector:
    return one[0] + times * other[0], one[1] + times * other[1], one[2] + times * other[2]


def _outer(vector: Vector) -> Covariance:
    x, y, z = vector
    return x * x, x * y, x * z, y * y, y * z, z * z


def dot(one: Vector, other: Vector) -> float:
    """The product of two vectors."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
