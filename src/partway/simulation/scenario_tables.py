"""TOML tables that are read once, key by key, and complain with the line.

In comes a file; out come values that were checked, and for anything else a `ScenarioError`: a key that nobody asked
for, one that is missing, one that `scenario_values` refuses. Called by `scenario_reading`.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from partway.documents import read_text
from partway.errors import InputError, ScenarioError
from partway.simulation.scenario_values import Parse, shown
from partway.simulation.toml_lines import KeyPath, key_lines

MAX_FILE_BYTES = 2**20
"""A scenario is written by people; a longer file is none."""

T = TypeVar("T")


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
            raise self.complain(f"{key} is {shown(value)}; expected a table", key)
        return Table(value, (*self._place, key), self._file)

    def tables(self, key: str) -> tuple["Table", ...]:
        """The tables of an array within this one; none where it is not there.

        Raises:
            ScenarioError: it is no array of tables.
        """
        self._asked.append(key)
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.complain(f"{key} is {shown(value)}; expected a list of tables", key)
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
    text = read_text(path, "a scenario in TOML", most_bytes=MAX_FILE_BYTES, failure=ScenarioError)
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError(f"{path} is no TOML: {error}") from error
    return Table(values, (), _File(path, key_lines(text)))
