"""Warm-up, intervals and quantiles are what their sources say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.errors import InputError
from partway.simulation.statistics import (
    Estimate,
    estimate,
    overlap_s,
    quantiles,
    settled_share,
    stretches,
    student_quantile,
)

laws = settings(max_examples=100, derandomize=True)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 7, 15, 63, 1000])
@pytest.mark.parametrize("probability", [0.005, 0.25, 0.9, 0.975, 0.995])
def test_student_s_quantiles_are_those_of_the_tables(probability: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=0.02)
    if freedom >= 5:
        assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-3)


@pytest.mark.parametrize(
    ("probability", "freedom", "short"), [(0.975, 3, 0.0012), (0.9995, 3, 0.0416), (0.9995, 7, 0.0011)]
)
def test_student_s_quantiles_fall_short_where_they_say_so(probability: float, freedom: int, short: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = student_quantile(probability, freedom) / stats.t.ppf(probability, freedom)
    assert 1.0 - found == pytest.approx(short, abs=5e-5)


def test_a_quantile_that_nobody_has_is_refused() -> None:
    for probability, freedom in ((0.0, 5), (1.0, 5), (0.5, 0)):
        with pytest.raises(InputError, match="Student's t"):
            student_quantile(probability, freedom)


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    held = sum(estimate(generator.normal(3.0, 1.0, 8).tolist(), 0.9).covers(3.0) for _ in range(2000))
    assert held / 2000 == pytest.approx(0.9, abs=0.02)


def test_one_run_says_nothing_of_its_spread() -> None:
    found = estimate([2.0], 0.95)
    assert (found.value, found.half_width, found.relative) == (2.0, math.inf, math.inf)
    assert estimate([2.0, 2.0], 0.95).relative == 0.0
    assert Estimate(value=0.0, half_width=1.0).relative == math.inf


def test_runs_that_cannot_know_count_for_nothing() -> None:
    assert estimate([math.nan, 2.0, math.nan, 4.0], 0.95) == estimate([2.0, 4.0], 0.95)
    assert estimate([math.nan, 2.0], 0.95) == estimate([2.0], 0.95)
    unknown = estimate([math.nan, math.nan], 0.95)
    assert math.isnan(unknown.value)
    assert unknown.half_width == unknown.relative == math.inf


def test_a_start_unlike_the_rest_is_left_out() -> None:
    generator = np.random.default_rng(1)
    curves = generator.normal(1.0, 0.1, (8, 1000))
    curves[:, :100] -= np.linspace(1.0, 0.0, 100)
    assert 0.06 <= settled_share(list(curves)) <= 0.15


def test_nothing_is_left_out_of_what_is_steady_and_at_most_half_of_what_is_not() -> None:
    steady = np.random.default_rng(2).normal(1.0, 0.1, (8, 1000))
    assert settled_share(list(steady)) <= 0.05
    assert settled_share([np.linspace(0.0, 1.0, 1000)]) == 0.5
    assert settled_share([np.ones(1)]) == settled_share([np.empty(0)]) == 0.0
    assert settled_share([np.ones(100)]) == 0.0


def test_what_is_not_known_of_one_run_is_known_of_another() -> None:
    late = np.array([math.nan, 0.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0])
    early = np.array([-9.0, *late[1:]])
    assert settled_share([late, late]) == settled_share([early, late]) == 2 / 8


def test_stretches_are_means_of_five() -> None:
    assert stretches(np.arange(12.0)).tolist() == [2.0, 7.0]


@laws
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_the_warm_up_has_the_least_standard_error_of_all(values: list[float]) -> None:
    place = round(settled_share([np.array(values)]) * len(values))

    def error(place: int) -> float:
        rest = np.array(values[place:])
        return float(((rest - rest.mean()) ** 2).sum() / rest.size**2)

    assert place <= len(values) // 2
    assert error(place) == pytest.approx(min(error(each) for each in range(len(values) // 2 + 1)), rel=1e-6, abs=1e-6)


@laws
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_is_the_least_value_that_such_a_share_is_at_most(values: list[float], share: float) -> None:
    (found,) = quantiles(np.array(values), [share])
    array = np.array(values)
    assert (array <= found).mean() >= share - 1e-12
    assert (array < found).mean() < share


def test_several_quantiles_come_in_the_order_asked_and_of_nothing_none_is_known() -> None:
    assert quantiles(np.arange(1.0, 101.0), (0.95, 0.5, 1.0)) == (95.0, 50.0, 100.0)
    assert all(math.isnan(found) for found in quantiles(np.empty(0), (0.5, 0.95)))


def test_intervals_count_as_far_as_they_lie_within_the_window() -> None:
    starts_s, ends_s = np.array([0.0, 1.0, 4.0, 9.0]), np.array([2.0, 3.0, 8.0, 10.0])
    assert overlap_s(starts_s, ends_s, (1.5, 5.0)) == pytest.approx(0.5 + 1.5 + 1.0)
