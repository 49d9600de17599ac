import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
import pytest
from benchmarks.chaos_proxy import ChaosProxy
from hypothesis import given, settings
from hypothesis import strategies as st

T = TypeVar("T")
PATIENCE_S = 30.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.write_eof()
    writer.close()


@asynccontextmanager
async def proxy_to_echo(seed: int) -> AsyncIterator[ChaosProxy]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        target = server.sockets[0].getsockname()[:2]
        async with ChaosProxy(target, np.random.default_rng(seed)) as proxy:
            yield proxy


def through_proxy(use: Callable[[ChaosProxy, Streams], Awaitable[T]], seed: int = 0) -> T:
    async def run() -> T:
        async with asyncio.timeout(PATIENCE_S), proxy_to_echo(seed) as proxy:
            reader, writer = await asyncio.open_connection(*proxy.address)
            try:
                return await use(proxy, (reader, writer))
            finally:
                writer.transport.abort()

    return asyncio.run(run())


@settings(max_examples=25)
@given(parts=st.lists(st.binary(min_size=1, max_size=200_000), max_size=5))
def test_a_calm_proxy_passes_bytes_and_ends_as_they_are(parts: list[bytes]) -> None:
    async def use(_: ChaosProxy, streams: Streams) -> bytes:
        reader, writer = streams
        for part in parts:
            writer.write(part)
        writer.write_eof()
        return await reader.read(-1)

    assert through_proxy(use) == b"".join(parts)


@settings(max_examples=25)
@given(sent=st.binary(min_size=1, max_size=5000), seed=st.integers(0, 2**32 - 1))
def test_a_flip_changes_exactly_one_bit(sent: bytes, seed: int) -> None:
    async def use(proxy: ChaosProxy, streams: Streams) -> bytes:
        reader, writer = streams
        proxy.flip()
        writer.write(sent)
        writer.write_eof()
        return await reader.read(-1)

    came = through_proxy(use, seed)
    assert len(came) == len(sent)
    assert sum((one ^ other).bit_count() for one, other in zip(came, sent, strict=True)) == 1


@pytest.mark.parametrize("harm", ["drip", "delay"])
def test_what_was_held_back_follows_when_it_is_calm_again(harm: str) -> None:
    async def use(proxy: ChaosProxy, streams: Streams) -> bytes:
        reader, writer = streams
        if harm == "drip":
            proxy.drip()
        else:
            proxy.delay(PATIENCE_S)
        writer.write(b"a message of some length")
        writer.write_eof()
        if harm == "drip":
            first = await reader.readexactly(1)
            assert first == b"a"
        proxy.calm()
        return await reader.read(-1)

    assert through_proxy(use) == (b" message of some length" if harm == "drip" else b"a message of some length")


@pytest.mark.parametrize("seed", range(6))
def test_a_half_closed_connection_ends_for_one_side(seed: int) -> None:
    async def use(proxy: ChaosProxy, streams: Streams) -> bytes:
        reader, writer = streams
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        proxy.half_close()
        writer.write(b"after")
        writer.write_eof()
        return await reader.read(-1)

    assert through_proxy(use, seed) == b""


def test_a_target_that_is_not_there_is_a_connection_that_ends() -> None:
    async def run() -> bytes:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            nowhere = server.sockets[0].getsockname()[:2]
        async with asyncio.timeout(PATIENCE_S), ChaosProxy(nowhere, np.random.default_rng(0)) as proxy:
            reader, writer = await asyncio.open_connection(*proxy.address)
            try:
                return await reader.read(-1)
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(run()) == b""
