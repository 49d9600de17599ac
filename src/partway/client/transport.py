"""How requests reach the server: a small interface and its gRPC implementation.

Input: `InferRequest` records. Output: the answer and what the network saw of it. gRPC's errors become ours here
and nowhere else. A fake transport lives in `partway.testing`.
"""

import logging
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import grpc

from partway.engine import Clock
from partway.errors import InputError, ServerRefused, ServerUnavailable
from partway.wire import DEFAULT_LIMITS, InferRequest, InferResponse, Method, decode_response, encode_request

logger = logging.getLogger(__name__)

_NO_ANSWER = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response and what the network saw of it.

    Attributes:
        response: the server's answer, checked.
        round_trip_s: from the first byte handed over until the last one came back.
        up_bytes: length of the request.
        down_bytes: length of the response.
    """

    response: InferResponse
    round_trip_s: float
    up_bytes: int
    down_bytes: int


class Transport(Protocol):
    """Carries requests to one server; safe to call from several threads."""

    def infer(self, request: InferRequest, timeout_s: float) -> Answer:
        """The server's answer.

        Args:
            request: what to send.
            timeout_s: give up after this long.

        Raises:
            ServerUnavailable: no answer in time, or no server.
            ServerRefused: the server said no.
            WireError: the request cannot be sent, or the answer is damaged.
        """

    def close(self) -> None:
        """Let the connection go."""


class GrpcTransport:
    """Carries requests over one gRPC channel, which reconnects by itself.

    Args:
        address: `host:port`.
        clock: seconds, monotonic.
    """

    def __init__(self, address: str, *, clock: Clock) -> None:
        self._clock = clock
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", DEFAULT_LIMITS.message_bytes),
                ("grpc.max_send_message_length", DEFAULT_LIMITS.message_bytes),
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.min_reconnect_backoff_ms", 200),
                ("grpc.max_reconnect_backoff_ms", 5000),
                ("grpc.enable_http_proxy", 0),
            ],
        )
        # No serialisers: encoding and decoding are the device's time, not the network's.
        self._infer = self._channel.unary_unary(Method.MODEL_INFER.path)

    def infer(self, request: InferRequest, timeout_s: float) -> Answer:
        """The server's answer; see `Transport.infer`."""
        content = encode_request(request)
        start_s = self._clock()
        try:
            received: bytes = self._infer(content, timeout=timeout_s)
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or "no details"
            if status in _NO_ANSWER:
                raise ServerUnavailable(f"no answer from the server ({status.name}): {details}") from error
            raise ServerRefused(status.name, details) from error
        round_trip_s = self._clock() - start_s
        return Answer(
            response=decode_response(received),
            round_trip_s=round_trip_s,
            up_bytes=len(content),
            down_bytes=len(received),
        )

    def close(self) -> None:
        """Close the channel; calls in flight fail."""
        self._channel.close()


def connect(url: str, *, clock: Clock) -> GrpcTransport:
    """A transport to the server at `url`; it connects when first used.

    Args:
        url: `grpc://host:port`.
        clock: seconds, monotonic.

    Raises:
        InputError: no such URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url!r} is no server address: {error}; write grpc://host:port") from error
    if parts.scheme != "grpc" or not host or port is None or parts.path not in ("", "/"):
        raise InputError(f"{url!r} is no server address; write grpc://host:port, for instance grpc://127.0.0.1:8001")
    return GrpcTransport(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", clock=clock)
