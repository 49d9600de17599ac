"""Runs go on until enough is known, and say the same on any number of cores."""

import math
import multiprocessing
from dataclasses import dataclass

import numpy as np
import pytest

from partway.errors import InputError
from partway.simulation.arrivals import poisson
from partway.simulation.distributions import Exponential
from partway.simulation.queues import Queue, QueueRun, QueueTask
from partway.simulation.replications import Course, Crew, Precision, Replicated, replicate


@dataclass(frozen=True)
class Noisy:
    """A run whose numbers are normal, of mean 1."""

    spread: float

    def course(self, seed: np.random.SeedSequence) -> Course:
        return Course(means_s=np.empty(0), jobs=3)

    def __call__(self, seed: np.random.SeedSequence, settled: float) -> "NoisyRun":
        mean_s, p95_s = np.random.default_rng(seed).normal(1.0, self.spread, 2)
        return NoisyRun(float(mean_s), float(p95_s))


@dataclass(frozen=True)
class NoisyRun:
    mean_s: float
    p95_s: float


TASK = QueueTask(queue=Queue(arrivals=poisson(8.0), service=Exponential(mean_s=0.1)), jobs=2000)
ANYTHING = Precision(mean=math.inf, p95=math.inf)


def test_it_stops_as_soon_as_both_are_known_well_enough() -> None:
    few = replicate(Noisy(spread=0.01), seed=1, precision=Precision(mean=0.02, p95=0.02))
    many = replicate(Noisy(spread=0.1), seed=1, precision=Precision(mean=0.02, p95=0.02, most_runs=1000))
    assert len(few.runs) == 8
    assert few.reached
    assert many.reached
    assert 60 < len(many.runs) < 300
    assert many.mean_s.relative <= 0.02
    assert many.p95_s.relative <= 0.02


def test_it_gives_up_after_the_most_runs_and_says_so() -> None:
    found = replicate(Noisy(spread=0.5), seed=1, precision=Precision(mean=0.001, p95=0.001, most_runs=20))
    assert len(found.runs) == 20
    assert found.trial_jobs == 8 * 3
    assert not found.reached


def test_a_stricter_wish_keeps_the_runs_that_a_laxer_one_had() -> None:
    lax = replicate(Noisy(spread=0.1), seed=4, precision=ANYTHING)
    strict = replicate(Noisy(spread=0.1), seed=4, precision=Precision(mean=0.03, p95=0.03, most_runs=500))
    assert strict.runs[: len(lax.runs)] == lax.runs


def test_every_run_has_chances_of_its_own_and_the_same_seed_says_the_same() -> None:
    first, again, other = (replicate(TASK, seed=seed, precision=ANYTHING) for seed in (1, 1, 2))
    assert first.runs == again.runs
    assert len({run.mean_s for run in (*first.runs, *other.runs)}) == 16


def play_in_processes_until_interrupted(found: list[Replicated[QueueRun]], busy: list[int]) -> None:
    before = set(multiprocessing.active_children())

    def interrupt(_done: int, _total: int) -> None:
        busy.append(len(set(multiprocessing.active_children()) - before))
        raise KeyboardInterrupt

    with Crew(2, alone_s=0.0) as crew:
        found.append(replicate(TASK, seed=7, precision=ANYTHING, crew=crew))
        replicate(TASK, seed=8, precision=ANYTHING, crew=crew, progress=interrupt)


def test_two_processes_say_what_one_says_and_end_with_whoever_is_interrupted() -> None:
    before = set(multiprocessing.active_children())
    found: list[Replicated[QueueRun]] = []
    busy: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        play_in_processes_until_interrupted(found, busy)
    assert found == [replicate(TASK, seed=7, precision=ANYTHING)]
    assert busy == [2]
    assert set(multiprocessing.active_children()) <= before


def test_progress_counts_up_to_what_is_expected() -> None:
    told: list[tuple[int, int]] = []
    replicate(
        Noisy(spread=0.1),
        seed=1,
        precision=Precision(mean=0.03, p95=0.03, most_runs=500),
        progress=lambda done, total: told.append((done, total)),
    )
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert all(done <= total for done, total in told)
    assert told[0] == (1, 8)


def test_wishes_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="precision of mean"):
        Precision(mean=0.0)
    with pytest.raises(InputError, match="confidence"):
        Precision(confidence=1.0)
    with pytest.raises(InputError, match="at least 2"):
        Precision(most_runs=1)
    with pytest.raises(InputError, match="at least 1"):
        Crew(0)
