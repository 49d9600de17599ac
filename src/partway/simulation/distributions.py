"""How long things take, and how far apart they come: shapes with a mean, from which many values are drawn at once.

In come means in seconds and coefficients of variation (standard deviation over mean); out come arrays of seconds. All
values are at least 0 and all draws come from a generator that is handed in. Called by arrivals, queues and fleets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from partway.errors import InputError

FloatArray = npt.NDArray[np.float64]

LEAST_VARIATION, MOST_VARIATION = 1e-6, 1e3
"""Of what varies: with less, all values are the same; with more, those that make the mean are hardly ever drawn."""

_ROUNDING = 1e-9


class Distribution(Protocol):
    """Seconds that vary."""

    @property
    def mean_s(self) -> float:
        """Their mean, above 0."""

    @property
    def variation(self) -> float:
        """Their coefficient of variation: standard deviation over mean."""

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """So many of them, each drawn for itself, float64 (count,)."""

    def scaled(self, factor: float) -> "Distribution":
        """The same shape, so many times as long."""


def to_mean(shape: Distribution, mean_s: float) -> Distribution:
    """A shape, stretched to another mean.

    Args:
        shape: any.
        mean_s: above 0.

    Raises:
        InputError: the mean is not finite or not above 0.
    """
    return shape.scaled(_positive("mean", mean_s) / shape.mean_s)


def of_variation(mean_s: float, variation: float) -> Distribution:
    """The usual shape with a mean and a variation: constant, gamma below 1, exponential at 1, hyperexponential above.

    Args:
        mean_s: above 0.
        variation: standard deviation over mean: 0, or from `LEAST_VARIATION` to `MOST_VARIATION`.

    Raises:
        InputError: either is out of its range.
    """
    if variation == 0:
        return Constant(mean_s=mean_s)
    if variation == 1:
        return Exponential(mean_s=mean_s)
    if check_variation(variation) < 1:
        return Gamma(mean_s=mean_s, variation=variation)
    return Hyperexponential.balanced(mean_s, variation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Always the same.

    Attributes:
        mean_s: what it is, above 0.

    Raises:
        InputError: it is not finite or not above 0.
    """

    mean_s: float

    def __post_init__(self) -> None:
        _positive("time", self.mean_s)

    @property
    def variation(self) -> float:
        """0: nothing varies."""
        return 0.0

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:  # noqa: ARG002 - others draw
        """The same value so many times."""
        return np.full(count, self.mean_s)

    def scaled(self, factor: float) -> "Constant":
        """A constant so many times as long."""
        return Constant(mean_s=factor * self.mean_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Without memory: as gaps, those of a Poisson process.

    Attributes:
        mean_s: above 0.

    Raises:
        InputError: the mean is not finite or not above 0.
    """

    mean_s: float

    def __post_init__(self) -> None:
        _positive("mean", self.mean_s)

    @property
    def variation(self) -> float:
        """1, whatever the mean."""
        return 1.0

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        drawn = generator.standard_exponential(count)
        drawn *= self.mean_s
        return drawn

    def scaled(self, factor: float) -> "Exponential":
        """The same with another mean."""
        return Exponential(mean_s=factor * self.mean_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gamma:
    """One hump, any variation; below 1 it stands for a sum of steps.

    Attributes:
        mean_s: above 0.
        variation: above 0.

    Raises:
        InputError: either is not finite or not above 0.
    """

    mean_s: float
    variation: float

    def __post_init__(self) -> None:
        _positive("mean", self.mean_s)
        _positive("coefficient of variation", check_variation(self.variation))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        shape = 1.0 / self.variation**2
        return generator.gamma(shape, self.mean_s / shape, count)

    def scaled(self, factor: float) -> "Gamma":
        """The same with another mean."""
        return Gamma(mean_s=factor * self.mean_s, variation=self.variation)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Measured times often look like this: a hump, and now and then much longer.

    Attributes:
        mean_s: above 0.
        variation: above 0.

    Raises:
        InputError: either is not finite or not above 0.
    """

    mean_s: float
    variation: float

    def __post_init__(self) -> None:
        _positive("mean", self.mean_s)
        _positive("coefficient of variation", check_variation(self.variation))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        variance = math.log1p(self.variation**2)
        return generator.lognormal(math.log(self.mean_s) - variance / 2, math.sqrt(variance), count)

    def scaled(self, factor: float) -> "LogNormal":
        """The same with another mean."""
        return LogNormal(mean_s=factor * self.mean_s, variation=self.variation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperexponential:
    """Each value is of one of several exponentials: bursts, and gaps between them.

    Attributes:
        weights: how often each is taken, above 0; they add up to 1.
        means_s: the mean of each, above 0.

    Raises:
        InputError: weights do not add up to 1, a number is not above 0, or there are more of one than of the other.
    """

    weights: tuple[float, ...]
    means_s: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_weights(self.weights, len(self.means_s))
        for mean_s in self.means_s:
            _positive("mean", mean_s)

    @classmethod
    def balanced(cls, mean_s: float, variation: float) -> "Hyperexponential":
        """The one of two branches that both bring half of the time.

        Args:
            mean_s: above 0.
            variation: above 1.

        Raises:
            InputError: the variation is not above 1, or the mean not above 0.

        Source: Whitt, Operations Research 30 (1982), section 3: balanced means.
        """
        if not check_variation(variation) > 1:
            raise InputError(f"a hyperexponential was to have variation {variation:g}; it must be finite and above 1")
        square = variation**2
        weight = (1.0 + math.sqrt((square - 1.0) / (square + 1.0))) / 2.0
        return cls(weights=(weight, 1.0 - weight), means_s=(mean_s / (2.0 * weight), mean_s / (2.0 * (1.0 - weight))))

    @property
    def mean_s(self) -> float:
        """The branches' means, weighted."""
        return _weighted(self.weights, self.means_s)

    @property
    def variation(self) -> float:
        """At least 1."""
        second = 2.0 * _weighted(self.weights, [mean_s**2 for mean_s in self.means_s])
        return math.sqrt(max(second / self.mean_s**2 - 1.0, 0.0))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        branch = _branches(self.weights, generator, count)
        drawn: FloatArray = generator.standard_exponential(count) * np.array(self.means_s)[branch]
        return drawn

    def scaled(self, factor: float) -> "Hyperexponential":
        """The same shape with another mean."""
        return Hyperexponential(weights=self.weights, means_s=tuple(factor * mean_s for mean_s in self.means_s))


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
        if shares[0] != 0 or abs(shares[-1] - 1) > _ROUNDING or not (np.diff(shares) >= 0).all():
            raise InputError(
                f"the probabilities of a cumulative curve go from {shares[0]:g} to {shares[-1]:g}; "
                "they must go from 0 to 1 and never down"
            )
        _positive("mean", self.mean_s)

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
        _check_weights(self.weights, len(self.parts))

    @property
    def mean_s(self) -> float:
        """The parts' means, weighted."""
        return _weighted(self.weights, [part.mean_s for part in self.parts])

    @property
    def variation(self) -> float:
        """Of all together: within the parts, and between them."""
        second = _weighted(self.weights, [part.mean_s**2 * (1.0 + part.variation**2) for part in self.parts])
        return math.sqrt(max(second / self.mean_s**2 - 1.0, 0.0))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        branch = _branches(self.weights, generator, count)
        drawn = np.empty(count)
        for place, part in enumerate(self.parts):
            mine = branch == place
            drawn[mine] = part.sample(generator, int(mine.sum()))
        return drawn

    def scaled(self, factor: float) -> "Mixture":
        """The same mixture, so many times as long."""
        return Mixture(weights=self.weights, parts=tuple(part.scaled(factor) for part in self.parts))


def _branches(weights: tuple[float, ...], generator: np.random.Generator, count: int) -> npt.NDArray[np.intp]:
    # The last branch takes what rounding leaves.
    return np.searchsorted(np.cumsum(weights)[:-1], generator.random(count), side="right")


def _check_weights(weights: tuple[float, ...], parts: int) -> None:
    if not weights or len(weights) != parts:
        raise InputError(f"a mixture has {len(weights)} weights for {parts} parts; give one for each, and at least one")
    if min(weights) <= 0 or abs(math.fsum(weights) - 1.0) > _ROUNDING:
        listed = ", ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"the weights of a mixture are {listed}; they must be above 0 and add up to 1")


def check_variation(variation: float) -> float:
    """A coefficient of variation, of what varies or not.

    Args:
        variation: standard deviation over mean.

    Raises:
        InputError: it is neither 0 nor from `LEAST_VARIATION` to `MOST_VARIATION`.
    """
    if variation != 0 and not LEAST_VARIATION <= variation <= MOST_VARIATION:
        raise InputError(
            f"a coefficient of variation is {variation:g}; it must be 0, or from {LEAST_VARIATION:g} to "
            f"{MOST_VARIATION:,.0f}"
        )
    return variation


def _positive(what: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise InputError(f"the {what} of a distribution is {value:g}; it must be finite and above 0")
    return value


def _weighted(weights: Sequence[float], values: Sequence[float]) -> float:
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
