"""Watts that a laptop or phone draws from its battery.

    /sys/class/power_supply/BAT0/{type,status}
        power_now uW  |  current_now uA and voltage_now uV  |  energy_now uWh  |  charge_now uAh and voltage_now uV

A battery shows what the device spends only while it feeds the device, so one that charges or rests is an obstacle.
Makers do not agree on the sign of a current; its size is what counts. Input: the kernel's files. Output: a meter
for each battery in use. Called by `discovery`.

Source: Linux Documentation/ABI/testing/sysfs-class-power.
"""

from collections.abc import Callable

from partway.engine import Clock
from partway.errors import PartwayError
from partway.profiling.power.meters import Counter, FoundMeters, Integral, Meter, Obstacle
from partway.profiling.sysfs import Files

_FOLDER = "sys/class/power_supply"
_POLL_S = 0.5
_REFRESH_S = 5.0  # assumption: gauges answer with means over seconds, and say nowhere over how many
_STEP_J = 36.0  # assumption: charge counted in steps of 10 mWh
_J_PER_UWH = 3.6e-3
Start = Callable[[], Callable[[], float]]
_UNPLUG = "unplug the device, so that the battery feeds it"


def find_batteries(files: Files, clock: Clock) -> FoundMeters:
    """The batteries of this device that feed it.

    Args:
        files: the kernel's files.
        clock: seconds, monotonic.
    """
    meters: list[Meter] = []
    obstacles: list[Obstacle] = []
    for name in files.names(_FOLDER):
        folder = f"{_FOLDER}/{name}"
        try:
            supply = files.read(f"{folder}/type")
        except PermissionError:
            remedy = "run as root; on Android, apps are not let in at all"
            obstacles.append(Obstacle(name=f"battery:{name}", found="files that may not be read", remedy=remedy))
            continue
        except OSError:
            continue
        # A scope of "Device" is the battery of a mouse or a headset.
        if supply != "Battery" or files.find(f"{folder}/scope") == "Device" or files.find(f"{folder}/present") == "0":
            continue
        gauge = _gauge(files, folder, clock)
        if not is_feeding(files, folder):
            found = f"a battery that does not feed the device ({files.find(f'{folder}/status') or 'status unknown'})"
            obstacles.append(Obstacle(name=f"battery:{name}", found=found, remedy=_UNPLUG))
        elif gauge is None:
            found = "a battery that tells neither power nor current nor charge"
            remedy = "put a meter at the socket and name constants"
            obstacles.append(Obstacle(name=f"battery:{name}", found=found, remedy=remedy))
        else:
            meters.append(_meter(f"battery:{name}", *gauge))
    return FoundMeters(meters=tuple(meters), obstacles=tuple(obstacles))


def is_feeding(files: Files, folder: str) -> bool:
    """Whether a battery is what the device runs on now.

    Args:
        files: the kernel's files.
        folder: the battery's.
    """
    status = files.find(f"{folder}/status")
    if status not in (None, "Unknown"):
        return status == "Discharging"
    others = (f"{_FOLDER}/{name}/online" for name in files.names(_FOLDER))
    return not any(files.find(other) == "1" for other in others)


def _gauge(files: Files, folder: str, clock: Clock) -> tuple[Start, float] | None:
    # The best of what the battery tells, and the joules of its smallest step.
    def has(*names: str) -> bool:
        return all(files.find_number(f"{folder}/{name}") is not None for name in names)

    def value(name: str) -> float:
        if not is_feeding(files, folder):
            raise PartwayError(f"the battery /{folder} feeds the device no longer; {_UNPLUG}, and measure again")
        return abs(files.number(f"{folder}/{name}"))

    def count_charge() -> Counter:
        voltage_uv = value("voltage_now")  # held, since what is left times a sagging voltage is no work done
        return Counter(lambda: -value("charge_now") * voltage_uv * 1e-6 * _J_PER_UWH)

    if has("power_now"):
        return lambda: Integral(lambda: value("power_now") * 1e-6, clock), 0.0
    if has("current_now", "voltage_now"):
        return lambda: Integral(lambda: value("current_now") * value("voltage_now") * 1e-12, clock), 0.0
    # What is left falls, and what was spent grows.
    if has("energy_now"):
        return lambda: Counter(lambda: -value("energy_now") * _J_PER_UWH), _STEP_J
    if has("charge_now", "voltage_now"):
        return count_charge, _STEP_J
    return None


def _meter(name: str, start: Start, resolution_j: float) -> Meter:
    return Meter(
        name=name,
        scope="the whole device on its battery",
        start=start,
        resolution_s=_REFRESH_S,
        resolution_j=resolution_j,
        poll_s=_POLL_S,
    )
