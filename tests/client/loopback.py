"""A server without a network: runs real tails in this process, behind real wire bytes, over a link made of numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from partway.client import Answer
from partway.codecs import Coded, available_codecs, decode_tensor
from partway.engine import OrtRuntime, PieceStore
from partway.errors import PartwayError, ServerRefused
from partway.graph import Binding, Model, Source, canonicalise, tail_piece
from partway.testing import FakeCall
from partway.wire import (
    BINDING,
    CODEC,
    COSTS_MODEL,
    DIGEST,
    CostAnswer,
    InferRequest,
    InferResponse,
    Load,
    Tensor,
    decode_cost_query,
    decode_request,
    decode_response,
    encode_cost_answer,
    encode_load,
    encode_request,
    encode_response,
)

IDLE = Load(queue_delay_s=0.0, slowdown=1.0, service_s=0.0, queue_s=0.0)


class LoopbackServer:
    """A transport that answers by itself.

    Args:
        path: the model it serves.
        uplink_bytes_per_s: of the pretended link.
        rtt_s: of the pretended link.
        tail_s: what it says a whole model takes; tails take their share of nodes.
    """

    def __init__(
        self, path: Path, *, uplink_bytes_per_s: float = 1e9, rtt_s: float = 0.0, tail_s: float = 1e-6
    ) -> None:
        self.source = Source.open(path)
        self.runtime = OrtRuntime(threads=1)
        self.uplink_bytes_per_s = uplink_bytes_per_s
        self.rtt_s = rtt_s
        self.tail_s: float | None = tail_s
        self.load = IDLE
        self.codecs = available_codecs()
        self.before: Callable[[InferRequest], None] = lambda _request: None
        self.alter: Callable[[bytes], bytes] = lambda content: content
        self.inferred: list[InferRequest] = []
        self._stores: dict[str, PieceStore] = {}

    def start(self, request: InferRequest, timeout_s: float) -> FakeCall:
        """A call that is settled already."""
        call = FakeCall()
        try:
            answer = self._answer(request)
        except PartwayError as error:
            call.fail(error)
        else:
            call.settle(lambda: answer)
        return call

    def _answer(self, request: InferRequest) -> Answer:
        """Encode, decode, run, encode, decode: as between two machines."""
        sent = encode_request(request)
        arrived = decode_request(sent)
        self.before(arrived)
        if arrived.model_name == COSTS_MODEL:
            query = decode_cost_query(arrived)
            count = len(query.cuts)
            costs = CostAnswer(server_s=(self.tail_s,) * count, measured=(False,) * count, codecs=self.codecs)
            response = encode_cost_answer(costs, encode_load(self.load))
        else:
            self.inferred.append(arrived)
            response = self._run(arrived)
        content = self.alter(encode_response(response))
        return Answer(
            response=decode_response(content),
            round_trip_s=self.rtt_s + len(sent) / self.uplink_bytes_per_s,
            up_bytes=len(sent),
            down_bytes=len(content),
        )

    def close(self) -> None:
        """Nothing to let go."""

    def _run(self, request: InferRequest) -> InferResponse:
        assert request.parameters[DIGEST] == self.source.digest
        encoded = str(request.parameters[BINDING])
        if encoded not in self._stores:
            model = canonicalise(self.source, Binding.decode(encoded), self.runtime)
            self._stores[encoded] = PieceStore(model, self.runtime)
        store = self._stores[encoded]
        feeds = {tensor.name: self._read(tensor, store.model) for tensor in request.tensors}
        piece = tail_piece(store.model, feeds, request.outputs)
        outputs = store.session(piece).run(feeds)
        return InferResponse(
            model_name=request.model_name,
            tensors=tuple(Tensor(name=name, array=np.ascontiguousarray(array)) for name, array in outputs.items()),
            parameters=encode_load(self.load),
        )

    def _read(self, tensor: Tensor, model: Model) -> np.ndarray:
        codec = str(tensor.parameters.get(CODEC, "raw"))
        if codec not in self.codecs:
            raise ServerRefused("INVALID_ARGUMENT", f"tensor {tensor.name!r} is coded as {codec!r}")
        return tensor.array if codec == "raw" else decoded(tensor, model)


def decoded(tensor: Tensor, model: Model) -> np.ndarray:
    """The array that a coded tensor holds."""
    info = model.tensors[tensor.name]
    assert info.dtype is not None
    assert info.static_shape is not None
    parameters = {name: value for name, value in tensor.parameters.items() if name != CODEC}
    coded = Coded(array=tensor.array, parameters=parameters)
    return decode_tensor(str(tensor.parameters[CODEC]), coded, dtype=info.dtype, shape=info.static_shape)
