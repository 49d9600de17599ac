"""A link between two programs of one machine, emulated in user space: no root, no kernel modules.

Clients connect to the emulator's address; it connects on to the target and passes bytes both ways at the
rate and with the delay of a `Link` or a `LinkTrace`. Called by the demo, `bench` and tests.

    client ──> [kernel buffer] ──> uplink: rate, then rtt/2 ──> target
    client <── downlink: rate, then rtt/2 <── [kernel buffer] <── target

What it emulates: each way is one queue that all connections share; a new connection pays one round trip for
its handshake; bytes in flight are bounded, so that senders are held back as on a real link. What it does not:
headers (rates are of payload), loss, TCP's slow start; a refused target shows as a reset after connecting.
How exact it is: on a virtual machine of two cores, 1 to 100 Mbit/s came out 0-3 % low (5 % at worst, with both
cores busy) and round trips of 0 to 50 ms came out 0.1-3 ms long; `benchmarks/link_proxy.py` measures it anywhere.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from partway.errors import LinkError
from partway.link.flow import QUEUE_BYTES, Flow, Way
from partway.link.state import Link
from partway.link.trace import LinkTrace

_log = logging.getLogger(__name__)

# The event loop's timers have a grain of 1 ms and are late, never early: aiming half a grain before the
# due time makes the error both ways small instead of one way large. Some kernels are later the longer the
# wait, so a long one stops short and its rest is waited for anew.
_EARLY_S, _SHORT_WAIT_S = 0.0005, 0.004

# struct linger: what closing does. On with 0 s resets the connection, off sends what is left.
_RESET, _LINGER = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)

_RETRY_ACCEPT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What has passed through an emulated link since it was started.

    Attributes:
        up_bytes: delivered to the target.
        down_bytes: delivered to clients.
        held_bytes: accepted on either side and not yet delivered.
        peak_held_bytes: the most that one connection had under way in one direction.
        connections: connections open now.
    """

    up_bytes: int
    down_bytes: int
    held_bytes: int
    peak_held_bytes: int
    connections: int


class _Connection:
    """The sockets and flows of one client's connection."""

    def __init__(self, client: socket.socket) -> None:
        self.sockets = [client]
        self.flows: list[Flow] = []

    def close(self, _: asyncio.Task[None]) -> None:
        for one in self.sockets:
            one.close()


