import math

import numpy as np
import pytest

pytest.importorskip("numba", reason="queues are played with numba alone")

from partway.studies.queue_rates import Work, rate_at_target, target_s

JOBS = 5_000
MIX = Work(weights=np.full(3, 1 / 3), seconds=np.array([0.002, 0.01, 0.05]))


def test_a_target_that_a_load_keeps_is_kept_at_that_load() -> None:
    within_s = target_s(MIX, 0.7, 0, jobs=JOBS)
    assert rate_at_target(MIX, within_s, 0, jobs=JOBS) * MIX.mean_s == pytest.approx(0.7, rel=0.01)


def test_a_looser_target_allows_more() -> None:
    rates = [rate_at_target(MIX, within_s, 0, jobs=JOBS) for within_s in (0.01, 0.1, 0.3, 1.0)]
    assert rates[0] == 0.0  # a third of the queries takes longer alone
    assert rates == sorted(rates)


def test_a_server_twice_as_fast_answers_twice_as_many_in_half_the_time() -> None:
    twice = Work(weights=MIX.weights, seconds=MIX.seconds / 2)
    assert rate_at_target(twice, 0.1, 0, jobs=JOBS) == pytest.approx(2 * rate_at_target(MIX, 0.2, 0, jobs=JOBS))


def test_queries_that_stay_on_devices_count_and_cost_nothing() -> None:
    half = Work(weights=np.array([0.5, *(MIX.weights / 2)]), seconds=np.array([0.0, *MIX.seconds]))
    assert rate_at_target(half, 0.2, 0, jobs=JOBS) == pytest.approx(2 * rate_at_target(MIX, 0.2, 0, jobs=JOBS))
    assert rate_at_target(Work(weights=np.ones(1), seconds=np.zeros(1)), 0.2, 0) == math.inf
