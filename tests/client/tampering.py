"""A TCP proxy that does to a connection what networks and broken machines do: byte by byte, as a test says."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Tamper = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    """As it came."""
    return data


class Tampering:
    """Passes bytes on, each way through a function of its own.

    Attributes:
        address: where to connect to.
        up: what happens to bytes on their way to the server.
        down: what happens to those that come back; nothing comes where it gives nothing.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.up: Tamper = untouched
        self.down: Tamper = untouched
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._sockets: list[socket.socket] = []
        self._closed = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def half_close(self) -> None:
        """Say to every client that nothing more will come, and go on listening to it."""
        for one in self._sockets[::2]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._sockets += [client, server]
            for source, target, upwards in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pass, args=(source, target, upwards))
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(self.up(data) if upwards else self.down(data))
            target.shutdown(socket.SHUT_WR)


@contextmanager
def tampering(target: tuple[str, int]) -> Iterator[Tampering]:
    """A proxy in front of `target`, closed when the block is left."""
    proxy = Tampering(target)
    try:
        yield proxy
    finally:
        proxy.close()
