"""What the server's tests share: a plain gRPC client, a clock that is moved by hand, runtimes that wait or count."""

import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import grpc
import numpy as np
import onnx

from partway.engine import Level, OrtRuntime, OrtSession, Stop
from partway.graph import Binding, Source
from partway.wire import (
    BINDING,
    DIGEST,
    CostAnswer,
    CostQuery,
    InferRequest,
    InferResponse,
    Method,
    ModelMetadata,
    ModelQuery,
    Parameter,
    Tensor,
    decode_cost_answer,
    decode_model_metadata,
    decode_ready,
    decode_response,
    encode_cost_query,
    encode_model_query,
    encode_request,
)

PATIENCE_S = 60.0
"""Nothing here takes long; a test that waits this long has failed."""


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class GatedSession(OrtSession):
    """A session whose runs wait until the gate is opened."""

    def __init__(self, session: OrtSession, gate: "GatedRuntime") -> None:
        super().__init__(session._session)
        self._gate = gate

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        self._gate.runs += 1
        self._gate.running.set()
        assert self._gate.opened.wait(PATIENCE_S)
        if self._gate.failure is not None:
            raise self._gate.failure
        return super().run(feeds, outputs, stop=stop)


class GatedRuntime(OrtRuntime):
    """ONNX Runtime whose pieces wait inside their runs, so that a test decides when they end.

    `running` is set once a run has begun; `opened` lets all runs go on; they end in `failure` if there is one.
    """

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.running = threading.Event()
        self.opened = threading.Event()
        self.failure: Exception | None = None
        self.runs = 0

    def load(
        self,
        graph: onnx.ModelProto,
        directory: Path,
        *,
        level: Level,
        prepack: bool,
        profile: Path | None = None,
    ) -> OrtSession:
        session = super().load(graph, directory, level=level, prepack=prepack, profile=profile)
        # Canonicalisation uses sessions too, as they are.
        return session if level is Level.AS_IS else GatedSession(session, self)


class CountingRuntime(OrtRuntime):
    """ONNX Runtime that counts the sessions it made, by their inputs and outputs."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.made: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        self.simplified = 0

    def load(
        self,
        graph: onnx.ModelProto,
        directory: Path,
        *,
        level: Level,
        prepack: bool,
        profile: Path | None = None,
    ) -> OrtSession:
        session = super().load(graph, directory, level=level, prepack=prepack, profile=profile)
        self.made[session.inputs, session.outputs] += 1
        return session

    def simplify(self, source: Path, target: Path, weights_name: str) -> None:
        self.simplified += 1
        super().simplify(source, target, weights_name)


class Client:
    """Talks to a server with gRPC alone; refusals are gRPC's own errors.

    Args:
        address: `host:port`.
    """

    def __init__(self, address: str) -> None:
        unlimited = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
        self._channel = grpc.insecure_channel(address, options=unlimited)
        self.methods = {method: self._channel.unary_unary(method.path) for method in Method}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()

    def send(self, method: Method, data: bytes) -> bytes:
        answer: bytes = self.methods[method](data, timeout=PATIENCE_S, wait_for_ready=True)
        return answer

    def ready(self, name: str, version: str = "") -> bool:
        return decode_ready(self.send(Method.MODEL_READY, encode_model_query(ModelQuery(name=name, version=version))))

    def metadata(self, name: str, version: str = "") -> ModelMetadata:
        query = encode_model_query(ModelQuery(name=name, version=version))
        return decode_model_metadata(self.send(Method.MODEL_METADATA, query))

    def infer(self, request: InferRequest) -> InferResponse:
        return decode_response(self.send(Method.MODEL_INFER, encode_request(request)))

    def costs(self, query: CostQuery) -> CostAnswer:
        return decode_cost_answer(self.infer(encode_cost_query(query)), cuts=len(query.cuts))


def request_of(
    name: str,
    feeds: Mapping[str, np.ndarray],
    *,
    outputs: tuple[str, ...] = (),
    version: str = "",
    binding: Binding | None = None,
    digest: str | None = None,
) -> InferRequest:
    """A request as a client of ours, or with neither binding nor digest a plain one, sends it."""
    parameters: dict[str, Parameter] = {}
    if binding is not None:
        parameters[BINDING] = binding.encode()
    if digest is not None:
        parameters[DIGEST] = digest
    return InferRequest(
        model_name=name,
        model_version=version,
        tensors=tuple(Tensor(name=tensor, array=array) for tensor, array in feeds.items()),
        outputs=outputs,
        parameters=parameters,
    )


def outputs_of(response: InferResponse) -> dict[str, np.ndarray]:
    return {tensor.name: tensor.array for tensor in response.tensors}


def assert_close(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5)


def run_tensors(path: Path, feeds: Mapping[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Intermediate tensors of a model, from a plain session on a copy of the file with more outputs."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    exposed = path.with_suffix(".exposed")
    exposed.write_bytes(model.SerializeToString())
    return OrtRuntime(threads=1).open(exposed, level=Level.BASIC).run(feeds, names)


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code


def default_binding(path: Path) -> Binding:
    return Source.open(path).bind()
