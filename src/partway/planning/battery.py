"""How full this device's battery is, now: what a balanced objective weighs joules by.

    /sys/class/power_supply/BAT0/{type,scope,present}
        capacity %  |  energy_now and energy_full uWh  |  charge_now and charge_full uAh

Input: the kernel's files. Output: a share of the full charge, or None where nothing readable tells. The kernel
rewrites these files at any moment, and makers fill them as they like, so whatever makes no sense counts as not
there. Called by the client and the command line, through a `Charge` that tests replace.

Source: Linux Documentation/ABI/testing/sysfs-class-power.
"""

import math
from collections.abc import Callable
from pathlib import Path

from partway.profiling.sysfs import Files

Charge = Callable[[], float | None]
"""Tells how full the battery is, in (0, 1]; None where that is not known."""

# Gauges count whole percents, so one that says 0 and still feeds the device has up to half of one left.
_LEAST = 0.005
# A worn battery may hold a little more than its gauge last learnt.
_MOST_DRIFT = 1.1


def read_charge(root: Path = Path("/sys/class/power_supply")) -> float | None:
    """How full the device's battery is, in (0, 1]; several count by the energy that they hold when full.

    Batteries of a size that is not known count equally. Those of mice and headsets do not count, nor do empty bays,
    nor those that tell nothing.

    Args:
        root: where the kernel lists its power supplies.
    """
    files = Files(root)
    found = [
        (share, _size(files, name))
        for name in files.names("")
        if _feeds_the_device(files, name) and (share := _share(files, name)) is not None
    ]
    if not found:
        return None
    sizes = [size for _, size in found if size is not None]
    weights = sizes if len(sizes) == len(found) else [1.0] * len(found)
    mean = math.fsum(share * weight for (share, _), weight in zip(found, weights, strict=True)) / math.fsum(weights)
    return min(max(mean, _LEAST), 1.0)


def _feeds_the_device(files: Files, name: str) -> bool:
    return (
        files.find(f"{name}/type") == "Battery"
        and files.find(f"{name}/scope") != "Device"
        and files.find(f"{name}/present") != "0"
    )


def _share(files: Files, name: str) -> float | None:
    capacity = files.find_number(f"{name}/capacity")
    if capacity is not None and 0 <= capacity <= 100:
        return capacity / 100
    for what in ("energy", "charge"):
        now, full = files.find_number(f"{name}/{what}_now"), _positive(files, f"{name}/{what}_full")
        if now is not None and full is not None and 0 <= now <= _MOST_DRIFT * full:
            return min(now / full, 1.0)
    return None


def _size(files: Files, name: str) -> float | None:
    # In uWh, from uAh where need be.
    energy = _positive(files, f"{name}/energy_full")
    if energy is not None:
        return energy
    charge, voltage_uv = _positive(files, f"{name}/charge_full"), _positive(files, f"{name}/voltage_min_design")
    return None if charge is None or voltage_uv is None else charge * voltage_uv * 1e-6


def _positive(files: Files, path: str) -> float | None:
    # The kernel counts whole millionths, and no battery holds a petawatt-hour: beyond either, sums would be lost.
    value = files.find_number(path)
    return value if value is not None and 1 <= value < 1e21 else None
