"""The server as a whole: in a process of its own, and in this one where a test has to reach inside."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tests.models import chain_model, diamond_model, random_feeds, run_whole
from tests.serving.rest_client import RestClient, rest_client
from tests.serving.support import (
    PATIENCE_S,
    Client,
    CountingRuntime,
    GatedRuntime,
    assert_close,
    outputs_of,
    request_of,
    run_tensors,
    status_of,
)
from tests.serving.test_health import check
from tests.wire.rest_bodies import rest_body

from partway.errors import EngineError, InputError
from partway.serving import Server, ServerOptions, run_server
from partway.wire import (
    QUEUE_WITHIN,
    STATE_HEADER,
    TURNED_AWAY,
    Health,
    InferRequest,
    Method,
    decode_load,
    decode_ready,
    encode_request,
)

Code = grpc.StatusCode
ROOT = Path(__file__).parents[2]
_MOST_ROUND_TRIPS = 100_000


@contextmanager
def server_process(folder: Path, *flags: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server of its own, and its address; killed at the end if it is still there."""
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.serving.server_process", str(folder), *flags),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))},
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def wait_until_opened(client: Client, name: str) -> None:
    wait_for(lambda: client.ready(name), client)


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if word in line)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return chain_model(tmp_path / "repository")


@pytest.fixture
def request_for_chain(chain: Path) -> InferRequest:
    return request_of("chain", random_feeds(chain))


# --- A process of its own ------------------------------------------------------------------------------------


def test_a_server_process_answers_whole_models_and_cuts_alike(chain: Path) -> None:
    feeds = random_feeds(chain)
    expected = run_whole(chain, feeds)
    with server_process(chain.parent) as (_, address), Client(address) as client:
        wait_until_opened(client, "chain")
        assert_close(outputs_of(client.infer(request_of("chain", feeds))), expected)
        for name in ("pool1", "mean"):
            crossing = run_tensors(chain, feeds, (name,))
            assert_close(outputs_of(client.infer(request_of("chain", crossing))), expected)


def test_sigterm_lets_the_running_request_finish(chain: Path, request_for_chain: InferRequest) -> None:
    with server_process(chain.parent, "--gated") as (process, address), Client(address) as client:
        wait_until_opened(client, "chain")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.infer, request_for_chain)
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "running\n"
            process.send_signal(signal.SIGTERM)
            read_until(process, "server_draining")
            process.stdin.write("go on\n")
            process.stdin.flush()
            response = answer.result(PATIENCE_S)
        assert_close(outputs_of(response), run_whole(chain, random_feeds(chain)))
        assert process.wait(PATIENCE_S) == 0
        assert read_until(process, "server_stopped")


def test_who_comes_after_sigterm_is_declined_on_both_faces_and_not_hung_up_on(
    chain: Path, request_for_chain: InferRequest
) -> None:
    with (
        server_process(chain.parent, "--gated", "--rest") as (process, addresses),
        Client(addresses.split()[0]) as client,
        closing(RestClient(addresses.split()[1])) as rest,
        ThreadPoolExecutor(1) as pool,
    ):
        wait_until_opened(client, "chain")
        answer = pool.submit(client.infer, request_for_chain)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        read_until(process, "server_draining")
        late = begin(client, request_for_chain)
        assert late.code() is Code.UNAVAILABLE
        assert "shutting down" in late.details()
        assert dict(late.trailing_metadata())[STATE_HEADER] == "draining"
        assert not decode_ready(client.send(Method.SERVER_READY, b""))
        assert check(addresses.split()[0], "") is Health.NOT_SERVING
        ready = rest.get("/v2/health/ready")
        assert (ready.status, ready.document) == (503, {"ready": False})
        declined = rest.infer("chain", rest_body(request_for_chain))
        assert (declined.status, declined.document["state"]) == (503, "draining")
        assert declined.headers[STATE_HEADER] == "draining"
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert_close(outputs_of(answer.result(PATIENCE_S)), run_whole(chain, random_feeds(chain)))
        assert process.wait(PATIENCE_S) == 0


def test_sigint_ends_an_idle_server_cleanly(chain: Path) -> None:
    with server_process(chain.parent) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def test_a_killed_server_is_an_error_at_once_and_not_a_hang(chain: Path, request_for_chain: InferRequest) -> None:
    with server_process(chain.parent, "--gated") as (process, address), Client(address) as client:
        wait_until_opened(client, "chain")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.infer, request_for_chain)
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            process.kill()
            with pytest.raises(grpc.RpcError) as lost:
                answer.result(PATIENCE_S)
        assert status_of(lost.value) is Code.UNAVAILABLE


# --- In this process -----------------------------------------------------------------------------------------


