import math
from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.prediction.calibration import Correction
from partway.prediction.predictor import Estimate, Part

BOUND = 4.0
RUN = 0.04  # the weight of one run while serving


def estimate_of(seconds: Mapping[str, float], spread: float = 0.1, run_s: float = 0.0) -> Estimate:
    parts = tuple(Part(variant=name, seconds=s, spread=spread, sampled=True) for name, s in seconds.items())
    return Estimate(parts=parts, run_s=run_s)


MIXED = estimate_of({"Conv": 1.0, "Relu": 0.2})
estimates = st.builds(
    estimate_of,
    st.dictionaries(st.sampled_from("ABCDEF"), st.floats(1e-7, 1.0), min_size=1),
    spread=st.floats(0.0, 0.7),
    run_s=st.floats(0.0, 1e-4),
)


def eigenvalues(correction: Correction) -> list[float]:
    matrix = np.array(correction.covariance)
    np.testing.assert_array_equal(matrix, matrix.T)
    values: list[float] = np.linalg.eigvalsh(matrix).tolist()
    return values


def prior_of(correction: Correction) -> np.ndarray:
    return np.diag([0.1**2, *(spread**2 for spread in correction.spreads)])


def test_nothing_seen_changes_nothing() -> None:
    assert Correction().apply(MIXED) == MIXED
    assert Correction().fade(0.5) == Correction()


def test_a_careful_timing_is_believed_at_once() -> None:
    seen = Correction().observe(MIXED, 1.5 * MIXED.seconds)
    assert seen.apply(MIXED).seconds == pytest.approx(1.5 * MIXED.seconds, rel=0.02)


@given(st.lists(st.tuples(estimates, st.floats(1e-12, 1e12), st.floats(0.001, 1.0), st.floats(0.0, 0.9)), max_size=30))
def test_corrections_stay_bounded_and_their_covariance_sound(
    observations: list[tuple[Estimate, float, float, float]],
) -> None:
    seen = Correction()
    for estimate, seconds, weight, forgetting in observations:
        seen = seen.observe(estimate, seconds, weight=weight, forgetting=forgetting, doubt=3.0)
        for before, after in zip(estimate.parts, seen.apply(estimate).parts, strict=True):
            assert before.seconds / BOUND * 0.999 <= after.seconds <= before.seconds * BOUND * 1.001
        values = eigenvalues(seen)
        assert min(values) >= -1e-12
        excess = np.linalg.eigvalsh(prior_of(seen) - np.array(seen.covariance))
        assert min(excess) >= -1e-9, "nobody is ever less sure than the profile"


def test_a_hundred_thousand_observations_leave_it_sound() -> None:
    generator = np.random.default_rng(0)
    pool = [estimate_of({"A": 1.0}, 0.05), estimate_of({"A": 0.2, "B": 0.7}, 0.3), estimate_of({"C": 1e-6}, 0.001)]
    truth = {"A": 1.3, "B": 0.8, "C": 1.0}
    for forgetting in (0.0, 1e-4):
        seen = Correction()
        for noise in np.exp(generator.normal(0.0, 0.1, 50_000)):
            estimate = pool[generator.integers(len(pool))]
            took_s = sum(part.seconds * truth[part.variant] for part in estimate.parts)
            seen = seen.observe(estimate, took_s * noise, weight=RUN, forgetting=forgetting, doubt=3.0)
        values = eigenvalues(seen)
        assert min(values) > 0.0
        assert max(values) <= 0.1**2 + 0.3**2
        assert seen.apply(pool[1]).seconds == pytest.approx(0.2 * 1.3 + 0.7 * 0.8, rel=0.02)


def test_variants_that_join_later_spoil_nothing() -> None:
    alone = estimate_of({"A": 1.0})
    seen = Correction()
    for _ in range(200):
        seen = seen.observe(alone, 1.1)
    both = estimate_of({"A": 1.0, "B": 0.2})
    seen = seen.observe(both, 1.5)
    assert min(eigenvalues(seen)) > 0.0
    assert seen.apply(alone).seconds == pytest.approx(1.1, rel=0.01)
    assert 1.1 + 0.22 < seen.apply(both).seconds < 1.5


