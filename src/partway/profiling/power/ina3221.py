"""Watts of a Jetson's rails, by its INA3221 monitors.

    hwmon, JetPack 5 on     name  in1_label VDD_IN  in1_input mV  curr1_input mA  (or power1_input uW)
    IIO, before             rail_name_0 POM_5V_IN   in_power0_input mW

A module's input rail is all that it takes; where no rail is the input, the rails together are. Input: the kernel's
files. Output: a meter of the board, then one of each rail. Called by `discovery`.

Source: Linux Documentation/hwmon/ina3221.rst; NVIDIA Jetson Linux Developer Guide, "Software-Based Power
Consumption Modeling" and the tables of INA3221 rails.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial

from partway.engine import Clock
from partway.profiling.power.meters import FoundMeters, Integral, Meter, Obstacle
from partway.profiling.sysfs import Files

_HWMON = "sys/class/hwmon"
_DRIVERS = ("sys/bus/i2c/drivers/ina3221x", "sys/bus/i2c/drivers/ina3221")
_CHANNELS = (1, 2, 3)  # in4 to in7 are voltages of shunts
_INPUT_RAILS = ("VDD_IN", "POM_5V_IN")
_UNCONNECTED = "NC"
_POLL_S = 0.05
_BOARD = "ina3221:board"

ReadPower = Callable[[], float]


def find_ina3221(files: Files, clock: Clock) -> FoundMeters:
    """The meters of a Jetson's board and rails.

    Args:
        files: the kernel's files.
        clock: seconds, monotonic.
    """
    rails = _hwmon_rails(files) or _iio_rails(files)
    readable: dict[str, ReadPower] = {}
    refused = []
    for label, read_w in rails.items():
        try:
            read_w()
        except (OSError, ValueError) as error:
            refused.append(f"{label} ({error})")
        else:
            readable[label] = read_w
    obstacles: tuple[Obstacle, ...] = ()
    if refused:
        # A sum that lacks rails is no board's: show what can be read rail by rail.
        remedy = "run as root; if that does not help, power the rail's monitor on (in*_enable)"
        obstacles = (Obstacle(name="ina3221", found=f"rails that cannot be read: {', '.join(refused)}", remedy=remedy),)
    board = () if refused or not readable else (_board(readable, clock),)
    part_of = _BOARD if board else None
    each = (
        _meter(f"ina3221:{label}", f"the rail {label}", partial(Integral, read_w, clock), part_of)
        for label, read_w in readable.items()
    )
    return FoundMeters(meters=(*board, *each), obstacles=obstacles)


def _board(rails: Mapping[str, ReadPower], clock: Clock) -> Meter:
    whole = next((label for label in _INPUT_RAILS if label in rails), None)
    summed = [rails[whole]] if whole else list(rails.values())
    scope = f"the whole module (rail {whole})" if whole else f"the module's rails {', '.join(rails)} together"
    return _meter(_BOARD, scope, lambda: Integral(lambda: sum(read_w() for read_w in summed), clock), None)


def _meter(name: str, scope: str, start: Callable[[], Callable[[], float]], part_of: str | None) -> Meter:
    return Meter(name=name, scope=scope, start=start, resolution_s=_POLL_S, poll_s=_POLL_S, part_of=part_of)


def _hwmon_rails(files: Files) -> dict[str, ReadPower]:
    rails: dict[str, ReadPower] = {}
    for entry in files.names(_HWMON):
        folder = f"{_HWMON}/{entry}"
        if files.find(f"{folder}/name") != "ina3221":
            continue
        for channel in _CHANNELS:
            label = files.find(f"{folder}/in{channel}_label")
            if label and label != _UNCONNECTED:
                rails[label] = _hwmon_power(files, folder, channel)
    return rails


def _hwmon_power(files: Files, folder: str, channel: int) -> ReadPower:
    power = f"{folder}/power{channel}_input"
    if files.exists(power):
        return lambda: abs(files.number(power)) * 1e-6
    voltage, current = f"{folder}/in{channel}_input", f"{folder}/curr{channel}_input"
    return lambda: abs(files.number(voltage) * files.number(current)) * 1e-6  # mV times mA


def _iio_rails(files: Files) -> dict[str, ReadPower]:
    rails: dict[str, ReadPower] = {}
    for driver in _DRIVERS:
        for address in files.names(driver):
            for device in files.names(f"{driver}/{address}"):
                folder = f"{driver}/{address}/{device}"
                for entry in files.names(folder) if device.startswith("iio:device") else ():
                    named = re.fullmatch(r"rail_name_(\d+)", entry)
                    label = files.find(f"{folder}/{entry}") if named else None
                    if named and label and label != _UNCONNECTED:
                        rails[label] = _iio_power(files, f"{folder}/in_power{named[1]}_input")
    return rails


def _iio_power(files: Files, path: str) -> ReadPower:
    return lambda: abs(files.number(path)) * 1e-3
