"""The gRPC face: bytes and statuses outside, the handlers' records and errors inside.

Input: messages of the Open Inference Protocol as gRPC received them. Output: answers, or one status with one
sentence; nobody on the other side sees a traceback. Messages are decoded here and not by gRPC, since a
deserialiser that fails is an unknown error to the client. Called by the server.
"""

import logging
from collections.abc import Awaitable, Callable

import grpc

from partway.engine import Clock
from partway.errors import EngineError, ModelUnavailable, PartwayError, WireError
from partway.serving.admission import Admission
from partway.serving.answering import LARGE_BYTES, deadline_of, off_loop
from partway.serving.callers import Caller
from partway.serving.handlers import Handlers
from partway.serving.intake import CALLER
from partway.serving.journal import Entry, Journal, sentence
from partway.serving.statuses import Status, status_of
from partway.wire import (
    ORCA_HEADER,
    SERVICE,
    STATE_HEADER,
    InferResponse,
    Limits,
    Load,
    Method,
    decode_model_query,
    decode_request,
    decode_server_query,
    encode_live,
    encode_model_metadata,
    encode_orca,
    encode_ready,
    encode_response,
    encode_server_metadata,
    peek_request,
)

logger = logging.getLogger(__name__)

Answer = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]

_FACE = "grpc"


class GrpcFace:
    """The service that gRPC calls.

    Args:
        handlers: answer.
        limits: what is accepted of a message.
        admission: holds requests until they are answered.
        journal: notes them.
        clock: the handlers' clock.
    """

    def __init__(
        self, handlers: Handlers, *, limits: Limits, admission: Admission, journal: Journal, clock: Clock
    ) -> None:
        self._handlers = handlers
        self._limits = limits
        self._admission = admission
        self._journal = journal
        self._clock = clock

    def service(self) -> grpc.GenericRpcHandler:
        """The service's methods, bytes in and bytes out."""
        answers: dict[Method, Answer] = {
            Method.SERVER_LIVE: self._server_live,
            Method.SERVER_READY: self._server_ready,
            Method.SERVER_METADATA: self._server_metadata,
            Method.MODEL_READY: self._model_ready,
            Method.MODEL_METADATA: self._model_metadata,
            Method.MODEL_INFER: self._model_infer,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                str(method): grpc.unary_unary_rpc_method_handler(self._guarded(method, answer))
                for method, answer in answers.items()
            },
        )

    def _guarded(self, method: Method, answer: Answer) -> Answer:
        async def guarded(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
            trailer: tuple[tuple[str, str], ...] = ()
            try:
                return await answer(data, context)
            except PartwayError as error:
                status, text = status_of(error), sentence(str(error))
                if isinstance(error, ModelUnavailable):
                    trailer = ((STATE_HEADER, error.state),)
                level = logging.ERROR if status is Status.INTERNAL else logging.INFO
                if method is not Method.MODEL_INFER:  # the journal notes those
                    logger.log(level, "request_declined method=%s status=%s reason=%s", method, status.name, text)
            except Exception:  # whatever it is, it must reach the log and not the client
                logger.exception("request_failed method=%s", method)
                status, text = Status.INTERNAL, "the server failed on this request; its log says why"
            # Who is refused learns how busy the server is, too.
            if method is Method.MODEL_INFER:
                trailer += report_of(self._handlers.load())
            await context.abort(status.grpc_code, text, trailer)
            return b""  # never reached: abort raises

        return guarded

    async def _server_live(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        decode_server_query(data)
        return encode_live(self._handlers.live())

    async def _server_ready(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        decode_server_query(data)
        return encode_ready(self._handlers.ready())

    async def _server_metadata(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        decode_server_query(data)
        return encode_server_metadata(self._handlers.server_metadata())

    async def _model_ready(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        query = decode_model_query(data)
        return encode_ready(await self._handlers.model_ready(query.name, query.version))

    async def _model_metadata(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        query = decode_model_query(data)
        return encode_model_metadata(await self._handlers.model_metadata(query.name, query.version))

    async def _model_infer(self, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        received_s = self._clock()
        with self._journal.entry(_FACE) as entry:
            entry.received_bytes = len(data)
            caller = CALLER.get()
            entry.caller = caller.name
            with self._handlers.place(caller), self._admission.admit(caller.name, len(data)):
                return await self._answer(data, context, entry, caller, received_s)

    async def _answer(
        self, data: bytes, context: grpc.aio.ServicerContext, entry: Entry, caller: Caller, received_s: float
    ) -> bytes:
        left_s = context.time_remaining()
        if len(data) > LARGE_BYTES:
            head = peek_request(data, self._limits)
            if head is not None:
                self._handlers.check_size(head.model_name, head.model_version, head.binding, head.raw_bytes)
        request = await off_loop(len(data), lambda: decode_request(data, self._limits))
        entry.model = request.model_name
        deadline_s = deadline_of(request, received_s, left_s)
        reply = await self._handlers.infer(request, deadline_s, caller=caller, received_s=received_s)
        entry.load, entry.turned_away = reply.load, reply.turned_away
        context.set_trailing_metadata(report_of(reply.load))
        answer = await off_loop(reply.size_bytes, lambda: _encode(reply.response))
        entry.sent_bytes = len(answer)
        return answer


def _encode(response: InferResponse) -> bytes:
    try:
        return encode_response(response)
    except WireError as error:  # ours this time, not the client's
        raise EngineError(f"the answer cannot be sent: {error}") from error


def report_of(load: Load) -> tuple[tuple[str, str], ...]:
    """The trailer that tells how busy the server is."""
    return ((ORCA_HEADER, encode_orca(load)),)
