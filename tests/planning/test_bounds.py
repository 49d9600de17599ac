import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, metered_sets, office, power_draws

from partway.errors import InputError
from partway.planning.bounds import Oracle, energy_bound, throughput_bound
from partway.planning.costs import Conditions, CostTable, CutCost, FloatArray, latency_s
from partway.planning.energy import PowerDraw, energy_j
from partway.planning.objective import stages_s

LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
DRAW = PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=1.0)


def oracle_of(costs: list[CutCost]) -> Oracle:
    table = CostTable.of(costs)
    terms = np.column_stack((table.terms, np.nan_to_num(table.device_j)))

    def ask(prices: FloatArray) -> FloatArray:
        assert np.all(prices >= 0)
        cheapest: FloatArray = terms[int((terms @ prices).argmin())]
        return cheapest

    return ask


def mixtures(first: FloatArray, second: FloatArray, most: float) -> float:
    """The least of `first` over mixtures of two rows whose mixed `second` is at most `most`: the dual's exact value."""
    best = math.inf
    for a in range(len(first)):
        for b in range(len(first)):
            if second[a] <= most:
                share = 1.0 if second[b] <= most else (most - second[a]) / (second[b] - second[a])
                best = min(best, first[a] + share * (first[b] - first[a]), first[a])
    return best


@given(metered_sets, any_conditions(), power_draws, st.floats(0, 1))
def test_no_cut_within_a_deadline_costs_less_than_the_bound(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, share: float
) -> None:
    table = CostTable.of(costs)
    seconds, joules = latency_s(table, conditions), energy_j(table, conditions, draw)
    deadline_s = float(seconds.min() + share * np.ptp(seconds))
    if deadline_s <= 0:
        return
    bound = energy_bound(oracle_of(costs), conditions, draw, deadline_s)
    best_j = float(joules[seconds <= deadline_s].min())
    assert bound.value <= best_j * (1 + 1e-9) + 1e-12
    if not math.isinf(bound.value):
        assert bound.value >= mixtures(joules, seconds, deadline_s) * (1 - 1e-6) - 1e-12
        assert bound.found >= best_j * (1 - 1e-9) - 1e-12


@given(cost_sets, any_conditions())
def test_no_cut_has_a_faster_slowest_stage_than_the_bound(costs: list[CutCost], conditions: Conditions) -> None:
    stages = stages_s(CostTable.of(costs), conditions)
    bound = throughput_bound(oracle_of(costs), conditions)
    best_s = float(stages.max(axis=1).min())
    assert bound.value <= best_s * (1 + 1e-9)
    assert bound.found >= best_s * (1 - 1e-9)
    # A bound as good as the best mixture: random mixtures must not fall below it.
    rng = np.random.default_rng(0)
    for weights in rng.dirichlet(np.full(len(costs), 0.3), size=20):
        assert bound.value <= float((weights @ stages).max()) * (1 + 1e-5) + 1e-12


@given(cost_sets, any_conditions())
def test_the_bound_on_throughput_is_as_high_as_weights_can_make_it(
    costs: list[CutCost], conditions: Conditions
) -> None:
    stages = stages_s(CostTable.of(costs), conditions)
    bound = throughput_bound(oracle_of(costs), conditions)
    rng = np.random.default_rng(0)
    for weights in (*np.eye(4), *rng.dirichlet(np.full(4, 0.3), size=50)):
        even = 1e-6 * stages.max()
        assert bound.value * (1 + 1e-5) + even >= float((stages @ weights).min())


def test_an_easy_deadline_needs_one_search_and_leaves_no_gap() -> None:
    bound = energy_bound(oracle_of(office()), LINK, DRAW, 10.0)
    best_j = energy_j(CostTable.of(office()), LINK, DRAW).min()
    assert bound.value == bound.found == pytest.approx(best_j)
    assert bound.searches == 1
    assert bound.gap(bound.found) == 0.0


def test_a_deadline_that_no_cut_meets_has_no_bound_below_infinity() -> None:
    bound = energy_bound(oracle_of(office()), LINK, DRAW, 0.001)
    assert (bound.value, bound.found) == (math.inf, math.inf)


def test_a_gap_is_the_share_by_which_the_best_may_be_better() -> None:
    bound = throughput_bound(oracle_of(office()), LINK)
    assert bound.gap(bound.value * 1.25) == pytest.approx(0.25)
    assert bound.searches < 15


def test_a_deadline_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        energy_bound(oracle_of(office()), LINK, DRAW, 0.0)
