"""Distributions that are made of others, or of what was measured.

In come parts with their shares, or points of a curve; out come shapes as those of `distributions`. Called by arrivals,
queues and scenarios.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from partway.errors import InputError
from partway.simulation.distributions import (
    ROUNDING,
    Distribution,
    FloatArray,
    branches,
    check_weights,
    positive,
    weighted,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Empirical:
    """A measured distribution: points of its cumulative curve, straight lines between them.

    Attributes:
        values_s: float64 (points,), not descending from at least 0.
        probabilities: of being at most each value, float64 (points,), not descending from 0 to 1.

    Raises:
        InputError: fewer than two points, or either goes down or out of its range.
    """

    values_s: FloatArray = field(repr=False)
    probabilities: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        values_s, shares = self.values_s, self.probabilities
        if values_s.ndim != 1 or values_s.shape != shares.shape or values_s.size < 2:
            raise InputError(
                f"a cumulative curve has {values_s.size} values and {shares.size} probabilities; "
                "give a probability for each value, and at least two"
            )
        if not np.isfinite(values_s).all() or values_s[0] < 0 or (np.diff(values_s) < 0).any():
            raise InputError("the values of a cumulative curve must be finite, not negative, and not go down")
        if shares[0] != 0 or abs(shares[-1] - 1) > ROUNDING or not (np.diff(shares) >= 0).all():
            raise InputError(
                f"the probabilities of a cumulative curve go from {shares[0]:g} to {shares[-1]:g}; "
                "they must go from 0 to 1 and never down"
            )
        positive("mean", self.mean_s)

    @property
    def mean_s(self) -> float:
        """By the straight lines between the points."""
        return self._moment(1)

    @property
    def variation(self) -> float:
        """By the straight lines between the points."""
        return math.sqrt(max(self._moment(2) / self.mean_s**2 - 1.0, 0.0))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws, by the curve's inverse.

        Source: as BigHouse draws (Meisner, Wu and Wenisch, ISPASS 2012): linear within each bin.
        """
        drawn: FloatArray = np.interp(generator.random(count), self.probabilities, self.values_s)
        return drawn

    def scaled(self, factor: float) -> "Empirical":
        """The same curve, so many times as wide."""
        return Empirical(values_s=factor * self.values_s, probabilities=self.probabilities)

    def _moment(self, power: int) -> float:
        # The mean of x^power over a uniform stretch from a to b: (b^(p+1) - a^(p+1)) / ((p+1) (b-a)), written out.
        low, high, share = self.values_s[:-1], self.values_s[1:], np.diff(self.probabilities)
        within = (low + high) / 2 if power == 1 else (low * low + low * high + high * high) / 3
        return float(share @ within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Several kinds of work in one queue: each value is of one of them.

    Attributes:
        weights: how often each is taken, above 0; they add up to 1.
        parts: what each takes.

    Raises:
        InputError: weights do not add up to 1, or there are not as many as parts.
    """

    weights: tuple[float, ...]
    parts: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        check_weights(self.weights, len(self.parts))

    @property
    def mean_s(self) -> float:
        """The parts' means, weighted."""
        return weighted(self.weights, [part.mean_s for part in self.parts])

    @property
    def variation(self) -> float:
        """Of all together: within the parts, and between them."""
        second = weighted(self.weights, [part.mean_s**2 * (1.0 + part.variation**2) for part in self.parts])
        return math.sqrt(max(second / self.mean_s**2 - 1.0, 0.0))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        branch = branches(self.weights, generator, count)
        drawn = np.empty(count)
        for place, part in enumerate(self.parts):
            mine = branch == place
            drawn[mine] = part.sample(generator, int(mine.sum()))
        return drawn

    def scaled(self, factor: float) -> "Mixture":
        """The same mixture, so many times as long."""
        return Mixture(weights=self.weights, parts=tuple(part.scaled(factor) for part in self.parts))
