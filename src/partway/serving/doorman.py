"""Which connections are let in to the REST face: so many in all, and not all of them to one address.

    accepted -> counted -> [TLS handshake] -> aiohttp -> first request, or hung up on

Input: connections, as they are accepted. Output: each is handed to aiohttp or closed. gRPC's core counts its own.
Called by the REST face.
"""

import asyncio
import logging
import ssl

from aiohttp import web

from partway.serving.callers import stranger
from partway.serving.journal import word

logger = logging.getLogger(__name__)

_HANDSHAKE_S = 10.0


class Doorman:
    """Stands at the port.

    Args:
        server: aiohttp's, which knows the connections that were handed to it.
        connections: most of them in all, those in their handshake among them; one address may have half of these.
        idle_s: how long they may be silent. aiohttp's newest versions see to that themselves, older ones do not.
        tls: answers with TLS; None to answer in the clear.
    """

    def __init__(self, server: web.Server, *, connections: int, idle_s: float, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._connections = connections
        self._idle_s = idle_s
        self._tls = tls
        self._opening: dict[asyncio.Transport, asyncio.Task[None]] = {}
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}

    def meet(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        return _Arrival(self)

    def heard(self, protocol: asyncio.BaseProtocol) -> None:
        """Take in that a connection has asked for something."""
        timer = self._silent.pop(protocol, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Hang up on who has not asked for anything yet."""
        for transport in tuple(self._opening):
            transport.abort()

    def arrived(self, transport: asyncio.Transport, arrival: "_Arrival") -> None:
        """Hand a connection over, or close it."""
        for gone in [protocol for protocol in self._silent if getattr(protocol, "transport", None) is None]:
            self.heard(gone)
        address = _address(transport)
        others = [*(other.transport for other in self._server.connections), *self._opening]
        alike = sum(_address(other) == address for other in others)
        if len(others) >= self._connections or alike >= max(1, self._connections // 2):
            logger.info("connection_refused address=%s of_it=%d in_all=%d", word(address), alike, len(others))
            transport.abort()
        elif self._tls is None:
            self._hand_over(transport, arrival)
        else:
            self._opening[transport] = asyncio.ensure_future(self._shake_hands(transport, arrival, self._tls))

    async def _shake_hands(self, transport: asyncio.Transport, arrival: "_Arrival", tls: ssl.SSLContext) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, arrival, tls, server_side=True, ssl_handshake_timeout=_HANDSHAKE_S
            )
        except OSError as error:  # no TLS, no certificate of ours, or too late: its sender's business
            logger.debug("handshake_failed address=%s reason=%s", word(_address(transport)), type(error).__name__)
            transport.abort()
        else:
            if secured is not None and not arrival.lost:
                self._hand_over(secured, arrival)
        finally:
            del self._opening[transport]

    def _hand_over(self, transport: asyncio.Transport, arrival: "_Arrival") -> None:
        protocol = self._server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(self._idle_s, self._hang_up, protocol)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if arrival.received:
            protocol.data_received(bytes(arrival.received))

    def _hang_up(self, protocol: web.RequestHandler) -> None:
        if self._silent.pop(protocol, None) is not None:
            protocol.force_close()


class _Arrival(asyncio.Protocol):
    """A connection until it is handed over; keeps what comes right behind a handshake."""

    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman
        self.received = bytearray()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} is no stream; serve on TCP")
        self._doorman.arrived(transport, self)

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.lost = True


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = None if transport is None else transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return ""
    return stranger(f"ipv6:[{peer[0]}]:0" if ":" in peer[0] else f"ipv4:{peer[0]}:0").name
