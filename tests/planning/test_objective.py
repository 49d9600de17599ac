import dataclasses
import itertools
import math

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, device_only, metered_sets, office, power_draws

from partway.errors import InputError
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost, parts
from partway.planning.decision import Decision, decide
from partway.planning.energy import PowerDraw, energy_parts
from partway.planning.objective import Goal, balance, weigh

LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
DRAW = PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=1.0)
ENERGY = Goal(objective="energy")
BALANCED = Goal(objective="balanced")
THROUGHPUT = Goal(objective="throughput")

charges = st.floats(0.001, 1.0)


def joules_of(cost: CutCost, conditions: Conditions, draw: PowerDraw) -> float:
    total_j = energy_parts(cost, conditions, draw).total_j
    return math.inf if total_j is None else total_j


def known(decision: Decision) -> float:
    assert decision.energy_j is not None
    return decision.energy_j


@given(metered_sets, any_conditions(), power_draws)
def test_a_full_battery_asks_for_nothing_but_latency(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw
) -> None:
    table = CostTable.of(costs)
    balanced = decide(table, conditions, goal=BALANCED, draw=draw, charge=1.0)
    fastest = decide(table, conditions)
    assert (balanced.index, balanced.value) == (fastest.index, fastest.latency_s)


@given(metered_sets, any_conditions(), power_draws)
def test_a_battery_about_to_die_asks_for_nothing_but_energy(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw
) -> None:
    table = CostTable.of(costs)
    goal = Goal(objective="balanced", seconds_per_joule=1.0)
    balanced = decide(table, conditions, goal=goal, draw=draw, charge=1e-12)
    least = decide(table, conditions, goal=ENERGY, draw=draw)
    slowest_s = max(parts(cost, conditions).total_s for cost in costs)
    assert known(balanced) <= known(least) * (1 + 1e-9) + 2e-12 * slowest_s


@given(metered_sets, any_conditions(), power_draws, st.lists(charges, min_size=2, max_size=6))
def test_as_the_battery_drains_the_chosen_cut_never_costs_more_joules(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, levels: list[float]
) -> None:
    table = CostTable.of(costs)
    chosen = [
        decide(table, conditions, goal=BALANCED, draw=draw, charge=charge) for charge in sorted(levels, reverse=True)
    ]
    for fuller, emptier in itertools.pairwise(chosen):
        assert known(emptier) <= known(fuller) * (1 + 1e-9) + 1e-12
        assert emptier.latency_s >= fuller.latency_s * (1 - 1e-9) - 1e-12


@given(metered_sets, any_conditions(), power_draws)
def test_energy_is_the_least_that_any_cut_costs(costs: list[CutCost], conditions: Conditions, draw: PowerDraw) -> None:
    least = decide(CostTable.of(costs), conditions, goal=ENERGY, draw=draw)
    assert least.value == pytest.approx(min(joules_of(cost, conditions, draw) for cost in costs))
    assert least.value == least.energy_j


@given(cost_sets, any_conditions(), st.floats(1, 1000))
def test_more_bandwidth_never_makes_the_best_latency_worse(
    costs: list[CutCost], conditions: Conditions, factor: float
) -> None:
    table = CostTable.of(costs)
    for name in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        assert decide(table, better).latency_s <= decide(table, conditions).latency_s


@given(cost_sets, any_conditions())
def test_throughput_is_bounded_by_the_slowest_stage_and_by_no_wait(
    costs: list[CutCost], conditions: Conditions
) -> None:
    decision = decide(CostTable.of(costs), conditions, goal=THROUGHPUT)

    def slowest(cost: CutCost) -> float:
        shown = parts(cost, conditions)
        return max(shown.device_s, shown.uplink_s, shown.server_s, shown.downlink_s)

    assert decision.value == pytest.approx(min(slowest(cost) for cost in costs))
    assert decision.inputs_per_s == (1 / decision.value if decision.value else math.inf)
    fastest_s = min(parts(cost, conditions).total_s for cost in costs)
    # A difference of two sums is as exact as they are large.
    assert decision.given_up_s == pytest.approx(decision.latency_s - fastest_s, abs=1e-12 * (1 + decision.latency_s))
    waiting = dataclasses.replace(conditions, rtt_s=conditions.rtt_s + 1, queue_delay_s=conditions.queue_delay_s + 1)
    assert decide(CostTable.of(costs), waiting, goal=THROUGHPUT).value == decision.value


