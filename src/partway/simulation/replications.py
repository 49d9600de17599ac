"""The same again and again, until what is asked is known well enough: on every core, and always with the same result.

In comes a task that plays one run for a seed; out come its runs and how sure they make of mean and 95th percentile.
Eight runs that count for nothing else say how long the warm-up is. Runs come in rounds of eight, each has a seed of its
own by its number, and whether to go on is decided after whole rounds: so neither the number of cores nor their speed
changes anything but the waiting. Called by `questions` and studies.
"""

import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np

from partway.errors import InputError
from partway.simulation.distributions import FloatArray
from partway.simulation.statistics import Estimate, estimate, settled_share

_ROUND = 8
_TRIAL, _COUNTED = 0, 1  # what a run is for, in its seed
_ALONE_S = 2.0

Progress = Callable[[int, int], None]


class Run(Protocol):
    """One run in numbers."""

    @property
    def mean_s(self) -> float:
        """Mean response; nan where nothing was answered."""

    @property
    def p95_s(self) -> float:
        """What 95 % of the responses took at most; nan likewise."""


T = TypeVar("T")
RunType = TypeVar("RunType", bound=Run)
OtherRun = TypeVar("OtherRun", bound=Run)
Played = TypeVar("Played", bound=Run, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """How a run went: what says where its warm-up ends.

    Attributes:
        means_s: along the run, float64 (stretches,); `nan` where nothing happened.
        jobs: requests that were played for it.
    """

    means_s: FloatArray = field(repr=False)
    jobs: int


class Task(Protocol[Played]):
    """Plays one run; what it plays travels to other processes with it."""

    def course(self, seed: np.random.SeedSequence) -> Course:
        """How one run went, with as many means for every seed; none where there is no warm-up."""

    def __call__(self, seed: np.random.SeedSequence, settled: float) -> Played:
        """One run, the same for the same seed; the first such share of it counts for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How sure one has to be before no more is played.

    Attributes:
        mean: half-width of the mean's interval, as a share of it, above 0; infinite for any.
        p95: the same of the 95th percentile's.
        confidence: of both intervals, in (0, 1).
        most_runs: that are played at most, at least 2, in whole rounds of eight.

    Raises:
        InputError: a number is out of its range.
    """

    mean: float = 0.01
    p95: float = 0.02
    confidence: float = 0.95
    most_runs: int = 64

    def __post_init__(self) -> None:
        for name in ("mean", "p95"):
            share: float = getattr(self, name)
            if not share > 0:
                raise InputError(
                    f"the wanted precision of {name} is {share:g}; it must be a share above 0, such as 0.01"
                )
        if not 0 < self.confidence < 1:
            raise InputError(f"the confidence is {self.confidence:g}; it must lie between 0 and 1, such as 0.95")
        if self.most_runs < 2:
            raise InputError(f"at most {self.most_runs} runs were allowed; an interval needs at least 2")

    def reached(self, mean_s: Estimate, p95_s: Estimate) -> bool:
        """Whether both are known as well as wanted."""
        return mean_s.relative <= self.mean and p95_s.relative <= self.p95

    def runs_needed(self, runs: int, mean_s: Estimate, p95_s: Estimate) -> int:
        """About how many runs it will take, by the half-widths after some; a guess for those who wait."""
        wider = max(mean_s.relative / self.mean, p95_s.relative / self.p95)
        wanted = runs * min(wider**2, 1e6) if wider > 0 else runs
        return min(self.most_runs, max(runs, _ROUND * math.ceil(wanted / _ROUND)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated(Generic[RunType]):
    """All runs of a task.

    Attributes:
        runs: in the order of their seeds.
        precision: that was wanted.
        settled: share of each run that was left out, the first.
        trial_jobs: requests of the runs that said so, and count for nothing else.
    """

    runs: tuple[RunType, ...]
    precision: Precision
    settled: float
    trial_jobs: int

    @property
    def mean_s(self) -> Estimate:
        """Over the runs."""
        return self.of(lambda run: run.mean_s)

    @property
    def p95_s(self) -> Estimate:
        """Over the runs: the mean of their 95th percentiles."""
        return self.of(lambda run: run.p95_s)

    @property
    def reached(self) -> bool:
        """Whether both are known as well as was wanted."""
        return self.precision.reached(self.mean_s, self.p95_s)

    def of(self, read: Callable[[RunType], float]) -> Estimate:
        """Any number of the runs; runs in which it is nan count for nothing.

        Args:
            read: takes it from a run.
        """
        return estimate([read(run) for run in self.runs], self.precision.confidence)

    def part(self, read: Callable[[RunType], OtherRun]) -> "Replicated[OtherRun]":
        """A part of every run.

        Args:
            read: takes it from a run.
        """
        return Replicated(
            runs=tuple(read(run) for run in self.runs),
            precision=self.precision,
            settled=self.settled,
            trial_jobs=self.trial_jobs,
        )


class Crew:
    """Whoever plays: this process, and where that takes long, one for every core; a context manager.

    Processes take a second or two to start, so what is short is played here.

    Args:
        workers: how many processes; 1 for this one alone, None for as many as there are cores.
        alone_s: how long this process plays by itself before others are started.

    Raises:
        InputError: fewer than one.
    """

    def __init__(self, workers: int | None = 1, *, alone_s: float = _ALONE_S) -> None:
        if workers is not None and workers < 1:
            raise InputError(f"{workers} processes were to play; at least 1 is needed")
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        self._alone_s = alone_s
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[multiprocessing.process.BaseProcess] = set()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if kind is not None:  # nobody waits for what is being played any more
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def play(self, once: Callable[[np.random.SeedSequence], T], seeds: Sequence[np.random.SeedSequence]) -> Iterator[T]:
        """What some seeds make of something, in their order."""
        for place, seed in enumerate(seeds):
            if self.workers > 1 and self._alone_s <= 0:
                yield from self._processes().map(once, seeds[place:])
                return
            start_s = time.monotonic()
            made = once(seed)
            self._alone_s -= time.monotonic() - start_s
            yield made

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._others = set(multiprocessing.active_children())
            # Spawned: a copy of this process would inherit locks that its threads hold. Ctrl-C is for this one to hear.
            self._pool = ProcessPoolExecutor(
                max_workers=self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        return self._pool


def replicate(
    task: Task[RunType],
    *,
    seed: int,
    precision: Precision,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Replicated[RunType]:
    """Play a task until mean and 95th percentile are known well enough, or as often as is allowed.

    Args:
        task: plays one run.
        seed: of all runs, at least 0.
        precision: when to stop.
        crew: who plays; without one, this process.
        progress: called with how many of about how many runs were played.

    Raises:
        InputError: the task cannot be played.
    """
    crew = crew or Crew()
    courses = list(crew.play(task.course, _seeds(seed, _TRIAL, range(_ROUND))))
    settled = settled_share([course.means_s for course in courses])
    runs: list[RunType] = []
    goal = min(_ROUND, precision.most_runs)
    while True:
        numbers = range(len(runs), min(len(runs) + _ROUND, precision.most_runs))
        for run in crew.play(partial(task, settled=settled), _seeds(seed, _COUNTED, numbers)):
            runs.append(run)
            if progress is not None:
                progress(len(runs), max(goal, len(runs)))
        found = Replicated(
            runs=tuple(runs),
            precision=precision,
            settled=settled,
            trial_jobs=sum(course.jobs for course in courses),
        )
        nothing = math.isnan(found.mean_s.value)  # and so it would go on
        if found.reached or nothing or len(runs) >= precision.most_runs:
            return found
        goal = precision.runs_needed(len(runs), found.mean_s, found.p95_s)


def _seeds(seed: int, purpose: int, numbers: range) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(seed, spawn_key=(purpose, number)) for number in numbers]
