import dataclasses
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, cut_costs, device_only, offloaded_costs, seconds

from partway.errors import InputError, LinkError
from partway.link.radio import NAMED_RADIOS, Radio
from partway.planning.costs import Conditions, CostTable, CutCost
from partway.planning.energy import (
    EnergyParts,
    PowerDraw,
    energy_coefficients,
    energy_j,
    energy_parts,
    energy_terms,
)
from partway.units import parse_rate

# No number between 0 and a billionth: there rounding to subnormal numbers, not the laws, would be tested.
watts = st.just(0.0) | st.floats(1e-9, 100)
joules = st.just(0.0) | st.floats(1e-9, 100)
factors_above_one = st.floats(1, 1000)
draws = st.builds(PowerDraw, tx_w=watts, rx_w=watts, idle_w=watts, tail_j=joules)
radios = st.builds(
    Radio,
    tx_j_per_byte=watts.map(lambda w: w * 1e-6),
    tx_base_w=watts,
    rx_j_per_byte=watts.map(lambda w: w * 1e-6),
    rx_base_w=watts,
    idle_w=watts,
    source=st.just("a test"),
)


@st.composite
def metered(draw: st.DrawFn, costs: st.SearchStrategy[CutCost] = cut_costs) -> CutCost:
    """A cut whose head's joules are known."""
    return msgspec.structs.replace(draw(costs), device_j=draw(joules), device_j_how="metered")


metered_sets = st.lists(metered(), min_size=1, max_size=12)

# AlexNet's status quo: the image's bytes, and the radios at the rates of the paper's uploads (95, 180, 870 ms).
IMAGE_BYTES = 152_000
UPLOAD_S = {"wifi": 0.095, "lte": 0.180, "3g": 0.870}


def joules_of(cost: CutCost, conditions: Conditions, draw: PowerDraw) -> float:
    return float(energy_j(CostTable.of([cost]), conditions, draw)[0])


@given(metered_sets, any_conditions(), draws, factors_above_one)
def test_more_bandwidth_at_the_same_watts_never_costs_any_cut_more(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, factor: float
) -> None:
    table = CostTable.of(costs)
    for name in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        assert np.all(energy_j(table, better, draw) <= energy_j(table, conditions, draw))


