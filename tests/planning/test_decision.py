import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, device_only

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, parts
from partway.planning.decision import decide

LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
OFFICE = CostTable.of(
    [
        CutCost(crossing=("image",), device_s=0.0, up_bytes=600_000, server_s=0.03, down_bytes=0, offloaded=True),
        CutCost(crossing=("pool5",), device_s=0.1, up_bytes=40_000, server_s=0.01, down_bytes=0, offloaded=True),
        device_only(0.165),
    ]
)


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


@pytest.mark.parametrize(("current", "switch_gain"), [(3, 0.0), (-1, 0.0), (0, 1.0), (None, -0.1)])
def test_a_wrong_row_or_gain_is_refused(current: int | None, switch_gain: float) -> None:
    with pytest.raises(InputError, match="expected a"):
        decide(OFFICE, LINK, current=current, switch_gain=switch_gain)
