import json
import logging
import sys
from typing import Any

import pytest

from partway.cli.logs import JsonFormatter, TextFormatter


def record_of(message: str, *arguments: object, exc_info: bool = False) -> logging.LogRecord:
    info = sys.exc_info() if exc_info else None
    return logging.LogRecord("partway.serving", logging.INFO, __file__, 1, message, arguments, info)


def as_json(message: str, *arguments: object, exc_info: bool = False) -> dict[str, Any]:
    line = JsonFormatter().format(record_of(message, *arguments, exc_info=exc_info))
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_the_fields_of_a_message_are_keys_and_its_numbers_numbers() -> None:
    found = as_json("request model=%s status=%s queue_s=%.6f bytes=%d", "resnet", "OK", 0.12345678, 7)
    time = found.pop("time")
    assert time.endswith("Z")
    assert found == {
        "level": "INFO",
        "logger": "partway.serving",
        "event": "request",
        "model": "resnet",
        "status": "OK",
        "queue_s": 0.123457,
        "bytes": 7,
    }


def test_what_a_client_wrote_stays_in_its_field() -> None:
    evil = 'x status=OK\n{"event": "forged"} 100%'
    found = as_json("request_declined reason=%s status=%s", evil, "NOT_FOUND")
    assert (found["event"], found["reason"], found["status"]) == ("request_declined", evil, "NOT_FOUND")


def test_values_may_be_spelled_out_or_put_together() -> None:
    found = as_json("model_ignored name=%s reason=the name asks for costs at=%s:%d", "partway.costs", "host", 8001)
    assert found["reason"] == "the name asks for costs"
    assert found["at"] == "host:8001"


@pytest.mark.parametrize("key", ["time", "level", "logger", "event"])
def test_a_field_never_takes_the_place_of_what_every_line_has(key: str) -> None:
    assert as_json(f"thing {key}=%s", "forged")[key] != "forged"


def test_a_message_that_is_no_event_is_kept_as_it_is() -> None:
    found = as_json("Task was destroyed: %r", 3)
    assert (found["event"], found["message"]) == ("message", "Task was destroyed: 3")


def test_numbers_that_json_does_not_have_are_text() -> None:
    found = as_json("thing a=%f b=%s", float("nan"), float("inf"))
    assert (found["a"], found["b"]) == ("nan", "inf")


def test_a_long_value_is_shortened() -> None:
    assert len(as_json("thing reason=%s", "x" * 10**6)["reason"]) < 5000


def test_a_traceback_has_a_key_of_its_own() -> None:
    try:
        int("wrong")
    except ValueError:
        found = as_json("request_failed", exc_info=True)
        text = TextFormatter().format(record_of("request_failed", exc_info=True))
    assert "ValueError: invalid literal" in found["traceback"]
    assert "\nValueError: invalid literal" in text


def test_no_line_of_text_begins_with_what_a_client_wrote() -> None:
    text = TextFormatter().format(record_of("thing reason=%s", "a\r\n2026 INFO forged\x1b[2J\N{LINE SEPARATOR}b"))
    assert text.endswith("thing reason=a\\r\\n2026 INFO forged\\x1b[2J\\u2028b")
