"""Calls that never say what they want, over real connections: they hold their own places and nobody else's."""

import contextlib
import queue
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from tests.certificates import TOKEN, token_file
from tests.models import chain_model, random_feeds
from tests.serving.rest_client import raw_connection, rest_client
from tests.serving.support import PATIENCE_S, Client, request_of

from partway.engine import OrtRuntime
from partway.serving import Server, ServerOptions, run_server
from partway.serving.bodies import Patience
from partway.wire import Method, encode_request

Code = grpc.StatusCode
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
HASTY = Patience(first_s=0.05, body_s=0.05)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_model(tmp_path_factory.mktemp("repository"))


@contextmanager
def running(chain: Path, **options: object) -> Iterator[Server]:
    made = ServerOptions(runtime=OrtRuntime(threads=1), learn=False, **options)  # type: ignore[arg-type]  # any of them
    with run_server(chain.parent, options=made) as server:
        server.settle(PATIENCE_S)
        yield server


@contextmanager
def half_open(server: Server, method: Method, count: int) -> Iterator[list[grpc.Future]]:
    """Calls of one connection of which nothing but the headers is sent while the block runs."""
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait(PATIENCE_S)
        yield from ()

    with grpc.insecure_channel(server.address, options=_OWN_CONNECTION) as channel:
        ask = channel.stream_unary(method.path)
        calls = [ask.future(nothing(), timeout=PATIENCE_S) for _ in range(count)]
        try:
            yield calls
        finally:
            over.set()
            for call in calls:
                call.cancel()


def iter_done(calls: list[grpc.Future]) -> Iterator[grpc.Future]:
    """Calls as they end."""
    ended: queue.SimpleQueue[grpc.Future] = queue.SimpleQueue()
    for call in calls:
        call.add_done_callback(ended.put)
    for _ in calls:
        yield ended.get(timeout=PATIENCE_S)


def test_half_open_calls_of_one_connection_stop_nobody_else(chain: Path) -> None:
    with (
        running(chain, requests_per_client=8) as server,
        half_open(server, Method.MODEL_INFER, 31) as calls,
        Client(server.address) as other,
    ):
        other.infer(request_of("chain", random_feeds(chain)))
        assert not any(call.done() for call in calls)


def test_who_has_too_many_calls_open_is_refused_before_they_are_read(chain: Path) -> None:
    with running(chain, requests_per_client=8) as server, half_open(server, Method.MODEL_INFER, 33) as calls:
        refused = next(call for call in iter_done(calls))
        assert refused.code() is Code.RESOURCE_EXHAUSTED
        assert "has 32 calls open" in refused.details()
        assert "endpoint-load-metrics" in dict(refused.trailing_metadata())


def test_half_open_calls_of_methods_that_need_no_token_hold_none_of_the_others_places(
    chain: Path, tmp_path: Path
) -> None:
    with (
        running(chain, tokens=token_file(tmp_path / "tokens")) as server,
        half_open(server, Method.SERVER_LIVE, 17) as calls,
        grpc.insecure_channel(server.address, options=_OWN_CONNECTION) as channel,
    ):
        assert next(iter_done(calls)).code() is Code.RESOURCE_EXHAUSTED
        channel.unary_unary(Method.MODEL_INFER.path)(
            encode_request(request_of("chain", random_feeds(chain))),
            timeout=PATIENCE_S,
            metadata=(("authorization", f"Bearer {TOKEN}"),),
        )


@pytest.mark.parametrize("method", [Method.MODEL_INFER, Method.SERVER_LIVE])
def test_a_body_that_does_not_come_ends_its_call(chain: Path, method: Method) -> None:
    with running(chain, patience=HASTY) as server, half_open(server, method, 1) as calls:
        assert calls[0].code() is Code.DEADLINE_EXCEEDED
        assert calls[0].details() == "the request did not come within 0.05 s; send it faster, or less of it"


def test_a_call_without_a_message_is_told_so(chain: Path) -> None:
    with running(chain) as server, grpc.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.RpcError) as refusal:
            channel.stream_unary(Method.MODEL_INFER.path)(iter(()), timeout=PATIENCE_S)
        assert refusal.value.code() is Code.INVALID_ARGUMENT


def test_one_address_holds_neither_all_places_nor_all_bytes_of_rest(chain: Path) -> None:
    with (
        running(chain, rest_port=0, requests_per_client=4, in_flight_bytes=4000) as server,
        contextlib.ExitStack() as stack,
    ):
        started = (
            b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n"
            + b" " * 1000
            + b"\r\n"
        )
        held = [stack.enter_context(raw_connection(server)) for _ in range(3)]
        for connection in held:
            connection.sendall(started)
        refused = select.select(held, (), (), PATIENCE_S)[0][0]  # of 2,000 bytes that one may hold
        assert b"with 2000 as many as one client may" in refused.recv(4096)
        unread = [stack.enter_context(raw_connection(server)) for _ in range(3)]
        for connection in unread:
            connection.sendall(started.partition(b"3e8")[0])
        assert b"waits for 4 answers already" in select.select(unread, (), (), PATIENCE_S)[0][0].recv(4096)


def test_who_is_refused_is_counted_without_a_name_of_a_model(chain: Path, tmp_path: Path) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with (
        running(chain, tokens=token_file(tmp_path / "tokens"), rest_port=0) as server,
        rest_client(server) as client,
        grpc.insecure_channel(server.address) as channel,
    ):
        for _ in range(3):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(Method.MODEL_INFER.path)(b"", timeout=PATIENCE_S)
            refused = client.send("POST", "/v2/models/chain/infer", b"{}")
            assert (refused.status, "endpoint-load-metrics" in refused.headers) == (401, False)
        page = client.get("/metrics", bearer).body.decode()
    for face in ("grpc", "rest"):
        assert f'partway_requests_total{{face="{face}",model="other",status="UNAUTHENTICATED"}} 3.0' in page
