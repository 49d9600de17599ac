"""Values as scenarios write them: text, counts, shares, and quantities with their unit.

In comes what TOML holds under a key; out comes what it stands for, or an `InputError` that says what was found and what
was expected. `scenario_tables` adds the place. Called by the readers of scenarios.
"""

import difflib
import math
from collections.abc import Callable
from typing import TypeVar

from partway.errors import InputError
from partway.simulation.distributions import check_variation
from partway.units import parse_duration, parse_share, parse_size

_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}

T = TypeVar("T")
Parse = Callable[[object], T]


def text(value: object) -> str:
    """Text.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{shown(value)} is no text; write it in quotes")
    return value


def flag(value: object) -> bool:
    """True or false.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, bool):
        raise InputError(f"{shown(value)} is neither true nor false")
    return value


def count(least: int = 1, most: int = 10**9) -> Parse[int]:
    """A whole number within bounds.

    Args:
        least: that is taken.
        most: that is taken.
    """

    def parse(value: object) -> int:
        wanted = f"write a whole number from {least:,} to {most:,}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{shown(value)} is no count; {wanted}")
        if not least <= value <= most:
            raise InputError(f"{value:,} is too {'few' if value < least else 'many'}; {wanted}")
        return value

    return parse


def number(above: float = -math.inf, least: float = -math.inf, below: float = math.inf) -> Parse[float]:
    """A number within bounds.

    Args:
        above: which it must be greater than.
        least: that is taken.
        below: which it must be less than.
    """

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{shown(value)} is no finite number")
        if not (value > above and value >= least and value < below):
            bounds = (("above", above), ("at least", least), ("below", below))
            wanted = " and ".join(f"{word} {bound:g}" for word, bound in bounds if math.isfinite(bound))
            raise InputError(f"{value:g} is out of range; it must be {wanted}")
        return float(value)

    return parse


def variation(value: object) -> float:
    """A coefficient of variation.

    Raises:
        InputError: it is none, or so large or small that nothing varies so.
    """
    return check_variation(number(least=0)(value))


def duration(*, zero: bool = False) -> Parse[float]:
    """Seconds, from text with a unit.

    Args:
        zero: whether no time at all is taken.
    """

    def parse(value: object) -> float:
        seconds = parse_duration(_with_unit(value, "5ms"))
        if seconds == 0 and not zero:
            raise InputError(f"{shown(value)} is no time at all; it must be above 0")
        return seconds

    return parse


def size(value: object) -> int:
    """Whole bytes, from text with a unit.

    Raises:
        InputError: it is none.
    """
    return round(parse_size(_with_unit(value, "152kB")))


def share(value: object) -> float:
    """A share above 0, from text in per cent or a number.

    Raises:
        InputError: it is none, or not above 0.
    """
    found = parse_share(value) if isinstance(value, str) else number(above=0)(value)
    if found <= 0:
        raise InputError(f"{shown(value)} is no share above 0")
    return found


def per_second(value: object) -> float:
    """A rate, from text such as `500/s`, `20/min` or `3/h`.

    Raises:
        InputError: it is none.
    """
    amount, _, unit = _with_unit(value, "500/s").partition("/")
    try:
        rate_per_s = float(amount) / _PERIODS_S[unit.strip()]
    except (ValueError, KeyError):
        rate_per_s = math.nan
    if not 0 < rate_per_s < math.inf:
        raise InputError(f"{shown(value)} is no rate; write a number above 0 and /s, /min or /h, such as '500/s'")
    return rate_per_s


def choice(*names: str) -> Parse[str]:
    """One of some words."""

    def parse(value: object) -> str:
        if value not in names:
            near = difflib.get_close_matches(str(value), names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"{shown(value)} is not known here; {hint}expected one of {', '.join(names)}")
        return str(value)

    return parse


def several(parse_one: Parse[T]) -> Parse[tuple[T, ...]]:
    """A list, not empty, of what another parser takes."""

    def parse(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise InputError(f"{shown(value)} is no list; write values in brackets, with commas between them")
        if not value:
            raise InputError("the list is empty; give at least one value")
        return tuple(parse_one(one) for one in value)

    return parse


def _with_unit(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{shown(value)} has no unit; write it in quotes with one, such as {example!r}")
    return value


def shown(value: object) -> str:
    """A value in a complaint about it.

    Args:
        value: as TOML has it.
    """
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return repr(value) if not isinstance(value, bool) else str(value).lower()
