"""The REST face: OIP over HTTP/1.1 with the binary tensor extension, and the page of metrics.

Input: requests as aiohttp received them. Output: answers, or a status and one sentence in JSON; nobody on the other
side sees a traceback. Who may ask, and whether a body is read at all, is decided by its headers. Runs on the event loop
of the gRPC server. Called by the server, where the extra `rest` is installed.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from aiohttp import web

from partway.engine import Clock
from partway.errors import EngineError, InputError, NotAuthenticated, PartwayError, RequestExpired, WireError
from partway.serving.admission import Admission, Admitted
from partway.serving.answering import LARGE_BYTES, deadline_of, off_loop
from partway.serving.bodies import Patience, check_headers, read_body
from partway.serving.callers import Caller
from partway.serving.doorman import Doorman
from partway.serving.gate import OPEN_PATHS, Gate
from partway.serving.handlers import Handlers
from partway.serving.http_answers import (
    caller_of,
    declared_json_bytes,
    headers_of,
    http_logger,
    model_of,
    no_such_path,
    peer_of,
    problem,
    readiness,
    refusal,
)
from partway.serving.journal import Entry, Journal, sentence, word
from partway.serving.metrics import Metrics
from partway.serving.statuses import Status
from partway.wire import (
    BINDING,
    JSON_LENGTH_HEADER,
    ORCA_HEADER,
    InferResponse,
    Limits,
    RestRequest,
    decode_rest_request,
    encode_orca,
    encode_rest_response,
)

logger = logging.getLogger(__name__)

_FACE = "rest"
_EXTENSION = "binary_tensor_data"
_LINGER_S = 2.0  # what is left of a refused body is read for so long, so that its sender sees the refusal

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestFace:
    """The HTTP server.

    Args:
        handlers: answer.
        gate: knows who asks.
        limits: what is accepted of a message.
        admission: holds requests until they are answered.
        journal: notes them.
        metrics: write their page.
        clock: the handlers' clock.
        connections: most that may be open at the same time.
        patience: how long clients are waited for.
    """

    def __init__(
        self,
        handlers: Handlers,
        *,
        gate: Gate,
        limits: Limits,
        admission: Admission,
        journal: Journal,
        metrics: Metrics,
        clock: Clock,
        connections: int,
        patience: Patience,
    ) -> None:
        self._handlers = handlers
        self._gate = gate
        self._limits = limits
        self._admission = admission
        self._journal = journal
        self._metrics = metrics
        self._clock = clock
        self._connections = connections
        self._patience = patience
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._doorman: Doorman | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen and answer.

        Args:
            host: the address.
            port: 0 for any that is free.
            tls: answers with TLS; None to answer in the clear.

        Returns:
            The port.

        Raises:
            InputError: the address cannot be listened on.
        """
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=http_logger(),
            handler_cancellation=True,  # whoever leaves frees their place
            auto_decompress=False,  # a small body may hold gigabytes
            keepalive_timeout=self._patience.idle_s,
            lingering_time=_LINGER_S,
        )
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise InputError("the REST face was stopped before it started; make a new server")
        self._doorman = doorman = Doorman(server, connections=self._connections, idle_s=self._patience.idle_s, tls=tls)
        try:
            self._listening = await asyncio.get_running_loop().create_server(doorman.meet, host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise InputError(
                f"{host}:{port} cannot be listened on: {error.strerror}; give another --rest-port"
            ) from error
        found: int = self._listening.sockets[0].getsockname()[1]
        return found

    async def stop(self, grace_s: float) -> None:
        """Accept no more connections, answer what was accepted, then close.

        Args:
            grace_s: what is not answered by then is cancelled.
        """
        if self._listening is not None:
            self._listening.close()
        if self._doorman is not None:
            self._doorman.close()
        if self._runner is not None and self._runner.server is not None:
            self._runner.server.pre_shutdown()
            left = [connection.transport for connection in self._runner.server.connections]
            await self._runner.server.shutdown(grace_s)
            await self._runner.cleanup()
            for transport in left:
                if transport is not None:
                    transport.abort()  # under TLS the other end would have to agree to be left

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        router = application.router
        router.add_get("/v2", self._server_metadata)
        router.add_get("/v2/health/live", self._live)
        router.add_get("/v2/health/ready", self._ready)
        router.add_get("/metrics", self._page)
        for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
            router.add_get(model, self._model_metadata)
            router.add_get(f"{model}/ready", self._model_ready)
            router.add_post(f"{model}/infer", self._infer, expect_handler=self._expected)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        if self._doorman is not None:
            self._doorman.heard(request.protocol)
        try:
            if request.path not in OPEN_PATHS:
                self._gate.check(headers_of(request))
            response = await handler(request)
        except NotAuthenticated as error:
            response = refusal(error)
            self._journal.refused(_FACE, peer_of(request), error)
        except PartwayError as error:
            response = refusal(error)
            logger.debug(  # the journal has it
                "request_declined path=%s connection=%s reason=%s",
                word(request.path),
                peer_of(request),
                sentence(str(error)),
            )
        except web.HTTPException as error:
            response = no_such_path(request, error)
        except Exception:  # whatever it is, it must reach the log and not the client
            logger.exception("request_failed path=%s", word(request.path))
            response = problem(Status.INTERNAL.http_code, "the server failed on this request; its log says why")
        known = response.status != Status.UNAUTHENTICATED.http_code
        if known and request.method == "POST" and ORCA_HEADER not in response.headers:
            response.headers[ORCA_HEADER] = encode_orca(self._handlers.load())  # who is refused learns it, too
        await self._send(request, response)
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write an answer; whoever does not read it is cut off, since it takes memory until they do."""
        response.headers["Server"] = "partway"
        size_bytes = response.content_length or 0
        allowed_s = self._patience.first_s + size_bytes / self._patience.least_bytes_per_s
        try:
            async with asyncio.timeout(min(allowed_s, self._patience.body_s)):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            logger.info("answer_abandoned connection=%s bytes=%d", peer_of(request), size_bytes)
            if request.transport is not None:
                request.transport.abort()

    async def _server_metadata(self, _: web.Request) -> web.Response:
        metadata = self._handlers.server_metadata()
        return web.json_response(asdict(replace(metadata, extensions=(*metadata.extensions, _EXTENSION))))

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"live": self._handlers.live()})

    async def _ready(self, _: web.Request) -> web.Response:
        return readiness(self._handlers.ready(), {})

    async def _model_ready(self, request: web.Request) -> web.Response:
        name, version = model_of(request)
        return readiness(await self._handlers.model_ready(name, version), {"name": name})

    async def _model_metadata(self, request: web.Request) -> web.Response:
        return web.json_response(asdict(await self._handlers.model_metadata(*model_of(request))))

    async def _page(self, request: web.Request) -> web.Response:
        page, content_type = self._metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _expected(self, request: web.Request) -> None:
        """Let a client that asks first send its body, unless it would be refused: then the answer says so."""
        try:
            self._gate.check(headers_of(request))
            self._check_unread(request)
        except PartwayError:
            return
        if request.version == (1, 1) and request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # it is no part of the answer

    async def _infer(self, request: web.Request) -> web.Response:
        received_s = self._clock()
        with self._journal.entry(_FACE) as entry:
            entry.model, version = model_of(request)
            caller = caller_of(self._gate, request)
            entry.caller = caller.name
            with self._handlers.place(caller), self._admission.admit(caller.name) as admitted:
                return await self._answer(request, version, entry, admitted, caller, received_s)

    def _check_unread(self, request: web.Request) -> None:
        check_headers(request.headers, request.content_length, self._limits)
        json_bytes = declared_json_bytes(request)
        if request.content_length is not None and json_bytes is not None:
            name, version = model_of(request)
            self._handlers.check_size(name, version, None, request.content_length - json_bytes)

    async def _answer(
        self, request: web.Request, version: str, entry: Entry, admitted: Admitted, caller: Caller, received_s: float
    ) -> web.Response:
        self._check_unread(request)
        try:
            body = await read_body(request.content.iter_any(), self._limits, admitted, self._patience)
        finally:
            entry.received_bytes = admitted.size_bytes
        json_length = request.headers.get(JSON_LENGTH_HEADER)
        wanted = await off_loop(
            len(body),
            lambda: decode_rest_request(
                body, json_length, model_name=entry.model, model_version=version, limits=self._limits
            ),
        )
        if len(body) > LARGE_BYTES:
            binding = wanted.request.parameters.get(BINDING)
            size_bytes = sum(tensor.array.nbytes for tensor in wanted.request.tensors)
            self._handlers.check_size(entry.model, version, binding if isinstance(binding, str) else None, size_bytes)
        arrived_s = self._clock()  # a slow link is no part of what the server takes
        deadline_s = deadline_of(wanted.request, received_s, None)
        try:
            async with asyncio.timeout(None if deadline_s is None else deadline_s - arrived_s):
                reply = await self._handlers.infer(wanted.request, deadline_s, caller=caller, received_s=arrived_s)
        except TimeoutError as error:
            raise RequestExpired("the request's own timeout passed before it was answered; allow it more") from error
        entry.load, entry.turned_away = reply.load, reply.turned_away
        content, length = await off_loop(reply.size_bytes, lambda: _encode(reply.response, wanted))
        entry.sent_bytes = len(content)
        headers = {ORCA_HEADER: encode_orca(reply.load)}
        if length is None:
            return web.Response(body=content, content_type="application/json", headers=headers)
        headers[JSON_LENGTH_HEADER] = str(length)
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)


def _encode(response: InferResponse, wanted: RestRequest) -> tuple[bytes, int | None]:
    try:
        return encode_rest_response(response, wanted)
    except WireError as error:  # ours this time, not the client's
        raise EngineError(f"the answer cannot be sent: {error}") from error
