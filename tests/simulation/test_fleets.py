"""Fleets as records: what cannot be is refused, and another size keeps the mix."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.fleet_cases import ALONE, INSIDE, LINK, TABLE, WHOLE, fleet, group

from partway.client import guide, load_view
from partway.errors import InputError
from partway.planning import CostTable
from partway.simulation.arrivals import poisson
from partway.simulation.fleets import Fleet, Pause, Reading


def test_devices_read_the_load_by_the_client_s_own_numbers() -> None:
    reading = Reading()
    assert reading.smoothed_over_s == load_view._SMOOTHED_OVER_S
    assert reading.fades_in_s == load_view._FADES_IN_S
    assert (reading.doubt, reading.doubt_lasts_s) == (load_view._DOUBT, load_view._DOUBT_LASTS_S)
    assert reading.least_weight == load_view._LEAST_WEIGHT
    assert reading.switch_gain == guide.SWITCH_GAIN


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(6, 5000))
def test_another_number_of_devices_keeps_the_mix(counts: list[int], devices: int) -> None:
    before = Fleet(groups=tuple(group(count, name=str(place)) for place, count in enumerate(counts)))
    after = before.with_devices(devices)
    assert after.devices == devices
    for old, new in zip(before.groups, after.groups, strict=True):
        exact = devices * old.devices / before.devices
        assert new.devices >= 1
        assert abs(new.devices - exact) <= len(counts)


def test_requests_by_a_rate_grow_with_the_devices() -> None:
    larger = fleet(group(10, requests=poisson(4.0))).with_devices(30)
    requests = larger.groups[0].requests
    assert not isinstance(requests, Pause)
    assert requests.rate_per_s == pytest.approx(12.0)


def test_the_load_is_what_comes_by_a_rate_and_cannot_stay_away() -> None:
    by_rate = poisson(100.0)
    assert fleet(group(5, requests=by_rate, policy="server"), workers=4).load == pytest.approx(0.5)
    assert fleet(group(5, requests=by_rate), workers=4).load == 0.0  # every device may compute alone
    assert fleet(group(5, policy="server")).load == 0.0  # who waits for an answer asks no more meanwhile
    forced = group(5, requests=by_rate, table=CostTable.of([WHOLE, INSIDE]))
    assert fleet(forced).load == pytest.approx(100.0 * INSIDE.server_s)


def test_a_policy_takes_its_own_row() -> None:
    assert group().fixed_row() is None
    assert group(policy="server").fixed_row() == 0
    assert group(policy="device").fixed_row() == 2
    assert group(policy="device").usual_s() == 0.4
    assert group().usual_s() == pytest.approx(0.01 + 150_000 / 2.5e6 + 0.02 + 4_000 / 7e6)
    assert LINK.rtt_s == 0.01


@pytest.mark.parametrize(("policy", "costs"), [("server", [ALONE]), ("device", [WHOLE, INSIDE])])
def test_a_policy_that_no_row_keeps_is_refused(policy: str, costs: list[object]) -> None:
    table = CostTable.of([cost for cost in TABLE.costs if cost in costs])
    with pytest.raises(InputError, match="no cut of its table does"):
        group(table=table, policy="server" if policy == "server" else "device")


def test_what_no_fleet_has_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        group(0)
    with pytest.raises(InputError, match="must be above 0, the second from 0 to below 4"):
        group(spread=-1.0)
    with pytest.raises(InputError, match="each its own name"):
        fleet(group(), group())
    with pytest.raises(InputError, match="at least one"):
        Fleet(groups=())
    with pytest.raises(InputError, match="at least 1"):
        fleet(workers=0)
    with pytest.raises(InputError, match="must be 0, or from"):
        fleet(service_variation=-1.0)
    with pytest.raises(InputError, match="each needs at least one"):
        fleet(group(name="a"), group(name="b")).with_devices(1)
    with pytest.raises(InputError, match="finite and above 0"):
        Pause(mean_s=math.inf)
    with pytest.raises(InputError, match="fades_in_s"):
        Reading(fades_in_s=0.0)
    with pytest.raises(InputError, match="below 1"):
        Reading(switch_gain=1.0)
