"""The server as a whole: its rooms put together, started, drained and stopped.

Input: a folder of models and where to listen. Output: a running server and its address. Called by
`partway serve` (`serve_forever`), and by tests and the demo (`run_server`, which runs it on a thread).
"""

import asyncio
import contextlib
import functools
import importlib.metadata
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np

from partway.codecs import available_codecs
from partway.engine import Clock, OrtRuntime
from partway.errors import InputError
from partway.graph import Cache
from partway.prediction.foresight import Foresight
from partway.prediction.profile import Profile
from partway.serving.admission import Admission
from partway.serving.background import Background
from partway.serving.batching import Batcher
from partway.serving.bodies import Patience
from partway.serving.executor import Executor
from partway.serving.exposure import check_exposure
from partway.serving.gate import Gate
from partway.serving.grpc_face import GrpcFace, report_of
from partway.serving.grpc_options import grpc_options
from partway.serving.handlers import Handlers
from partway.serving.health import HealthService
from partway.serving.heap import find_trim, keep_trimmed
from partway.serving.intake import GuardedService, Intake, known_room, open_room
from partway.serving.journal import Journal
from partway.serving.learning import Learner
from partway.serving.lookout import Lookout
from partway.serving.memory import make_budget
from partway.serving.metrics import Metrics, NullMetrics, ServerState
from partway.serving.models import Models
from partway.serving.predicted import Forecaster
from partway.serving.repository import Repository
from partway.serving.tls import Tls
from partway.serving.tokens import Tokens
from partway.wire import Limits

if TYPE_CHECKING:
    from partway.serving.prometheus import PrometheusMetrics
    from partway.serving.rest_face import RestFace

logger = logging.getLogger(__name__)

