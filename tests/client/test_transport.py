"""The transport says what became of a request, and never waits for ever."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.client.tampering import tampering
from tests.models import chain_model, random_feeds, run_whole

from partway.client import GrpcTransport, connect
from partway.client.call import PendingCall
from partway.errors import ServerNotReady, ServerRefused, ServerUnavailable, WireError
from partway.link import Link, RunningEmulator, run_emulator
from partway.serving import run_server
from partway.testing import FakeClock
from partway.wire import SERVICE, STATE_HEADER, InferRequest, InferResponse, Method, Tensor, encode_response

FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return chain_model(tmp_path / "repository")


@pytest.fixture
def link(model: Path) -> Iterator[RunningEmulator]:
    with run_server(model.parent) as server:
        server.settle(60.0)
        host, port = server.address.rsplit(":", 1)
        with run_emulator((host, int(port)), FAST_LINK) as running:
            yield running


@pytest.fixture
def transport(link: RunningEmulator) -> Iterator[GrpcTransport]:
    transport = connect(f"grpc://{link.address[0]}:{link.address[1]}", clock=time.monotonic)
    yield transport
    transport.close()


def request_of(model: Path) -> InferRequest:
    feeds = random_feeds(model)
    return InferRequest(
        model_name=model.stem, tensors=tuple(Tensor(name=name, array=array) for name, array in feeds.items())
    )


def assert_answered(model: Path, transport: GrpcTransport) -> None:
    answer = transport.start(request_of(model), 60.0).result()
    expected = run_whole(model, random_feeds(model))
    for tensor in answer.response.tensors:
        np.testing.assert_allclose(tensor.array, expected[tensor.name], rtol=1e-4, atol=1e-6)


def test_an_answer_comes_with_what_the_network_saw(model: Path, transport: GrpcTransport) -> None:
    answer = transport.start(request_of(model), 60.0).result()
    assert answer.up_bytes > sum(tensor.array.nbytes for tensor in request_of(model).tensors)
    assert answer.down_bytes > 0


@pytest.mark.parametrize("payload_bytes", [64, 32 * 2**20], ids=["small", "more than the network's buffers take"])
def test_a_link_that_swallows_everything_is_given_up_on_and_found_again(
    model: Path, link: RunningEmulator, transport: GrpcTransport, payload_bytes: int
) -> None:
    assert_answered(model, transport)
    link.blackhole()
    swallowed = InferRequest(
        model_name=model.stem, tensors=(Tensor(name="image", array=np.zeros(payload_bytes, np.uint8)),)
    )
    with pytest.raises(ServerUnavailable):
        transport.start(swallowed, 0.2).result()
    link.restore()
    assert_answered(model, transport)


def test_a_connection_that_is_reset_is_made_anew(model: Path, link: RunningEmulator, transport: GrpcTransport) -> None:
    assert_answered(model, transport)
    link.drop()
    for _ in range(2):  # the reset may arrive before or after the next request is sent
        try:
            assert_answered(model, transport)
            break
        except ServerUnavailable:
            continue
    assert_answered(model, transport)


def test_other_requests_go_on_when_one_is_given_up(model: Path, transport: GrpcTransport) -> None:
    go_on = threading.Event()

    def ask() -> None:
        assert_answered(model, transport)
        go_on.set()

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(64)]
        assert go_on.wait(60.0)
        with pytest.raises(ServerUnavailable):
            transport.start(request_of(model), 1e-6).result()
        for pending in asked:
            pending.result()


def test_a_refusal_carries_the_servers_own_sentence(model: Path, transport: GrpcTransport) -> None:
    with pytest.raises(ServerRefused, match="no model"):
        transport.start(InferRequest(model_name="no model"), 60.0).result()


def test_a_server_that_is_absent_is_unavailable_at_once(model: Path) -> None:
    transport = connect("grpc://127.0.0.1:9", clock=lambda: 0.0)
    with pytest.raises(ServerUnavailable, match="UNAVAILABLE"):
        transport.start(request_of(model), 60.0).result()
    transport.close()


def test_a_server_that_came_back_is_found_by_the_first_request_after_that(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transport = connect(f"grpc://127.0.0.1:{port}", clock=time.monotonic)
    for _ in range(5):
        with pytest.raises(ServerUnavailable):
            transport.start(request_of(model), 60.0).result()
    with run_server(model.parent, port=port) as server:
        server.settle(60.0)
        assert_answered(model, transport)
    transport.close()


def test_a_handshake_that_takes_seconds_is_waited_for(model: Path, link: RunningEmulator) -> None:
    passes = threading.Event()

    def late(data: bytes) -> bytes:
        passes.wait(60.0)
        return data

    with tampering(link.address) as proxy:
        proxy.up = proxy.down = late
        transport = connect(f"grpc://{proxy.address[0]}:{proxy.address[1]}", clock=time.monotonic)
        call = transport.start(request_of(model), 60.0)
        try:
            with pytest.raises(TimeoutError):
                call.result(2.5)
        finally:
            passes.set()
        assert call.result().response.tensors
        transport.close()


@contextmanager
def hanging_up(port: int = 0) -> Iterator[int]:
    """Somebody at a port who closes every connection at once, as a proxy does whose server is gone."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_tls_is_thought_of_only_where_nobody_ever_answered(model: Path) -> None:
    with hanging_up() as port:
        transport = connect(f"grpc://127.0.0.1:{port}", clock=time.monotonic)
        with pytest.raises(ServerUnavailable, match=r"closed the connection at once, perhaps it wants TLS"):
            transport.start(request_of(model), 60.0).result()
    with run_server(model.parent, port=port) as server:
        server.settle(60.0)
        assert_answered(model, transport)
    with hanging_up(port):
        with pytest.raises(ServerUnavailable):  # it may still go by the connection that ended
            transport.start(request_of(model), 60.0).result()
        with pytest.raises(ServerUnavailable, match="where a server answered before") as raised:
            transport.start(request_of(model), 60.0).result()
    assert "TLS" not in str(raised.value)
    transport.close()


