"""The kernel's files of machines that we do not have, as those machines show them."""

from collections.abc import Callable, Mapping
from pathlib import Path


def plant(root: Path, folder: str, files: Mapping[str, object]) -> Path:
    """Write a folder of one-line files below a root."""
    place = root / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(f"{content}\n")
    return place


def rapl_zone(root: Path, zone: str, name: str, energy_uj: int, range_uj: int = 262_143_328_850) -> Path:
    files = {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": range_uj}
    return plant(root, f"sys/class/powercap/{zone}", files)


def intel_laptop(root: Path) -> None:
    plant(root, "sys/class/powercap/intel-rapl", {"enabled": 1})
    rapl_zone(root, "intel-rapl:0", "package-0", 5_000_000)
    rapl_zone(root, "intel-rapl:0:0", "core", 2_000_000)
    rapl_zone(root, "intel-rapl:0:1", "dram", 1_000_000)
    rapl_zone(root, "intel-rapl:1", "psys", 9_000_000)
    rapl_zone(root, "intel-rapl-mmio:0", "package-0", 5_000_000)
    plant(root, "sys/class/powercap/dtpm", {"name": "dtpm"})


def virtual_machine(root: Path) -> None:
    plant(root, "proc", {"cpuinfo": "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 hypervisor"})


def jetson_orin_nano(root: Path) -> Path:
    """JetPack 6: one monitor, whose seventh voltage is a sum of shunts."""
    plant(root, "sys/class/hwmon/hwmon0", {"name": "tmp451"})
    files: dict[str, object] = {"name": "ina3221", "in7_label": "Sum of shunt voltages", "in7_input": 1}
    for channel, (label, current_ma) in enumerate((("VDD_IN", 1000), ("VDD_CPU_GPU_CV", 200), ("VDD_SOC", 300)), 1):
        files |= {f"in{channel}_label": label, f"in{channel}_input": 5000, f"curr{channel}_input": current_ma}
    return plant(root, "sys/class/hwmon/hwmon3", files)


def jetson_agx_orin(root: Path) -> None:
    """Two monitors, no rail that is the input, one that is not connected."""
    for monitor, rails in enumerate((("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"), ("NC", "VDDQ_VDD2_1V8AO"))):
        files: dict[str, object] = {"name": "ina3221"}
        for channel, label in enumerate(rails, start=1):
            files |= {f"in{channel}_label": label, f"in{channel}_input": 20_000, f"curr{channel}_input": 100}
        plant(root, f"sys/class/hwmon/hwmon{monitor}", files)


def jetson_nano(root: Path) -> None:
    """JetPack 4: an IIO device below the driver."""
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    rails = {"POM_5V_IN": 2400, "POM_5V_GPU": 40, "POM_5V_CPU": 400}
    for number, (label, power_mw) in enumerate(rails.items()):
        plant(root, folder, {f"rail_name_{number}": label, f"in_power{number}_input": power_mw})


def battery(root: Path, status: str | None = "Discharging", name: str = "BAT0", **values: object) -> Path:
    files = {"type": "Battery", **values} if status is None else {"type": "Battery", "status": status, **values}
    return plant(root, f"sys/class/power_supply/{name}", files)


def mains(root: Path, *, online: bool, kind: str = "Mains", name: str = "AC") -> None:
    plant(root, f"sys/class/power_supply/{name}", {"type": kind, "online": int(online)})


def forbidding(*endings: str) -> Callable[[Path], str]:
    """A reader that is refused some files, as everybody but root is; tests may run as root."""

    def read(path: Path) -> str:
        if str(path).endswith(endings):
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    return read
