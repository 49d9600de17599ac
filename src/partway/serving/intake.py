"""How gRPC calls come in: judged by their headers, then read as far as there is room and for as long as is reasonable.

    headers -> who? -> a place among calls -> a place among bodies that are read -> the body, in time -> the method

Input: calls of which nothing but the headers has come. Output: whole messages for the methods, or one status. gRPC
reads a message's body only where somebody asks for it, so what is not read waits at its sender. Called by the server.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

import grpc

from partway.errors import BodyTooSlow, NotAuthenticated, PartwayError, ServerBusy, TooManyRequests, WireError
from partway.serving.callers import Caller, stranger
from partway.serving.gate import CHALLENGE, OPEN_METHODS, Gate, caller_of
from partway.serving.journal import Journal, sentence
from partway.serving.statuses import status_of

logger = logging.getLogger(__name__)

CALLER: ContextVar[Caller] = ContextVar("partway_caller")
"""Whose call the method answers that is running; it was let in."""

_FACE = "grpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What calls may take, so that neither one caller nor all of them stop the server.

    Attributes:
        calls: that have not ended, in any state: half sent, computed, or answered and not read.
        calls_of_one: of these, one caller's.
        bodies: that are read at the same time; each may be as long as a message may be.
        bodies_of_one: of these, one caller's.
        bodies_of_connection: of these, those of one connection.
        patience_s: for a body, from the headers on.
    """

    calls: int
    calls_of_one: int
    bodies: int
    bodies_of_one: int
    bodies_of_connection: int
    patience_s: float


def known_room(requests_per_client: int, patience_s: float) -> Room:
    """The room of those who may ask.

    Args:
        requests_per_client: that may be computed; as many again may have been answered and not be read yet.
        patience_s: for a body.
    """
    of_one = 2 * requests_per_client + 16
    return Room(
        calls=4 * of_one, calls_of_one=of_one, bodies=32, bodies_of_one=8, bodies_of_connection=4, patience_s=patience_s
    )


def open_room(patience_s: float) -> Room:
    """The room, apart from the others', of methods that need no token.

    Args:
        patience_s: for a body.
    """
    return Room(calls=64, calls_of_one=16, bodies=8, bodies_of_one=2, bodies_of_connection=1, patience_s=patience_s)


class Intake:
    """Lets calls in.

    Args:
        room: for them.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._calls: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(room.bodies)
        self._reading_of_one: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._reading_on: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def take(self, name: str) -> None:
        """Take a place among the calls.

        Raises:
            TooManyRequests: all of this caller's are taken.
            ServerBusy: all of them are.
        """
        room = self._room
        if self._calls[name] >= room.calls_of_one:
            raise TooManyRequests(
                f"{name} has {self._calls[name]} calls open, as many as one client may; end one, then send the next"
            )
        if self._calls.total() >= room.calls:
            raise ServerBusy(f"{room.calls} calls are open, as many as may; send it later or elsewhere")
        self._calls[name] += 1

    def free(self, name: str) -> None:
        """Give a place back."""
        self._calls[name] -= 1
        if not self._calls[name]:
            del self._calls[name]

    async def read(self, caller: Caller, context: grpc.aio.ServicerContext) -> bytes:
        """The message of a call.

        Raises:
            BodyTooSlow: it did not come in time.
            ServerBusy: others' were read all that time.
            WireError: there is none.
        """
        room = self._room
        line = self._reading_on.setdefault(caller.connection, asyncio.Semaphore(room.bodies_of_connection))
        own = self._reading_of_one.setdefault(caller.name, asyncio.Semaphore(room.bodies_of_one))
        reading: asyncio.Future[object] | None = None
        ended = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(room.patience_s), line, own, self._reading:
                # Only the wait is given up: gRPC ends the reading itself, once the call has its status.
                reading = asyncio.ensure_future(context.read())
                reading.add_done_callback(partial(_end, ended))
                await ended
        except TimeoutError as error:
            if reading is None:
                raise ServerBusy("other requests were read all the time; send it later or elsewhere") from error
            raise BodyTooSlow(
                f"the request did not come within {room.patience_s:g} s; send it faster, or less of it"
            ) from error
        data = reading.result()
        if not isinstance(data, bytes):
            raise WireError("the call ended without a message; send one")
        return data


class GuardedService(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC ships no types
    """A gRPC service whose methods are called with whole messages, of those who may pass.

    Args:
        service: its methods take one message.
        gate: who may pass.
        journal: notes who may not.
        known: lets calls in.
        open_to_all: lets in those of methods that need no token.
        report: the trailer that tells a refused request how busy the server is.
    """

    def __init__(
        self,
        service: grpc.GenericRpcHandler,
        *,
        gate: Gate,
        journal: Journal,
        known: Intake,
        open_to_all: Intake,
        report: Callable[[], tuple[tuple[str, str], ...]],
    ) -> None:
        self._service = service
        self._gate = gate
        self._journal = journal
        self._known = known
        self._open = open_to_all
        self._report = report
        self._methods: dict[str, grpc.RpcMethodHandler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The method's handler; for those who may not pass, one that refuses without reading what they sent."""
        made = self._methods.get(details.method)
        if made is not None:
            return made
        found = self._service.service(details)
        if found is None:
            if details.method in OPEN_METHODS:
                return None  # another service has it
            try:
                self._gate.check(details.invocation_metadata or ())
            except NotAuthenticated:  # who may not ask does not learn which methods there are
                return grpc.stream_unary_rpc_method_handler(self._unary(details.method, _never))
            return None
        if found.response_streaming:
            made = grpc.stream_stream_rpc_method_handler(self._stream(details.method, found.unary_stream))
        else:
            made = grpc.stream_unary_rpc_method_handler(self._unary(details.method, found.unary_unary))
        self._methods[details.method] = made
        return made

    def _unary(
        self, method: str, answer: Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]
    ) -> Callable[[object, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def guarded(_: object, context: grpc.aio.ServicerContext) -> bytes:
            return await answer(await self._receive(method, context), context)

        return guarded

    def _stream(
        self, method: str, answers: Callable[[bytes, grpc.aio.ServicerContext], AsyncIterator[bytes]]
    ) -> Callable[[object, grpc.aio.ServicerContext], AsyncIterator[bytes]]:
        async def guarded(_: object, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            data = await self._receive(method, context)
            async for answer in answers(data, context):
                yield answer

        return guarded

    async def _receive(self, method: str, context: grpc.aio.ServicerContext) -> bytes:
        try:
            return await self._let_in(method, context)
        except PartwayError as error:
            self._journal.refused(_FACE, context.peer(), error)
            challenge = (CHALLENGE,) if isinstance(error, NotAuthenticated) else self._report()
            await context.abort(status_of(error).grpc_code, sentence(str(error)), challenge)
            raise  # never reached: abort raises

    async def _let_in(self, method: str, context: grpc.aio.ServicerContext) -> bytes:
        free_to_all = method in OPEN_METHODS
        intake = self._open if free_to_all else self._known
        caller = stranger(context.peer()) if free_to_all else caller_of(self._gate, context)
        CALLER.set(caller)
        intake.take(caller.name)
        # Not when it is answered: an answer that nobody reads takes memory until the call has ended.
        context.add_done_callback(lambda _: intake.free(caller.name))
        return await intake.read(caller, context)


def _end(ended: asyncio.Future[None], reading: asyncio.Future[object]) -> None:
    if not reading.cancelled():
        reading.exception()  # read here, since perhaps nobody else will
    if not ended.done():
        ended.set_result(None)


async def _never(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
    raise NotAuthenticated("the call was let in without a token")
