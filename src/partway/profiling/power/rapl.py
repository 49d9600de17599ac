"""Joules that x86 processors count themselves: RAPL, by way of the kernel's powercap files.

    /sys/class/powercap/intel-rapl:0/{name,energy_uj,max_energy_range_uj}      package-0
    /sys/class/powercap/intel-rapl:0:0/...                                     core, a zone within it

AMD's processors appear under the same names. Input: the kernel's files. Output: a meter for each zone, or what
stands in the way. Called by `discovery`.

Source: Linux Documentation/power/powercap/powercap.rst; Intel SDM volume 3, "RAPL Interfaces".
"""

import re
from functools import partial

from partway.profiling.power.meters import Counter, FoundMeters, Meter, Obstacle
from partway.profiling.sysfs import Files

_FOLDER = "sys/class/powercap"
_ZONE = re.compile(r"(?P<control>[\w-]+):(?P<package>\d+)(:\d+)?")
_REFRESH_S = 1e-3  # Source: Intel SDM, MSR_PKG_ENERGY_STATUS is updated about every millisecond
_STEP_J = 61e-6  # Source: the same, the usual energy unit of 1/2^14 J
_POLL_S = 20.0  # counters of big servers turn over within minutes, and each turn must be seen
_SCOPES = {
    "core": "the cores of the processor",
    "uncore": "the graphics of the processor",
    "dram": "the memory of the processor",
    "psys": "the platform, as far as its maker wired it",
}
_OWN_WIRES = ("dram",)  # zones below a package whose joules are not the package's


def find_rapl(files: Files) -> FoundMeters:
    """The processor's own meters."""
    zones = [name for name in files.names(_FOLDER) if _ZONE.fullmatch(name)]
    zones.sort(key=lambda name: "mmio" in name)  # a second way to the same counters, without their parts
    if not zones:
        return FoundMeters(obstacles=_absent(files))
    meters: dict[str, Meter] = {}
    forbidden = 0
    for zone in zones:
        name, part_of = _names(files, zone)
        if name in meters:
            continue
        try:
            files.number(f"{_FOLDER}/{zone}/energy_uj")
        except PermissionError:
            forbidden += 1
        except (OSError, ValueError):
            continue  # a zone that limits power and counts none
        else:
            meters[name] = _meter(files, zone, name, part_of)
    obstacle = Obstacle(
        name="rapl",
        found=f"{forbidden} energy counters of the processor, which only root may read",
        remedy=f"run as root, or until the next boot: sudo chmod a+r /{_FOLDER}/*/energy_uj",
    )
    in_order = sorted(meters.values(), key=lambda meter: meter.part_of is not None)
    return FoundMeters(meters=tuple(in_order), obstacles=(obstacle,) if forbidden else ())


def _names(files: Files, zone: str) -> tuple[str, str | None]:
    # The zone's name, and that of the package whose joules hold its own.
    label = files.find(f"{_FOLDER}/{zone}/name") or zone
    parent = zone.rpartition(":")[0]
    package = files.find(f"{_FOLDER}/{parent}/name")
    if package is None:
        return f"rapl:{label}", None
    return f"rapl:{package}/{label}", None if label in _OWN_WIRES else f"rapl:{package}"


def _meter(files: Files, zone: str, name: str, part_of: str | None) -> Meter:
    range_uj = files.find_number(f"{_FOLDER}/{zone}/max_energy_range_uj")

    def read_j() -> float:
        return files.number(f"{_FOLDER}/{zone}/energy_uj") * 1e-6

    return Meter(
        name=name,
        scope=_SCOPES.get(re.split(r"[:/]", name)[-1], "the processor package"),
        start=partial(Counter, read_j, wraps_at_j=None if range_uj is None else range_uj * 1e-6),
        resolution_s=_REFRESH_S,
        resolution_j=_STEP_J,
        poll_s=_POLL_S,
        part_of=part_of,
    )


def _absent(files: Files) -> tuple[Obstacle, ...]:
    processor = files.find("proc/cpuinfo") or ""
    if "GenuineIntel" not in processor and "AuthenticAMD" not in processor:
        return ()
    if re.search(r"^flags\b.*\bhypervisor\b", processor, re.MULTILINE):
        return (
            Obstacle(
                name="rapl",
                found="a virtual machine, which hides the energy counters of the processor",
                remedy="measure on the machine itself",
            ),
        )
    return (
        Obstacle(
            name="rapl",
            found="no energy counters of the processor",
            remedy="load the kernel's module: sudo modprobe intel_rapl_msr (AMD's processors too)",
        ),
    )