@given(metered_sets, any_conditions(), radios, watts, factors_above_one)
def test_more_bandwidth_never_costs_any_cut_more_although_the_radio_then_draws_more(
    costs: list[CutCost], conditions: Conditions, radio: Radio, device_idle_w: float, factor: float
) -> None:
    table = CostTable.of(costs)
    now_j = energy_j(table, conditions, PowerDraw.of(radio, conditions, device_idle_w=device_idle_w))
    for name in ("uplink_bytes_per_s", "downlink_bytes_per_s"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        better_j = energy_j(table, better, PowerDraw.of(radio, better, device_idle_w=device_idle_w))
        assert np.all(better_j <= now_j * (1 + 1e-9))


@given(metered_sets, any_conditions(), draws, st.floats(0.01, 1))
def test_less_load_never_costs_any_cut_more(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw, factor: float
) -> None:
    table = CostTable.of(costs)
    for name in ("queue_delay_s", "slowdown", "rtt_s", "device_factor"):
        better = dataclasses.replace(conditions, **{name: getattr(conditions, name) * factor})
        assert np.all(energy_j(table, better, draw) <= energy_j(table, conditions, draw))


@given(metered(seconds.map(device_only)), any_conditions(), draws)
def test_the_device_alone_pays_for_no_radio_and_no_waiting(
    cost: CutCost, conditions: Conditions, draw: PowerDraw
) -> None:
    assert cost.device_j is not None
    assert joules_of(cost, conditions, draw) == conditions.device_factor * cost.device_j
    shown = energy_parts(cost, conditions, draw)
    assert (shown.uplink_j, shown.wait_j, shown.downlink_j, shown.tail_j) == (0, 0, 0, 0)


@given(metered(), any_conditions(), draws)
def test_the_parts_add_up_to_the_energy(cost: CutCost, conditions: Conditions, draw: PowerDraw) -> None:
    assert energy_parts(cost, conditions, draw).total_j == pytest.approx(joules_of(cost, conditions, draw))


@given(metered_sets, any_conditions(), draws, draws)
def test_energy_is_linear_in_the_watts(
    costs: list[CutCost], conditions: Conditions, first: PowerDraw, second: PowerDraw
) -> None:
    mean = PowerDraw(
        tx_w=(first.tx_w + second.tx_w) / 2,
        rx_w=(first.rx_w + second.rx_w) / 2,
        idle_w=(first.idle_w + second.idle_w) / 2,
        tail_j=(first.tail_j + second.tail_j) / 2,
    )
    table = CostTable.of(costs)
    ends = (energy_j(table, conditions, first) + energy_j(table, conditions, second)) / 2
    np.testing.assert_allclose(energy_j(table, conditions, mean), ends, rtol=1e-9)


@given(metered(offloaded_costs()), metered(offloaded_costs()), any_conditions(), draws)
def test_energy_is_linear_in_the_costs(
    first: CutCost, second: CutCost, conditions: Conditions, draw: PowerDraw
) -> None:
    assert first.device_j is not None
    assert second.device_j is not None
    middle = CutCost(
        crossing=("middle",),
        device_s=0.0,
        up_bytes=first.up_bytes + second.up_bytes,
        server_s=first.server_s + second.server_s,
        down_bytes=first.down_bytes + second.down_bytes,
        offloaded=True,
        device_j=first.device_j + second.device_j,
        device_j_how="metered",
    )
    once_j = draw.idle_w * (conditions.rtt_s + conditions.queue_delay_s) + draw.tail_j
    both_j = joules_of(first, conditions, draw) + joules_of(second, conditions, draw)
    assert joules_of(middle, conditions, draw) + once_j == pytest.approx(both_j)


@given(cost_sets, any_conditions(), draws)
def test_the_energy_of_a_cut_is_unknown_exactly_where_that_of_its_head_is(
    costs: list[CutCost], conditions: Conditions, draw: PowerDraw
) -> None:
    unknown = [cost.device_j is None for cost in costs]
    assert np.isnan(energy_j(CostTable.of(costs), conditions, draw)).tolist() == unknown
    assert [energy_parts(cost, conditions, draw).total_j is None for cost in costs] == unknown


def test_what_the_radio_costs_is_known_although_the_head_is_not() -> None:
    cost = CutCost(crossing=("a",), device_s=0.1, up_bytes=1000, server_s=0.0, down_bytes=0, offloaded=True)
    conditions = Conditions(uplink_bytes_per_s=10_000, downlink_bytes_per_s=10_000, rtt_s=0.0)
    shown = energy_parts(cost, conditions, PowerDraw(tx_w=2.0, rx_w=0.0, idle_w=0.0))
    assert shown == EnergyParts(device_j=None, uplink_j=0.2, wait_j=0.0, downlink_j=0.0, tail_j=0.0)


def test_the_parts_are_the_terms_of_the_formula() -> None:
    cost = CutCost(
        crossing=("a",),
        device_s=0.1,
        up_bytes=1000,
        server_s=0.02,
        down_bytes=400,
        offloaded=True,
        device_j=0.5,
        device_j_how="metered",
    )
    conditions = Conditions(
        uplink_bytes_per_s=10_000,
        downlink_bytes_per_s=40_000,
        rtt_s=0.05,
        queue_delay_s=0.03,
        slowdown=3,
        device_factor=2,
    )
    shown = energy_parts(cost, conditions, PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=0.5, tail_j=12.0))
    assert (shown.device_j, shown.uplink_j, shown.downlink_j, shown.tail_j) == (1.0, 0.3, 0.02, 12.0)
    assert shown.wait_j == pytest.approx(0.5 * (0.05 + 0.03 + 0.06))


@given(metered(), any_conditions(), radios, watts)
def test_without_waiting_and_downlink_it_is_the_energy_that_the_paper_minimises(
    cost: CutCost, conditions: Conditions, radio: Radio, mobile_w: float
) -> None:
    # TM * PM + TU * PU, written as Algorithm 1 does, for a head of constant power.
    head_j = cost.device_s * mobile_w
    upload_s = cost.up_bytes / conditions.uplink_bytes_per_s
    expected_j = head_j + upload_s * radio.tx_w(conditions.uplink_bytes_per_s)

    plain = dataclasses.replace(conditions, rtt_s=0.0, queue_delay_s=0.0, device_factor=1.0)
    silent = dataclasses.replace(radio, idle_w=0.0)
    draw = PowerDraw.of(silent, plain, device_idle_w=0.0)
    without_result = msgspec.structs.replace(cost, device_j=head_j, device_j_how="constant", down_bytes=0)
    assert joules_of(without_result, plain, draw) == pytest.approx(expected_j)