@contextmanager
def gated_server(
    chain: Path, *, queue_capacity: int = 64, in_flight_bytes: int = 2**20, rest_port: int | None = None
) -> Iterator[tuple[Server, GatedRuntime, Client]]:
    gate = GatedRuntime()
    options = ServerOptions(
        runtime=gate,
        learn=False,
        queue_capacity=queue_capacity,
        in_flight_bytes=in_flight_bytes,
        rest_port=rest_port,
    )
    with run_server(chain.parent, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        try:
            yield server, gate, client
        finally:
            gate.opened.set()


def begin(client: Client, request: InferRequest, *, timeout_s: float = PATIENCE_S) -> grpc.Future:
    return client.methods[Method.MODEL_INFER].future(encode_request(request), timeout=timeout_s)


def wait_for(condition: Callable[[], bool], client: Client) -> None:
    for _ in range(_MOST_ROUND_TRIPS):
        if condition():
            return
        client.ready("chain")  # a round trip through the server instead of a sleep
    pytest.fail("what the test waits for does not happen")


def waiting(server: Server) -> int:
    return server._executor.waiting


def test_sixteen_first_requests_of_a_cut_build_its_piece_once(tmp_path: Path) -> None:
    path = diamond_model(tmp_path / "repository")
    feeds = random_feeds(path)
    crossing = run_tensors(path, feeds, ("left2", "right2", "stem"))
    runtime = CountingRuntime()
    with run_server(path.parent, options=ServerOptions(runtime=runtime, learn=False)) as server:
        server.settle(PATIENCE_S)
        with Client(server.address) as client:
            calls = [begin(client, request_of("diamond", crossing)) for _ in range(16)]
            assert all(call.code() is Code.OK for call in calls)
    assert runtime.simplified == 1
    tails = {piece: count for piece, count in runtime.made.items() if set(piece[0]) == set(crossing)}
    assert list(tails.values()) == [1]


def test_a_full_queue_is_resource_exhausted_and_recovers(chain: Path, request_for_chain: InferRequest) -> None:
    with gated_server(chain, queue_capacity=1) as (server, gate, client):
        running = begin(client, request_for_chain)
        assert gate.running.wait(PATIENCE_S)
        queued = begin(client, request_for_chain)
        wait_for(lambda: waiting(server) == 1, client)
        with pytest.raises(grpc.RpcError) as refusal:
            client.infer(request_for_chain)
        assert status_of(refusal.value) is Code.RESOURCE_EXHAUSTED
        assert "1 requests wait already" in refusal.value.details()
        gate.opened.set()
        assert running.code() is Code.OK
        assert queued.code() is Code.OK
        client.infer(request_for_chain)


def test_who_may_wait_for_less_than_the_queue_lasts_is_turned_away_at_once(
    chain: Path, request_for_chain: InferRequest
) -> None:
    with gated_server(chain, rest_port=0) as (server, gate, client), rest_client(server) as rest:
        gate.opened.set()
        released = threading.Event()
        occupied = server._executor.submit(lambda: released.wait(PATIENCE_S), expected_s=3600.0)
        hurried = replace(request_for_chain, parameters={**request_for_chain.parameters, QUEUE_WITHIN: 60_000_000})
        by_grpc, by_rest = client.infer(hurried), rest.infer("chain", rest_body(hurried)).response
        for away in (by_grpc, by_rest):
            assert (away.tensors, away.parameters[TURNED_AWAY]) == ((), True)
            load = decode_load(away.parameters)
            assert load is not None
            assert load.queue_delay_s > 3000.0
        page = rest.get("/metrics").body.decode()
        for face in ("grpc", "rest"):
            assert f'partway_turned_away_total{{face="{face}",model="chain"}} 1.0' in page
        assert "partway_queue_seconds_count" not in page, "who did not wait counts for no wait"
        patient = begin(client, replace(hurried, parameters={QUEUE_WITHIN: 3_600_000_000}))
        wait_for(lambda: waiting(server) == 1, client)
        assert gate.runs == 0
        released.set()
        assert occupied.result(PATIENCE_S).value
        assert patient.code() is Code.OK
        answer = client.infer(hurried)
        assert answer.tensors
        assert TURNED_AWAY not in answer.parameters


def test_more_bytes_in_flight_than_may_be_are_refused_before_decoding(
    chain: Path, request_for_chain: InferRequest
) -> None:
    size_bytes = len(encode_request(request_for_chain))
    with gated_server(chain, in_flight_bytes=size_bytes - 1) as (_, gate, client):
        running = begin(client, request_for_chain)  # alone it may be longer
        assert gate.running.wait(PATIENCE_S)
        with pytest.raises(grpc.RpcError) as refusal:
            client.send(Method.MODEL_INFER, b"\xff" * 8)  # it would not decode
        assert status_of(refusal.value) is Code.RESOURCE_EXHAUSTED
        assert (
            f"{size_bytes} bytes of 127.0.0.1's other requests are in flight and this one has 8"
            in refusal.value.details()
        )
        gate.opened.set()
        assert running.code() is Code.OK
        client.infer(request_for_chain)


def test_a_client_that_leaves_takes_its_request_out_of_the_queue(chain: Path, request_for_chain: InferRequest) -> None:
    with gated_server(chain) as (server, gate, client):
        running = begin(client, request_for_chain)
        assert gate.running.wait(PATIENCE_S)
        leaving = begin(client, request_for_chain)
        wait_for(lambda: waiting(server) == 1, client)
        assert leaving.cancel()
        wait_for(lambda: all(job.future.cancelled() for job in server._executor._turns), client)
        gate.opened.set()
        assert running.code() is Code.OK
        client.infer(request_for_chain)
        assert gate.runs == 2


def test_a_request_whose_deadline_passes_in_the_queue_is_never_run(
    chain: Path, request_for_chain: InferRequest
) -> None:
    with gated_server(chain) as (server, gate, client):
        running = begin(client, request_for_chain)
        assert gate.running.wait(PATIENCE_S)
        late = begin(client, request_for_chain, timeout_s=0.05)
        assert late.code() is Code.DEADLINE_EXCEEDED
        wait_for(lambda: all(job.future.cancelled() for job in server._executor._turns), client)
        gate.opened.set()
        assert running.code() is Code.OK
        client.infer(request_for_chain)
        assert gate.runs == 2


def test_a_model_that_is_being_opened_is_unavailable_for_now(chain: Path, request_for_chain: InferRequest) -> None:
    async def ask_early() -> None:
        server = Server(chain.parent, options=ServerOptions(learn=False))
        blocked = threading.Event()
        for _ in range(4):  # whatever opens files has its hands full
            server._pool.submit(blocked.wait, PATIENCE_S)
        await server.start()
        with Client(server.address) as client:
            assert not await asyncio.to_thread(client.ready, "chain")
            early = begin(client, request_for_chain)
            assert await asyncio.to_thread(early.code) is Code.UNAVAILABLE
            assert "still being opened" in early.details()
            assert dict(early.trailing_metadata())[STATE_HEADER] == "loading"
            blocked.set()
            await asyncio.to_thread(server.settle, PATIENCE_S)
            assert await asyncio.to_thread(client.ready, "chain")
        await server.stop()

    asyncio.run(ask_early())


def test_a_model_that_is_put_into_the_folder_later_is_found(chain: Path) -> None:
    with run_server(chain.parent, options=ServerOptions(learn=False)) as server, Client(server.address) as client:
        path = diamond_model(chain.parent)
        wait_until_opened(client, "diamond")
        feeds = random_feeds(path)
        assert_close(outputs_of(client.infer(request_of("diamond", feeds))), run_whole(path, feeds))


def test_the_highest_version_answers_unless_another_is_asked_for(chain: Path) -> None:
    for version, build in (("2", chain_model), ("3", diamond_model)):
        folder = chain.parent / "tree" / version
        build(folder).rename(folder / "model.onnx")
    chain_feeds, diamond_feeds = random_feeds(chain), random_feeds(chain.parent / "tree" / "3" / "model.onnx")
    with run_server(chain.parent, options=ServerOptions(learn=False)) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        assert client.metadata("tree").versions == ("2", "3")
        assert client.infer(request_of("tree", diamond_feeds)).model_version == "3"
        older = client.infer(request_of("tree", chain_feeds, version="2"))
        assert_close(outputs_of(older), run_whole(chain, chain_feeds))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EngineError("the kernel failed\non two lines"), "the kernel failed on two lines"),
        (ZeroDivisionError("secret details"), "the server failed on this request; its log says why"),
    ],
)
def test_a_failing_engine_is_internal_and_says_so_in_one_sentence(
    error: Exception, sentence: str, chain: Path, request_for_chain: InferRequest
) -> None:
    runtime = GatedRuntime()
    runtime.failure = error
    runtime.opened.set()
    with run_server(chain.parent, options=ServerOptions(runtime=runtime, learn=False)) as server:
        server.settle(PATIENCE_S)
        with Client(server.address) as client:
            with pytest.raises(grpc.RpcError) as refusal:
                client.infer(request_for_chain)
            assert status_of(refusal.value) is Code.INTERNAL
            assert refusal.value.details() == sentence
            runtime.failure = None
            client.infer(request_for_chain)


def test_a_peer_that_speaks_no_grpc_or_leaves_in_the_middle_harms_nobody(
    chain: Path, request_for_chain: InferRequest
) -> None:
    with run_server(chain.parent, options=ServerOptions(learn=False)) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        host, _, port = server.address.rpartition(":")
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x04pickle" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00"):
            with socket.create_connection((host, int(port))) as peer:
                peer.sendall(data)
        client.infer(request_for_chain)


def test_a_port_that_is_taken_is_refused(chain: Path) -> None:
    with run_server(chain.parent) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(InputError, match="cannot be listened on"), run_server(chain.parent, port=port):
            pytest.fail("two servers on one port")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"), run_server(tmp_path / "nothing"):
        pytest.fail("a server of nothing")


def test_the_address_is_what_clients_are_told(chain: Path) -> None:
    with run_server(chain.parent) as server:
        assert server.address.startswith("127.0.0.1:")
        assert server.url == f"grpc://{server.address}"
