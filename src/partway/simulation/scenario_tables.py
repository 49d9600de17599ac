"""TOML tables that are read once, key by key, and complain with the line.

In comes a file; out come values that were checked, and for anything else a `ScenarioError`: a key that nobody asked
for, one that is missing, a value of another type or out of its range. Called by `scenario_reading`.
"""

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from partway.errors import InputError, ScenarioError
from partway.simulation.distributions import check_variation
from partway.simulation.toml_lines import KeyPath, key_lines
from partway.units import format_size, parse_duration, parse_share, parse_size

MAX_FILE_BYTES = 2**20
"""A scenario is written by people; a longer file is none."""

_PERIODS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}

T = TypeVar("T")
Parse = Callable[[object], T]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    lines: Mapping[KeyPath, int]


class Table:
    """One table of the file.

    Args:
        values: as the reader of TOML gives them.
        place: the names and numbers that lead here.
        file: where it stands.
    """

    def __init__(self, values: Mapping[str, object], place: KeyPath, file: _File) -> None:
        self._values = values
        self._place = place
        self._file = file
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        self._asked.append(key)
        return key in self._values

    @property
    def folder(self) -> Path:
        """Where files lie that the scenario names."""
        return self._file.path.parent

    def want(self, key: str, parse: Parse[T]) -> T:
        """A value that must be there.

        Raises:
            ScenarioError: it is not, or not as expected.
        """
        self._asked.append(key)
        if key not in self._values:
            self._refuse_unknown(difflib.get_close_matches(key, self._unasked(), n=1))
            raise self.complain(f"{self._name()} has no {key!r}, which it needs")
        return self._parse(key, parse)

    def may(self, key: str, parse: Parse[T], default: T) -> T:
        """A value that may be there.

        Raises:
            ScenarioError: it is, and not as expected.
        """
        self._asked.append(key)
        return self._parse(key, parse) if key in self._values else default

    def table(self, key: str) -> "Table":
        """A table within this one, empty where it is not there.

        Raises:
            ScenarioError: it is no table.
        """
        self._asked.append(key)
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self.complain(f"{key} is {_shown(value)}; expected a table", key)
        return Table(value, (*self._place, key), self._file)

    def tables(self, key: str) -> tuple["Table", ...]:
        """The tables of an array within this one; none where it is not there.

        Raises:
            ScenarioError: it is no array of tables.
        """
        self._asked.append(key)
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.complain(f"{key} is {_shown(value)}; expected a list of tables", key)
        return tuple(Table(one, (*self._place, key, number), self._file) for number, one in enumerate(value))

    def only(self, *keys: str) -> None:
        """Refuse keys that are none of these, before any of them is read.

        Args:
            keys: that may be here.

        Raises:
            ScenarioError: there is another.
        """
        self._asked.extend(keys)
        self.close()

    def close(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            ScenarioError: there is one.
        """
        self._refuse_unknown(self._unasked())

    def complain(self, message: str, key: str | None = None) -> ScenarioError:
        """An error that says where.

        Args:
            message: what is wrong.
            key: of the value that it is about; without one, the table.
        """
        place = self._place if key is None else (*self._place, key)
        while place and place not in self._file.lines:
            place = place[:-1]
        line = f" line {self._file.lines[place]}" if place else ""
        return ScenarioError(f"{self._file.path}{line}: {message}")

    def _parse(self, key: str, parse: Parse[T]) -> T:
        try:
            return parse(self._values[key])
        except ScenarioError:
            raise
        except InputError as error:
            raise self.complain(f"{key}: {error}", key) from error

    def _unasked(self) -> list[str]:
        return [key for key in self._values if key not in self._asked]

    def _refuse_unknown(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        known = sorted(set(self._asked))
        near = difflib.get_close_matches(keys[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        value = self._values[keys[0]]
        what = "table" if isinstance(value[0] if isinstance(value, list) and value else value, dict) else "key"
        raise self.complain(f"unknown {what} {keys[0]!r} in {self._name()}; {hint}", keys[0])

    def _name(self) -> str:
        names = [part for part in self._place if isinstance(part, str)]
        if not names:
            return "the scenario"
        return f"[[{'.'.join(names)}]]" if isinstance(self._place[-1], int) else f"[{'.'.join(names)}]"


def read_toml(path: Path) -> Table:
    """The whole of a file.

    Raises:
        ScenarioError: it cannot be read, is too large, or is no TOML; the message has the line.
    """
    try:
        if path.exists() and not path.is_file():
            raise ScenarioError(f"{path} is not a regular file; expected a scenario in TOML")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario {path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ScenarioError(f"{path} is larger than {format_size(MAX_FILE_BYTES)}; a scenario is much shorter")
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path} is not UTF-8 text ({error.reason}); expected a scenario in TOML") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError(f"{path} is no TOML: {error}") from error
    return Table(values, (), _File(path, key_lines(text)))


def text(value: object) -> str:
    """Text.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{_shown(value)} is no text; write it in quotes")
    return value


def flag(value: object) -> bool:
    """True or false.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, bool):
        raise InputError(f"{_shown(value)} is neither true nor false")
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
            raise InputError(f"{_shown(value)} is no count; {wanted}")
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
            raise InputError(f"{_shown(value)} is no finite number")
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
            raise InputError(f"{_shown(value)} is no time at all; it must be above 0")
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
        raise InputError(f"{_shown(value)} is no share above 0")
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
        raise InputError(f"{_shown(value)} is no rate; write a number above 0 and /s, /min or /h, such as '500/s'")
    return rate_per_s


def choice(*names: str) -> Parse[str]:
    """One of some words."""

    def parse(value: object) -> str:
        if value not in names:
            near = difflib.get_close_matches(str(value), names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"{_shown(value)} is not known here; {hint}expected one of {', '.join(names)}")
        return str(value)

    return parse


def several(parse_one: Parse[T]) -> Parse[tuple[T, ...]]:
    """A list, not empty, of what another parser takes."""

    def parse(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise InputError(f"{_shown(value)} is no list; write values in brackets, with commas between them")
        if not value:
            raise InputError("the list is empty; give at least one value")
        return tuple(parse_one(one) for one in value)

    return parse


def _with_unit(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{_shown(value)} has no unit; write it in quotes with one, such as {example!r}")
    return value


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return repr(value) if not isinstance(value, bool) else str(value).lower()
