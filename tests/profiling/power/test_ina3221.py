from pathlib import Path
from typing import NoReturn

import pytest
from tests.profiling.power.trees import (
    forbidding,
    jetson_agx_orin,
    jetson_nano,
    jetson_orin_nano,
    plant,
)

from partway.profiling.power import FoundMeters, find_meters
from partway.testing import FakeClock


def joules_of_ten_seconds(root: Path) -> dict[str, float]:
    clock = FakeClock()
    joules = {}
    for meter in find_meters(root, clock=clock).meters:
        with meter:
            clock.advance(10.0)
            joules[meter.name] = meter.energy_j()
    return joules


def test_the_input_rail_is_the_board_and_holds_the_others(tmp_path: Path) -> None:
    jetson_orin_nano(tmp_path)
    assert joules_of_ten_seconds(tmp_path) == {
        "ina3221:board": pytest.approx(50.0),
        "ina3221:VDD_IN": pytest.approx(50.0),
        "ina3221:VDD_CPU_GPU_CV": pytest.approx(10.0),
        "ina3221:VDD_SOC": pytest.approx(15.0),
    }
    board, *rails = find_meters(tmp_path).meters
    assert (board.scope, board.part_of) == ("the whole module (rail VDD_IN)", None)
    assert {rail.part_of for rail in rails} == {"ina3221:board"}


def test_without_an_input_rail_the_connected_rails_are_summed(tmp_path: Path) -> None:
    jetson_agx_orin(tmp_path)
    joules = joules_of_ten_seconds(tmp_path)
    assert joules.pop("ina3221:board") == pytest.approx(80.0)
    assert list(joules) == [
        "ina3221:VDD_GPU_SOC",
        "ina3221:VDD_CPU_CV",
        "ina3221:VIN_SYS_5V0",
        "ina3221:VDDQ_VDD2_1V8AO",
    ]
    assert "VDDQ_VDD2_1V8AO together" in find_meters(tmp_path).meters[0].scope


def test_older_jetsons_tell_milliwatts(tmp_path: Path) -> None:
    jetson_nano(tmp_path)
    joules = joules_of_ten_seconds(tmp_path)
    assert joules["ina3221:board"] == pytest.approx(24.0)
    assert joules["ina3221:POM_5V_CPU"] == pytest.approx(4.0)


def test_a_driver_that_multiplies_itself_is_believed(tmp_path: Path) -> None:
    rail = {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": 1, "curr1_input": 1, "power1_input": 2_500_000}
    plant(tmp_path, "sys/class/hwmon/hwmon0", rail)
    assert joules_of_ten_seconds(tmp_path)["ina3221:board"] == pytest.approx(25.0)


def refused(root: Path, ending: str) -> FoundMeters:
    return find_meters(root, read=forbidding(ending))


def test_a_rail_that_cannot_be_read_is_an_obstacle_and_no_board_is_shown_without_it(tmp_path: Path) -> None:
    jetson_agx_orin(tmp_path)
    found = refused(tmp_path, "hwmon0/curr1_input")
    assert "VDD_GPU_SOC" in found.obstacles[0].found
    assert "ina3221:board" not in [meter.name for meter in found.meters]
    assert {meter.part_of for meter in found.meters} == {None}


def test_a_jetson_s_gpu_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    jetson_orin_nano(tmp_path)
    plant(tmp_path, "proc/driver/nvidia", {"version": "NVRM"})

    def fail() -> NoReturn:
        raise AssertionError

    assert find_meters(tmp_path, nvml=fail).obstacles == ()
