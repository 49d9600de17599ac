"""How many bytes of requests the server holds at the same time, whichever face they came to.

Input: sizes, as soon as they are known. Output: a way in, or `ServerBusy`. Made by the server, called by the faces on
their event loop.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

from partway.errors import ServerBusy, TooManyRequests


class Admission:
    """Counts the bytes of all requests that are not answered yet.

    Args:
        capacity_bytes: most of them, and twice what one caller may hold; one request alone may be longer.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._held_bytes = 0
        self._held_of: Counter[str] = Counter()
        self._requests = 0

    @property
    def held_bytes(self) -> int:
        """Of all requests that are not answered yet, as they came."""
        return self._held_bytes

    @property
    def requests(self) -> int:
        """How many requests are not answered yet."""
        return self._requests

    @contextlib.contextmanager
    def admit(self, name: str, size_bytes: int = 0) -> Iterator["Admitted"]:
        """Hold a request for the time of a block.

        Args:
            name: of the caller.
            size_bytes: of it, as far as it has come.

        Raises:
            ServerBusy: there is no room for it.
            TooManyRequests: this caller's share is taken.
        """
        admitted = Admitted(self, name)
        self._requests += 1
        try:
            admitted.grow(size_bytes)
            yield admitted
        finally:
            self._requests -= 1
            self._held_bytes -= admitted.size_bytes
            self._held_of[name] -= admitted.size_bytes
            if not self._held_of[name]:
                del self._held_of[name]

    def _take(self, name: str, size_bytes: int, before_bytes: int) -> None:
        own_bytes = self._held_of[name] - before_bytes
        if size_bytes and own_bytes and self._held_of[name] + size_bytes > self._capacity_bytes // 2:
            raise TooManyRequests(
                f"{own_bytes} bytes of {name}'s other requests are in flight and this one has "
                f"{before_bytes + size_bytes}, with {self._capacity_bytes // 2} as many as one client may; "
                "send it once one of them is answered"
            )
        others_bytes = self._held_bytes - before_bytes
        if others_bytes and self._held_bytes + size_bytes > self._capacity_bytes:
            raise ServerBusy(
                f"{others_bytes} bytes of requests are in flight and this one has {before_bytes + size_bytes}, "
                f"with {self._capacity_bytes} as many as may; send it later or elsewhere"
            )
        self._held_bytes += size_bytes
        self._held_of[name] += size_bytes


class Admitted:
    """One request that is held.

    Args:
        admission: holds it.
        name: of the caller.

    Attributes:
        size_bytes: of it, as far as it has come.
    """

    def __init__(self, admission: Admission, name: str) -> None:
        self._admission = admission
        self._name = name
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Hold that much more of it.

        Raises:
            ServerBusy: there is no room for it.
            TooManyRequests: this caller's share is taken.
        """
        self._admission._take(self._name, size_bytes, self.size_bytes)  # noqa: SLF001 - two halves of one counter
        self.size_bytes += size_bytes
