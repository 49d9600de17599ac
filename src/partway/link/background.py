"""The link emulator for programs that have no event loop: it runs in a thread of its own.

Called by the demo, `bench`, benchmarks and tests.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from partway.link.emulator import Counters, LinkEmulator
from partway.link.state import Link
from partway.link.trace import LinkTrace

_Result = TypeVar("_Result")


class RunningEmulator:
    """A link emulator at work in another thread; safe to call from any thread while it runs.

    Attributes:
        address: host and port for clients to connect to.
    """

    def __init__(self, emulator: LinkEmulator, loop: asyncio.AbstractEventLoop) -> None:
        self._emulator, self._loop = emulator, loop
        self.address = emulator.address

    @property
    def link(self) -> Link:
        """The link as it is now."""
        return self._call(lambda: self._emulator.link)

    @property
    def counters(self) -> Counters:
        """What has passed through so far."""
        return self._call(lambda: self._emulator.counters)

    def set_link(self, link: Link | LinkTrace) -> None:
        """Be another link from now on; a trace begins anew."""
        self._call(lambda: self._emulator.set_link(link))

    def blackhole(self) -> None:
        """Deliver nothing, both ways, until `restore`; connections stay open."""
        self._call(self._emulator.blackhole)

    def restore(self) -> None:
        """End a blackhole: what it held arrives at once."""
        self._call(self._emulator.restore)

    def drop(self) -> None:
        """Abort every open connection, on both sides, with a reset; new ones are still accepted."""
        self._call(self._emulator.drop)

    def _call(self, function: Callable[[], _Result]) -> _Result:
        async def call() -> _Result:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


@contextlib.contextmanager
def run_emulator(
    target: tuple[str, int], link: Link | LinkTrace, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[RunningEmulator]:
    """Emulate `link` in front of `target` for as long as the `with` block lasts.

    Args:
        target: host and port to connect on to.
        link: what to emulate; a trace begins at once.
        host: the address to listen on; the default is reachable from this machine only.
        port: the port to listen on; 0 takes a free one.

    Raises:
        LinkError: the address cannot be listened on.
    """
    started: Future[tuple[RunningEmulator, Callable[[], object]]] = Future()

    async def run() -> tuple[RunningEmulator, Callable[[], object]]:
        async with LinkEmulator(target, link, host=host, port=port) as emulator:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            started.set_result((RunningEmulator(emulator, loop), lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()
            return started.result()

    with ThreadPoolExecutor(1, thread_name_prefix="partway-link") as executor:
        job = executor.submit(lambda: asyncio.run(run()))
        # Whichever is first: it has started, or it ended without starting and says why.
        first = next(as_completed((job, started)))
        running, stop = first.result()
        try:
            yield running
        finally:
            stop()
