from pathlib import Path

import pytest
from tests.profiling.power.trees import plant

from partway.errors import PartwayError
from partway.profiling.power import FoundMeters, find_meters
from partway.testing import FakeClock


class FakeError(Exception):
    pass


class FakeNvml:
    """A GPU for each entry: its count in mJ, or None where it is too old to count; or nothing at all."""

    NVMLError: type[Exception] = FakeError

    def __init__(self, *energy_mj: int | None, power_mw: int | None = 50_000, works: bool = True) -> None:
        self.energy_mj = list(energy_mj)
        self.power_mw = power_mw
        self.works = works

    def nvmlInit(self) -> None:  # noqa: N802 - the library's own names
        if not self.works:
            raise FakeError("Driver/library version mismatch")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library names it so
        return len(self.energy_mj)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802 - the library names it so
        return index

    def nvmlDeviceGetName(self, handle: object) -> str | bytes:  # noqa: N802 - the library names it so
        return b"Old" if handle else "New"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802 - the library names it so
        assert isinstance(handle, int)
        return self._told(self.energy_mj[handle])

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:  # noqa: N802 - the library names it so
        return self._told(self.power_mw)

    def _told(self, value: int | None) -> int:
        if value is None:
            raise FakeError("Not Supported")
        return value


def find(root: Path, nvml: FakeNvml, clock: FakeClock | None = None) -> FoundMeters:
    plant(root, "proc/driver/nvidia", {"version": "NVRM version"})
    return find_meters(root, clock=clock or FakeClock(), nvml=lambda: nvml)


def test_the_driver_s_count_is_read_directly(tmp_path: Path) -> None:
    nvml = FakeNvml(7_000)
    (meter,) = find(tmp_path, nvml).meters
    with meter:
        nvml.energy_mj[0] = 9_500
        assert meter.energy_j() == pytest.approx(2.5)
    assert (meter.name, meter.scope) == ("nvml:0", "the board of GPU 0 (New)")


def test_older_gpus_tell_watts(tmp_path: Path) -> None:
    clock = FakeClock()
    new, old = find(tmp_path, FakeNvml(0, None), clock).meters
    with old:
        clock.advance(2.0)
        assert old.energy_j() == pytest.approx(100.0)
    assert old.scope == "the board of GPU 1 (Old)"
    assert new.resolution_j > 0


def test_a_gpu_that_fails_while_it_is_metered_is_an_error_of_ours(tmp_path: Path) -> None:
    nvml = FakeNvml(0)
    (meter,) = find(tmp_path, nvml).meters
    with meter:
        nvml.energy_mj[0] = None
        with pytest.raises(PartwayError, match="nvidia-smi"):
            meter.energy_j()


def test_a_gpu_without_a_sensor_and_a_driver_that_does_not_answer_are_obstacles(tmp_path: Path) -> None:
    (obstacle,) = find(tmp_path, FakeNvml(None, power_mw=None)).obstacles
    assert "Not Supported" in obstacle.found
    (obstacle,) = find(tmp_path, FakeNvml(works=False)).obstacles
    assert "version mismatch" in obstacle.found


def test_a_missing_library_says_what_to_install(tmp_path: Path) -> None:
    def missing() -> FakeNvml:
        raise ModuleNotFoundError("No module named 'pynvml'")

    plant(tmp_path, "dev", {"nvidiactl": ""})
    (obstacle,) = find_meters(tmp_path, nvml=missing).obstacles
    assert obstacle.remedy == "pip install 'partway[nvml]'"


def test_a_gpu_without_its_driver_is_an_obstacle_and_no_gpu_is_none(tmp_path: Path) -> None:
    plant(tmp_path, "sys/bus/pci/devices/0000:01:00.1", {"vendor": "0x10de", "class": "0x040300"})
    assert find_meters(tmp_path).obstacles == ()
    plant(tmp_path, "sys/bus/pci/devices/0000:01:00.0", {"vendor": "0x10de", "class": "0x030000"})
    (obstacle,) = find_meters(tmp_path).obstacles
    assert obstacle.remedy == "install the driver"