class LinkEmulator:
    """A TCP proxy that behaves as a link. Use it as an async context manager, in one event loop.

    Args:
        target: host and port to connect on to.
        link: what to emulate; a trace begins when the emulator starts.
        host: the address to listen on; the default is reachable from this machine only.
        port: the port to listen on; 0 takes a free one.
        clock: seconds that never go back.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        target: tuple[str, int],
        link: Link | LinkTrace,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._target, self._listen_on = target, (host, port)
        self._clock, self._sleep = clock, sleep
        self._trace = _as_trace(link)
        self._origin_s = clock()
        self._up = Way(self._trace.uplink, self._trace.rtt_s / 2, self._origin_s)
        self._down = Way(self._trace.downlink, self._trace.rtt_s / 2, self._origin_s)
        self._connected = asyncio.Event()
        self._connected.set()
        self._connections: dict[asyncio.Task[None], _Connection] = {}

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            LinkError: the address cannot be listened on.
        """
        self._listener = _listen(self._listen_on)
        self.set_link(self._trace)
        self._acceptor = asyncio.create_task(self._accept())
        _log.info("event=link_up address=%s target=%s", self.address, self._target)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and abort what is still open."""
        self._acceptor.cancel()
        self.drop()
        await asyncio.gather(self._acceptor, *self._connections, return_exceptions=True)
        self._listener.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients to connect to."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def link(self) -> Link:
        """The link as it is now."""
        return self._trace.at(self._clock() - self._origin_s)

    @property
    def counters(self) -> Counters:
        """What has passed through so far."""
        flows = [flow for connection in self._connections.values() for flow in connection.flows]
        return Counters(
            up_bytes=self._up.delivered_bytes,
            down_bytes=self._down.delivered_bytes,
            held_bytes=sum(flow.held_bytes for flow in flows),
            peak_held_bytes=max(self._up.peak_held_bytes, self._down.peak_held_bytes),
            connections=len(self._connections),
        )

    def set_link(self, link: Link | LinkTrace) -> None:
        """Be another link from now on; a trace begins anew.

        Bytes already sent keep their times: at most a chunk of 5 ms, or one packet, for each connection.
        """
        self._trace, self._origin_s = _as_trace(link), self._clock()
        self._up.shaper.change(self._trace.uplink, self._trace.rtt_s / 2, self._origin_s)
        self._down.shaper.change(self._trace.downlink, self._trace.rtt_s / 2, self._origin_s)
        _log.info("event=link_set link=%s", self.link)

    def blackhole(self) -> None:
        """Deliver nothing, both ways, until `restore`: connections stay open and senders fill the buffers.

        Nothing is lost for good, as TCP would send it again.
        """
        self._connected.clear()
        _log.info("event=link_blackholed")

    def restore(self) -> None:
        """End a blackhole: what it held arrives at once."""
        self._connected.set()
        _log.info("event=link_restored")

    def drop(self) -> None:
        """Abort every open connection, on both sides, with a reset; new ones are still accepted."""
        for connection in self._connections:
            connection.cancel()
        _log.info("event=link_dropped connections=%d", len(self._connections))

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                # Out of descriptors, most likely: those who wait are served when some are free again.
                _log.warning("event=accept_failed reason=%s", error)
                await self._sleep(_RETRY_ACCEPT_S)
                continue
            connection = _Connection(client)
            task = asyncio.create_task(self._serve(connection))
            self._connections[task] = connection
            task.add_done_callback(connection.close)
            task.add_done_callback(self._connections.pop)

    async def _serve(self, connection: _Connection) -> None:
        try:
            (client,) = connection.sockets
            _tune(client)
            server = await self._connect()
            connection.sockets.append(server)
            await self._sleep(self._trace.rtt_s)
            async with asyncio.TaskGroup() as group:
                for way, source, destination in ((self._up, client, server), (self._down, server, client)):
                    flow = Flow(way, self._clock)
                    connection.flows.append(flow)
                    group.create_task(self._receive(flow, source))
                    group.create_task(self._deliver(flow, destination))
            for one in connection.sockets:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        except* OSError as errors:
            _log.info("event=connection_aborted reason=%s", errors.exceptions[0])

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        host, port = self._target
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        server = socket.socket(family, kind, protocol)
        try:
            server.setblocking(False)
            _tune(server)
            await loop.sock_connect(server, address)
        except BaseException:
            server.close()
            raise
        return server

    async def _receive(self, flow: Flow, source: socket.socket) -> None:
        shaper = flow.way.shaper
        ready_s = self._clock()
        while True:
            if await flow.wait_for_room():
                ready_s = self._clock()
            size_bytes = shaper.chunk_bytes(self._clock())
            try:
                # Bytes that are there at once have been waiting for us since we were due to ask.
                data, waiting_since_s = source.recv(size_bytes), ready_s
            except BlockingIOError:
                data = await asyncio.get_running_loop().sock_recv(source, size_bytes)
                waiting_since_s = self._clock()
            passage = shaper.send(len(data), self._clock(), waiting_since_s)
            flow.push(data, passage.arrives_s)
            if not data:
                return
            ready_s = passage.leaves_s
            await self._wait_until(ready_s)

    async def _deliver(self, flow: Flow, destination: socket.socket) -> None:
        while True:
            arrives_s, data = await flow.arrivals.get()
            await self._wait_until(arrives_s)
            await self._connected.wait()
            if not data:
                destination.shutdown(socket.SHUT_WR)
                return
            await asyncio.get_running_loop().sock_sendall(destination, data)
            flow.release(len(data))

    async def _wait_until(self, due_s: float) -> None:
        if due_s - self._clock() > _SHORT_WAIT_S:
            await self._sleep(due_s - self._clock() - _SHORT_WAIT_S / 2)
        await self._sleep(max(0.0, due_s - self._clock() - _EARLY_S))


def _as_trace(link: Link | LinkTrace) -> LinkTrace:
    return LinkTrace.constant(link) if isinstance(link, Link) else link


def _listen(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Before listening, so that accepted sockets have it from their first window on.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_BYTES)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        host, port = address
        raise LinkError(f"cannot listen on {host}:{port}: {error.strerror}; choose another address") from error
    return listener


def _tune(one: socket.socket) -> None:
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The kernel's own buffer would otherwise grow to megabytes that no link has.
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_BYTES)
    # Until both ways have ended in order, closing is aborting: the peer must not take it for an end.
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
