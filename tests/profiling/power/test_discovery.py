from pathlib import Path

from tests.profiling.power.trees import battery, intel_laptop, mains

from partway.profiling.power import find_meters


def test_families_of_meters_stand_side_by_side(tmp_path: Path) -> None:
    intel_laptop(tmp_path)
    battery(tmp_path, power_now=9_000_000)
    mains(tmp_path, online=False)
    names = [meter.name for meter in find_meters(tmp_path).meters]
    assert names[0] == "rapl:package-0"
    assert names[-1] == "battery:BAT0"


def test_a_machine_without_any_has_none_and_no_obstacle(tmp_path: Path) -> None:
    found = find_meters(tmp_path)
    assert (found.meters, found.obstacles) == ((), ())


def test_this_machine_can_be_asked() -> None:
    found = find_meters()
    assert len({meter.name for meter in found.meters}) == len(found.meters)
    assert all(obstacle.found and obstacle.remedy for obstacle in found.obstacles)
