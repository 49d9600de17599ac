"""How requests reach the server: a small interface and its gRPC implementation.

Input: `InferRequest` records. Output: calls that give the answer and what the network saw of it. gRPC's errors become
ours here and nowhere else. A fake transport lives in `partway.testing`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import grpc

from partway.client.call import Answer, Call, PendingCall, Withdrawal
from partway.client.channel import Door, read_route
from partway.client.credentials import Credentials
from partway.engine import Clock
from partway.errors import ServerNotReady, ServerRefused, ServerUnavailable, WireError
from partway.wire import STATE_HEADER, InferRequest, Method, decode_response, encode_request

logger = logging.getLogger(__name__)

_MOST_UNHEARD = 2
_GRACE_S = 0.1  # gRPC's own deadline comes first where it works: its error says more
_CLOSE_S = 1.0
_NO_ANSWER = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class Transport(Protocol):
    """Carries requests to one server; safe to call from several threads."""

    def start(self, request: InferRequest, timeout_s: float) -> Call:
        """Send a request; its answer is waited for by whoever holds the call.

        Args:
            request: what to send.
            timeout_s: how long the call lasts. The server is told, so that it need not work for nobody.

        Raises:
            WireError: the request cannot be sent.
        """

    def close(self) -> None:
        """Let the connection go."""


@dataclass(slots=True, eq=False)
class _Connection:
    channel: grpc.Channel
    infer: Callable[..., grpc.Future]
    was_heard: bool = False
    unheard: int = 0  # calls in a row that were withdrawn as overdue, with nothing heard meanwhile


class GrpcTransport:
    """Carries requests over one connection, and over a new one once that broke or fell silent.

    A connection that fell silent may be dead without knowing it, or have megabytes of an abandoned request in its way:
    nobody waits for it again, and it is closed when the last request on it has ended. It counts as silent when an
    answer did not come in time, or when two calls in a row were withdrawn as overdue without a word from the server;
    one, where there never was any. Calls that nobody wanted any more say nothing of it.

    Nor is one used again that broke or could not be made. gRPC would pause before it tries anew, and fail whatever is
    sent meanwhile: a server that is back would be missed by the very question that was to find it. When to try is the
    breaker's to say. So an attempt to connect lasts as long as the call that wanted it, which a slow link needs: the
    handshake may stand behind hundreds of kilobytes of an abandoned request.

    Args:
        door: opens connections to the server.
        clock: seconds, monotonic.
    """

    def __init__(self, door: Door, *, clock: Clock) -> None:
        self._clock = clock
        self._door = door
        self._lock = threading.Lock()
        self._closed = self._was_heard = False
        self._connection = self._open()
        self._calls: dict[PendingCall, _Connection] = {}

    def start(self, request: InferRequest, timeout_s: float) -> Call:
        """Send a request; see `Transport.start`."""
        content = encode_request(request)
        future: grpc.Future | None = None

        def withdraw(why: Withdrawal) -> None:
            if future is not None:
                future.cancel()
            self._leave(call, overdue=why is Withdrawal.OVERDUE, lost=why is Withdrawal.EXPIRED)

        def arrived(future: grpc.Future) -> None:
            round_trip_s = self._clock() - start_s
            lost = _is_lost(future)
            read = partial(self._read, future, round_trip_s=round_trip_s, up_bytes=len(content), fresh=fresh)
            if call.settle(read):
                self._leave(call, heard=not lost, lost=lost)

        # Not left to gRPC's own deadline: a write that the network swallows keeps it waiting for ever.
        call = PendingCall(clock=self._clock, lasts_s=timeout_s + _GRACE_S, withdraw=withdraw)
        with self._lock:
            if self._closed:
                call.fail(ServerUnavailable(f"the connection to {self._door.address} was closed"))
                return call
            connection = self._calls[call] = self._connection
            fresh = not connection.was_heard
        start_s = self._clock()
        try:
            future = connection.infer(content, timeout=timeout_s, metadata=self._door.headers)
        except ValueError as error:  # the channel was closed before
            call.fail(ServerUnavailable(f"the connection to {self._door.address} was closed: {error}"))
            self._leave(call)
            return call
        if call.settled:  # withdrawn before there was anything to cancel
            future.cancel()
        future.add_done_callback(arrived)
        return call

    def close(self) -> None:
        """Close the connection; requests on it fail."""
        with self._lock:
            self._closed = True
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()  # closing alone would leave them waiting for a silent network
        _close(self._connection.channel).join(_CLOSE_S)

    def _open(self) -> _Connection:
        channel = self._door.open()
        # No serialisers: encoding and decoding are the device's time, not the network's.
        return _Connection(channel, channel.unary_unary(Method.MODEL_INFER.path).future)

    def _leave(self, call: PendingCall, *, heard: bool = False, lost: bool = False, overdue: bool = False) -> None:
        with self._lock:
            connection = self._calls.pop(call, None)
            if connection is None:  # it left before: closing and sending may come together
                return
            self._was_heard |= heard
            connection.was_heard |= heard
            connection.unheard = 0 if heard else connection.unheard + overdue
            given_up = lost or connection.unheard >= (_MOST_UNHEARD if connection.was_heard else 1)
            if given_up and self._connection is connection and not self._closed:
                logger.info("connection_abandoned address=%s", self._door.address)
                self._connection = self._open()
            unused = connection is not self._connection and connection not in self._calls.values()
        if unused:
            _close(connection.channel)

    def _read(self, future: grpc.Future, *, round_trip_s: float, up_bytes: int, fresh: bool) -> Answer:
        try:
            received = cast(bytes | None, future.result())
        except grpc.FutureCancelledError as error:
            raise ServerUnavailable("the connection was closed while the server was asked") from error
        except grpc.RpcError as error:
            status, details = error.code(), error.details() or "no details"
            state = _state(error)
            if state is not None:
                raise ServerNotReady(status.name, details, state) from error
            if status in _NO_ANSWER:
                why = self._door.explain(details, heard_before=self._was_heard)
                raise ServerUnavailable(f"no answer from the server ({status.name}): {why}") from error
            raise ServerRefused(status.name, details) from error
        if received is None:  # gRPC's own view of a stream whose message was damaged on its way
            raise WireError("the answer ended well and held no message; one was expected")
        return Answer(
            response=decode_response(received),
            round_trip_s=round_trip_s,
            up_bytes=up_bytes,
            down_bytes=len(received),
            fresh=fresh,
        )


def _is_lost(future: grpc.Future) -> bool:
    # What servers say of themselves comes with a word about it; what gRPC finds out here has none.
    code = future.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return _state(future) is None
    return code is grpc.StatusCode.DEADLINE_EXCEEDED and not future.trailing_metadata()


def _state(ended: grpc.RpcError | grpc.Future) -> str | None:
    # In what a server of ours says last when it is there and not ready.
    for name, value in ended.trailing_metadata() or ():
        if name == STATE_HEADER:
            return str(value)
    return None


def _close(channel: grpc.Channel) -> threading.Thread:
    # On a thread of its own: gRPC waits for every write, also for those that the network has swallowed.
    thread = threading.Thread(target=channel.close, name="partway-close", daemon=True)
    thread.start()
    return thread


def connect(url: str, *, clock: Clock, credentials: Credentials | None = None) -> GrpcTransport:
    """A transport to the server at `url`; it connects when first used.

    Args:
        url: `grpc://host:port`, or `grpcs://host:port` for TLS.
        clock: seconds, monotonic.
        credentials: shown to the server, and what its certificate is judged by.

    Raises:
        InputError: no such URL, or credentials that cannot be used or would travel in the clear.
    """
    return GrpcTransport(Door(read_route(url, credentials)), clock=clock)
