"""Slow things made once, however many ask for them at the same time.

Called by the models' keeper on the event loop: the first who asks starts the work in a thread, the others
wait for the same result, and one who leaves does not stop it for the rest.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from partway.errors import ServerBusy
from partway.serving.fair_pool import FairPool

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work in progress by key; used from one event loop only.

    Args:
        pool: does the work.
        capacity: most keys in progress at once.
    """

    def __init__(self, pool: FairPool, *, capacity: int = 256) -> None:
        self._pool = pool
        self._capacity = capacity
        self._running: dict[Hashable, asyncio.Future[T]] = {}

    async def do(self, key: Hashable, make: Callable[[], T], *, by: str = "") -> T:
        """What `make` gives, from whoever started it under `key`.

        Args:
            key: names it.
            make: makes it.
            by: who wants it, and starts it where nobody has.

        Raises:
            ServerBusy: too many others are in progress, or of the same caller (`TooManyRequests`).
        """
        # Shielded: a waiter that is cancelled must not cancel what others wait for.
        return await asyncio.shield(self.start(key, make, by=by))

    def start(self, key: Hashable, make: Callable[[], T], *, by: str = "") -> "asyncio.Future[T]":
        """The work in progress under `key`, started if there is none; nobody needs to wait for it.

        Args:
            key: names it.
            make: makes it.
            by: who wants it, and starts it where nobody has.

        Raises:
            ServerBusy: too many others are in progress, or of the same caller (`TooManyRequests`).
        """
        future = self._running.get(key)
        if future is None:
            if len(self._running) >= self._capacity:
                raise ServerBusy(f"{self._capacity} models are being prepared already; send the request later")
            future = asyncio.wrap_future(self._pool.submit(by, make))
            self._running[key] = future
            future.add_done_callback(lambda done: self._finish(key, done))
        return future

    def _finish(self, key: Hashable, future: "asyncio.Future[T]") -> None:
        del self._running[key]
        if not future.cancelled():
            future.exception()  # read here, so that one that everybody left is no unhandled error
