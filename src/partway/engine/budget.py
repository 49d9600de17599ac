"""What is kept in memory as long as there is room for it, the least recently used dropped first.

Input: what takes room, how much, and how to drop it. Output: calls to drop. Shared by piece stores and by the server's
models, so that one limit holds for all of them together.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    size_bytes: int
    drop: Callable[[], None]
    owner: Hashable


class MemoryBudget:
    """Bounds the bytes of all that can be made again; safe to use from several threads.

    Args:
        limit_bytes: the most that is kept; what was used last, and its owner, are kept even where they take more alone.
    """

    def __init__(self, limit_bytes: float = math.inf) -> None:
        self.limit_bytes = limit_bytes
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()
        self._held_bytes = 0
        self._last: tuple[Hashable, ...] = ()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of all that is kept now."""
        return self._held_bytes

    def hold(self, key: Hashable, size_bytes: int, drop: Callable[[], None], *, owner: Hashable = None) -> None:
        """Take in that something is kept; `trim` then makes room.

        Args:
            key: names it.
            size_bytes: what it takes.
            drop: forgets it; called on any thread, without any lock of the budget's.
            owner: names what it belongs to, which is used whenever it is.
        """
        with self._lock:
            self._release(key)
            self._held[key] = _Held(size_bytes=size_bytes, drop=drop, owner=owner)
            self._held_bytes += size_bytes
            self._use(key)

    def resize(self, key: Hashable, size_bytes: int) -> None:
        """Take in that something takes another size now; does nothing where it is not kept."""
        with self._lock:
            if key in self._held:
                self._held_bytes += size_bytes - self._held[key].size_bytes
                self._held[key] = replace(self._held[key], size_bytes=size_bytes)

    def use(self, key: Hashable) -> None:
        """Take in that something was used; does nothing where it is not kept."""
        with self._lock:
            if key in self._held:
                self._use(key)

    def release(self, key: Hashable) -> None:
        """Take in that something is gone; does nothing where it is not kept."""
        with self._lock:
            self._release(key)

    def trim(self) -> None:
        """Drop the least recently used until the rest fits; never called under a lock that dropping takes."""
        while True:
            with self._lock:
                key = next((key for key in self._held if key not in self._last), None)
                if self._held_bytes <= self.limit_bytes or key is None:
                    return
                drop = self._held[key].drop
                self._release(key)
            drop()

    def _use(self, key: Hashable) -> None:
        self._last = (key, self._held[key].owner)
        for used in self._last:
            if used in self._held:
                self._held.move_to_end(used)

    def _release(self, key: Hashable) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._held_bytes -= held.size_bytes
