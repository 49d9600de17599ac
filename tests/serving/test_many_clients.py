"""Limits and batches as clients of a running server see them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from tests.models import diamond_model, dynamic_model, random_feeds, run_whole
from tests.serving.support import (
    PATIENCE_S,
    Client,
    GatedRuntime,
    assert_close,
    default_binding,
    outputs_of,
    request_of,
    run_tensors,
    status_of,
)

from partway.engine import OrtRuntime
from partway.graph import Source
from partway.serving import ServerOptions, run_server
from partway.wire import CostQuery, Method, decode_response, encode_request

CLIENTS = 8
REQUESTS = 25


def test_a_client_has_so_many_cuts_built_a_minute_and_uses_those_that_are_there_as_it_likes(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    feeds = random_feeds(path)
    tensors = run_tensors(path, feeds, ("stem", "joined", "skipped"))
    binding = default_binding(path)
    options = ServerOptions(runtime=OrtRuntime(threads=1), pieces_per_minute=2, learn=False)
    with run_server(tmp_path, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        requests = [
            request_of("diamond", feeds, binding=binding),  # builds the graph and the whole model, which counts once
            request_of("diamond", {"stem": tensors["stem"]}, binding=binding),
            request_of("diamond", {"skipped": tensors["skipped"]}, binding=binding),
        ]
        expected = run_whole(path, feeds)
        for request in requests[:2]:
            assert_close(outputs_of(client.infer(request)), expected)
        with pytest.raises(grpc.RpcError, match="asked for 2 cuts or shapes within a minute") as refused:
            client.infer(requests[2])
        assert status_of(refused.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
        for request in requests[:2]:
            assert_close(outputs_of(client.infer(request)), expected)
        query = CostQuery(
            model_name="diamond",
            digest=Source.open(path).digest,
            binding=binding.encode(),
            cuts=(("joined",), ("skipped",)),
        )
        assert len(client.costs(query).server_s) == 2


def test_a_client_waits_for_so_many_answers_and_no_more(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    runtime = GatedRuntime()
    options = ServerOptions(runtime=runtime, requests_per_client=2, learn=False)
    with run_server(tmp_path, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        feeds = random_feeds(path)
        message = encode_request(request_of("diamond", feeds))
        first = [client.methods[Method.MODEL_INFER].future(message, timeout=PATIENCE_S) for _ in range(2)]
        assert runtime.running.wait(PATIENCE_S)
        while server._executor.waiting < 1:
            client.ready("diamond")  # a round trip through the server instead of a sleep
        with pytest.raises(grpc.RpcError, match="waits for 2 answers already") as refused:
            client.send(Method.MODEL_INFER, message)
        assert status_of(refused.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
        runtime.opened.set()
        for call in first:
            assert_close(outputs_of(decode_response(call.result())), run_whole(path, feeds))


def test_every_client_gets_its_own_answers_while_their_requests_are_batched(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    options = ServerOptions(runtime=OrtRuntime(threads=1))
    with run_server(tmp_path, options=options) as server:
        server.settle(PATIENCE_S)

        def ask(number: int) -> None:
            with Client(server.address) as client:
                for seed in range(REQUESTS):
                    feeds = random_feeds(path, {"image": (1, 3, 64, 64)}, seed=1000 * number + seed)
                    assert_close(outputs_of(client.infer(request_of("dynamic", feeds))), run_whole(path, feeds))

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(ask, number) for number in range(CLIENTS)]:
                done.result(PATIENCE_S)
