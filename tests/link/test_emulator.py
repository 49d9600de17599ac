"""The emulator on real loopback sockets; its clock is the tests' own, so nothing waits for a link."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.errors import LinkError
from partway.link import Link, LinkEmulator, LinkTrace, Trace
from partway.link.flow import QUEUE_BYTES
from partway.link.shaper import MAX_CHUNK_BYTES

FAST = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)
LTE = Link(uplink_bytes_per_s=731_250, downlink_bytes_per_s=1_720_000, rtt_s=0.05)
SLOW = Link(uplink_bytes_per_s=10_000, downlink_bytes_per_s=10_000, rtt_s=0.2)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Time:
    """A clock that sleeping moves: waiting takes no time here, and can still be counted."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.slept_s.append(duration_s)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def emulated(
    handler: Handler, link: Link | LinkTrace = FAST, time: Time | None = None
) -> AsyncIterator[LinkEmulator]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    time = time or Time()
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        target = server.sockets[0].getsockname()[:2]
        async with LinkEmulator(target, link, clock=time.clock, sleep=time.sleep) as emulator:
            yield emulator


async def turns(count: int) -> None:
    """Let the event loop do what is ready, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(scenario: Coroutine[None, None, None]) -> None:
    async def guarded() -> None:
        # Only a guard against hanging for ever: no scenario comes near it.
        async with asyncio.timeout(120):
            await scenario

    asyncio.run(guarded())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def exchange(emulator: LinkEmulator, chunks: list[bytes]) -> bytes:
    """Send the chunks, end the sending, and give all that comes back until the other side ends too."""
    reader, writer = await asyncio.open_connection(*emulator.address)

    async def send() -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    _, answer = await asyncio.gather(send(), reader.read())
    writer.close()
    await writer.wait_closed()
    return answer


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=50_000), max_size=8), st.sampled_from([FAST, LTE, SLOW]))
def test_bytes_come_out_as_they_went_in_both_ways_however_they_were_cut(chunks: list[bytes], link: Link) -> None:
    async def scenario() -> None:
        async with emulated(echo, link) as emulator:
            assert await exchange(emulator, chunks) == b"".join(chunks)
            size = sum(map(len, chunks))
            assert (emulator.counters.up_bytes, emulator.counters.down_bytes) == (size, size)

    run(scenario())


def test_many_connections_share_the_link_and_each_gets_its_own_bytes() -> None:
    async def scenario() -> None:
        payloads = [bytes([number]) * 30_000 for number in range(8)]
        async with emulated(echo, LTE) as emulator:
            assert await asyncio.gather(*(exchange(emulator, [p]) for p in payloads)) == payloads
            assert emulator.counters.up_bytes == 240_000

    run(scenario())


def test_the_server_may_answer_after_the_client_has_ended_its_half() -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read()
        writer.write(b"got %d" % len(request))

    async def scenario() -> None:
        async with emulated(answer_at_the_end, LTE) as emulator:
            assert await exchange(emulator, [b"x" * 100_000]) == b"got 100000"

    run(scenario())


@pytest.mark.parametrize(("uplink", "downlink"), [(1e4, 1e9), (1e9, 1e4)])
def test_a_transfer_takes_at_least_what_the_link_takes_and_a_new_link_applies_at_once(
    uplink: float, downlink: float
) -> None:
    async def scenario() -> None:
        time = Time()
        slow = Link(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=0.0)
        async with emulated(echo, FAST, time) as emulator:
            await exchange(emulator, [b"x" * 50_000])
            assert time.now_s - 1000.0 < 1.0
            emulator.set_link(slow)
            assert emulator.link == slow
            before_s = time.now_s
            await exchange(emulator, [b"x" * 50_000])
            assert time.now_s - before_s > 50_000 / 1e4 - 0.5

    run(scenario())


def test_a_new_connection_pays_one_round_trip_for_its_handshake() -> None:
    async def scenario() -> None:
        time = Time()
        async with emulated(echo, LTE, time) as emulator:
            await exchange(emulator, [b"x"])
            assert time.slept_s.count(LTE.rtt_s) == 1

    run(scenario())


def test_a_trace_is_followed() -> None:
    async def scenario() -> None:
        time = Time()
        trace = Trace(starts_s=(0.0, 100.0), rates_bytes_per_s=(1e6, 1e3))
        link = LinkTrace(uplink=trace, downlink=Trace.constant(1e6), rtt_s=0.0)
        async with emulated(echo, link, time) as emulator:
            assert emulator.link.uplink_bytes_per_s == 1e6
            time.now_s += 100.0
            assert emulator.link.uplink_bytes_per_s == 1e3
            before_s = time.now_s
            await exchange(emulator, [b"x" * 20_000])
            assert time.now_s - before_s > 19.0

    run(scenario())


def test_a_blackhole_takes_a_bounded_number_of_bytes_and_loses_none() -> None:
    async def scenario() -> None:
        payload = bytes(range(256)) * 4096 * 4
        async with emulated(echo) as emulator:
            emulator.blackhole()
            transfer = asyncio.create_task(exchange(emulator, [payload]))
            while emulator.counters.held_bytes + MAX_CHUNK_BYTES <= QUEUE_BYTES:
                await turns(1)
            await turns(500)
            assert emulator.counters.up_bytes == 0
            assert emulator.counters.held_bytes <= QUEUE_BYTES
            emulator.restore()
            assert await transfer == payload
            assert emulator.counters.peak_held_bytes <= QUEUE_BYTES
            assert emulator.counters.held_bytes == 0

    run(scenario())


def test_dropping_resets_every_connection_and_later_ones_work() -> None:
    async def scenario() -> None:
        ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if (await reader.read(5)) != b"first":
                await echo(reader, writer)
                return
            writer.write(b"welcome")
            try:
                await reader.read()
            except ConnectionError as error:
                ended.set_result(error)

        async with emulated(wait) as emulator:
            reader, writer = await asyncio.open_connection(*emulator.address)
            writer.write(b"first")
            assert await reader.readexactly(7) == b"welcome"
            emulator.drop()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            assert isinstance(await ended, ConnectionResetError)
            assert await exchange(emulator, [b"again", b"!"]) == b"!"

    run(scenario())


def test_a_reset_of_the_client_reaches_the_server() -> None:
    async def scenario() -> None:
        ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"welcome")
            try:
                await reader.read()
            except ConnectionError as error:
                ended.set_result(error)

        async with emulated(wait) as emulator:
            loop = asyncio.get_running_loop()
            client = socket.socket()
            client.setblocking(False)
            await loop.sock_connect(client, emulator.address)
            assert await loop.sock_recv(client, 7)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            assert isinstance(await ended, ConnectionResetError)

    run(scenario())


def test_a_reset_of_the_server_reaches_the_client() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def scenario() -> None:
        async with emulated(hang_up) as emulator:
            reader, writer = await asyncio.open_connection(*emulator.address)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(scenario())


def test_an_absent_target_shows_as_a_reset_and_the_emulator_goes_on() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            target = unused.getsockname()
        async with LinkEmulator(target, FAST) as emulator:
            for _ in range(2):
                reader, writer = await asyncio.open_connection(*emulator.address)
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                writer.close()

    run(scenario())


def test_an_address_in_use_is_refused_in_one_sentence() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(LinkError, match=f"cannot listen on 127.0.0.1:{port}: .*choose another"):
                async with LinkEmulator(("127.0.0.1", 1), FAST, port=port):
                    pass

    run(scenario())
