"""The REST face on real sockets: what it answers, whom it waits for, and whom it does not."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.models import chain_model, random_feeds, run_whole
from tests.serving.rest_client import RestClient, raw_connection, read_to_end, rest_client
from tests.serving.support import (
    PATIENCE_S,
    GatedRuntime,
    assert_close,
    default_binding,
    outputs_of,
    request_of,
    run_tensors,
)
from tests.wire.rest_bodies import rest_body

from partway.errors import InputError
from partway.graph import Source
from partway.serving import Server, ServerOptions, run_server
from partway.serving.bodies import Patience
from partway.wire import (
    ORCA_HEADER,
    CostQuery,
    decode_cost_answer,
    decode_load,
    encode_cost_query,
)

HASTY = Patience(idle_s=0.2, first_s=0.2, body_s=0.4)
_MOST_ROUND_TRIPS = 2000


@pytest.fixture
def client(server: Server) -> Iterator[RestClient]:
    with rest_client(server) as client:
        yield client


# --- What it answers ---------------------------------------------------------------------------------------


def test_the_server_is_live_and_ready_and_says_what_it_is(client: RestClient) -> None:
    assert client.get("/v2/health/live").document == {"live": True}
    assert client.get("/v2/health/ready").document == {"ready": True}
    metadata = client.get("/v2").document
    assert metadata["name"] == "partway"
    assert {"partway.cuts", "binary_tensor_data"} <= set(metadata["extensions"])


@pytest.mark.parametrize("path", ["/v2/models/dynamic", "/v2/models/dynamic/versions/1"])
def test_a_model_is_described_with_its_open_dimensions(path: str, client: RestClient) -> None:
    metadata = client.get(path).document
    assert (metadata["platform"], metadata["versions"]) == ("onnxruntime_onnx", ["1"])
    assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, -1, -1]}]
    assert metadata["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 5]}]


def test_models_are_ready_once_opened_and_broken_ones_are_not(client: RestClient) -> None:
    for path in ("chain", "chain/versions/1", "partway.costs"):
        assert client.get(f"/v2/models/{path}/ready").document["ready"]
    broken = client.get("/v2/models/broken/ready")
    assert (broken.status, broken.document) == (503, {"name": "broken", "ready": False})
    assert client.get("/v2/models/nothing/ready").status == 404


@pytest.mark.parametrize("name", ["chain", "diamond", "dynamic", "multi_io"])
@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
def test_a_plain_client_gets_the_whole_models_answer(name: str, binary: bool, client: RestClient, folder: Path) -> None:
    path = folder / f"{name}.onnx"
    feeds = random_feeds(path, {"image": (1, 3, 8, 8)} if name == "dynamic" else {})
    body = rest_body(
        request_of(name, feeds), binary=tuple(feeds) if binary else (), parameters={"binary_data_output": binary}
    )
    reply = client.infer(name, body)
    assert reply.headers["Content-Type"] == ("application/octet-stream" if binary else "application/json")
    assert_close(outputs_of(reply.response), run_whole(path, feeds))


def test_an_intermediate_tensor_gives_the_same_answer(client: RestClient, folder: Path) -> None:
    path = folder / "diamond.onnx"
    feeds = random_feeds(path)
    crossing = run_tensors(path, feeds, ("left2", "right2", "stem"))
    request = request_of("diamond", crossing, binding=default_binding(path), digest=Source.open(path).digest)
    reply = client.infer("diamond/versions/1", rest_body(request, binary=("stem", "left2")))
    assert reply.response.model_version == "1"
    assert_close(outputs_of(reply.response), run_whole(path, feeds))


def test_every_answer_carries_the_load(client: RestClient, folder: Path) -> None:
    reply = client.infer("chain", rest_body(request_of("chain", random_feeds(folder / "chain.onnx"))))
    load = decode_load(reply.response.parameters)
    assert load is not None
    assert load.service_s > 0.0
    for answer in (reply, client.infer("nothing", rest_body(request_of("nothing", {})))):
        assert answer.headers[ORCA_HEADER].startswith("TEXT named_metrics.queue_delay_s=")


def test_costs_are_asked_as_a_model(client: RestClient, folder: Path) -> None:
    source = Source.open(folder / "chain.onnx")
    query = CostQuery(
        model_name="chain", digest=source.digest, binding=source.bind().encode(), cuts=(("image",), ("pool1",))
    )
    for binary in ((), ("cuts",)):
        body = rest_body(encode_cost_query(query), binary=binary, parameters={"binary_data_output": True})
        reply = client.infer("partway.costs", body)
        assert len(decode_cost_answer(reply.response, cuts=2).server_s) == 2


def test_a_body_may_come_in_chunks(server: Server, folder: Path) -> None:
    feeds = random_feeds(folder / "chain.onnx")
    body, _ = rest_body(request_of("chain", feeds))
    with raw_connection(server) as connection:
        head = b"Host: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(b"POST /v2/models/chain/infer HTTP/1.1\r\n%b\r\n" % head)
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")


def test_a_client_that_asks_first_sends_its_body_only_where_it_is_wanted(server: Server) -> None:
    head = b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with raw_connection(server) as connection:
        connection.sendall(head % 2)
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    with raw_connection(server) as connection:
        connection.sendall(head % 2**30)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_requests_of_one_connection_are_answered_one_after_the_other(server: Server) -> None:
    get = b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n%b\r\n"
    with raw_connection(server) as connection:
        connection.sendall(get % b"" + get % b"" + get % b"Connection: close\r\n")
        assert read_to_end(connection).count(b'{"live": true}') == 3


# --- Whom it waits for, and whom it does not ----------------------------------------------------------------


@contextmanager
def gated_server(
    chain: Path, *, in_flight_bytes: int = 2**20, patience: Patience | None = None, connections: int = 512
) -> Iterator[tuple[Server, GatedRuntime]]:
    gate = GatedRuntime()
    options = ServerOptions(
        runtime=gate,
        learn=False,
        rest_port=0,
        in_flight_bytes=in_flight_bytes,
        patience=patience or Patience(),
        connections=connections,
    )
    with run_server(chain.parent, options=options) as server:
        server.settle(PATIENCE_S)
        try:
            yield server, gate
        finally:
            gate.opened.set()


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return chain_model(tmp_path / "repository")


def posted(chain: Path, *, timeout_us: int | None = None) -> bytes:
    """A whole request as it goes over the wire."""
    parameters = {} if timeout_us is None else {"timeout": timeout_us}
    body, json_length = rest_body(request_of("chain", random_feeds(chain)), binary=("image",), parameters=parameters)
    return (
        b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: h\r\nInference-Header-Content-Length: %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (str(json_length).encode(), len(body), body)
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v2/health/live HT",
        b"GET /v2/health/live HTTP/1.1\r\nX-Slow: ",
        b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
    ids=["nothing", "half a line", "half a header", "one request"],
)
def test_a_connection_without_a_request_is_closed(sent: bytes, chain: Path) -> None:
    with gated_server(chain, patience=HASTY) as (server, _), raw_connection(server) as connection:
        connection.sendall(sent)
        answer = read_to_end(connection)  # ends, or the socket's own patience does
        assert answer.count(b"HTTP/1.1 200") == (1 if sent.endswith(b"\r\n\r\n") else 0)


@pytest.mark.parametrize("head", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_refused_and_holds_nothing(head: bytes, chain: Path) -> None:
    with gated_server(chain, patience=HASTY) as (server, _), raw_connection(server) as connection:
        connection.sendall(b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n1\r\n" % head)
        answer = read_to_end(connection)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"send at least 8192 bytes a second" in answer
        assert (server._admission.requests, server._admission.held_bytes) == (0, 0)


def test_a_body_that_drips_is_refused_however_long_it_goes_on(chain: Path) -> None:
    with gated_server(chain, patience=HASTY) as (server, _), raw_connection(server) as connection:
        connection.sendall(b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(0.01)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_takes_its_job_out_of_the_queue(chain: Path) -> None:
    with gated_server(chain) as (server, gate), rest_client(server) as other:
        with raw_connection(server) as running:
            running.sendall(posted(chain))
            assert gate.running.wait(PATIENCE_S)
            with raw_connection(server) as queued:
                queued.sendall(posted(chain))
                wait_for(lambda: server._executor.waiting == 1, other)
            wait_for(lambda: server._executor.waiting == 0, other)
            gate.opened.set()
            assert running.recv(4096).startswith(b"HTTP/1.1 200")
        wait_for(lambda: server._admission.requests == 0, other)
        assert gate.runs == 1


def open_connections(server: Server) -> int:
    assert server._rest is not None
    assert server._rest._runner is not None
    assert server._rest._runner.server is not None
    return len(server._rest._runner.server.connections)


def wait_for(condition: Callable[[], bool], client: RestClient) -> None:
    for _ in range(_MOST_ROUND_TRIPS):
        if condition():
            return
        client.get("/v2/health/live")  # a round trip through the server instead of a sleep
    pytest.fail("what the test waits for does not happen")


def test_a_timeout_of_the_request_is_its_deadline(chain: Path) -> None:
    with gated_server(chain) as (server, gate), raw_connection(server) as running, raw_connection(server) as late:
        running.sendall(posted(chain))
        assert gate.running.wait(PATIENCE_S)
        late.sendall(posted(chain, timeout_us=20_000))
        answer = late.recv(4096)
        assert answer.startswith(b"HTTP/1.1 504")
        gate.opened.set()
        assert running.recv(4096).startswith(b"HTTP/1.1 200")
    assert gate.runs == 1


def test_bodies_count_into_the_bytes_in_flight_as_they_come(chain: Path) -> None:
    whole = posted(chain)
    with (
        gated_server(chain, in_flight_bytes=len(whole)) as (server, gate),
        rest_client(server) as client,
        raw_connection(server) as running,
    ):
        running.sendall(whole)
        assert gate.running.wait(PATIENCE_S)
        reply = client.infer("chain", rest_body(request_of("chain", random_feeds(chain)), binary=("image",)))
        assert reply.status == 429
        assert "other requests are in flight" in reply.error
        assert reply.headers["Retry-After"] == "1"
        gate.opened.set()
        assert running.recv(4096).startswith(b"HTTP/1.1 200")


def test_more_connections_than_may_be_are_hung_up_on(chain: Path) -> None:
    with gated_server(chain, connections=1) as (server, _), rest_client(server) as client:
        assert client.get("/v2/health/live").status == 200
        with raw_connection(server) as second:
            assert second.recv(1) == b""
        assert client.get("/v2/health/live").status == 200


def test_a_client_that_does_not_read_its_answer_is_cut_off(chain: Path) -> None:
    with (
        gated_server(chain, patience=HASTY) as (server, _),
        rest_client(server) as other,
        raw_connection(server) as lazy,
    ):
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(0.05)
        with contextlib.suppress(OSError):  # cut off, or the socket is full
            for _ in range(_MOST_ROUND_TRIPS):
                lazy.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        wait_for(lambda: open_connections(server) == 1, other)


def test_an_address_in_use_is_an_input_error(chain: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ServerOptions(learn=False, rest_port=taken.getsockname()[1])
        with pytest.raises(InputError, match="give another --rest-port"), run_server(chain.parent, options=options):
            pytest.fail("the port was taken")


def test_bytes_that_are_no_http_are_refused_and_the_server_goes_on(server: Server, client: RestClient) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\xff" * 100 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with raw_connection(server) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            assert b"200" not in read_to_end(connection)[:20]
    assert client.get("/v2/health/live").status == 200


def test_headers_are_limited(server: Server) -> None:
    for head in (b"X: " + b"a" * 100_000, b"\r\n".join(b"X-%d: 1" % number for number in range(5000))):
        with raw_connection(server) as connection:
            connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n")
            assert b" 400 " in connection.recv(4096)[:16]
