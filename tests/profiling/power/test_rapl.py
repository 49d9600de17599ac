from pathlib import Path

import pytest
from tests.profiling.power.trees import forbidding, intel_laptop, plant, rapl_zone, virtual_machine

from partway.profiling.power import find_meters


def test_every_zone_is_a_meter_the_packages_first_and_none_twice(tmp_path: Path) -> None:
    intel_laptop(tmp_path)
    found = find_meters(tmp_path)
    assert [(meter.name, meter.part_of) for meter in found.meters] == [
        ("rapl:package-0", None),
        ("rapl:package-0/dram", None),
        ("rapl:psys", None),
        ("rapl:package-0/core", "rapl:package-0"),
    ]
    assert [meter.scope for meter in found.meters][:2] == ["the processor package", "the memory of the processor"]
    assert {meter.kind for meter in found.meters} == {"measured"}
    assert found.obstacles == ()


def test_joules_are_counted_past_the_end_of_the_counter(tmp_path: Path) -> None:
    zone = rapl_zone(tmp_path, "intel-rapl:0", "package-0", energy_uj=9_000_000, range_uj=10_000_000)
    (meter,) = find_meters(tmp_path).meters
    with meter:
        (zone / "energy_uj").write_text("9500000\n")
        assert meter.energy_j() == pytest.approx(0.5)
        (zone / "energy_uj").write_text("250000\n")
        assert meter.energy_j() == pytest.approx(1.25)


def test_two_packages_with_parts_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for package in (0, 1):
        rapl_zone(tmp_path, f"intel-rapl:{package}", f"package-{package}", 0)
        rapl_zone(tmp_path, f"intel-rapl:{package}:0", "core", 0)
    names = [meter.name for meter in find_meters(tmp_path).meters]
    assert names == ["rapl:package-0", "rapl:package-1", "rapl:package-0/core", "rapl:package-1/core"]


def test_counters_that_only_root_may_read_are_one_obstacle_with_its_remedy(tmp_path: Path) -> None:
    intel_laptop(tmp_path)
    found = find_meters(tmp_path, read=forbidding("energy_uj"))
    assert found.meters == ()
    (obstacle,) = found.obstacles
    assert "only root may read" in obstacle.found
    assert "sudo chmod a+r /sys/class/powercap/*/energy_uj" in obstacle.remedy


def test_a_zone_that_counts_nothing_is_no_meter(tmp_path: Path) -> None:
    plant(tmp_path, "sys/class/powercap/intel-rapl:0", {"name": "package-0"})
    found = find_meters(tmp_path)
    assert (found.meters, found.obstacles) == ((), ())


def test_a_virtual_machine_and_a_missing_module_are_told_apart(tmp_path: Path) -> None:
    virtual_machine(tmp_path / "virtual")
    plant(tmp_path / "real", "proc", {"cpuinfo": "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2"})
    plant(tmp_path / "arm", "proc", {"cpuinfo": "Features\t: asimd"})
    assert "virtual machine" in find_meters(tmp_path / "virtual").obstacles[0].found
    assert "modprobe intel_rapl_msr" in find_meters(tmp_path / "real").obstacles[0].remedy
    assert find_meters(tmp_path / "arm").obstacles == ()