DEFAULT_MESSAGE_BYTES = 64 * 2**20
_IN_FLIGHT_BYTES = 512 * 2**20
_PREPARING_THREADS = 4
_LEAST_PER_CLIENT = 32  # requests that are not answered yet
_GRACE_S = 10.0
_DECLINING_S = 1.0  # clients and balancers that ask each second are told to go elsewhere, and not hung up on
_LOOK_EVERY_S = 0.02
_NO_REST = "the REST face needs aiohttp and prometheus-client: pip install 'partway[rest]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server serves.

    Attributes:
        runtime: makes graphs and sessions; by default ONNX Runtime on all cores.
        cache: where canonical graphs lie; by default the one of `PARTWAY_CACHE`.
        workers: requests computed at the same time; ONNX Runtime spreads each over the cores already.
        queue_capacity: requests that may wait.
        memory_bytes: of the sessions and graphs that are kept, weights apart, which are files; by default half of what
            is free at the start. What was used least recently is dropped, and made anew when it is asked for.
        pieces_per_minute: of one client, cuts and shapes that were not there and had to be built.
        requests_per_client: of one caller, requests that are not answered yet; by default half of those that may wait,
            at least 32: a caller may be an address that many devices share.
        batch_size: most requests of one tail that run as one, where that is proved right and seen faster; 1 for none.
        batch_wait_s: longest that the processor waits for somebody who is about to come, where that makes it faster.
        bound_models: models and shapes that are kept ready to run.
        message_bytes: longest message that is accepted; coded tensors may hold as much once they are decoded.
        in_flight_bytes: of all requests that are not answered yet, as they came; one alone may be longer.
        learn: whether graphs are optimised and tails timed, in idle moments as far as there are any.
        clock: seconds, monotonic.
        seed: of the made-up inputs of timed tails.
        profile: of this machine, or its path: tails are then predicted before they ran.
        tls: the certificate to answer with; None to answer in the clear.
        tokens: the file of those who may ask; None for everybody who reaches the server.
        connections: open at the same time, on each port.
        rest_port: where the REST face and its metrics listen, 0 for any port that is free; None for gRPC alone.
        patience: how long the REST face waits for clients.
        insecure: whether others may reach a server that has no TLS or asks nobody who they are.
    """

    runtime: OrtRuntime | None = None
    cache: Cache | None = None
    workers: int = 1
    queue_capacity: int = 256
    memory_bytes: int | None = None
    pieces_per_minute: int = 60
    requests_per_client: int | None = None
    batch_size: int = 8
    batch_wait_s: float = 0.002
    bound_models: int = 256
    message_bytes: int = DEFAULT_MESSAGE_BYTES
    in_flight_bytes: int = _IN_FLIGHT_BYTES
    learn: bool = True
    clock: Clock = field(default=time.perf_counter)
    seed: int = 0
    profile: Profile | str | Path | None = None
    tls: Tls | None = None
    tokens: Path | None = None
    connections: int = 512
    rest_port: int | None = None
    patience: Patience = field(default_factory=Patience)
    insecure: bool = False


class Server:
    """Serves the models of one folder.

    Args:
        repository: the folder.
        host: the address to listen on; one that others reach needs TLS and a way to know them.
        port: 0 for any that is free.
        options: how to serve.

    Raises:
        InputError: there is no such folder, the profile does not fit the runtime, a certificate, key or token cannot
            be used, others would reach a server without protection, or what REST needs is not installed.
    """

    def __init__(
        self, repository: str | Path, *, host: str = "127.0.0.1", port: int = 0, options: ServerOptions | None = None
    ) -> None:
        self._options = options = options or ServerOptions()
        self._host = host
        self._port = port
        check_exposure(host, tls=options.tls, tokens=options.tokens is not None, insecure=options.insecure)
        self._credentials = None if options.tls is None else options.tls.grpc_credentials()
        self._tokens = None if options.tokens is None else Tokens(options.tokens)
        self._runtime = options.runtime or OrtRuntime()
        self._foresight = None if options.profile is None else Foresight.of(options.profile, self._runtime)
        self._repository = Repository(repository, cache=options.cache)
        self._lookout = Lookout(self._repository.scan, clock=options.clock)
        self._watching: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(_PREPARING_THREADS, thread_name_prefix="partway-prepare")
        self._metrics: Metrics = NullMetrics() if options.rest_port is None else self._make_metrics()
        self._executor = Executor(
            clock=options.clock, workers=options.workers, capacity=options.queue_capacity, metrics=self._metrics
        )
        self._admission = Admission(options.in_flight_bytes)
        self._background = Background(self._executor.wait_idle)
        self._requests_per_client = options.requests_per_client or max(_LEAST_PER_CLIENT, options.queue_capacity // 2)
        self._models = self._make_models()
        self._handlers = self._connect()
        self._gate = Gate(self._tokens)
        self._health = HealthService(self._handlers, self._gate)
        self._limits = Limits(message_bytes=options.message_bytes)
        self._journal = Journal(self._metrics, self._repository.serves)
        self._rest_port = options.rest_port
        self._rest: RestFace | None = None
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """Where it listens, `host:port`; the port is known once it was started."""
        return _address(self._host, self._port)

    @property
    def rest_address(self) -> str | None:
        """Where the REST face listens, `host:port`; None where there is none."""
        return None if self._rest_port is None else _address(self._host, self._rest_port)

    @property
    def url(self) -> str:
        """Where it listens, as clients are told: `grpc://host:port`, or `grpcs://` with TLS."""
        return f"{'grpc' if self._credentials is None else 'grpcs'}://{self.address}"

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models that it found, ready or not."""
        return self._repository.names

    async def start(self) -> None:
        """Listen and answer; files are opened in the background, and ModelReady says when.

        Raises:
            InputError: the address cannot be listened on.
        """
        options = self._options
        server = grpc.aio.server(
            options=grpc_options(message_bytes=options.message_bytes, connections=options.connections)
        )
        face = GrpcFace(
            self._handlers,
            limits=self._limits,
            admission=self._admission,
            journal=self._journal,
            clock=options.clock,
        )
        server.add_generic_rpc_handlers(self._guard(face.service(), self._health.service()))
        try:
            if self._credentials is None:
                self._port = server.add_insecure_port(self.address)
            else:
                self._port = server.add_secure_port(self.address, self._credentials)
        except RuntimeError as error:
            raise InputError(f"{self.address} cannot be listened on; give another --host or --port") from error
        await server.start()
        self._server = server
        if self._rest_port is not None:
            self._rest = self._make_rest_face()
            context = None if options.tls is None else options.tls.context()
            self._rest_port = await self._rest.start(self._host, self._rest_port, context)
        self._repository.open_all(self._pool)
        self._watching = asyncio.create_task(self._lookout.watch())
        logger.info("server_started address=%s models=%s", self.address, ",".join(self._repository.names))

    async def stop(self, grace_s: float = _GRACE_S, *, declining_s: float = 0.0) -> None:
        """Decline what comes, answer what was accepted, then stop.

        Args:
            grace_s: what is not answered by then is cancelled.
            declining_s: stay so long at least, though not longer than half of the grace, so that who asks is told.
        """
        logger.info("server_draining address=%s", self.address)
        self._handlers.drain()
        self._health.drain()
        grace_s -= await self._decline(least_s=declining_s, most_s=grace_s / 2)
        stopping = [] if self._server is None else [self._server.stop(grace_s)]
        stopping += [] if self._rest is None else [self._rest.stop(grace_s)]
        await asyncio.gather(*stopping)
        if self._watching is not None:
            self._watching.cancel()
        self._background.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._executor.close, grace_s)
        logger.info("server_stopped address=%s", self.address)

    async def _decline(self, *, least_s: float, most_s: float) -> float:
        """Go on listening while accepted requests are answered; how long that took, in seconds."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while (passed_s := loop.time() - start_s) < most_s and (passed_s < least_s or self._admission.requests):  # noqa: ASYNC110 - happens once, and what ends is told to nobody
            await asyncio.sleep(_LOOK_EVERY_S)
        return passed_s

    async def serve_forever(
        self, on_ready: Callable[[str], None] = lambda _address: None, *, grace_s: float = _GRACE_S
    ) -> None:
        """Serve until SIGTERM or SIGINT, then drain; SIGHUP reads the tokens again.

        Args:
            on_ready: told the address once the server listens.
            grace_s: how long to drain.

        Raises:
            InputError: the address cannot be listened on.
        """
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        if self._tokens is not None:
            loop.add_signal_handler(signal.SIGHUP, functools.partial(self._tokens.refresh, always=True))
        trimming = asyncio.create_task(keep_trimmed(find_trim()))
        try:
            await self.start()
            on_ready(self.address)
            await stopping.wait()
        finally:
            trimming.cancel()
            await self.stop(grace_s, declining_s=_DECLINING_S)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def settle(self, timeout_s: float | None = None) -> None:
        """Return when files are opened and nothing is left to learn; call it from another thread.

        Raises:
            TimeoutError: that takes longer.
        """
        self._repository.wait(timeout_s)
        self._background.wait(timeout_s)

    def _guard(self, *services: grpc.GenericRpcHandler) -> tuple[GuardedService, ...]:
        patience = self._options.patience
        known = Intake(known_room(self._requests_per_client, patience.body_s))
        open_to_all = Intake(open_room(patience.first_s))
        return tuple(
            GuardedService(
                service,
                gate=self._gate,
                journal=self._journal,
                known=known,
                open_to_all=open_to_all,
                report=lambda: report_of(self._handlers.load()),
            )
            for service in services
        )

    def _make_metrics(self) -> "PrometheusMetrics":
        try:
            from partway.serving.prometheus import PrometheusMetrics  # noqa: PLC0415 - an optional extra
        except ModuleNotFoundError as error:
            raise InputError(_NO_REST) from error
        return PrometheusMetrics(self._state)

    def _make_rest_face(self) -> "RestFace":
        try:
            from partway.serving.rest_face import RestFace  # noqa: PLC0415 - an optional extra
        except ModuleNotFoundError as error:
            raise InputError(_NO_REST) from error
        return RestFace(
            self._handlers,
            gate=self._gate,
            limits=self._limits,
            admission=self._admission,
            journal=self._journal,
            metrics=self._metrics,
            clock=self._options.clock,
            connections=self._options.connections,
            patience=self._options.patience,
        )

    def _state(self) -> ServerState:
        models, ready = self._repository.counts
        return ServerState(
            requests=self._admission.requests,
            held_bytes=self._admission.held_bytes,
            waiting=self._executor.waiting,
            load=self._executor.load(),
            pieces=self._models.pieces,
            models=models,
            models_ready=ready,
            ready=self._handlers.ready(),
        )

    def _make_models(self) -> Models:
        options = self._options
        forecaster = None
        if self._foresight is not None:
            forecaster = Forecaster(foresight=self._foresight, message_bytes=options.message_bytes, clock=options.clock)
        return Models(
            self._runtime,
            self._pool,
            clock=options.clock,
            cache=options.cache,
            capacity=options.bound_models,
            forecaster=forecaster,
            budget=make_budget(options.memory_bytes),
        )

    def _connect(self) -> Handlers:
        options = self._options
        learner = Learner(
            self._background,
            self._executor,
            clock=options.clock,
            generator=np.random.default_rng(options.seed),
            message_bytes=options.message_bytes,
        )
        batcher = Batcher(
            self._runtime,
            self._background,
            clock=options.clock,
            size=options.batch_size,
            wait_s=options.batch_wait_s,
            cache=options.cache,
        )
        return Handlers(
            repository=self._repository,
            lookout=self._lookout,
            models=self._models,
            executor=self._executor,
            batcher=batcher,
            learner=learner if options.learn else None,
            pool=self._pool,
            clock=options.clock,
            codecs=available_codecs(),
            decoded_bytes=options.message_bytes,
            requests_per_client=self._requests_per_client,
            pieces_per_minute=options.pieces_per_minute,
            version=_installed_version(),
        )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _installed_version() -> str:
    try:
        return importlib.metadata.version("partway")
    except importlib.metadata.PackageNotFoundError:  # run from its source tree
        return "unknown"


@contextlib.contextmanager
def run_server(
    repository: str | Path, *, host: str = "127.0.0.1", port: int = 0, options: ServerOptions | None = None
) -> Iterator[Server]:
    """A server that runs on a thread of its own while the block does.

    Args:
        repository: the folder.
        host: the address to listen on.
        port: 0 for any that is free.
        options: how to serve.

    Yields:
        The server, listening.

    Raises:
        InputError: no such folder, or the address cannot be listened on.
    """
    server = Server(repository, host=host, port=port, options=options)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await server.start()
            started.set_result((loop, stopping))
            await stopping.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="partway-server")
    thread.start()
    try:
        loop, stopping = started.result()
    except BaseException:
        thread.join()
        raise
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
