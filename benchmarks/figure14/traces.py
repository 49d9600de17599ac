"""The traces that are replayed: measured ones where their files are here, else seeded ones like them.

Input: a folder. Output: named link traces, each with where it comes from. Called by the benchmark of changing links.
The files, of columns `t_s,mbps`, are other people's and not part of this project.

Source: mahimahi's Verizon and T-Mobile traces (Winstein et al., NSDI 2013); HSDPA in a bus (Riiser et al., MMSys
2013); Wi-Fi in an office (Solis-WiFi-Trace, MIT). Round trips are those of `NAMED_LINKS`, assumptions of ours.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.link_traces import FOLDER, NamedTrace

from partway.errors import InputError
from partway.link import NAMED_LINKS, LinkTrace, Trace, read_trace

_ROWS = 300  # of a synthetic trace, one a second


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    radio: str
    uplink: str
    downlink: str
    median_bytes_per_s: float  # of the measured uplink, and the spread of its logarithm, for a synthetic one
    spread: float


_KINDS = {
    "3g-umts": _Kind(
        radio="3g",
        uplink="TMobile-UMTS-driving_up.csv",
        downlink="TMobile-UMTS-driving_up.csv",
        median_bytes_per_s=1.0e6 / 8,
        spread=0.7,
    ),
    "3g-bus": _Kind(
        radio="3g",
        uplink="norway_bus_1.csv",
        downlink="norway_bus_1.csv",
        median_bytes_per_s=3.6e6 / 8,
        spread=0.4,
    ),
    "lte": _Kind(
        radio="lte",
        uplink="Verizon-LTE-short_up.csv",
        downlink="Verizon-LTE-short_down.csv",
        median_bytes_per_s=5.7e6 / 8,
        spread=0.5,
    ),
    "wifi": _Kind(
        radio="wifi",
        uplink="wifi_office_231114-152843.csv",
        downlink="wifi_office_231114-152843.csv",
        median_bytes_per_s=7.2e6 / 8,
        spread=0.4,
    ),
}
NAMES = tuple(_KINDS)
DEFAULTS = ("3g-bus", "lte", "wifi")


def open_trace(name: str, folder: Path = FOLDER) -> NamedTrace:
    """The trace of a name, from its files or made like them.

    Raises:
        InputError: there is no such name.
        LinkError: a file is no trace.
    """
    if name not in _KINDS:
        raise InputError(f"{name!r} is no trace; expected one of {', '.join(NAMES)}")
    kind = _KINDS[name]
    rtt_s = NAMED_LINKS[kind.radio].rtt_s
    files = folder / kind.uplink, folder / kind.downlink
    measured = all(file.is_file() for file in files)
    if measured:
        uplink, downlink = map(read_trace, files)
        origin = " and ".join(dict.fromkeys(file.stem for file in files))
    else:
        uplink = downlink = synthetic(kind.median_bytes_per_s, kind.spread, seed=NAMES.index(name))
        origin = "synthetic, seeded"
    link = LinkTrace(uplink=uplink, downlink=downlink, rtt_s=rtt_s)
    return NamedTrace(name=name, origin=origin, link=link, measured=measured)


def synthetic(median_bytes_per_s: float, spread: float, *, seed: int) -> Trace:
    """A rate that wanders around a median and comes back to it, as measured ones do.

    Args:
        median_bytes_per_s: of the rate.
        spread: standard deviation of its logarithm.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    stays = 0.9  # of a deviation, from one second to the next
    logs = [0.0]
    for step in rng.normal(0.0, spread * np.sqrt(1 - stays**2), _ROWS - 1):
        logs.append(stays * logs[-1] + step)
    return Trace(
        starts_s=tuple(float(second) for second in range(_ROWS)),
        rates_bytes_per_s=tuple(median_bytes_per_s * float(np.exp(log)) for log in logs),
    )