def status_quo(radio: str) -> float:
    """Joules of sending AlexNet's image to the server, as the paper counts them."""
    conditions = Conditions(uplink_bytes_per_s=IMAGE_BYTES / UPLOAD_S[radio], downlink_bytes_per_s=math.inf, rtt_s=0.0)
    tx_w = NAMED_RADIOS[radio].tx_w(conditions.uplink_bytes_per_s)
    server_only = CutCost(
        crossing=("image",),
        device_s=0.0,
        up_bytes=IMAGE_BYTES,
        server_s=0.006,
        down_bytes=4,
        offloaded=True,
        device_j=0.0,
        device_j_how="constant",
    )
    return joules_of(server_only, conditions, PowerDraw(tx_w=tx_w, rx_w=0.0, idle_w=0.0))


def test_sending_alexnets_image_costs_what_the_radios_say() -> None:
    assert status_quo("wifi") == pytest.approx(0.357, rel=0.01)
    assert status_quo("lte") == pytest.approx(0.765, rel=0.01)
    assert status_quo("3g") == pytest.approx(1.77, rel=0.01)


@pytest.mark.parametrize("device_gpu_w", [4.5, 6.5, 9.0])
def test_the_papers_order_of_energies_follows_for_any_power_that_its_device_may_have_drawn(
    device_gpu_w: float,
) -> None:
    # Server-only wins on Wi-Fi, the device's GPU (81 ms) on LTE and 3G. The sources give no watts of the GPU.
    device_only_j = 0.081 * device_gpu_w
    assert status_quo("wifi") < device_only_j < status_quo("lte") < status_quo("3g")


def test_the_rest_of_the_device_draws_its_watts_while_the_radio_works() -> None:
    lte = NAMED_RADIOS["lte"]
    uplink, downlink = parse_rate("5.85Mbit/s"), parse_rate("13.76Mbit/s")
    conditions = Conditions(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=0.05)
    draw = PowerDraw.of(lte, conditions, device_idle_w=2.0)
    assert draw == PowerDraw(
        tx_w=2.0 + lte.tx_w(uplink), rx_w=2.0 + lte.rx_w(downlink), idle_w=2.0 + lte.idle_w, tail_j=0.0
    )
    alone = PowerDraw.of(lte, conditions, device_idle_w=2.0, tail=True)
    assert alone == dataclasses.replace(draw, tail_j=lte.tail_j)


def test_an_infinite_link_costs_only_the_wait() -> None:
    cost = CutCost(
        crossing=("a",),
        device_s=0.0,
        up_bytes=8,
        server_s=1.0,
        down_bytes=8,
        offloaded=True,
        device_j=0.25,
        device_j_how="metered",
    )
    free = Conditions(uplink_bytes_per_s=math.inf, downlink_bytes_per_s=math.inf, rtt_s=0.0)
    assert joules_of(cost, free, PowerDraw(tx_w=9.0, rx_w=9.0, idle_w=0.5)) == 0.75
    with pytest.raises(LinkError, match="the uplink rate is inf"):
        PowerDraw.of(NAMED_RADIOS["lte"], free, device_idle_w=0.0)


@given(cost_sets)
def test_terms_are_those_of_the_table_with_joules_for_seconds(costs: list[CutCost]) -> None:
    table = CostTable.of(costs)
    terms = energy_terms(table)
    np.testing.assert_array_equal(terms[:, 1:], table.terms[:, 1:])
    np.testing.assert_array_equal(terms[:, 0], [math.nan if c.device_j is None else c.device_j for c in costs])
    np.testing.assert_array_equal(table.terms[:, 0], [c.device_s for c in costs])


@given(any_conditions(), draws)
def test_no_cut_is_ever_paid_for(conditions: Conditions, draw: PowerDraw) -> None:
    assert np.all(energy_coefficients(conditions, draw) >= 0)


@pytest.mark.parametrize("name", ["tx_w", "rx_w", "idle_w", "tail_j"])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_watts_that_no_device_draws_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} of a power draw"):
        dataclasses.replace(PowerDraw(tx_w=1.0, rx_w=1.0, idle_w=1.0), **{name: value})


@pytest.mark.parametrize("value", [-0.001, math.inf, math.nan])
def test_a_device_that_draws_less_than_nothing_is_not_hidden_by_its_radio(value: float) -> None:
    conditions = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.0)
    with pytest.raises(InputError, match="device_idle_w is"):
        PowerDraw.of(NAMED_RADIOS["lte"], conditions, device_idle_w=value)
