"""How requests reach the server: a small interface and its gRPC implementation.

Input: `InferRequest` records. Output: the answer and what the network saw of it. gRPC's errors become ours here
and nowhere else. A fake transport lives in `partway.testing`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast
from urllib.parse import urlsplit

import grpc

from partway.engine import Clock
from partway.errors import InputError, ServerRefused, ServerUnavailable
from partway.wire import DEFAULT_LIMITS, InferRequest, InferResponse, Method, decode_response, encode_request

logger = logging.getLogger(__name__)

_GRACE_S = 0.1  # gRPC's own deadline comes first where it works: its error says more
_CLOSE_S = 1.0
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


@dataclass(slots=True)
class _Connection:
    channel: grpc.Channel
    call: Callable[..., grpc.Future]
    users: int = 0
    pending: set[grpc.Future] = field(default_factory=set)


class GrpcTransport:
    """Carries requests over one connection, and over a new one after an answer did not come in time.

    A connection that fell silent may be dead without knowing it, or have megabytes of an abandoned request in its way:
    nobody waits for it again, and it is closed when the last request on it has ended.

    Args:
        address: `host:port`.
        clock: seconds, monotonic.
    """

    def __init__(self, address: str, *, clock: Clock) -> None:
        self._clock = clock
        self._address = address
        self._lock = threading.Lock()
        self._closed = False
        self._connection = self._open()

    def infer(self, request: InferRequest, timeout_s: float) -> Answer:
        """The server's answer; see `Transport.infer`."""
        content = encode_request(request)
        start_s = self._clock()
        received = self._exchange(content, timeout_s)
        round_trip_s = self._clock() - start_s
        return Answer(
            response=decode_response(received),
            round_trip_s=round_trip_s,
            up_bytes=len(content),
            down_bytes=len(received),
        )

    def close(self) -> None:
        """Close the connection; requests on it fail."""
        with self._lock:
            self._closed = True
            pending = tuple(self._connection.pending)
        for call in pending:
            call.cancel()  # closing alone would leave them waiting for a silent network
        _close(self._connection.channel).join(_CLOSE_S)

    def _exchange(self, content: bytes, timeout_s: float) -> bytes:
        with self._lock:
            connection = self._connection
            connection.users += 1
        pending: grpc.Future | None = None
        try:
            pending = connection.call(content, timeout=timeout_s)
            with self._lock:
                connection.pending.add(pending)
            # Not left to gRPC's own deadline: a write that the network swallows keeps it waiting for ever.
            return cast(bytes, pending.result(timeout=timeout_s + _GRACE_S))
        except grpc.FutureTimeoutError as error:
            if pending is not None:
                pending.cancel()
            self._abandon(connection)
            raise ServerUnavailable(f"no answer from the server within {timeout_s:.2f} s") from error
        except (grpc.FutureCancelledError, ValueError) as error:  # ValueError: the channel was closed before
            raise ServerUnavailable("the connection was closed while the server was asked") from error
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or "no details"
            if status is grpc.StatusCode.DEADLINE_EXCEEDED:
                self._abandon(connection)
            if status in _NO_ANSWER:
                raise ServerUnavailable(f"no answer from the server ({status.name}): {details}") from error
            raise ServerRefused(status.name, details) from error
        finally:
            self._leave(connection, pending)

    def _open(self) -> _Connection:
        channel = grpc.insecure_channel(
            self._address,
            options=[
                ("grpc.max_receive_message_length", DEFAULT_LIMITS.message_bytes),
                ("grpc.max_send_message_length", DEFAULT_LIMITS.message_bytes),
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.min_reconnect_backoff_ms", 2000),  # also how long an attempt to connect may take
                ("grpc.max_reconnect_backoff_ms", 5000),
                ("grpc.enable_http_proxy", 0),
                ("grpc.use_local_subchannel_pool", 1),  # or a new channel would share the dead connection
            ],
        )
        # No serialisers: encoding and decoding are the device's time, not the network's.
        return _Connection(channel, channel.unary_unary(Method.MODEL_INFER.path).future)

    def _abandon(self, connection: _Connection) -> None:
        with self._lock:
            if self._connection is connection and not self._closed:
                logger.info("connection_abandoned address=%s", self._address)
                self._connection = self._open()

    def _leave(self, connection: _Connection, call: grpc.Future | None) -> None:
        with self._lock:
            connection.users -= 1
            connection.pending.discard(call)
            unused = connection.users == 0 and connection is not self._connection
        if unused:
            _close(connection.channel)


def _close(channel: grpc.Channel) -> threading.Thread:
    # On a thread of its own: gRPC waits for every write, also for those that the network has swallowed.
    thread = threading.Thread(target=channel.close, name="partway-close", daemon=True)
    thread.start()
    return thread


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
