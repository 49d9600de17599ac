"""Queues whose answer is known: what is played lies within its interval of it.

A cheap form of `python -m benchmarks.simulation_truth`, which has more loads, more runs and a peer. Seeds are fixed;
the intervals are of 99.9 %, so that of these many one in a thousand would miss by chance.
"""

import math

import numpy as np
import pytest

from partway.simulation.arrivals import Renewal, poisson
from partway.simulation.distributions import of_variation
from partway.simulation.queues import Queue, QueueRun, QueueTask
from partway.simulation.replications import Precision, Replicated, replicate
from partway.simulation.theory import quantile_mmk_s, wait_mg1_s, wait_mmk_s

PRECISION = Precision(mean=math.inf, p95=math.inf, confidence=0.999, most_runs=16)


def played(variation: float, workers: int, load: float) -> Replicated[QueueRun]:
    queue = Queue(arrivals=poisson(1.0), service=of_variation(1.0, variation), workers=workers).at_load(load)
    return replicate(QueueTask(queue=queue, jobs=200_000), seed=20, precision=PRECISION)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("workers", [1, 4])
def test_waits_and_quantiles_with_exponential_service_are_erlang_s(workers: int, load: float) -> None:
    found = played(1.0, workers, load)
    assert found.of(lambda run: run.mean_wait_s).covers(wait_mmk_s(1.0, workers, load))
    assert found.p95_s.covers(quantile_mmk_s(0.95, 1.0, workers, load))
    assert found.of(lambda run: run.utilisation).covers(load)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("variation", [0.0, 0.5, 2.0])
def test_waits_with_one_worker_are_pollaczek_s_and_khinchine_s(variation: float, load: float) -> None:
    found = played(variation, 1, load)
    assert found.of(lambda run: run.mean_wait_s).covers(wait_mg1_s(1.0, variation, load))


def test_waits_with_gaps_that_vary_little_are_shorter_and_with_bursts_longer() -> None:
    """No formula; but where arrivals are even and service constant, nobody waits at all."""
    means_s = [
        QueueTask(
            queue=Queue(arrivals=Renewal(gaps=of_variation(1.25, variation)), service=of_variation(1.0, 0.0)),
            jobs=50_000,
        )(np.random.SeedSequence(0)).mean_wait_s
        for variation in (0.0, 0.5, 1.0, 2.0)
    ]
    assert means_s[0] == pytest.approx(0.0, abs=1e-9)
    assert means_s == sorted(means_s)
