"""What becomes of a run that nobody waits for any more."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from tests.models import chain_model, dynamic_model, random_feeds, run_whole
from tests.serving.batches import Bench
from tests.serving.support import PATIENCE_S, Client, Clock, assert_close, outputs_of, request_of, status_of

from partway.engine import Level, OrtRuntime, OrtSession, Stop
from partway.errors import RunStopped
from partway.serving import Server, ServerOptions, run_server
from partway.serving.batching import TailGroup
from partway.serving.computation import Computation
from partway.wire import InferRequest, Method, encode_request


class _EndlessSession(OrtSession):
    def __init__(self, session: OrtSession, runtime: "EndlessRuntime") -> None:
        super().__init__(session._session)
        self._runtime = runtime

    def run(
        self, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...] | None = None, *, stop: Stop | None = None
    ) -> dict[str, np.ndarray]:
        if stop is not None and self._runtime.endless:
            stopped = threading.Event()
            stop.on_stop(stopped.set)
            self._runtime.running.set()
            assert stopped.wait(PATIENCE_S)
            self._runtime.told.set()
            assert self._runtime.opened.wait(PATIENCE_S)
        return super().run(feeds, outputs, stop=stop)


class EndlessRuntime(OrtRuntime):
    """ONNX Runtime whose pieces run until they are told to stop, and then until `opened` is set."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.endless = True
        self.running, self.told, self.opened = threading.Event(), threading.Event(), threading.Event()

    def load(
        self, graph: onnx.ModelProto, directory: Path, *, level: Level, prepack: bool, profile: Path | None = None
    ) -> OrtSession:
        return _EndlessSession(super().load(graph, directory, level=level, prepack=prepack, profile=profile), self)


@contextmanager
def endless_server(
    folder: Path, clock: Clock | None = None
) -> Iterator[tuple[Server, EndlessRuntime, Client, InferRequest]]:
    path, runtime = chain_model(folder), EndlessRuntime()
    options = ServerOptions(runtime=runtime, requests_per_client=1, learn=False, clock=clock or time.perf_counter)
    with run_server(folder, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        yield server, runtime, client, request_of("chain", random_feeds(path))


def test_a_run_ends_when_its_client_leaves_and_holds_its_place_until_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "partway"),
        endless_server(tmp_path) as (server, runtime, client, request),
    ):
        message = encode_request(request)
        leaving = client.methods[Method.MODEL_INFER].future(message, timeout=PATIENCE_S)
        assert runtime.running.wait(PATIENCE_S)
        leaving.cancel()
        assert runtime.told.wait(PATIENCE_S)
        with pytest.raises(grpc.RpcError, match="waits for 1 answers already"):
            client.send(Method.MODEL_INFER, message)
        runtime.endless = False
        runtime.opened.set()
        assert server._executor.wait_idle(PATIENCE_S)
        (bound,) = server._models._bound.values()
        piece = bound.known[0]
        assert bound.costs.observed(piece) == 0
        while server._handlers._in_flight._unanswered:
            client.ready("chain")  # a round trip through the server instead of a sleep
        assert_close(
            outputs_of(client.infer(request)), run_whole(tmp_path / "chain.onnx", random_feeds(tmp_path / "chain.onnx"))
        )
        assert bound.costs.observed(piece) == 1
    assert not caplog.records


def test_a_run_ends_when_its_deadline_passes(tmp_path: Path) -> None:
    with endless_server(tmp_path, clock=Clock()) as (server, runtime, client, request):
        runtime.opened.set()
        with pytest.raises(grpc.RpcError, match="while the request ran") as late:
            client.infer(replace(request, parameters={"timeout": 50_000}))
        assert status_of(late.value) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert server._executor.wait_idle(PATIENCE_S)


def test_a_batch_ends_when_all_of_its_members_have_left_and_not_before(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), shapes={"image": (1, 3, 8, 8)})
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    shape = bench.bound.model.tensors["pool1"].static_shape
    assert shape is not None

    def make() -> dict[str, np.ndarray]:
        return {"pool1": generator.standard_normal(shape).astype(np.float32)}

    def members() -> list[Computation]:
        return [
            Computation(bench.bound, piece, make(), {}, executor=bench.executor, clock=bench.clock, lead_s=0.0)
            for _ in range(2)
        ]

    bench.prove(piece, make, sizes=(2,))
    bench.rest(piece)
    group = bench.bound.groups[piece]
    assert isinstance(group, TailGroup)
    left, stayed = members()
    left.stop.stop()
    outcome = group.run([left, stayed])[1]
    assert isinstance(outcome, Mapping)
    assert_close(outcome, bench.alone(piece, stayed.feeds()))
    gone = members()
    for member in gone:
        member.stop.stop()
    assert all(isinstance(outcome, RunStopped) for outcome in group.run(gone))
    assert group.proved(2)
    bench.close()
