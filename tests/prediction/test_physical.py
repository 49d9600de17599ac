"""Costs of amounts of work: found again, never negative, hardly bent by what is odd."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.errors import InputError
from partway.prediction.physical import LEAST_S, FloatArray, Physical, fit_physical

Rows = list[dict[str, float]]

COSTS = {"call": 2e-6, "macs": 3e-11, "bytes": 8e-11, "idle": 0.0}


def work(seed: int, kernels: int = 200) -> Rows:
    """Terms as kernels have them: called once, the rest over many magnitudes."""
    amounts = np.exp(np.random.default_rng(seed).uniform(np.log(1e3), np.log(1e8), (kernels, 3)))
    return [{"call": 1.0, "macs": macs, "bytes": size, "idle": idle} for macs, size, idle in amounts.tolist()]


def seconds_of(rows: Rows, costs: dict[str, float]) -> FloatArray:
    return np.array([sum(costs.get(name, 0.0) * amount for name, amount in row.items()) for row in rows])


costs = st.builds(
    lambda call, macs, size: {"call": call, "macs": macs, "bytes": size},
    st.floats(1e-6, 1e-4),
    st.floats(1e-12, 1e-9),
    st.floats(1e-12, 1e-9),
)


@law
@given(costs, st.integers(0, 2**16))
def test_known_costs_are_found_again(known: dict[str, float], seed: int) -> None:
    rows = work(seed)
    fitted = fit_physical(rows, seconds_of(rows, known))
    for name, cost in known.items():
        assert fitted.costs_s[name] == pytest.approx(cost, rel=0.01), name
    fresh = work(seed + 1)
    np.testing.assert_allclose(fitted.seconds(fresh), seconds_of(fresh, known), rtol=0.01)


def test_what_costs_nothing_or_never_comes_is_as_good_as_left_out() -> None:
    rows = work(0)
    fitted = fit_physical(rows, seconds_of(rows, COSTS))
    assert fitted.costs_s.get("idle", 0.0) < 1e-3 * COSTS["macs"]
    never = [row | {"never": 0.0} for row in rows]
    assert fit_physical(never, seconds_of(rows, COSTS)) == fitted
    assert "never" not in fitted.costs_s


@law
@given(
    st.lists(
        st.tuples(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(1e-7, 1.0)),
        min_size=1,
        max_size=12,
    )
)
def test_no_cost_is_negative_whatever_was_measured(measured: list[tuple[float, float, float]]) -> None:
    rows: Rows = [{"call": 1.0, "macs": macs, "bytes": size} for macs, size, _ in measured]
    fitted = fit_physical(rows, np.array([seconds for *_, seconds in measured]))
    assert all(np.isfinite(cost) and cost > 0 for cost in fitted.costs_s.values())
    assert (fitted.seconds([*rows, {}]) >= LEAST_S).all()


@law
@given(st.floats(1.0, 1e3), st.integers(0, 2**16))
def test_a_machine_so_many_times_slower_has_costs_so_many_times_higher(factor: float, seed: int) -> None:
    rows = work(seed, 60)
    noisy = seconds_of(rows, COSTS) * np.exp(np.random.default_rng(seed).normal(0, 0.1, len(rows)))
    once, slower = fit_physical(rows, noisy), fit_physical(rows, noisy * factor)
    np.testing.assert_allclose(slower.seconds(rows), factor * once.seconds(rows), rtol=1e-4)


@law
@given(st.floats(-3, 3), st.integers(0, 199), st.integers(0, 2**16))
def test_one_wild_sample_among_two_hundred_moves_little(magnitudes: float, index: int, seed: int) -> None:
    rows = work(seed)
    truth = seconds_of(rows, COSTS)
    wild = truth.copy()
    wild[index] *= 10**magnitudes
    fitted = fit_physical(rows, wild).seconds(rows)
    assert float(np.median(np.abs(fitted / truth - 1))) < 0.02
    assert float(np.quantile(np.abs(fitted / truth - 1), 0.95)) < 0.1


def test_terms_that_are_multiples_of_each_other_predict_as_one_does() -> None:
    rows = [row | {"twice": 2 * row["macs"]} for row in work(4)]
    truth = seconds_of(rows, COSTS)
    np.testing.assert_allclose(fit_physical(rows, truth).seconds(rows), truth, rtol=0.01)


def test_nothing_takes_less_than_being_called() -> None:
    assert Physical(costs_s={}).seconds([{"macs": 1e9}, {}]).tolist() == [LEAST_S, LEAST_S]
    assert Physical(costs_s={"macs": 1.0}).seconds([]).shape == (0,)


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(InputError, match=r"pip install 'partway\[profile\]'"):
        fit_physical(work(0), np.ones(200))