@given(factor=st.floats(1 / 3, 3.0), spread=st.floats(0.02, 0.5))
def test_more_observations_come_closer_to_what_was_observed(factor: float, spread: float) -> None:
    estimate = estimate_of({"Conv": 1.0, "Relu": 0.2}, spread)
    seen, off = Correction(), abs(math.log(factor))
    for _ in range(300):
        seen = seen.observe(estimate, factor * estimate.seconds, weight=RUN, doubt=3.0)
        closer = abs(math.log(factor * estimate.seconds / seen.apply(estimate).seconds))
        assert closer <= off + 1e-9
        off = closer
    assert off < 0.05


@given(factor=st.floats(5.0, 1e6) | st.floats(1e-6, 0.2), spread=st.floats(0.0, 0.1), news=st.integers(0, 20))
def test_one_absurd_observation_moves_little(factor: float, spread: float, news: int) -> None:
    estimate = estimate_of({"Conv": 1.0, "Relu": 0.2}, spread)
    seen = Correction()
    for _ in range(news):
        seen = seen.observe(estimate, estimate.seconds, weight=RUN, doubt=3.0)
    before_s = seen.apply(estimate).seconds
    after_s = seen.observe(estimate, factor * before_s, weight=RUN, doubt=3.0).apply(estimate).seconds
    assert abs(math.log(after_s / before_s)) < math.log(1.2)


def test_a_busy_minute_is_not_taken_for_a_slow_machine_for_ever() -> None:
    seen = Correction()
    for factor in [1.0] * 50 + [3.0] * 600 + [1.0] * 600:
        seen = seen.observe(MIXED, factor * MIXED.seconds, weight=RUN, forgetting=1e-4, doubt=3.0)
    assert seen.apply(MIXED).seconds == pytest.approx(MIXED.seconds, rel=0.03)


@given(st.lists(st.tuples(estimates, st.floats(1e-3, 1e3)), min_size=1, max_size=10))
def test_forgetting_everything_returns_to_the_profile(observations: list[tuple[Estimate, float]]) -> None:
    seen = Correction()
    for estimate, seconds in observations:
        seen = seen.observe(estimate, seconds)
    forgotten = seen.fade(1.0)
    assert set(forgotten.logs) == {0.0}
    np.testing.assert_allclose(np.array(forgotten.covariance), prior_of(forgotten), atol=1e-15)


@given(first=st.floats(0.0, 1.0), second=st.floats(0.0, 1.0))
def test_fading_twice_is_fading_once_by_both(first: float, second: float) -> None:
    seen = Correction().observe(MIXED, 2.0)
    twice, once = seen.fade(first).fade(second), seen.fade(1.0 - (1.0 - first) * (1.0 - second))
    np.testing.assert_allclose(twice.logs, once.logs, atol=1e-12)
    np.testing.assert_allclose(twice.covariance, once.covariance, atol=1e-12)


def test_what_all_variants_share_is_told_by_any_of_them() -> None:
    seen = Correction()
    for _ in range(20):
        seen = seen.observe(estimate_of({"Conv": 1.0}, spread=0.02), 1.2)
    others = estimate_of({"MatMul": 1.0}, spread=0.02)
    assert 1.1 < seen.apply(others).seconds < 1.2


def test_timing_the_whole_makes_the_sum_surer_than_its_parts() -> None:
    seen = Correction().observe(MIXED, 1.3)
    assert seen.spread(MIXED) < 0.03
    assert max(part.spread for part in seen.apply(MIXED).parts) > 0.05
    assert Correction().spread(MIXED) == pytest.approx(math.hypot(0.1, 0.1 * math.hypot(1.0, 0.2) / 1.2))


def test_a_piece_without_kernels_teaches_nothing() -> None:
    seen = Correction().observe(estimate_of({}, run_s=1e-5), 2e-5)
    assert seen.logs == (0.0,)


def test_it_is_stored_and_read_back() -> None:
    seen = Correction().observe(MIXED, 1.3)
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Correction) == seen
