"""How many queries a second a server answers within a target, by playing its queue.

    kinds of queries, how often and how long ─> one queue, Google's arrivals ─> the rate at which 95 % keep to a target

Input: what queries bring to the server. Output: rates and seconds. The same chances are used at every rate, so that
more queries never wait less. Called by the study of Figure 16; needs numba.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from partway.prediction.physical import FloatArray
from partway.simulation import GOOGLE_SEARCH, Constant, Mixture
from partway.simulation.queues import serve
from partway.simulation.statistics import quantiles

_JOBS = 100_000
_WARM_UP = 0.1
_WITHIN = 0.95
_HALVINGS = 14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What queries bring to the server.

    Attributes:
        weights: how often each kind comes, >= 0, float64 (kinds,); they add up to 1.
        seconds: of the idle server that it takes, float64 (kinds,); 0 where the device does all of it.
    """

    weights: FloatArray = field(repr=False)
    seconds: FloatArray = field(repr=False)

    @property
    def mean_s(self) -> float:
        """Seconds of the server for a query, those that never come among them."""
        return float(self.weights @ self.seconds)

    @property
    def coming(self) -> float:
        """Share of the queries that come to the server at all."""
        return float(self.weights[self._comes].sum())

    @property
    def service(self) -> Mixture:
        """What those take."""
        weights = self.weights[self._comes] / self.coming
        return Mixture(
            weights=tuple(map(float, weights)),
            parts=tuple(Constant(mean_s=float(seconds)) for seconds in self.seconds[self._comes]),
        )

    @property
    def _comes(self) -> np.ndarray:
        return (self.weights > 0) & (self.seconds > 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stream:
    # The same queries at any load.
    gaps_s: FloatArray  # between those that come at load 1
    services_s: FloatArray

    @classmethod
    def of(cls, work: Work, seed: int, jobs: int) -> "_Stream":
        coming, serving = (
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(16, part))) for part in range(2)
        )
        services_s = work.service.sample(serving, jobs)
        gaps_s = GOOGLE_SEARCH.sample(coming, jobs)
        return cls(gaps_s=gaps_s * (services_s.sum() / gaps_s.sum()), services_s=services_s)

    def response_s(self, load: float) -> float:
        """What 95 % of the answers take at most, waiting included."""
        played = serve(np.cumsum(self.gaps_s / load), self.services_s, 1)
        kept_s = played.responses_s[int(_WARM_UP * len(self.services_s)) :]
        (within_s,) = quantiles(kept_s, (_WITHIN,))
        return within_s


def target_s(work: Work, load: float, seed: int, *, jobs: int = _JOBS) -> float:
    """What 95 % of the answers take at most at a load.

    Args:
        work: some of which comes to the server.
        load: in (0, 1).
        seed: of the queries.
        jobs: that are played.

    Raises:
        InputError: numba is not installed.
    """
    return _Stream.of(work, seed, jobs).response_s(load)


def rate_at_target(work: Work, within_s: float, seed: int, *, jobs: int = _JOBS) -> float:
    """Queries a second, those that stay on devices among them, of which 95 % of the answers keep to a target.

    Args:
        work: what they bring; where nothing comes to the server the rate is infinite.
        within_s: of the server's answers, waiting included.
        seed: of the queries.
        jobs: that are played.

    Raises:
        InputError: numba is not installed.
    """
    if not work.coming:
        return math.inf
    stream = _Stream.of(work, seed, jobs)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if stream.response_s(middle) <= within_s else (low, middle)
    return low / work.mean_s