def test_of_equal_throughputs_the_faster_answer_wins() -> None:
    slow = CutCost(crossing=("a",), device_s=1.0, up_bytes=0, server_s=1.0, down_bytes=0, offloaded=True)
    assert decide(CostTable.of([slow, device_only(1.0)]), LINK, goal=THROUGHPUT).index == 1


def test_half_charge_counts_the_devices_own_joules_as_its_seconds() -> None:
    table = CostTable.of(office())
    weighed = weigh(table, LINK, BALANCED, draw=DRAW, charge=0.5)
    assert weighed.values[2] == pytest.approx(2 * weighed.latency_s[2])


def test_where_the_devices_own_joules_are_unknown_the_median_of_the_others_prices_them() -> None:
    costs = office()
    costs[2] = msgspec.structs.replace(costs[2], device_j=None, device_j_how=None)
    weighed = weigh(CostTable.of(costs), LINK, BALANCED, draw=DRAW, charge=0.5)
    assert weighed.energy_j is not None
    price = np.median(weighed.latency_s[:2] / weighed.energy_j[:2])
    np.testing.assert_allclose(weighed.values[:2], weighed.latency_s[:2] + price * weighed.energy_j[:2])
    assert weighed.values[2] == math.inf


def test_a_given_price_of_joules_counts_as_given() -> None:
    assert balance(0.5, 2.0) == 2.0
    assert balance(1.0, 2.0) == 0.0
    assert balance(0.2, 2.0) == 8.0


@given(metered_sets, any_conditions(), power_draws, st.data())
def test_a_cut_of_unknown_joules_is_never_chosen_for_its_joules(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, data: st.DataObject
) -> None:
    assume(len(costs) > 1)
    row = data.draw(st.integers(0, len(costs) - 1))
    costs[row] = msgspec.structs.replace(costs[row], device_j=None, device_j_how=None)
    for goal in (ENERGY, BALANCED):
        for charge in (1.0, 0.3):
            decision = decide(CostTable.of(costs), conditions, goal=goal, draw=draw, charge=charge)
            assert row not in (decision.index, decision.runner_up)


@pytest.mark.parametrize(
    "goal", [ENERGY, BALANCED, Goal(constraints=Constraints(energy_budget_j=1.0))], ids=["energy", "balanced", "budget"]
)
def test_joules_that_nothing_tells_are_refused_with_the_options_that_give_them(goal: Goal) -> None:
    with pytest.raises(InputError, match=r"the device draws is not known here; add --device-power.*--radio"):
        decide(CostTable.of(office()), LINK, goal=goal, charge=0.5)
    with pytest.raises(InputError, match="heads cost is not known here; add --device-power"):
        decide(CostTable.of(office(device_w=None)), LINK, goal=goal, draw=DRAW, charge=0.5)


@pytest.mark.parametrize("charge", [None, 0.0, -0.1, 1.01, math.nan])
def test_a_balance_without_a_usable_charge_is_refused(charge: float | None) -> None:
    with pytest.raises(InputError, match="charge"):
        decide(CostTable.of(office()), LINK, goal=BALANCED, draw=DRAW, charge=charge)


def test_an_unknown_objective_and_a_worthless_joule_are_refused() -> None:
    with pytest.raises(InputError, match="choose one of latency, energy, balanced, throughput"):
        Goal(objective="speed")  # type: ignore[arg-type]  # wrong on purpose
    for price in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(InputError, match="seconds_per_joule"):
            Goal(seconds_per_joule=price)
