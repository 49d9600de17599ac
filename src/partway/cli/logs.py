"""How logs look on stderr: lines for people, or one JSON object a line.

    2026-11-29 04:15:22,120 INFO partway.serving.journal request face=rest model=resnet status=OK ...
    {"time": "2026-11-29T04:15:22.120Z", "level": "INFO", "logger": "partway.serving.journal", "event": "request", ...}

Input: the library's records, whose messages are `event key=value ...`. Output: text in which a client's words begin no
line. Called by `main`.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from partway.reporting import printable

_FIELD = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|$)", re.DOTALL)
_PLACE = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]")
_LONGEST_VALUE = 4000

Value = str | int | float | bool


class TextFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, without what a traceback adds."""
        return printable(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One object a line, with the fields of the message as keys and its numbers as numbers."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        document: dict[str, Value] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
        }
        document |= {name: value for name, value in _fields(record).items() if name not in document}
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


FORMATTERS: Mapping[str, Callable[[], logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
"""By the words of `--log-format`."""


def _fields(record: logging.LogRecord) -> dict[str, Value]:
    """What the record's template names; a message that is no event is one, with its text."""
    template, arguments = str(record.msg), record.args
    event, _, rest = template.partition(" ")
    if not isinstance(arguments, tuple) or "%" in event or not (rest == "" or _FIELD.match(rest)):
        return {"event": "message", "message": record.getMessage()}
    left = iter(arguments)
    fields = {name: _value(text, left) for name, text in _FIELD.findall(rest)}
    return {"event": event} | fields | {"event": event}


def _value(text: str, left: Iterator[object]) -> Value:
    """A field's value: its template, filled with as many arguments as it has places."""
    taken = tuple(argument for _, argument in zip(_PLACE.findall(text), left, strict=False))
    if _PLACE.fullmatch(text) and len(taken) == 1:
        (value,) = taken
        if isinstance(value, int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return float(text % value)
    shown = text % taken if taken else text.replace("%%", "%")
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}..."
