"""Humans' units at the edge, SI inside: seconds, bytes, bytes per second, watts, joules.

Called by the command line, descriptions of links and power, and tables; nothing below them knows a millisecond.
"""

import math
import re

from partway.errors import InputError

_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ/%]*)\s*")

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3600.0}
_BYTES = {
    "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
}  # fmt: skip
_BYTES_PER_S = {
    "bit/s": 1 / 8, "kbit/s": 1e3 / 8, "Mbit/s": 1e6 / 8, "Gbit/s": 1e9 / 8,
    "B/s": 1.0, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9,
}  # fmt: skip
_WATTS = {"W": 1.0, "mW": 1e-3, "kW": 1e3}
_JOULES = {"J": 1.0, "mJ": 1e-3, "kJ": 1e3, "Wh": 3600.0}
_SHARES = {"": 1.0, "%": 0.01}


def _parse(text: str, factors: dict[str, float], what: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in factors:
        raise InputError(f"{text!r} is not a {what}; write a number and one of {', '.join(factors)}")
    quantity = float(match[1]) * factors[match[2]]
    if not math.isfinite(quantity):
        raise InputError(f"{text!r} is too large for a {what}; write a finite one")
    return quantity


def parse_duration(text: str) -> float:
    """Seconds from text such as `50ms`, `1.5s` or `2min`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    return _parse(text, _SECONDS, "duration")


def parse_size(text: str) -> float:
    """Bytes from text such as `152kB` or `1MiB`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    return _parse(text, _BYTES, "size")


def parse_rate(text: str) -> float:
    """Bytes per second from text such as `5.85Mbit/s` or `2MB/s`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    return _parse(text, _BYTES_PER_S, "rate")


def parse_power(text: str) -> float:
    """Watts from text such as `6.4W` or `870mW`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    return _parse(text, _WATTS, "power")


def parse_energy(text: str) -> float:
    """Joules from text such as `0.5J` or `20mJ`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    return _parse(text, _JOULES, "energy")


def parse_share(text: str) -> float:
    """A share from text such as `1%` or `0.01`.

    Raises:
        InputError: no number, or an unknown unit.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _SHARES:
        raise InputError(f"{text!r} is not a share; write per cent or a fraction, for instance 1% or 0.01")
    share = float(match[1]) * _SHARES[match[2]]
    if not math.isfinite(share):
        raise InputError(f"{text!r} is too large for a share; write a finite one")
    return share


def format_duration(duration_s: float) -> str:
    """Seconds for people: `870 ms`, `12.3 µs`, `1.25 s`."""
    return _format(duration_s, (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def format_size(size_bytes: float) -> str:
    """Bytes for people, in powers of ten: `152 kB`, `37 B`."""
    return _format(size_bytes, (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def format_rate(rate_bytes_per_s: float) -> str:
    """A rate for people, in bits: `5.85 Mbit/s`."""
    return _format(rate_bytes_per_s * 8, (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s"))


def format_power(power_w: float) -> str:
    """Watts for people: `6.4 W`, `870 mW`."""
    return _format(power_w, (1e3, "kW"), (1.0, "W"), (1e-3, "mW"))


def format_energy(energy_j: float) -> str:
    """Joules for people: `1.25 J`, `38 mJ`, `12 µJ`."""
    return _format(energy_j, (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"))


def format_count(count: float) -> str:
    """A count for people: `1.82 G`, `39 M`, `512`."""
    return _format(count, (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")).rstrip()


def _format(quantity: float, *units: tuple[float, str]) -> str:
    # Three digits, in the largest unit of which there is one: judged after rounding, so that 999.9 kB is 1 MB.
    rounded = float(f"{quantity:.3g}")
    factor, unit = next((item for item in units if abs(rounded) >= item[0]), units[-1])
    return f"{float(f'{rounded / factor:.3g}'):g} {unit}"
