import dataclasses
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, cut_costs, device_only, offloaded_costs, seconds

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, describe_cut, latency_s, parts

factors_above_one = st.floats(1, 1000)


@given(cost_sets, any_conditions(), factors_above_one)
def test_more_bandwidth_never_makes_any_cut_slower(costs: list[CutCost], conditions: Conditions, factor: float) -> None:
    table = CostTable.of(costs)
    for name in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        assert np.all(latency_s(table, better) <= latency_s(table, conditions))


@given(cost_sets, any_conditions(), st.floats(0.01, 1))
def test_less_load_never_makes_any_cut_slower(costs: list[CutCost], conditions: Conditions, factor: float) -> None:
    table = CostTable.of(costs)
    for name in ("queue_delay_s", "slowdown", "rtt_s", "device_factor"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        assert np.all(latency_s(table, better) <= latency_s(table, conditions))


@given(seconds, any_conditions())
def test_the_device_alone_pays_for_no_link_and_no_server(device_s: float, conditions: Conditions) -> None:
    table = CostTable.of([device_only(device_s)])
    assert latency_s(table, conditions)[0] == conditions.device_factor * device_s


@given(cost_sets, any_conditions(), st.floats(0.01, 100))
def test_latency_is_linear_in_what_the_conditions_charge(
    costs: list[CutCost], conditions: Conditions, factor: float
) -> None:
    scaled = Conditions(
        uplink_bytes_per_s=conditions.uplink_bytes_per_s / factor,
        downlink_bytes_per_s=conditions.downlink_bytes_per_s / factor,
        rtt_s=conditions.rtt_s * factor,
        queue_delay_s=conditions.queue_delay_s * factor,
        slowdown=conditions.slowdown * factor,
        device_factor=conditions.device_factor * factor,
    )
    table = CostTable.of(costs)
    np.testing.assert_allclose(latency_s(table, scaled), factor * latency_s(table, conditions), rtol=1e-9)


@given(offloaded_costs(), offloaded_costs(), any_conditions())
def test_latency_is_linear_in_the_costs(first: CutCost, second: CutCost, conditions: Conditions) -> None:
    middle = CutCost(
        crossing=("middle",),
        device_s=(first.device_s + second.device_s) / 2,
        up_bytes=first.up_bytes + second.up_bytes,
        server_s=(first.server_s + second.server_s) / 2,
        down_bytes=first.down_bytes + second.down_bytes,
        offloaded=True,
    )
    halved = dataclasses.replace(
        conditions,
        uplink_bytes_per_s=2 * conditions.uplink_bytes_per_s,
        downlink_bytes_per_s=2 * conditions.downlink_bytes_per_s,
    )
    ends = latency_s(CostTable.of([first, second]), conditions)
    assert latency_s(CostTable.of([middle]), halved)[0] == pytest.approx(ends.mean())


@given(cut_costs, any_conditions())
def test_the_parts_add_up_to_the_latency(cost: CutCost, conditions: Conditions) -> None:
    expected_s = latency_s(CostTable.of([cost]), conditions)[0]
    assert parts(cost, conditions).total_s == pytest.approx(expected_s)


def test_the_parts_are_the_terms_of_the_formula() -> None:
    cost = CutCost(crossing=("a",), device_s=0.1, up_bytes=1000, server_s=0.02, down_bytes=400, offloaded=True)
    conditions = Conditions(
        uplink_bytes_per_s=10_000,
        downlink_bytes_per_s=40_000,
        rtt_s=0.05,
        queue_delay_s=0.03,
        slowdown=3,
        device_factor=2,
    )
    shown = parts(cost, conditions)
    assert (shown.device_s, shown.uplink_s, shown.downlink_s) == (0.2, 0.1, 0.01)
    assert shown.server_s == pytest.approx(0.06)
    assert shown.wait_s == pytest.approx(0.08)


def test_an_infinite_link_costs_nothing() -> None:
    cost = CutCost(crossing=("a",), device_s=0.0, up_bytes=8, server_s=1.0, down_bytes=8, offloaded=True)
    free = Conditions(uplink_bytes_per_s=math.inf, downlink_bytes_per_s=math.inf, rtt_s=0.0)
    assert latency_s(CostTable.of([cost]), free)[0] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uplink_bytes_per_s", 0.0),
        ("downlink_bytes_per_s", math.nan),
        ("rtt_s", -0.1),
        ("queue_delay_s", math.inf),
        ("slowdown", 0.0),
        ("device_factor", math.nan),
    ],
)
def test_conditions_outside_their_range_are_refused_by_name(name: str, value: float) -> None:
    good = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)
    with pytest.raises(InputError, match=name):
        dataclasses.replace(good, **{name: value})


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_a_cost_that_no_cut_can_have_is_refused_by_name(value: float) -> None:
    with pytest.raises(InputError, match="server_s of the cut at a"):
        CutCost(crossing=("a",), device_s=0.0, up_bytes=0, server_s=value, down_bytes=0, offloaded=True)


def test_a_device_only_cost_with_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="all three must be 0"):
        CutCost(crossing=(), device_s=0.0, up_bytes=1, server_s=0.0, down_bytes=0, offloaded=False)


def test_a_table_of_no_cuts_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        CostTable.of([])


@given(cost_sets)
def test_a_table_cannot_be_changed(costs: list[CutCost]) -> None:
    table = CostTable.of(costs)
    assert len(table) == len(costs)
    with pytest.raises(ValueError, match="read-only"):
        table.terms[0, 0] = 1.0


def test_cuts_are_described_in_words() -> None:
    names = ("a", "b", "c", "d")
    cost = CutCost(crossing=names, device_s=0, up_bytes=0, server_s=0, down_bytes=0, offloaded=True)
    assert describe_cut(cost) == "the cut at a, b and 2 more"
    assert describe_cut(msgspec.structs.replace(cost, codec="int8")) == "the cut at a, b and 2 more as int8"
    assert describe_cut(device_only(1.0)) == "the device alone"


@pytest.mark.parametrize("name", ["error", "device_bytes"])
@pytest.mark.parametrize("value", [-1, math.inf, math.nan])
def test_an_error_or_a_memory_that_no_cut_has_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} of the device alone"):
        msgspec.structs.replace(device_only(1.0), **{name: value})


@given(cost_sets)
def test_a_table_has_the_memory_joules_and_errors_of_its_cuts(costs: list[CutCost]) -> None:
    table = CostTable.of(costs)
    for column, values in (
        (table.device_j, [cost.device_j for cost in costs]),
        (table.device_bytes, [cost.device_bytes for cost in costs]),
        (table.error, [cost.error for cost in costs]),
    ):
        np.testing.assert_array_equal(column, np.array(values, dtype=np.float64))
    assert table.has_joules == any(cost.device_j is not None for cost in costs)
    assert not table.lossy
    assert CostTable.of([msgspec.structs.replace(costs[0], error=0.01)]).lossy
