"""gRPC's own health service: whether the server, or one of its models, takes requests.

Input: a service's name: empty or the inference service's for the server as a whole, else a model's. Output: one word,
or, for those who watch, one whenever it changes. What is loading and what shuts down is not serving. How the server as
a whole is may be checked without a token; which models it has, not. Called by the server, beside the inference service.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import grpc

from partway.errors import NotAuthenticated, PartwayError, ServerBusy, TooManyRequests
from partway.serving.gate import CHALLENGE, Gate, caller_of
from partway.serving.handlers import Handlers
from partway.serving.journal import sentence, word
from partway.serving.statuses import status_of
from partway.wire import HEALTH_SERVICE, SERVICE, Health, decode_health_query, encode_health

_WHOLE = ("", SERVICE)
_LOOK_EVERY_S = 1.0
_MOST_WATCHERS = 32  # each holds one of the calls that the server has room for
_MOST_OF_ONE = 4


class HealthService:
    """Answers Check and Watch.

    Args:
        handlers: know what is ready.
        gate: knows who may ask about models.
        look_every_s: how often it is looked for changes.
        watchers: most that may watch at the same time.
    """

    def __init__(
        self, handlers: Handlers, gate: Gate, *, look_every_s: float = _LOOK_EVERY_S, watchers: int = _MOST_WATCHERS
    ) -> None:
        self._handlers = handlers
        self._gate = gate
        self._look_every_s = look_every_s
        self._most = watchers
        self._watchers: Counter[str] = Counter()
        self._draining = asyncio.Event()

    def service(self) -> grpc.GenericRpcHandler:
        """The service's methods, bytes in and bytes out."""
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            },
        )

    def drain(self) -> None:
        """Tell those who watch that nothing is served any more, and let them go."""
        self._draining.set()

    async def _check(self, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            service = decode_health_query(data)
            if service not in _WHOLE:
                self._gate.check(context.invocation_metadata() or ())
        except PartwayError as error:
            await _refuse(context, error)
            raise
        health = self._health(service)
        if health is Health.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing is served as {word(service)}; ask for a model")
        return encode_health(health)

    async def _watch(self, data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            service = decode_health_query(data)
            name = caller_of(self._gate, context).name
            if self._watchers.total() >= self._most:
                raise ServerBusy(f"{self._most} watch already, as many as may; ask Check instead")
            if self._watchers[name] >= _MOST_OF_ONE:
                raise TooManyRequests(f"{name} watches {_MOST_OF_ONE} times, as often as one may; ask Check instead")
        except PartwayError as error:
            await _refuse(context, error)
            raise
        self._watchers[name] += 1
        try:
            said = None
            while not self._draining.is_set():
                health = self._health(service)
                if health is not said:
                    said = health
                    yield encode_health(health)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._draining.wait(), self._look_every_s)
            if said is not Health.NOT_SERVING:
                yield encode_health(Health.NOT_SERVING)
        finally:
            self._watchers -= Counter((name,))  # which drops names that have none left

    def _health(self, service: str) -> Health:
        ready = self._handlers.ready() if service in _WHOLE else self._handlers.takes(service)
        if ready is None:
            return Health.SERVICE_UNKNOWN
        return Health.SERVING if ready else Health.NOT_SERVING


async def _refuse(context: grpc.aio.ServicerContext, error: PartwayError) -> None:
    challenge = (CHALLENGE,) if isinstance(error, NotAuthenticated) else ()
    await context.abort(status_of(error).grpc_code, sentence(str(error)), challenge)
