"""The formulas agree with each other and with numbers that are printed elsewhere."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.errors import InputError
from partway.simulation.theory import erlang_c, quantile_mmk_s, wait_mg1_s, wait_mmk_s

loads = st.floats(0.01, 0.99)


@settings(max_examples=100, derandomize=True)
@given(loads)
def test_one_worker_is_the_same_by_every_formula(load: float) -> None:
    assert erlang_c(1, load) == pytest.approx(load)
    assert wait_mmk_s(2.0, 1, load) == pytest.approx(2.0 * load / (1 - load))
    assert wait_mg1_s(2.0, 1.0, load) == pytest.approx(wait_mmk_s(2.0, 1, load))
    assert quantile_mmk_s(0.95, 2.0, 1, load) == pytest.approx(2.0 * math.log(20) / (1 - load), rel=1e-6)


@settings(max_examples=100, derandomize=True)
@given(st.integers(1, 300), loads)
def test_erlang_s_recursion_is_his_sum(workers: int, load: float) -> None:
    offered = workers * load
    terms = [math.exp(k * math.log(offered) - math.lgamma(k + 1)) for k in range(workers + 1)]
    last = terms[-1] / (1 - load)
    assert erlang_c(workers, load) == pytest.approx(last / (sum(terms[:-1]) + last), rel=1e-9)


def test_more_workers_at_the_same_load_wait_less() -> None:
    waits_s = [wait_mmk_s(1.0, workers, 0.8) for workers in (1, 2, 4, 8, 16)]
    assert waits_s == sorted(waits_s, reverse=True)


def test_a_constant_service_waits_half_as_long_as_an_exponential() -> None:
    assert wait_mg1_s(1.0, 0.0, 0.9) == pytest.approx(wait_mg1_s(1.0, 1.0, 0.9) / 2)


@settings(max_examples=50, derandomize=True)
@given(st.integers(1, 20), loads, st.floats(0.01, 0.999))
def test_the_quantile_inverts_the_distribution_of_responses(workers: int, load: float, share: float) -> None:
    x = quantile_mmk_s(share, 1.0, workers, load)
    waits, rate = erlang_c(workers, load), workers * (1 - load)
    if abs(rate - 1) > 1e-3:
        both = (rate * math.exp(-x) - math.exp(-rate * x)) / (rate - 1)
        assert (1 - waits) * math.exp(-x) + waits * both == pytest.approx(1 - share, abs=1e-9)


def test_what_has_no_answer_is_refused() -> None:
    for workers, load in ((0, 0.5), (1, 0.0), (1, 1.0)):
        with pytest.raises(InputError, match="at least 1 worker"):
            erlang_c(workers, load)
    with pytest.raises(InputError, match="between 0 and 1"):
        quantile_mmk_s(1.0, 1.0, 1, 0.5)
