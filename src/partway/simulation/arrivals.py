"""When requests come: gaps that are drawn, or measured and replayed.

In come rates, cumulative curves and timestamps, from files too; out come times of arrival, in seconds since the
beginning, as many as are asked for. Called by queues, fleets and scenarios.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from partway.documents import read_text
from partway.errors import InputError
from partway.simulation.compound_distributions import Empirical
from partway.simulation.distributions import (
    Distribution,
    Exponential,
    FloatArray,
    Hyperexponential,
    to_mean,
)

MAX_FILE_BYTES = 64 * 2**20
"""More than a million points or timestamps; a longer file is refused before it is read."""

# Fitted to the curve of inter-arrival times of Google's web search that BigHouse ships (Meisner, Wu and Wenisch,
# ISPASS 2012; 1,194 points, mean 0.317 ms, variation 1.19): of four branches, the likeliest. It is nowhere further than
# 0.0064 from the curve; `python -m benchmarks.arrival_shape FILE` fits it anew.
GOOGLE_SEARCH: Distribution = Hyperexponential(
    weights=(0.04133, 0.09491, 0.77348, 0.09028), means_s=(8.952e-6, 7.515e-5, 3.2098e-4, 6.7448e-4)
)


class Arrivals(Protocol):
    """A process of arrivals.

    Attributes:
        rate_per_s: how many come each second on average, above 0.
    """

    @property
    def rate_per_s(self) -> float:
        """How many come each second on average, above 0."""

    @property
    def variation(self) -> float:
        """The coefficient of variation of the gaps: 1 for a Poisson process."""

    def times_s(self, generator: np.random.Generator, count: int) -> FloatArray:
        """The times of the first so many, not descending, float64 (count,); the first comes after a gap."""

    def at_rate(self, rate_per_s: float) -> "Arrivals":
        """The same process, so much quicker or slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Gaps that are drawn one by one, each for itself.

    Attributes:
        gaps: between one arrival and the next.
    """

    gaps: Distribution

    @property
    def rate_per_s(self) -> float:
        """One over the mean gap."""
        return 1.0 / self.gaps.mean_s

    @property
    def variation(self) -> float:
        """The gaps'."""
        return self.gaps.variation

    def times_s(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Sums of gaps."""
        gaps_s = self.gaps.sample(generator, count)
        return np.cumsum(gaps_s, out=gaps_s)

    def at_rate(self, rate_per_s: float) -> "Renewal":
        """The gaps stretched.

        Raises:
            InputError: the rate is not finite or not above 0.
        """
        return Renewal(gaps=to_mean(self.gaps, _mean_gap_s(rate_per_s)))


def poisson(rate_per_s: float) -> Renewal:
    """Many sources that know nothing of each other.

    Args:
        rate_per_s: arrivals a second, above 0.

    Raises:
        InputError: the rate is not finite or not above 0.
    """
    return Renewal(gaps=Exponential(mean_s=_mean_gap_s(rate_per_s)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """Measured gaps in their order, round and round; every run begins at a place of its own.

    So runs differ, and what follows what in the trace stays. A confidence interval tells what chance did to the place
    and to the times of service, and nothing of other days than the trace's.

    Attributes:
        gaps_s: float64 (gaps,), not negative, with a mean above 0.

    Raises:
        InputError: there is none, one is negative or not finite, or all are 0.
    """

    gaps_s: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        if not self.gaps_s.size or not np.isfinite(self.gaps_s).all() or self.gaps_s.min() < 0 or not self.gaps_s.any():
            raise InputError("a trace of arrivals needs gaps that are finite and not negative, and one above 0")

    @property
    def rate_per_s(self) -> float:
        """One over the mean gap."""
        return 1.0 / float(self.gaps_s.mean())

    @property
    def variation(self) -> float:
        """The gaps'."""
        return float(self.gaps_s.std() / self.gaps_s.mean())

    def times_s(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Sums of the gaps from a drawn place on."""
        first = int(generator.integers(self.gaps_s.size))
        repeats = -(-(first + count) // self.gaps_s.size)
        return np.cumsum(np.tile(self.gaps_s, repeats)[first : first + count])

    def at_rate(self, rate_per_s: float) -> "Replayed":
        """The gaps stretched.

        Raises:
            InputError: the rate is not finite or not above 0.
        """
        return Replayed(gaps_s=self.gaps_s * (_mean_gap_s(rate_per_s) * self.rate_per_s))


def read_curve(path: Path) -> Empirical:
    """The cumulative curve in a file as BigHouse has them: a value in seconds and its probability on each line.

    The two are separated by spaces, the first line is `0 0`, the last has probability 1; blank lines and lines that
    begin with `#` are passed over.

    Raises:
        InputError: the file cannot be read, is too large, or a line is not as expected; the message has its number.

    Source: BigHouse's `EmpiricalDistribution.loadDistribution`.
    """
    points: list[tuple[float, float]] = []
    for number, line in _lines(path, "a cumulative curve, seconds and a probability on each line"):
        try:
            value_s, share = (float(word) for word in line.split())
        except ValueError:
            raise InputError(f"{path} line {number} is {line!r}; expected seconds and a probability") from None
        if not (math.isfinite(value_s) and 0 <= share <= 1):
            raise InputError(
                f"{path} line {number} is {line!r}; expected finite seconds, and a probability from 0 to 1"
            )
        if points and (value_s < points[-1][0] or share < points[-1][1]):
            raise InputError(
                f"{path} line {number} is {line!r}, below the line before; a cumulative curve never goes down"
            )
        points.append((value_s, share))
    if len(points) < 2 or points[0][1] != 0 or points[-1][1] != 1:
        raise InputError(f"{path} is no cumulative curve; expected lines of seconds and probability, from 0 to 1")
    values_s, shares = np.array(points).T
    return Empirical(values_s=values_s, probabilities=shares)


def read_timestamps(path: Path) -> Replayed:
    """The arrivals in a file of timestamps in seconds, one a line, in order; a first line `t_s` is a heading.

    Raises:
        InputError: the file cannot be read, is too large, or a line is not as expected; the message has its number.
    """
    stamps_s: list[float] = []
    for number, line in _lines(path, "timestamps in seconds, one a line"):
        if not stamps_s and line == "t_s":
            continue
        try:
            stamp_s = float(line)
        except ValueError:
            raise InputError(f"{path} line {number} is {line!r}; expected a time in seconds") from None
        if not math.isfinite(stamp_s) or (stamps_s and stamp_s < stamps_s[-1]):
            raise InputError(f"{path} line {number} is {line!r}; times must be finite and never go back")
        stamps_s.append(stamp_s)
    if len(stamps_s) < 2 or stamps_s[-1] == stamps_s[0]:
        raise InputError(f"{path} has {len(stamps_s)} times; expected at least two that differ, in seconds, one a line")
    return Replayed(gaps_s=np.diff(np.array(stamps_s)))


def _lines(path: Path, expected: str) -> Iterator[tuple[int, str]]:
    text = read_text(path, expected, most_bytes=MAX_FILE_BYTES)
    for number, line in enumerate(io.StringIO(text), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _mean_gap_s(rate_per_s: float) -> float:
    if not 0 < rate_per_s < math.inf:
        raise InputError(f"a rate of arrivals is {rate_per_s:g} a second; it must be finite and above 0")
    return 1.0 / rate_per_s
