"""A network that damages what it carries: bits flip, bytes drip, one way ends, everything is late.

    client ──> [emulated link] ──> [chaos] ──> server
               rate, delay, reset,  flipped bit, 1 byte/s,
               black hole           half-closed, late

`ChaosProxy` is a TCP proxy for one event loop; while it is calm, bytes and the ends of both ways pass as they are. On
request it does one harm to the connections that are open then. `bad_network` puts it behind a link emulator, in a
process of its own, so that the program under test does not carry them. Called by `benchmarks.faults`.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import numpy as np
from benchmarks.cores import child

from partway.link import Link
from partway.link.emulator import LinkEmulator

_CHUNK_BYTES = 1 << 16
_DRIP_S = 1.0
_RESET = struct.pack("ii", 1, 0)  # struct linger: on, 0 s


@dataclass(slots=True, eq=False)
class _Way:
    # One direction of one connection.
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: bool = False


@dataclass(slots=True, eq=False)
class _Pair:
    ways: tuple[_Way, _Way]

    def abort(self) -> None:
        for way in self.ways:
            one: socket.socket = way.writer.get_extra_info("socket")
            if one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            way.writer.transport.abort()


@dataclass(slots=True)
class ChaosProxy:
    """Passes bytes on to a target, and harms them when told to. Use it as an async context manager, in one event loop.

    Args:
        target: host and port to connect on to.
        generator: chooses bits, ways and moments.
    """

    target: tuple[str, int]
    generator: np.random.Generator
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _calmed: asyncio.Event = field(default_factory=asyncio.Event)
    _flips: int = 0
    _dripping: bool = False
    _late_s: float = 0.0
    _server: asyncio.Server | None = None
    flipped: int = 0

    async def __aenter__(self) -> Self:
        """Begin to listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and abort what is open."""
        if self._server is not None:
            self._server.close()
        self.calm()
        for pair in tuple(self._pairs):
            pair.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def flip(self) -> None:
        """Change one bit of what passes next, either way."""
        self._flips += 1

    def drip(self) -> None:
        """Pass one byte a second on each way of each connection, until `calm`."""
        self._calmed.clear()
        self._dripping = True

    def delay(self, late_s: float) -> None:
        """Hold every piece of data back for so long, until `calm`."""
        self._calmed.clear()
        self._late_s = late_s

    def half_close(self) -> None:
        """Tell one side of each open connection, at random, that the other has said all; what it says then vanishes."""
        for pair in self._pairs:
            way = pair.ways[int(self.generator.integers(2))]
            if not way.ended:
                way.ended = True
                with contextlib.suppress(OSError):
                    way.writer.write_eof()

    def calm(self) -> None:
        """Pass what comes as it is; what dripped or was late follows at once. Ways that were ended stay so."""
        self._dripping, self._late_s, self._flips = False, 0.0, 0
        self._calmed.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            onward = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((_Way(reader, onward[1]), _Way(onward[0], writer)))
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                for way in pair.ways:
                    group.create_task(self._relay(way))
            for way in pair.ways:
                way.writer.close()
        except* OSError:
            pair.abort()
        finally:
            self._pairs.discard(pair)

    async def _relay(self, way: _Way) -> None:
        while data := await way.reader.read(_CHUNK_BYTES):
            if way.ended:
                continue
            await self._pass(way, self._flipped(data))
        if not way.ended:
            way.ended = True
            way.writer.write_eof()

    async def _pass(self, way: _Way, data: bytes) -> None:
        if self._late_s:
            await self._wait(self._late_s)
        while data and self._dripping and not way.ended:
            way.writer.write(data[:1])
            data = data[1:]
            await self._wait(_DRIP_S)
        if data and not way.ended:
            way.writer.write(data)
            await way.writer.drain()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._calmed.wait(), seconds)

    def _flipped(self, data: bytes) -> bytes:
        if not self._flips:
            return data
        self._flips -= 1
        self.flipped += 1
        place, bit = int(self.generator.integers(len(data))), int(self.generator.integers(8))
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


class BadNetwork:
    """A link with chaos behind it, at work in another process.

    Args:
        pipe: to that process.

    Attributes:
        address: host and port for clients to connect to.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        host, port = pipe.recv()
        self.address: tuple[str, int] = (host, port)

    def do(self, harm: str) -> None:
        """Do one harm, or end it: `reset`, `blackhole`, `flip`, `drip`, `delay`, `half_close`, `calm`."""
        self._pipe.send(harm)
        self._pipe.recv()


@contextlib.contextmanager
def bad_network(target: tuple[str, int], link: Link, *, core: int | None = None, seed: int = 0) -> Iterator[BadNetwork]:
    """A link to a target that does harm on request, in a process of its own while the block lasts.

    Args:
        target: host and port of the server; it need not be there yet.
        link: how fast it is when nothing is wrong.
        core: that the process stays on.
        seed: of bits and ways.
    """
    with child(core, _carry, target, link, seed) as pipe:
        yield BadNetwork(pipe)


_LATE_S = 0.3


def _carry(pipe: Connection, target: tuple[str, int], link: Link, seed: int) -> None:
    async def carry() -> None:
        async with (
            ChaosProxy(target, np.random.default_rng(seed)) as chaos,
            LinkEmulator(chaos.address, link) as emulator,
        ):

            def calm() -> None:
                chaos.calm()
                emulator.restore()

            harms: dict[str, Callable[[], None]] = {
                "reset": emulator.drop,
                "blackhole": emulator.blackhole,
                "flip": chaos.flip,
                "drip": chaos.drip,
                "delay": lambda: chaos.delay(_LATE_S),
                "half_close": chaos.half_close,
                "calm": calm,
            }
            pipe.send(emulator.address)
            ready = asyncio.Event()
            asyncio.get_running_loop().add_reader(pipe.fileno(), ready.set)
            while True:
                await ready.wait()
                ready.clear()
                try:
                    while pipe.poll():
                        harms[pipe.recv()]()
                        pipe.send("done")
                except (EOFError, OSError):
                    return

    asyncio.run(carry())
