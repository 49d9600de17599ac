from pathlib import Path
from typing import Any

import pytest
from tests.profiling.power.trees import battery, forbidding, mains

from partway.errors import PartwayError
from partway.profiling.power import Meter, find_meters, uncertainty_j
from partway.testing import FakeClock


def only_meter(root: Path, clock: FakeClock) -> Meter:
    found = find_meters(root, clock=clock)
    assert found.obstacles == ()
    (meter,) = found.meters
    return meter


@pytest.mark.parametrize(
    "values",
    [
        {"power_now": 12_000_000},
        {"power_now": -12_000_000, "current_now": 1, "voltage_now": 1},
        {"current_now": 1_000_000, "voltage_now": 12_000_000},
        {"current_now": -3_000_000, "voltage_now": 4_000_000},
    ],
)
def test_watts_are_read_whatever_their_sign(tmp_path: Path, values: dict[str, Any]) -> None:
    battery(tmp_path, **values)
    mains(tmp_path, online=False)
    clock = FakeClock()
    with only_meter(tmp_path, clock) as meter:
        clock.advance(5.0)
        assert meter.energy_j() == pytest.approx(60.0)
    assert meter.name == "battery:BAT0"
    assert "whole device" in meter.scope


def test_a_battery_that_tells_only_what_is_left_is_a_coarse_meter(tmp_path: Path) -> None:
    folder = battery(tmp_path, energy_now=50_000_000)
    with only_meter(tmp_path, FakeClock()) as meter:
        (folder / "energy_now").write_text("49990000\n")
        assert meter.energy_j() == pytest.approx(36.0)
    assert uncertainty_j(meter, 36.0, 5.0) > 36.0


def test_a_sagging_voltage_is_no_energy(tmp_path: Path) -> None:
    folder = battery(tmp_path, charge_now=3_000_000, voltage_now=10_000_000)
    with only_meter(tmp_path, FakeClock()) as meter:
        (folder / "voltage_now").write_text("9900000\n")
        assert meter.energy_j() == 0.0
        (folder / "charge_now").write_text("2999000\n")
        assert meter.energy_j() == pytest.approx(36.0)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_a_battery_that_does_not_feed_the_device_is_an_obstacle(tmp_path: Path, status: str) -> None:
    battery(tmp_path, status, power_now=12_000_000)
    mains(tmp_path, online=True)
    found = find_meters(tmp_path)
    assert found.meters == ()
    assert status in found.obstacles[0].found
    assert "unplug" in found.obstacles[0].remedy


@pytest.mark.parametrize("status", [None, "Unknown"])
def test_where_the_battery_does_not_say_the_plugs_do(tmp_path: Path, status: str | None) -> None:
    battery(tmp_path, status, power_now=1)
    mains(tmp_path, online=False, kind="USB", name="usb")
    assert len(find_meters(tmp_path).meters) == 1
    mains(tmp_path, online=True, kind="USB", name="usb")
    assert find_meters(tmp_path).meters == ()


def test_plugging_in_while_metering_is_an_error(tmp_path: Path) -> None:
    folder = battery(tmp_path, power_now=12_000_000)
    with only_meter(tmp_path, FakeClock()) as meter:
        (folder / "status").write_text("Charging\n")
        with pytest.raises(PartwayError, match="feeds the device no longer"):
            meter.energy_j()


def test_the_batteries_of_mice_and_empty_bays_do_not_count(tmp_path: Path) -> None:
    battery(tmp_path, name="hidpp_battery_0", scope="Device", power_now=1)
    battery(tmp_path, name="BAT1", present=0)
    mains(tmp_path, online=True)
    found = find_meters(tmp_path)
    assert (found.meters, found.obstacles) == ((), ())


def test_a_battery_that_tells_nothing_is_an_obstacle(tmp_path: Path) -> None:
    battery(tmp_path, capacity=80)
    assert "neither power nor current" in find_meters(tmp_path).obstacles[0].found


def test_a_phone_that_lets_nobody_in_is_an_obstacle(tmp_path: Path) -> None:
    battery(tmp_path, name="battery", current_now=-1, voltage_now=1)
    (obstacle,) = find_meters(tmp_path, read=forbidding("battery/type")).obstacles
    assert obstacle.name == "battery:battery"
    assert "root" in obstacle.remedy
