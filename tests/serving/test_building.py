"""What is built for clients: by whom it is paid, and who waits for it meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import onnx
import pytest
from tests.models import chain_model, diamond_model, dynamic_model, random_feeds, run_whole
from tests.serving.support import PATIENCE_S, Client, assert_close, default_binding, outputs_of, request_of

from partway.engine import Level, OrtRuntime, OrtSession
from partway.graph import Source
from partway.serving import Server, ServerOptions, handlers, run_server
from partway.wire import CostQuery, Method, decode_load, encode_cost_query, encode_request


class SlowBuilder(OrtRuntime):
    """ONNX Runtime that makes graphs and sessions only while its gate is open."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.opened = threading.Event()
        self.opened.set()
        self.building = threading.Event()

    def load(
        self, graph: onnx.ModelProto, directory: Path, *, level: Level, prepack: bool, profile: Path | None = None
    ) -> OrtSession:
        self._wait()
        return super().load(graph, directory, level=level, prepack=prepack, profile=profile)

    def simplify(self, source: Path, target: Path, weights_name: str) -> None:
        self._wait()
        super().simplify(source, target, weights_name)

    def _wait(self) -> None:
        if not self.opened.is_set():
            self.building.set()
            assert self.opened.wait(PATIENCE_S)


@contextmanager
def serving(
    folder: Path, runtime: OrtRuntime, *, pieces_per_minute: int = 60, memory_bytes: int | None = None
) -> Iterator[tuple[Server, Client]]:
    options = ServerOptions(
        runtime=runtime, pieces_per_minute=pieces_per_minute, memory_bytes=memory_bytes, learn=False
    )
    with run_server(folder, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        yield server, client


def test_the_server_answers_others_while_a_brief_tail_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_BRIEF_S", PATIENCE_S)
    path, runtime = chain_model(tmp_path), SlowBuilder()
    request = request_of("chain", random_feeds(path))
    with serving(tmp_path, runtime) as (server, client):
        for _ in range(3):
            client.infer(request)
        (bound,) = server._models._bound.values()
        bound.store.want_candidates()
        assert bound.store.promote()
        runtime.opened.clear()
        infer = client.methods[Method.MODEL_INFER]
        calls = [infer.future(encode_request(request), timeout=PATIENCE_S)]
        assert runtime.building.wait(PATIENCE_S)
        calls.append(infer.future(encode_request(request), timeout=PATIENCE_S))
        for _ in range(10):
            assert client.ready("chain")
        assert not any(call.done() for call in calls)
        runtime.opened.set()
        assert all(call.code() is grpc.StatusCode.OK for call in calls)


def test_nobody_pays_for_what_the_server_itself_forgot(tmp_path: Path) -> None:
    paths = chain_model(tmp_path), diamond_model(tmp_path)
    with serving(tmp_path, OrtRuntime(threads=1), pieces_per_minute=2, memory_bytes=2**16) as (_, client):
        for _ in range(4):
            for path in paths:
                feeds = random_feeds(path)
                assert_close(outputs_of(client.infer(request_of(path.stem, feeds))), run_whole(path, feeds))


def test_asking_again_and_again_for_costs_of_what_is_being_made_counts_once(tmp_path: Path) -> None:
    path, runtime = chain_model(tmp_path), SlowBuilder()
    query = CostQuery(
        model_name="chain",
        digest=Source.open(path).digest,
        binding=default_binding(path).encode(),
        cuts=(("image",),),
    )
    with serving(tmp_path, runtime, pieces_per_minute=1) as (_, client):
        runtime.opened.clear()
        for _ in range(5):
            assert client.costs(query).server_s == (None,)
        runtime.opened.set()


def test_who_may_have_nothing_more_built_is_told_so_before_the_work(tmp_path: Path) -> None:
    path, runtime = dynamic_model(tmp_path), SlowBuilder()
    with serving(tmp_path, runtime, pieces_per_minute=1) as (_, client):
        client.infer(request_of("dynamic", random_feeds(path, {"image": (1, 3, 8, 8)})))
        runtime.opened.clear()
        with pytest.raises(grpc.RpcError, match="asked for 1 cuts or shapes"):
            client.infer(request_of("dynamic", random_feeds(path, {"image": (2, 3, 8, 8)})))
        assert not runtime.building.is_set()
        runtime.opened.set()


def test_the_answer_about_costs_says_how_long_it_was_in_the_server(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    query = CostQuery(
        model_name="chain", digest=Source.open(path).digest, binding=default_binding(path).encode(), cuts=(("image",),)
    )
    with serving(tmp_path, OrtRuntime(threads=1)) as (_, client):
        client.infer(request_of("chain", random_feeds(path)))
        load = decode_load(client.infer(encode_cost_query(query)).parameters)
    assert load is not None
    assert load.service_s > 0.0
