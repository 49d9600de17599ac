"""What the REST face reads from aiohttp's requests, and the answers that it makes of refusals. Called by it alone."""

import json
import logging
from collections.abc import Mapping

from aiohttp import web
from aiohttp.http import HttpProcessingError

from partway.errors import ModelUnavailable, NotAuthenticated, PartwayError
from partway.serving.callers import Caller
from partway.serving.gate import CHALLENGE, Gate, certificate_name
from partway.serving.journal import sentence, word
from partway.serving.statuses import Status, status_of
from partway.wire import JSON_LENGTH_HEADER, STATE_HEADER

logger = logging.getLogger(__name__)

_RETRY_S = "1"
_MOST_DIGITS = 19
_LATER = (Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED)


def refusal(error: PartwayError) -> web.Response:
    """The answer that says why there is no other."""
    status = status_of(error)
    state = {"state": error.state} if isinstance(error, ModelUnavailable) else {}
    response = problem(status.http_code, str(error), state)
    if status in _LATER:
        response.headers["Retry-After"] = _RETRY_S
    if state:
        response.headers[STATE_HEADER] = state["state"]
    if isinstance(error, NotAuthenticated):
        response.headers[CHALLENGE[0]] = CHALLENGE[1]
    return response


def no_such_path(request: web.Request, error: web.HTTPException) -> web.Response:
    """The answer to a path or a method that is none."""
    response = problem(error.status, f"{word(request.method)} {word(request.path)}: {error.reason}")
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def problem(status: int, text: str, more: Mapping[str, str] | None = None) -> web.Response:
    """A sentence in JSON.

    Args:
        status: HTTP's.
        text: the sentence, which may quote what a client wrote.
        more: further keys.
    """
    body = json.dumps({"error": sentence(text), **(more or {})}).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def readiness(ready: bool, about: Mapping[str, str]) -> web.Response:
    """The answer to whether something is ready: by its status, as by its body."""
    if ready:
        return web.json_response({**about, "ready": True})
    headers = {"Retry-After": _RETRY_S}
    return web.json_response({**about, "ready": False}, status=Status.UNAVAILABLE.http_code, headers=headers)


def model_of(request: web.Request) -> tuple[str, str]:
    """Name and version in the path; the version is empty where there is none."""
    return request.match_info["name"], request.match_info.get("version", "")


def declared_json_bytes(request: web.Request) -> int | None:
    """How much of the body is JSON before binary tensors; None where the headers do not tell."""
    text = request.headers.get(JSON_LENGTH_HEADER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def headers_of(request: web.Request) -> tuple[tuple[str, str], ...]:
    """All headers, names in lower case."""
    return tuple((name.lower(), value) for name, value in request.headers.items())


def caller_of(gate: Gate, request: web.Request) -> Caller:
    """Who asks over HTTP.

    Raises:
        NotAuthenticated: see `Gate.admit`.
    """
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    return gate.admit(headers_of(request), peer_of(request), certificate_name(certificate))


def peer_of(request: web.Request) -> str:
    """The connection's other end, as gRPC names it."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not isinstance(peer, tuple):
        return "gone"
    return f"ipv6:[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"ipv4:{peer[0]}:{peer[1]}"


def http_logger() -> logging.Logger:
    """Takes aiohttp's complaints, but none about bytes that are no HTTP: anybody can send as many as they like."""
    found = logging.getLogger(f"{__name__}.http")
    if not found.filters:
        found.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
    return found
