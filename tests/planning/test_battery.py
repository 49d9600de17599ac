from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiling.power.trees import battery, mains

from partway.planning.battery import read_charge


def charge(root: Path) -> float | None:
    return read_charge(root / "sys/class/power_supply")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"capacity": 80}, 0.8),
        ({"capacity": 100}, 1.0),
        ({"energy_now": 15_000_000, "energy_full": 50_000_000}, 0.3),
        ({"charge_now": 1_000_000, "charge_full": 4_000_000}, 0.25),
        ({"capacity": 80, "energy_now": 1, "energy_full": 2}, 0.8),
        ({"capacity": "?", "energy_now": 1, "energy_full": 2}, 0.5),
    ],
)
def test_the_charge_is_what_the_battery_says(tmp_path: Path, values: dict[str, Any], expected: float) -> None:
    battery(tmp_path, **values)
    mains(tmp_path, online=False)
    assert charge(tmp_path) == pytest.approx(expected)


def test_a_battery_that_says_nought_and_still_runs_is_not_quite_empty(tmp_path: Path) -> None:
    battery(tmp_path, capacity=0)
    assert charge(tmp_path) == 0.005


def test_a_worn_battery_that_holds_more_than_it_learnt_is_full(tmp_path: Path) -> None:
    battery(tmp_path, energy_now=51, energy_full=50)
    assert charge(tmp_path) == 1.0


def test_two_batteries_count_by_what_they_hold(tmp_path: Path) -> None:
    battery(tmp_path, name="BAT0", capacity=100, energy_full=10_000_000)
    battery(tmp_path, name="BAT1", capacity=0, charge_full=3_000_000, voltage_min_design=10_000_000)
    assert charge(tmp_path) == pytest.approx(0.25)


def test_two_batteries_of_unknown_size_count_equally(tmp_path: Path) -> None:
    battery(tmp_path, name="BAT0", capacity=100, energy_full=10_000_000)
    battery(tmp_path, name="BAT1", capacity=50)
    assert charge(tmp_path) == pytest.approx(0.75)


def test_mice_empty_bays_plugs_and_the_silent_do_not_count(tmp_path: Path) -> None:
    battery(tmp_path, name="hidpp_battery_0", scope="Device", capacity=10)
    battery(tmp_path, name="BAT1", present=0, capacity=10)
    battery(tmp_path, name="BAT2", voltage_now=1)
    mains(tmp_path, online=True)
    assert charge(tmp_path) is None
    battery(tmp_path, name="BAT0", capacity=40)
    assert charge(tmp_path) == pytest.approx(0.4)


def test_without_a_battery_or_without_the_kernels_files_nothing_is_known(tmp_path: Path) -> None:
    assert charge(tmp_path) is None
    mains(tmp_path, online=True)
    assert charge(tmp_path) is None
    (tmp_path / "file").write_text("")
    assert read_charge(tmp_path / "file") is None


WORDS = ["", "nan", "inf", "-inf", "-5", "101", "1e400", "full", "5e-324", "1e308", "0x10", "\0", "50", "0", "12\n13"]
FILES = ("capacity", "energy_now", "energy_full", "charge_now", "charge_full", "voltage_min_design", "present", "scope")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(FILES), st.sampled_from(WORDS)), min_size=1, max_size=3))
def test_whatever_the_files_hold_a_charge_or_nothing_comes_of_it(
    tmp_path: Path, batteries: list[dict[str, Any]]
) -> None:
    for number in range(3):
        values: dict[str, Any] = dict.fromkeys(FILES, "")
        battery(tmp_path, name=f"BAT{number}", **(values | batteries[number % len(batteries)]))
    found = charge(tmp_path)
    assert found is None or 0 < found <= 1


def test_a_file_of_bytes_and_a_folder_in_the_place_of_a_file_are_unknown(tmp_path: Path) -> None:
    folder = battery(tmp_path)
    (folder / "capacity").write_bytes(b"\xff\xfe80")
    (folder / "energy_now").mkdir()
    (folder / "energy_full").write_text("1")
    assert charge(tmp_path) is None