def test_a_closed_transport_fails_what_is_on_its_way(model: Path, link: RunningEmulator) -> None:
    transport = connect(f"grpc://{link.address[0]}:{link.address[1]}", clock=time.monotonic)
    assert_answered(model, transport)
    link.blackhole()
    with ThreadPoolExecutor(8) as pool:
        calls = [transport.start(request_of(model), 60.0) for _ in range(8)]
        pending = [pool.submit(call.result) for call in calls]
        transport.close()
        for request in pending:
            with pytest.raises(ServerUnavailable):
                request.result()


def test_whoever_only_looks_is_told_that_the_answer_is_not_there_yet(
    model: Path, link: RunningEmulator, transport: GrpcTransport
) -> None:
    assert_answered(model, transport)
    link.blackhole()
    call = transport.start(request_of(model), 60.0)
    with pytest.raises(TimeoutError):
        call.result(0.0)
    done = threading.Event()
    call.on_done(done.set)
    assert not done.is_set()
    link.restore()
    assert done.wait(60.0)
    assert call.result(0.0).response.tensors
    call.cancel()
    assert call.result().response.tensors, "an answer that is there stays"


def test_a_call_that_is_withdrawn_ends_at_once_and_the_connection_goes_on(
    model: Path, link: RunningEmulator, transport: GrpcTransport
) -> None:
    assert_answered(model, transport)
    link.blackhole()
    calls = [transport.start(request_of(model), 60.0) for _ in range(3)]
    done = [threading.Event() for _ in calls]
    for call, event in zip(calls, done, strict=True):
        call.on_done(event.set)
        call.cancel()
        assert event.is_set()
        with pytest.raises(ServerUnavailable, match="withdrawn"):
            call.result(0.0)
    link.restore()
    assert_answered(model, transport)


