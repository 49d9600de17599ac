"""Which connections are let in to the REST face: so many in all, and not all of them to one address.

Input: connections, as they are accepted, TLS behind them. Output: each is handed to aiohttp or closed. gRPC's core
counts its own. Called by the REST face.
"""

import asyncio
import logging

from aiohttp import web

from partway.serving.journal import word

logger = logging.getLogger(__name__)


class Doorman(asyncio.Protocol):
    """Stands at one new connection.

    Args:
        server: aiohttp's, which knows the connections that are open.
        connections: most of them in all; one address may have half of these.
        silent: connections that have not asked for anything yet; the face takes them out once they have.
        idle_s: how long they may be silent. aiohttp's newest versions see to that themselves, older ones do not.
    """

    def __init__(self, server: web.Server, *, connections: int, silent: set[asyncio.Protocol], idle_s: float) -> None:
        self._server = server
        self._connections = connections
        self._silent = silent
        self._idle_s = idle_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection over, or close it."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} is no stream; serve on TCP")
        address = _address(transport)
        others = self._server.connections
        alike = sum(_address(other.transport) == address for other in others)
        if len(others) >= self._connections or alike >= max(1, self._connections // 2):
            logger.info("connection_refused address=%s of_it=%d in_all=%d", word(address), alike, len(others))
            transport.abort()
            return
        protocol = self._server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(self._idle_s, self._hang_up, protocol)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _hang_up(self, protocol: web.RequestHandler) -> None:
        if protocol in self._silent:
            self._silent.remove(protocol)
            protocol.force_close()


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = None if transport is None else transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
