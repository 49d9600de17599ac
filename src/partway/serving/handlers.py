"""What the server answers, whatever protocol asks: records in, records out, our own errors raised.

    InferRequest -> which file? -> which binding? -> which piece? -> [queue] -> decode, run -> InferResponse with load

Input: records of the wire. Output: records of the wire. The faces turn bytes into records and errors into
statuses; nothing here knows a status code. All methods run on one event loop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from partway.engine import Clock, Stop
from partway.errors import MessageTooLong, ModelNotFound, ModelUnavailable, PartwayError, RequestExpired, RunStopped
from partway.graph import Binding, Piece, Source, TensorInfo
from partway.serving.answering import Reply
from partway.serving.batching import Batcher
from partway.serving.callers import Caller
from partway.serving.computation import Computation
from partway.serving.decoding import check_coded, read_coded
from partway.serving.executor import Executor
from partway.serving.jobs import Seat, Served
from partway.serving.learning import Learner
from partway.serving.limits import InFlight, NewPieces
from partway.serving.lookout import Lookout
from partway.serving.meaning import check_digest, check_feeds, read_binding, read_feeds
from partway.serving.models import BoundModel, Models
from partway.serving.repository import ModelFile, Repository
from partway.wire import (
    BINDING,
    CODECS,
    COSTS_MODEL,
    DIGEST,
    TURNED_AWAY,
    CostAnswer,
    CostQuery,
    InferRequest,
    InferResponse,
    Load,
    ModelMetadata,
    Parameter,
    ServerMetadata,
    Tensor,
    TensorMetadata,
    can_cross,
    datatype_of,
    decode_cost_query,
    encode_cost_answer,
    encode_load,
    read_queue_within_s,
)

logger = logging.getLogger(__name__)

# Two hops between threads take a tenth of it, and the event loop stands still as long to read a large message.
_BRIEF_S = 0.001

PLATFORM = "onnxruntime_onnx"
EXTENSIONS = (
    "partway.cuts",
    "partway.binding",
    "partway.digest",
    "partway.crc32",
    "partway.costs",
    "partway.load",
    "partway.queue_within",
    CODECS,
)

# What codecs may add to tensors that they cannot shorten.
_SLACK_SHARE, _SLACK_BYTES = 64, 64 * 1024

Outputs = Mapping[str, np.ndarray]


class Handlers:
    """Answers requests.

    Args:
        repository: what is served.
        lookout: has the repository look at its folder again.
        models: keeps what is ready to run.
        executor: runs it.
        batcher: makes the groups of requests that may run as one.
        learner: told what is used and asked about; None for a server that only serves.
        pool: threads for what takes longer than the event loop may wait.
        clock: seconds, monotonic; deadlines are its readings.
        codecs: names of those that are decoded.
        decoded_bytes: most that one request's coded tensors may hold.
        requests_per_client: most that one caller may wait for at the same time.
        pieces_per_minute: most that is built anew for one caller.
        version: of this program, told to who asks.
    """

    def __init__(
        self,
        *,
        repository: Repository,
        lookout: Lookout,
        models: Models,
        executor: Executor,
        batcher: Batcher,
        learner: Learner | None,
        pool: Pool,
        clock: Clock,
        codecs: tuple[str, ...],
        decoded_bytes: int,
        requests_per_client: int,
        pieces_per_minute: int,
        version: str,
    ) -> None:
        self._version = version
        self._codecs = codecs
        self._decoded_bytes = decoded_bytes
        self._repository = repository
        self._lookout = lookout
        self._models = models
        self._executor = executor
        self._batcher = batcher
        self._learner = learner
        self._pool = pool
        self._clock = clock
        self._in_flight = InFlight(requests_per_client)
        self._new_pieces = NewPieces(pieces_per_minute, clock=clock)
        self._draining = False

    def drain(self) -> None:
        """Decline new requests from now on; those that were accepted still answer."""
        self._draining = True

    def live(self) -> bool:
        """Whether the server runs at all."""
        return True

    def ready(self) -> bool:
        """Whether the repository was read once, each file well or not, and new requests are accepted."""
        return not self._draining and self._repository.settled

    def takes(self, name: str) -> bool | None:
        """Whether requests for a model are taken now; None where none of that name was found so far."""
        if not self._repository.serves(name):
            return None
        ready = name == COSTS_MODEL or self._repository.find(name).ready
        return ready and not self._draining

    def server_metadata(self) -> ServerMetadata:
        """What this server is."""
        return ServerMetadata(name="partway", version=self._version, extensions=EXTENSIONS)

    def load(self) -> Load:
        """How busy the server is."""
        return self._executor.load()

    async def model_ready(self, name: str, version: str = "") -> bool:
        """Whether a model can be run.

        Raises:
            ModelNotFound: no such model or version.
        """
        if name == COSTS_MODEL:
            return not self._draining
        return (await self._find(name, version)).ready and not self._draining

    async def model_metadata(self, name: str, version: str = "") -> ModelMetadata:
        """What a model is fed and gives; optional inputs are left out, since plain clients feed all they see.

        Raises:
            ModelNotFound: no such model or version.
            ModelUnavailable: it is still being opened.
            ModelMismatch: its file is no usable model.
        """
        source = (await self._find(name, version)).source()
        return ModelMetadata(
            name=name,
            versions=self._repository.versions(name),
            platform=PLATFORM,
            inputs=tuple(_describe(tensor) for tensor in source.inputs),
            outputs=tuple(_describe(tensor) for tensor in source.outputs),
        )

    def check_size(self, name: str, version: str, binding: str | None, tensor_bytes: int) -> None:
        """Refuse a request that sends more than any cut of its model, before its tensors are read.

        What is not known yet, such as a new binding, passes: `infer` says what is wrong with it.

        Args:
            name: of the model.
            version: of the model; empty for the highest.
            binding: the encoded one; None where the request has none.
            tensor_bytes: length of the tensors as they travel.

        Raises:
            MessageTooLong: it does.
        """
        most = self._most_bytes(name, version, binding)
        if most is not None and tensor_bytes > most + most // _SLACK_SHARE + _SLACK_BYTES:
            raise MessageTooLong(
                f"the request sends {tensor_bytes} bytes of tensors, and no cut of model {name!r} has more than {most} "
                "under this binding; send the model's inputs or one cut's tensors"
            )

    def _most_bytes(self, name: str, version: str, binding: str | None) -> int | None:
        try:
            source = self._repository.find(name, version).source()
            sole = source.bind() if binding is None and _is_static(source) else None
            known = sole or self._models.known(source, binding)
            bound = None if known is None else self._models.peek(source, known)
        except PartwayError:
            return None
        return None if bound is None else bound.most_bytes

    def place(self, caller: Caller) -> contextlib.AbstractContextManager[None]:
        """A caller's place among the requests that are not answered, taken before the body is read or decoded.

        Raises:
            TooManyRequests: all of theirs are taken.
        """
        return self._in_flight.admitted(caller.name)

    async def infer(
        self,
        request: InferRequest,
        deadline_s: float | None = None,
        *,
        caller: Caller,
        received_s: float | None = None,
    ) -> Reply:
        """The answer to a request: the outputs of whatever is left to run.

        Args:
            request: tensors by their names in the graph.
            deadline_s: the clock's reading after which nobody waits for the answer.
            caller: who asks.
            received_s: the clock's reading when the message arrived, before it was decoded; now by default.

        Raises:
            RequestDeclined: unknown model, mismatch, full, late, or shutting down.
            InputError: the tensors are not what the model needs.
            WireError: a cost query that is none, or a coded tensor that is damaged.
            EngineError: the runtime failed.
        """
        arrived_s = self._clock() if received_s is None else received_s
        if self._draining:
            raise ModelUnavailable("the server is shutting down; send the request elsewhere", state="draining")
        if request.model_name == COSTS_MODEL:
            return await self._answer_costs(decode_cost_query(request), arrived_s, caller)
        return await self._compute(request, deadline_s, arrived_s, caller)

    async def _compute(
        self, request: InferRequest, deadline_s: float | None, arrived_s: float, caller: Caller
    ) -> Reply:
        now_s, within_s = self._clock(), read_queue_within_s(request.parameters)
        file = await self._find(request.model_name, request.model_version)
        source = file.source()
        check_digest(source, request.parameters.get(DIGEST))
        feeds, coded = read_feeds(request), read_coded(request, self._codecs)
        text = request.parameters.get(BINDING)
        binding = read_binding(source, text, feeds, coded, known=self._models.known(source, text))
        bound = self._models.peek(source, binding)
        paid = bound is None and self._new_pieces.take(caller.name, (source.digest, binding))
        bound = bound or await self._models.bind(source, binding, by=caller.name)
        piece = bound.tail(feeds, request.outputs)
        plain = {name: array for name, array in feeds.items() if name not in coded}
        check_feeds(bound.model, plain, guessed=text is None)
        check_coded(bound.model, coded, most_bytes=self._decoded_bytes)
        lead_s = now_s - arrived_s
        job = Computation(bound, piece, plain, coded, executor=self._executor, clock=self._clock, lead_s=lead_s)
        seat = self._batcher.seat(source, bound, piece, job)
        if within_s is not None:
            load = self._executor.turns_away(within_s, share=caller.name, line=caller.connection, seat=seat)
            if load is not None:
                return _turned_away(request, file, replace(load, service_s=max(0.0, self._clock() - arrived_s)))
        job.session = bound.store.ready(piece)
        if job.session is None:
            self._pay(caller, bound, piece, paid=paid)
            await self._models.build(bound, piece, by=caller.name)
        served = await self._run(job, seat, deadline_s, arrived_s, caller)
        tensors = tuple(Tensor(name=name, array=served.value[name]) for name in request.outputs or piece.outputs)
        return Reply(response=_response(request, file, tensors, encode_load(served.load)), load=served.load)

    def _pay(self, caller: Caller, bound: BoundModel, piece: Piece, *, paid: bool) -> None:
        """Count a piece that is about to be built, unless it comes with a shape that counted already."""
        if paid:
            self._new_pieces.note((bound.key, piece))
        else:
            self._new_pieces.take(caller.name, (bound.key, piece))

    async def _run(
        self, job: Computation, seat: Seat | None, deadline_s: float | None, arrived_s: float, caller: Caller
    ) -> Served[Outputs]:
        estimate = job.bound.costs.estimate(job.piece)
        if job.session is not None and job.plain and estimate is not None and estimate.measured:
            job.brief = estimate.seconds <= _BRIEF_S
        future = self._executor.submit(
            job.run,
            share=caller.name,
            line=caller.connection,
            seat=seat,
            expected_s=None if estimate is None else estimate.seconds,
            unloaded_s=estimate.seconds if estimate is not None and estimate.measured else None,
            deadline_s=deadline_s,
            arrived_s=arrived_s,
            lead_s=job.lead_s,
            aside_s=lambda: job.decoding_s,
            brief=job.brief,
        )
        served = future.result() if future.done() else await self._awaited(future, job.stop, deadline_s)
        if self._learner is not None:
            self._learner.note_use(job.bound, job.piece)
        return served

    async def _awaited(
        self, future: "Future[Served[Outputs]]", stop: Stop, deadline_s: float | None
    ) -> Served[Outputs]:
        """What a job gives; a face cancels this when its client leaves, and it leaves the queue or its run ends."""
        loop = asyncio.get_running_loop()
        timer = None if deadline_s is None else loop.call_later(max(0.0, deadline_s - self._clock()), stop.stop)
        try:
            return await asyncio.wrap_future(future)
        except RunStopped as error:
            raise RequestExpired("the deadline passed while the request ran; allow it more time") from error
        except asyncio.CancelledError:
            stop.stop()
            await _ended(future)  # what it holds of its caller's places is free only then
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def _answer_costs(self, query: CostQuery, arrived_s: float, caller: Caller) -> Reply:
        source = (await self._find(query.model_name, "")).source()
        check_digest(source, query.digest)
        binding = read_binding(source, query.binding, {})
        bound = self._models.peek(source, binding)
        if bound is None:
            self._new_pieces.take(caller.name, (source.digest, binding))
            self._prepare(source, binding, query, caller)
            unknown = CostAnswer(server_s=(None,) * len(query.cuts), measured=(False,) * len(query.cuts))
            return self._costs_response(unknown, arrived_s)
        # Thousands of cuts may be asked about, each a walk through the graph.
        answer = await asyncio.get_running_loop().run_in_executor(self._pool, bound.costs.answer, query.cuts)
        if self._learner is not None:
            self._learner.note_interest(bound, query.cuts)
        return self._costs_response(answer, arrived_s)

    def _costs_response(self, answer: CostAnswer, arrived_s: float) -> Reply:
        # What it spent here is service, or clients would take it for the network's.
        load = replace(self.load(), service_s=max(0.0, self._clock() - arrived_s))
        response = encode_cost_answer(replace(answer, codecs=self._codecs), encode_load(load))
        return Reply(response=response, load=load)

    def _prepare(self, source: Source, binding: Binding, query: CostQuery, caller: Caller) -> None:
        def learn(made: "asyncio.Future[BoundModel]") -> None:
            if self._learner is not None and not made.cancelled() and made.exception() is None:
                self._learner.note_interest(made.result(), query.cuts)

        self._models.prepare(source, binding, by=caller.name).add_done_callback(learn)

    async def _find(self, name: str, version: str) -> ModelFile:
        try:
            return self._repository.find(name, version)
        except ModelNotFound:
            await self._lookout.look()
            return self._repository.find(name, version)


def _turned_away(request: InferRequest, file: ModelFile, load: Load) -> Reply:
    parameters = {**encode_load(load), TURNED_AWAY: True}
    return Reply(response=_response(request, file, (), parameters), load=load, turned_away=True)


def _response(
    request: InferRequest, file: ModelFile, tensors: tuple[Tensor, ...], parameters: Mapping[str, Parameter]
) -> InferResponse:
    return InferResponse(
        model_name=request.model_name,
        model_version=file.version,
        id=request.id,
        tensors=tensors,
        parameters=parameters,
    )


async def _ended(future: "Future[Served[Outputs]]") -> None:
    answer = asyncio.wrap_future(future)
    await asyncio.wait((answer,))
    if not answer.cancelled():
        answer.exception()  # read here, since nobody else will


def _is_static(source: Source) -> bool:
    return all(tensor.static_shape is not None for tensor in (*source.inputs, *source.optional_inputs))


def _describe(tensor: TensorInfo) -> TensorMetadata:
    return TensorMetadata(
        name=tensor.name,
        datatype=datatype_of(tensor.dtype) if tensor.dtype is not None and can_cross(tensor.dtype) else "UNKNOWN",
        shape=tuple(length if isinstance(length, int) else -1 for length in tensor.shape or ()),
    )
