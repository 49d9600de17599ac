"""gRPC's health service, asked with gRPC alone."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tests.models import chain_model
from tests.serving.support import PATIENCE_S, status_of

from partway.serving import Server, ServerOptions
from partway.serving.health import HealthService
from partway.wire import SERVICE, Health, decode_health, encode_health_query

Code = grpc.StatusCode


def check(address: str, service: str) -> Health:
    with grpc.insecure_channel(address) as channel:
        method = channel.unary_unary("/grpc.health.v1.Health/Check")
        return decode_health(method(encode_health_query(service), timeout=PATIENCE_S, wait_for_ready=True))


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.mark.parametrize("service", ["", SERVICE, "chain", "partway.costs"])
def test_what_is_ready_is_serving(service: str, server: Server) -> None:
    assert check(server.address, service) is Health.SERVING


def test_a_broken_model_is_not_serving(server: Server) -> None:
    assert check(server.address, "broken") is Health.NOT_SERVING


def test_a_name_that_is_not_served_is_not_found(server: Server) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        check(server.address, "no\nthing")
    assert status_of(refusal.value) is Code.NOT_FOUND
    assert refusal.value.details() == "nothing is served as no?thing; ask for a model"


@pytest.mark.parametrize("method", ["Check", "Watch"])
def test_garbage_is_refused(method: str, channel: grpc.Channel) -> None:
    call = channel.unary_stream(f"/grpc.health.v1.Health/{method}")(b"\xff\xff\xff", timeout=PATIENCE_S)
    with pytest.raises(grpc.RpcError) as refusal:
        next(call)
    assert status_of(refusal.value) is Code.INVALID_ARGUMENT


def test_the_bytes_are_those_of_the_protocol() -> None:
    assert encode_health_query("chain") == b"\x0a\x05chain"
    assert decode_health(b"\x08\x01") is Health.SERVING
    assert decode_health(b"") is Health.UNKNOWN


def test_watchers_hear_of_loading_of_serving_and_of_the_end(tmp_path: Path) -> None:
    path = chain_model(tmp_path / "repository")

    async def watch() -> None:
        server = Server(path.parent, options=ServerOptions(learn=False))
        server._health = HealthService(server._handlers, server._gate, look_every_s=0.01, watchers=2)
        blocked = threading.Event()
        for _ in range(4):  # whatever opens files has its hands full
            server._pool.submit(blocked.wait, PATIENCE_S)
        await server.start()
        async with grpc.aio.insecure_channel(server.address) as channel:
            method = channel.unary_stream("/grpc.health.v1.Health/Watch")
            known, unknown = (method(encode_health_query(name), timeout=PATIENCE_S) for name in ("chain", "nothing"))
            assert decode_health(await known.read()) is Health.NOT_SERVING
            assert decode_health(await unknown.read()) is Health.SERVICE_UNKNOWN
            third = method(encode_health_query(""), timeout=PATIENCE_S)  # once both are known to watch
            assert await third.code() is Code.RESOURCE_EXHAUSTED
            blocked.set()
            assert decode_health(await known.read()) is Health.SERVING
            stopping = asyncio.create_task(server.stop())
            assert decode_health(await known.read()) is Health.NOT_SERVING
            assert decode_health(await unknown.read()) is Health.NOT_SERVING
            assert await known.code() is Code.OK
            await stopping

    asyncio.run(watch())


def test_one_caller_watches_a_few_times_and_leaves_the_rest_to_others(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        watching = [watch(encode_health_query(""), timeout=PATIENCE_S) for _ in range(4)]
        assert [decode_health(next(call)) for call in watching] == [Health.SERVING] * 4
        fifth = watch(encode_health_query(""), timeout=PATIENCE_S)
        assert fifth.code() is Code.RESOURCE_EXHAUSTED
        assert fifth.details() == "127.0.0.1 watches 4 times, as often as one may; ask Check instead"
        for call in watching:
            call.cancel()
