"""A queue in front of a server: requests of one stream, several workers, one by one or in batches.

    arrivals ──> [ | | | | ] ──> worker, worker, ... ──> answers
                 first come, first served

In comes a `Queue`; out comes what became of every request (`play`), and one run in numbers (`measure`). Called by the
replications, one call a run; the loops themselves are compiled (`queue_loops`).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from partway.errors import InputError
from partway.simulation.arrivals import Arrivals
from partway.simulation.distributions import Constant, Distribution, FloatArray
from partway.simulation.replications import Course
from partway.simulation.statistics import overlap_s, quantiles, stretches

_SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How a worker joins requests.

    Attributes:
        seconds: what a batch of 1, 2, ... takes on average, each above 0; as many as the largest batch.
        wait_s: longest wait of a free worker for more requests, from the arrival of the first; at least 0.
        factor: what chance makes of a batch's seconds, of mean 1.

    Raises:
        InputError: there are no seconds, one is not above 0, the wait is negative, or the factor's mean is not 1.
    """

    seconds: tuple[float, ...]
    wait_s: float = 0.0
    factor: Distribution = field(default_factory=lambda: Constant(mean_s=1.0))

    def __post_init__(self) -> None:
        if not self.seconds or not all(0 < seconds < math.inf for seconds in self.seconds):
            raise InputError("a batching server needs the seconds of batches of 1, 2, ..., each finite and above 0")
        if not 0 <= self.wait_s < math.inf:
            raise InputError(f"a batching server waits {self.wait_s:g} s for more; it must be finite and not negative")
        if abs(self.factor.mean_s - 1.0) > 1e-6:
            raise InputError(f"what chance makes of a batch has mean {self.factor.mean_s:g}; it must be 1")

    @property
    def most_per_s(self) -> float:
        """Requests a second that one worker can answer."""
        return max(size / seconds for size, seconds in enumerate(self.seconds, start=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A stream of requests and the workers that serve it.

    Attributes:
        arrivals: when requests come.
        service: what one takes, alone; not looked at where workers batch.
        workers: how many serve, at least 1.
        batching: how they join requests; None where they do not.

    Raises:
        InputError: there is no worker.
    """

    arrivals: Arrivals
    service: Distribution
    workers: int = 1
    batching: Batching | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"a server has {self.workers} workers; it needs at least 1")

    @property
    def capacity_per_s(self) -> float:
        """Requests a second that all workers together can answer."""
        one = 1.0 / self.service.mean_s if self.batching is None else self.batching.most_per_s
        return self.workers * one

    @property
    def load(self) -> float:
        """Arrivals over capacity; from 1 on, the queue grows for ever."""
        return self.arrivals.rate_per_s / self.capacity_per_s

    def at_load(self, load: float) -> "Queue":
        """The same with arrivals that come so much quicker or slower.

        Raises:
            InputError: the load is not finite or not above 0.
        """
        if not 0 < load < math.inf:
            raise InputError(f"a load is {load:g}; it must be finite and above 0, 1 being all that the workers can do")
        return Queue(
            arrivals=self.arrivals.at_rate(load * self.capacity_per_s),
            service=self.service,
            workers=self.workers,
            batching=self.batching,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """What became of every request, in their order.

    Attributes:
        arrivals_s: when each came, float64 (requests,), not descending.
        starts_s: when its service began.
        services_s: what its service took; in a batch, the whole batch's.
        runs: starts and ends of what workers did, a row each; of batches, one for each batch. float64 (runs, 2).
    """

    arrivals_s: FloatArray = field(repr=False)
    starts_s: FloatArray = field(repr=False)
    services_s: FloatArray = field(repr=False)
    runs: FloatArray | None = field(repr=False)

    @property
    def responses_s(self) -> FloatArray:
        """From coming to having been served."""
        return self.starts_s - self.arrivals_s + self.services_s

    def busy_s(self, window: tuple[float, float]) -> float:
        """Seconds that workers served within a window, all together."""
        if self.runs is None:
            return overlap_s(self.starts_s, self.starts_s + self.services_s, window)
        return overlap_s(self.runs[:, 0], self.runs[:, 1], window)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRun:
    """One run, its warm-up left out.

    Attributes:
        jobs: requests that came, those of the warm-up among them.
        warm_up_jobs: the first of them, which count for nothing below.
        throughput_per_s: answers a second.
        mean_s: response: waiting and service.
        p50_s: half of the responses took no longer.
        p95_s: 95 % of them.
        p99_s: 99 % of them.
        mean_wait_s: before service begins.
        utilisation: share of the workers' time that they served.
        mean_batch: requests that were served as one, on average over the batches.
    """

    jobs: int
    warm_up_jobs: int
    throughput_per_s: float
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    mean_wait_s: float
    utilisation: float
    mean_batch: float


def play(queue: Queue, jobs: int, seed: np.random.SeedSequence) -> Played:
    """Play one run from an empty queue on.

    Arrivals and services have chances of their own, so that another number of workers, or another service, meets the
    same arrivals.

    Args:
        queue: what to play.
        jobs: requests, at least 1.
        seed: of all that is drawn.

    Raises:
        InputError: there are no requests to play, or numba is not installed.
    """
    if jobs < 1:
        raise InputError(f"a run of {jobs} requests was asked for; it needs at least 1")
    coming, serving = (np.random.Generator(np.random.SFC64(child)) for child in _children(seed))
    arrivals_s = queue.arrivals.times_s(coming, jobs)
    if queue.batching is None:
        services_s = queue.service.sample(serving, jobs)
        return serve(arrivals_s, services_s, queue.workers)
    return serve_batches(arrivals_s, queue.batching.factor.sample(serving, jobs), queue.workers, queue.batching)


def serve(arrivals_s: FloatArray, services_s: FloatArray, workers: int) -> Played:
    """First come, first served, one by one.

    Args:
        arrivals_s: float64 (requests,), not descending, from at least 0.
        services_s: float64 (requests,).
        workers: at least 1.

    Raises:
        InputError: numba is not installed.
    """
    from partway.simulation.queue_loops import serve_in_order  # noqa: PLC0415 - numba: an optional extra, slow to import

    starts_s = np.empty_like(arrivals_s)
    serve_in_order(arrivals_s, services_s, workers, starts_s)
    return Played(arrivals_s=arrivals_s, starts_s=starts_s, services_s=services_s, runs=None)


def serve_batches(arrivals_s: FloatArray, factors: FloatArray, workers: int, batching: Batching) -> Played:
    """First come, first served, in batches.

    Args:
        arrivals_s: float64 (requests,), not descending, from at least 0.
        factors: what chance makes of each batch's seconds, float64 (requests,).
        workers: at least 1.
        batching: how they join.

    Raises:
        InputError: numba is not installed.
    """
    from partway.simulation.queue_loops import serve_in_batches  # noqa: PLC0415 - numba: optional, and slow to import

    starts_s, services_s, sizes = (np.empty_like(arrivals_s) for _ in range(3))
    seconds = np.array(batching.seconds)
    count = serve_in_batches(arrivals_s, workers, batching.wait_s, seconds, factors, starts_s, services_s, sizes)
    firsts = np.cumsum(sizes[:count]).astype(np.intp) - sizes[:count].astype(np.intp)
    runs = np.stack([starts_s[firsts], starts_s[firsts] + services_s[firsts]], axis=1)
    return Played(arrivals_s=arrivals_s, starts_s=starts_s, services_s=services_s, runs=runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTask:
    """One run of a queue, in numbers; what the replications call.

    Attributes:
        queue: what to play.
        jobs: requests a run.
    """

    queue: Queue
    jobs: int

    def course(self, seed: np.random.SeedSequence) -> Course:
        """Mean responses along a run."""
        return Course(means_s=stretches(play(self.queue, self.jobs, seed).responses_s), jobs=self.jobs)

    def __call__(self, seed: np.random.SeedSequence, settled: float = 0.1) -> QueueRun:
        """Play and measure."""
        return measure(play(self.queue, self.jobs, seed), self.queue.workers, settled)


def measure(played: Played, workers: int, settled: float) -> QueueRun:
    """A run in numbers, from the end of its warm-up to the last arrival.

    Args:
        played: what became of every request.
        workers: how many served.
        settled: share of the requests to leave out, the first, in [0, 1).
    """
    responses_s = played.responses_s
    jobs = responses_s.size
    first = int(settled * jobs)
    kept_s = responses_s[first:]
    mean_s = float(kept_s.mean())
    window = float(played.arrivals_s[first]), float(played.arrivals_s[-1])
    lasted_s = window[1] - window[0]
    median_s, p95_s, p99_s = quantiles(kept_s, _SHARES)
    ends_s = played.arrivals_s + responses_s
    answered = int(((ends_s > window[0]) & (ends_s <= window[1])).sum())
    runs = jobs if played.runs is None else len(played.runs)
    return QueueRun(
        jobs=jobs,
        warm_up_jobs=first,
        throughput_per_s=answered / lasted_s if lasted_s > 0 else 0.0,
        mean_s=mean_s,
        p50_s=median_s,
        p95_s=p95_s,
        p99_s=p99_s,
        mean_wait_s=mean_s - float(played.services_s[first:].mean()),
        utilisation=played.busy_s(window) / (workers * lasted_s) if lasted_s > 0 else 0.0,
        mean_batch=jobs / runs,
    )


def _children(seed: np.random.SeedSequence) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
    # Not `spawn`, which counts its calls within the seed: asked twice, the same seed must say the same.
    first, second = (
        np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, place), pool_size=seed.pool_size)
        for place in range(2)
    )
    return first, second
