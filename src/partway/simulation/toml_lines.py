"""Where each key of a TOML file stands, since Python's reader does not tell.

In comes text that `tomllib` has read already, so it is valid; out comes the line of every key and every element, by its
path. Called by `scenario_tables`, so that a complaint can say where.
"""

import re
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_STRINGS = (  # the longer ones first
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_SIMPLE_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """The line, from 1 on, of every key and element, by the names and places that lead to it.

    A table has the line of its heading, or of the first key that makes it.

    Args:
        text: valid TOML.
    """
    reader = _Reader(text)
    reader.read()
    return reader.lines


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._place = 0
        self._elements: dict[KeyPath, int] = {}  # of each array of tables

    def read(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._place < len(self._text):
            if self._take("[["):
                path = self._heading()
                number = self._elements.get(path, 0)
                self._elements[path] = number + 1
                self._note(path)
                table = (*path, number)
                self._take("]]")
            elif self._take("["):
                table = self._heading()
                self._take("]")
            else:
                self._pair(table)
                self._skip(_BLANK)
                continue
            self._note(table)
            self._skip(_BLANK)

    def _heading(self) -> KeyPath:
        """The path of a heading; names of arrays of tables on the way mean their last element."""
        *before, last = self._key()
        path: KeyPath = ()
        for name in before:
            path = (*path, name)
            self._note(path)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        return (*path, last)

    def _pair(self, table: KeyPath) -> None:
        path = table
        for name in self._key():
            path = (*path, name)
            self._note(path)
        self._take("=")
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._take("["):
            number = 0
            self._skip(_BLANK)
            while not self._take("]"):
                self._note((*path, number))
                self._value((*path, number))
                number += 1
                self._skip(_BLANK)
                self._take(",")
                self._skip(_BLANK)
        elif self._take("{"):
            self._skip(_BLANK)
            while not self._take("}"):
                self._pair(path)
                self._skip(_BLANK)
                self._take(",")
                self._skip(_BLANK)
        elif self._string() is None:
            self._skip(_SCALAR)

    def _key(self) -> tuple[str, ...]:
        names = []
        while True:
            self._skip(_BLANK)
            quoted = self._string()
            names.append(self._skip(_BARE_KEY) if quoted is None else _unquoted(quoted))
            self._skip(_BLANK)
            if not self._take("."):
                return tuple(names)

    def _string(self) -> str | None:
        for kind in _STRINGS:
            if found := kind.match(self._text, self._place):
                self._place = found.end()
                return found[0]
        return None

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._place)
        if found is None:
            return ""
        self._place = found.end()
        return found[0]

    def _take(self, word: str) -> bool:
        taken = self._text.startswith(word, self._place)
        self._place += len(word) if taken else 0
        return taken

    def _note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self._text.count("\n", 0, self._place) + 1)


def _unquoted(text: str) -> str:
    """The key that a quoted one stands for."""
    if text[0] == "'":
        return text[1:-1]

    def plain(match: re.Match[str]) -> str:
        short, long, letter = match.groups()
        return _SIMPLE_ESCAPES.get(letter, letter) if letter else chr(int(short or long, 16))

    return _ESCAPE.sub(plain, text[1:-1])