def test_a_server_that_is_loading_says_so_and_is_not_taken_for_dead(model: Path) -> None:
    class Loading(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
                context.set_trailing_metadata(((STATE_HEADER, "loading"),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "the model is still being opened")
                return b""

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(1), handlers=(Loading(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    transport = connect(f"grpc://127.0.0.1:{port}", clock=time.monotonic)
    with pytest.raises(ServerNotReady, match="still being opened") as refusal:
        transport.start(request_of(model), 60.0).result()
    assert refusal.value.state == "loading"
    transport.close()
    server.stop(None).wait()


def test_an_answer_without_a_message_is_a_damaged_one(model: Path) -> None:
    def say_nothing(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        return iter(())

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_stream_rpc_method_handler(say_nothing)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {str(Method.MODEL_INFER): handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    transport = connect(f"grpc://127.0.0.1:{port}", clock=time.monotonic)
    try:
        with pytest.raises(WireError, match="held no message"):
            transport.start(request_of(model), 60.0).result()
    finally:
        transport.close()
        server.stop(0).wait()


@contextmanager
def held_server() -> Iterator[tuple[str, set[str], threading.Event, threading.Event]]:
    """A server that answers when it is let go: its URL, who asked it, that somebody did, and what lets it go."""
    peers: set[str] = set()
    asked, go_on = threading.Event(), threading.Event()

    def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
        peers.add(context.peer())
        asked.set()
        assert go_on.wait(60.0)
        return encode_response(InferResponse(model_name="m"))

    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {str(Method.MODEL_INFER): handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", peers, asked, go_on
    finally:
        go_on.set()
        server.stop(0).wait()


@pytest.mark.parametrize(("overdue", "connections"), [(False, 1), (True, 2)])
def test_calls_that_nobody_wanted_cost_no_connection_and_overdue_ones_do(overdue: bool, connections: int) -> None:
    with held_server() as (url, peers, asked, go_on):
        transport = connect(url, clock=time.monotonic)
        request = InferRequest(model_name="m")
        for _ in range(3):
            call = transport.start(request, 60.0)
            assert asked.wait(60.0)
            asked.clear()
            call.cancel(overdue=overdue)
        go_on.set()
        answer = transport.start(request, 60.0).result()
        assert answer.fresh
        assert (len(peers) > 1) == (connections > 1)
        assert not transport.start(request, 60.0).result().fresh
        transport.close()


def test_the_first_answer_of_every_connection_says_that_it_is(
    model: Path, link: RunningEmulator, transport: GrpcTransport
) -> None:
    assert [transport.start(request_of(model), 60.0).result().fresh for _ in range(3)] == [True, False, False]
    link.blackhole()
    with pytest.raises(ServerUnavailable):
        transport.start(request_of(model), 0.2).result()
    link.restore()
    assert [transport.start(request_of(model), 60.0).result().fresh for _ in range(2)] == [True, False]


@pytest.mark.parametrize("look", [1, 2], ids=["before it is noted", "before it is handed to the network"])
def test_a_transport_that_is_closed_while_a_request_is_sent_fails_it_and_raises_nothing(look: int) -> None:
    looks: list[GrpcTransport] = []  # the transport, as often as the clock was looked at since the request began

    def clock() -> float:
        if looks:
            looks.append(looks[0])
            if len(looks) == look + 1:
                looks[0].close()
        return time.monotonic()

    transport = connect("grpc://127.0.0.1:9", clock=clock)
    looks.append(transport)
    call = transport.start(InferRequest(model_name="m"), 60.0)
    with pytest.raises(ServerUnavailable):
        call.result()


def test_a_request_to_a_transport_that_was_closed_fails_at_once() -> None:
    transport = connect("grpc://127.0.0.1:9", clock=time.monotonic)
    transport.close()
    with pytest.raises(ServerUnavailable, match="was closed"):
        transport.start(InferRequest(model_name="m"), 60.0).result(0.0)


def test_a_call_that_was_settled_remembers_how_long_it_lasted() -> None:
    clock = FakeClock()
    call = PendingCall(clock=clock)
    clock.advance(0.25)
    assert call.lasted_s == 0.25
    call.cancel()
    clock.advance(10.0)
    assert call.lasted_s == 0.25
