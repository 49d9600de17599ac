"""What a run says, and how sure it is: warm-up, means, quantiles and intervals of confidence.

In come times of response in order; out come where the warm-up ends, and estimates with half-widths. Pure functions.
Called by queues, fleets and the replications.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from partway.errors import InputError
from partway.simulation.distributions import FloatArray

_BATCH = 5  # MSER-5's


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number from runs that differ by chance.

    Attributes:
        value: the mean over the runs; nan where no run knows.
        half_width: of its interval of confidence; infinite where one run knows, or none.
    """

    value: float
    half_width: float

    @property
    def relative(self) -> float:
        """The half-width as a share of the value; of nothing it is 0."""
        if self.half_width == 0:
            return 0.0
        return self.half_width / abs(self.value) if abs(self.value) > 0 else math.inf

    def covers(self, value: float) -> bool:
        """Whether the interval holds a value."""
        return abs(value - self.value) <= self.half_width


def estimate(values: Sequence[float], confidence: float) -> Estimate:
    """The mean of runs that are independent of each other, with Student's interval.

    Args:
        values: one a run; those of runs that cannot know, such as the latency where nothing was answered, are nan and
            count for nothing.
        confidence: of the interval, in (0, 1).
    """
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Estimate(value=math.nan, half_width=math.inf)
    mean = math.fsum(known) / len(known)
    if len(known) < 2:
        return Estimate(value=mean, half_width=math.inf)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1))
    half_width = student_quantile((1.0 + confidence) / 2.0, len(known) - 1) * deviation / math.sqrt(len(known))
    return Estimate(value=mean, half_width=half_width)


def student_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t: within 0.1 % from 5 degrees of freedom on for 0.005 to 0.995.

    Elsewhere it falls short by more: for 0.975 by 0.12 % with 3 degrees; for 0.9995 by 4.2 % with 3, and by 0.11 % with
    7, which are those of a round of runs.

    Args:
        probability: in (0, 1).
        freedom: degrees of freedom, at least 1; 1 and 2 are exact.

    Raises:
        InputError: either is out of its range.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if not 0 < probability < 1 or freedom < 1:
        raise InputError(
            f"Student's t was asked for {probability:g} with {freedom} degrees of freedom; give 0 to 1, and 1"
        )
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2.0 * probability - 1.0) * math.sqrt(2.0 / (4.0 * probability * (1.0 - probability)))
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def stretches(responses_s: FloatArray) -> FloatArray:
    """Means of five responses each, float64 (responses // 5,): what MSER-5 looks at.

    Args:
        responses_s: in order, float64 (responses,).
    """
    count = responses_s.size // _BATCH
    means_s: FloatArray = responses_s[: count * _BATCH].reshape(count, _BATCH).mean(axis=1)
    return means_s


def settled_share(curves: Sequence[FloatArray]) -> float:
    """Which share of a run to leave out, by the course of several: MSER over their mean; at most half.

    The truncation is the one that leaves the mean of the rest the least squared standard error. It is looked for on the
    mean of runs that count for nothing else: by a run of its own, it would fall behind stretches that were long by
    chance, and what is kept would be too short (docs/decisions/0016-our-own-simulator.md).

    Args:
        curves: of at least one run, all of as many stretches; `nan` where nothing happened.

    Source: White, Cobb and Spratt, Proceedings of the Winter Simulation Conference, 2000.
    """
    every = np.array(curves)
    known = np.isfinite(every)
    counts = known.sum(axis=0)
    (places,) = np.nonzero(counts)
    curve = np.where(known, every, 0.0).sum(axis=0)[places] / counts[places]
    if curve.size < 2:
        return 0.0
    curve -= curve.mean()  # else squares of large numbers differ by little
    rest = np.arange(curve.size, 0, -1, dtype=np.float64)
    sums = np.cumsum(curve[::-1])[::-1]
    squares = np.cumsum((curve * curve)[::-1])[::-1]
    errors = (squares - sums * sums / rest) / (rest * rest)
    return float(places[errors[: curve.size // 2 + 1].argmin()] / counts.size)


def quantiles(values: FloatArray, shares: Sequence[float]) -> tuple[float, ...]:
    """The smallest values that so large shares of all are at most; of none they are nan.

    Args:
        values: in any order, float64 (count,).
        shares: each in (0, 1].
    """
    if not values.size:
        return tuple(math.nan for _ in shares)
    places = [min(max(math.ceil(share * values.size) - 1, 0), values.size - 1) for share in shares]
    ordered = np.partition(values, sorted(set(places)))
    return tuple(float(ordered[place]) for place in places)


def overlap_s(starts_s: FloatArray, ends_s: FloatArray, window: tuple[float, float]) -> float:
    """How many seconds of intervals lie within a window, all added up.

    Args:
        starts_s: of the intervals, float64 (count,).
        ends_s: not before the starts, float64 (count,).
        window: from when to when.
    """
    low_s, high_s = window
    return float((np.clip(ends_s, low_s, high_s) - np.clip(starts_s, low_s, high_s)).sum())
