"""Whose turn is next: everybody who waits gets one turn a round, whatever one of them asks for.

    a1 a2 a3 a4     b1     c1 c2        ->  a1 b1 c1  a2 c2  a3  a4

Input: items, each of somebody's share. Output: the items in turn. Each share's own are in the order in which they
came. Kept by the executor, under its lock.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue that serves shares round robin; items are told apart by identity."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()  # the next share first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """All items in the order of their turns, if no other came."""
        left = [iter(items) for items in self._waiting.values()]
        while left:
            going_on = []
            for items in left:
                for item in items:
                    yield item
                    going_on.append(items)
                    break
            left = going_on

    def copy(self) -> "Turns[T]":
        """The same items, to be taken without being missed here."""
        turns: Turns[T] = Turns()
        turns._waiting = OrderedDict((share, items.copy()) for share, items in self._waiting.items())
        turns._size = self._size
        return turns

    def waiting(self, share: str) -> int:
        """How many items of a share wait."""
        return len(self._waiting.get(share, ()))

    @property
    def largest(self) -> str:
        """The share of which most items wait; of equal ones the one whose turn is last.

        Raises:
            LookupError: nothing waits.
        """
        if not self._waiting:
            raise LookupError("nothing waits, so no share is the largest")
        return max(reversed(self._waiting), key=self.waiting)

    def add(self, share: str, item: T) -> None:
        """Put an item behind all others of its share; a share of which nothing waited is the last of the round."""
        self._waiting.setdefault(share, deque()).append(item)
        self._size += 1

    def take_next(self) -> T:
        """Take the item whose turn it is.

        Raises:
            LookupError: nothing waits.
        """
        for share, items in self._waiting.items():
            item = items[0]
            self.take(share, item)
            return item
        raise LookupError("nothing waits, so it is nobody's turn")

    def take(self, share: str, item: T) -> None:
        """Take an item, before its turn if need be: that was its share's turn, and the next one is a round later.

        Raises:
            LookupError: it does not wait.
        """
        if not self.remove(share, item):
            raise LookupError("the item does not wait, so it cannot be taken")
        if share in self._waiting:
            self._waiting.move_to_end(share)

    def take_newest(self, share: str) -> T:
        """Take back what a share was the last to add; its turn stays what it was.

        Raises:
            LookupError: nothing of that share waits.
        """
        item = self._waiting[share].pop()
        self._size -= 1
        self._forget_empty(share)
        return item

    def remove(self, share: str, item: T) -> bool:
        """Take an item out that shall have no turn; False where it does not wait."""
        items = self._waiting.get(share, deque())
        for index, found in enumerate(items):
            if found is item:
                del items[index]
                self._size -= 1
                self._forget_empty(share)
                return True
        return False

    def clear(self) -> tuple[T, ...]:
        """Take all items, in the order of their turns."""
        left = tuple(self)
        self._waiting.clear()
        self._size = 0
        return left

    def _forget_empty(self, share: str) -> None:
        if not self._waiting[share]:
            del self._waiting[share]
