import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, device_only, metered_sets, office, power_draws

from partway.errors import InputError
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost, parts
from partway.planning.decision import decide
from partway.planning.energy import PowerDraw
from partway.planning.objective import OBJECTIVES, Goal, ObjectiveName

LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
OFFICE = CostTable.of(office())
DRAW = PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=1.0)


@given(cost_sets, any_conditions())
def test_a_decision_is_what_trying_every_cut_finds(costs: list[CutCost], conditions: Conditions) -> None:
    decision = decide(CostTable.of(costs), conditions)
    best_s = min(parts(cost, conditions).total_s for cost in costs)
    assert decision.latency_s == pytest.approx(best_s)
    assert parts(costs[decision.index], conditions).total_s == pytest.approx(best_s)
    assert decision.crossing == costs[decision.index].crossing
    assert not decision.kept


@given(cost_sets, any_conditions())
def test_the_runner_up_is_the_best_of_the_others(costs: list[CutCost], conditions: Conditions) -> None:
    decision = decide(CostTable.of(costs), conditions)
    others = [parts(cost, conditions).total_s for row, cost in enumerate(costs) if row != decision.index]
    if not others:
        assert decision.runner_up is None
        assert decision.runner_up_latency_s is None
    else:
        assert decision.runner_up != decision.index
        assert decision.runner_up_latency_s == pytest.approx(min(others))


@given(cost_sets, any_conditions(), st.floats(0, 0.9), st.data())
def test_keeping_the_current_cut_never_costs_more_than_the_switch_gain(
    costs: list[CutCost], conditions: Conditions, switch_gain: float, data: st.DataObject
) -> None:
    table = CostTable.of(costs)
    current = data.draw(st.integers(0, len(costs) - 1))
    best = decide(table, conditions)
    decision = decide(table, conditions, current=current, switch_gain=switch_gain)
    assert decision.index == current or decision.latency_s == best.latency_s
    assert best.latency_s >= (1 - switch_gain) * decision.latency_s * (1 - 1e-12)


def test_a_small_gain_does_not_move_the_cut_and_a_large_one_does() -> None:
    kept = decide(OFFICE, LINK, current=2, switch_gain=0.1)
    assert (kept.index, kept.kept) == (2, True)
    moved = decide(OFFICE, LINK, current=0, switch_gain=0.1)
    assert (moved.index, moved.kept) == (1, False)


def test_a_tie_keeps_the_current_cut_even_without_a_switch_gain() -> None:
    table = CostTable.of([device_only(1.0), device_only(1.0)])
    assert decide(table, LINK).index == 0
    assert decide(table, LINK, current=1).index == 1


def test_the_reason_is_a_sentence_with_both_times() -> None:
    assert decide(OFFICE, LINK).reason == (
        "the cut at pool5 takes 160 ms; the next best, the device alone, would take 165 ms"
    )
    assert decide(OFFICE, LINK, current=2, switch_gain=0.1).reason == (
        "the device alone takes 165 ms and stays: the cut at pool5 would take 160 ms, and a switch has to save 10%"
    )
    assert decide(CostTable.of([device_only(1.0)]), LINK).reason == (
        "the device alone takes 1 s, and there is no other cut"
    )


def reason(goal: Goal, charge: float | None = None, current: int | None = None) -> str:
    return decide(OFFICE, LINK, goal=goal, draw=DRAW, charge=charge, current=current, switch_gain=0.9).reason


def test_the_reason_speaks_of_what_was_to_be_best() -> None:
    assert decide(OFFICE, LINK, goal=Goal(objective="energy"), draw=DRAW).reason == (
        "the cut at pool5 costs 640 mJ; the next best, the device alone, would cost 825 mJ"
    )
    assert reason(Goal(objective="energy"), current=2) == (
        "the device alone costs 825 mJ and stays: the cut at pool5 would cost 640 mJ, and a switch has to save 90%"
    )
    assert reason(Goal(objective="balanced"), 0.5) == (
        "the cut at pool5 takes 160 ms and 640 mJ, weighed at 50% of the battery; "
        "the next best, the device alone, would take 165 ms and 825 mJ"
    )
    slow = Conditions(uplink_bytes_per_s=3e5, downlink_bytes_per_s=3e5, rtt_s=0.01)
    assert decide(OFFICE, slow, goal=Goal(objective="throughput")).reason == (
        "the cut at pool5 answers 7.5 inputs/s, each in 253 ms, 88.3 ms later than at the fastest, the device alone; "
        "the next best, the device alone, would answer 6.06 inputs/s"
    )


def test_the_reason_says_where_no_other_cut_keeps_to_the_constraints() -> None:
    goal = Goal(constraints=Constraints(max_up_bytes=0))
    decision = decide(OFFICE, LINK, goal=goal)
    assert decision.reason == "the device alone takes 165 ms, and no other cut keeps to the constraints"
    assert (decision.runner_up, decision.runner_up_latency_s) == (None, None)


def test_the_current_cut_does_not_stay_where_it_misses_a_constraint() -> None:
    goal = Goal(constraints=Constraints(max_up_bytes=50_000))
    assert decide(OFFICE, LINK, goal=goal, current=0, switch_gain=0.99).index == 1


@given(metered_sets, any_conditions(), power_draws, st.sampled_from(OBJECTIVES), st.floats(0, 0.9), st.data())
def test_whatever_is_to_be_best_keeping_the_current_cut_costs_at_most_the_switch_gain(
    costs: list[CutCost],
    conditions: Conditions,
    draw: PowerDraw,
    objective: ObjectiveName,
    switch_gain: float,
    data: st.DataObject,
) -> None:
    table, goal = CostTable.of(costs), Goal(objective=objective)
    current = data.draw(st.integers(0, len(costs) - 1))
    best = decide(table, conditions, goal=goal, draw=draw, charge=0.5)
    kept = decide(table, conditions, goal=goal, draw=draw, charge=0.5, current=current, switch_gain=switch_gain)
    assert best.value >= (1 - switch_gain) * kept.value * (1 - 1e-12)
    assert kept.index == current or kept.value == best.value
    assert kept.runner_up_value is None or kept.kept == (kept.runner_up_value < kept.value)
    assert kept.reason


def test_a_decision_names_the_codec_and_joules_only_where_they_are_known() -> None:
    packed = CostTable.of([msgspec.structs.replace(office()[1], codec="zstd")])
    assert decide(packed, LINK).codec == "zstd"
    assert decide(packed, LINK).reason == "the cut at pool5 as zstd takes 160 ms, and there is no other cut"
    assert decide(packed, LINK).energy_j is None
    assert decide(packed, LINK, draw=DRAW).energy_j == pytest.approx(0.64)
    assert decide(CostTable.of(office(device_w=None)), LINK, draw=DRAW).energy_j is None


@pytest.mark.parametrize(("current", "switch_gain"), [(3, 0.0), (-1, 0.0), (0, 1.0), (None, -0.1)])
def test_a_wrong_row_or_gain_is_refused(current: int | None, switch_gain: float) -> None:
    with pytest.raises(InputError, match="expected a"):
        decide(OFFICE, LINK, current=current, switch_gain=switch_gain)
