"""How long things take, and how far apart they come: shapes with a mean, from which many values are drawn at once.

In come means in seconds and coefficients of variation (standard deviation over mean); out come arrays of seconds. All
values are at least 0 and all draws come from a generator that is handed in. Called by arrivals, queues and fleets.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from partway.errors import InputError

FloatArray = npt.NDArray[np.float64]

LEAST_VARIATION, MOST_VARIATION = 1e-6, 1e3
"""Of what varies: with less, all values are the same; with more, those that make the mean are hardly ever drawn."""

ROUNDING = 1e-9
"""Of probabilities that are to add up to 1."""


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
    return shape.scaled(positive("mean", mean_s) / shape.mean_s)


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
class _OfMean:
    """What has a mean, and scales with it.

    Attributes:
        mean_s: above 0.

    Raises:
        InputError: the mean is not finite or not above 0.
    """

    mean_s: float

    def __post_init__(self) -> None:
        positive("mean", self.mean_s)

    def scaled(self, factor: float) -> Self:
        """The same shape with another mean."""
        return dataclasses.replace(self, mean_s=factor * self.mean_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(_OfMean):
    """Always the same: its mean."""

    @property
    def variation(self) -> float:
        """0: nothing varies."""
        return 0.0

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:  # noqa: ARG002 - others draw
        """The same value so many times."""
        return np.full(count, self.mean_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(_OfMean):
    """Without memory: as gaps, those of a Poisson process."""

    @property
    def variation(self) -> float:
        """1, whatever the mean."""
        return 1.0

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        drawn = generator.standard_exponential(count)
        drawn *= self.mean_s
        return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Varying(_OfMean):
    """What has a mean and a variation.

    Attributes:
        variation: above 0.

    Raises:
        InputError: mean or variation is not finite or not above 0.
    """

    variation: float

    def __post_init__(self) -> None:
        _OfMean.__post_init__(self)
        positive("coefficient of variation", check_variation(self.variation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gamma(_Varying):
    """One hump, any variation; below 1 it stands for a sum of steps."""

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        shape = 1.0 / self.variation**2
        return generator.gamma(shape, self.mean_s / shape, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal(_Varying):
    """Measured times often look like this: a hump, and now and then much longer."""

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        variance = math.log1p(self.variation**2)
        return generator.lognormal(math.log(self.mean_s) - variance / 2, math.sqrt(variance), count)


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
        check_weights(self.weights, len(self.means_s))
        for mean_s in self.means_s:
            positive("mean", mean_s)

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
        return weighted(self.weights, self.means_s)

    @property
    def variation(self) -> float:
        """At least 1."""
        second = 2.0 * weighted(self.weights, [mean_s**2 for mean_s in self.means_s])
        return math.sqrt(max(second / self.mean_s**2 - 1.0, 0.0))

    def sample(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Independent draws."""
        branch = branches(self.weights, generator, count)
        drawn: FloatArray = generator.standard_exponential(count) * np.array(self.means_s)[branch]
        return drawn

    def scaled(self, factor: float) -> "Hyperexponential":
        """The same shape with another mean."""
        return Hyperexponential(weights=self.weights, means_s=tuple(factor * mean_s for mean_s in self.means_s))


def branches(weights: tuple[float, ...], generator: np.random.Generator, count: int) -> npt.NDArray[np.intp]:
    """Which branch each value is of; the last takes what rounding leaves.

    Args:
        weights: how often each branch is taken.
        generator: draws.
        count: of values.
    """
    return np.searchsorted(np.cumsum(weights)[:-1], generator.random(count), side="right")


def check_weights(weights: tuple[float, ...], parts: int) -> None:
    """Weights as a mixture wants them.

    Args:
        weights: how often each part is taken.
        parts: how many there are.

    Raises:
        InputError: weights do not add up to 1, one is not above 0, or there are not as many as parts.
    """
    if not weights or len(weights) != parts:
        raise InputError(f"a mixture has {len(weights)} weights for {parts} parts; give one for each, and at least one")
    if min(weights) <= 0 or abs(math.fsum(weights) - 1.0) > ROUNDING:
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


def positive(what: str, value: float) -> float:
    """A number that has to be above 0.

    Args:
        what: it is, in words.
        value: of it.

    Raises:
        InputError: it is not finite or not above 0.
    """
    if not 0 < value < math.inf:
        raise InputError(f"the {what} of a distribution is {value:g}; it must be finite and above 0")
    return value


def weighted(weights: Sequence[float], values: Sequence[float]) -> float:
    """The sum of values, each times its weight."""
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
