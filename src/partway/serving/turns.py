"""Whose turn is next: everybody who waits gets one turn a round, whatever one of them asks for.

    a1 a2 a3 a4     b1     c1 c2        ->  a1 b1 c1  a2 c2  a3  a4

A share may come over several lines, connections for instance; within its own turns they take turns the same way.

Input: items, each of one line of somebody's share. Output: the items in turn. Each line's own are in the order in
which they came. Kept by the executor, under its lock.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue that serves shares round robin, and the lines of each likewise; items are told apart by identity.

    Attributes:
        changes: how often items came or left so far; the same number before and after means that the same wait.
    """

    def __init__(self) -> None:
        self._shares: OrderedDict[str, _Lines[T]] = OrderedDict()  # the next one first
        self._size = 0
        self.changes = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """All items in the order of their turns, if no other came."""
        return _in_turn(self._shares.values())

    def copy(self) -> "Turns[T]":
        """The same items, to be taken without being missed here."""
        turns: Turns[T] = Turns()
        turns._shares = OrderedDict((share, lines.copy()) for share, lines in self._shares.items())
        turns._size = self._size
        return turns

    def waiting(self, share: str, line: str | None = None) -> int:
        """How many items of a share, or of one of its lines, wait."""
        lines = self._shares.get(share)
        if lines is None:
            return 0
        return lines.size if line is None else lines.waiting(line)

    @property
    def largest(self) -> str:
        """The share of which most items wait; of equal ones the one whose turn is last.

        Raises:
            LookupError: nothing waits.
        """
        if not self._shares:
            raise LookupError("nothing waits, so no share is the largest")
        return max(reversed(self._shares), key=self.waiting)

    def most_in_line(self, share: str) -> int:
        """How many items of a share wait in the longest of its lines."""
        lines = self._shares.get(share)
        return 0 if lines is None else lines.waiting(lines.longest)

    def add(self, share: str, item: T, line: str = "") -> None:
        """Put an item behind all others of its line; a share of which nothing waited is the last of the round."""
        lines = self._shares.get(share)
        if lines is None:
            lines = self._shares[share] = _Lines()
        lines.add(line, item)
        self._size += 1
        self.changes += 1

    def take_next(self) -> T:
        """Take the item whose turn it is.

        Raises:
            LookupError: nothing waits.
        """
        for share, lines in self._shares.items():
            line, item = lines.next
            self.take(share, item, line)
            return item
        raise LookupError("nothing waits, so it is nobody's turn")

    def take(self, share: str, item: T, line: str = "") -> None:
        """Take an item, before its turn if need be: that was its share's turn, and the next one is a round later.

        Raises:
            LookupError: it does not wait.
        """
        if not self.remove(share, item, line):
            raise LookupError("the item does not wait, so it cannot be taken")
        if share in self._shares:
            self._shares.move_to_end(share)
            self._shares[share].pass_on(line)

    def take_newest(self, share: str) -> T:
        """Take back what was the last to be added to the longest line of a share; its turn stays what it was.

        Raises:
            LookupError: nothing of that share waits.
        """
        lines = self._shares[share]
        item = lines.take_newest()
        self._shrink(share, lines)
        return item

    def remove(self, share: str, item: T, line: str = "") -> bool:
        """Take an item out that shall have no turn; False where it does not wait."""
        lines = self._shares.get(share)
        if lines is None or not lines.remove(line, item):
            return False
        self._shrink(share, lines)
        return True

    def clear(self) -> tuple[T, ...]:
        """Take all items, in the order of their turns."""
        left = tuple(self)
        self._shares.clear()
        self._size = 0
        self.changes += 1
        return left

    def _shrink(self, share: str, lines: "_Lines[T]") -> None:
        self._size -= 1
        self.changes += 1
        if not lines.size:
            del self._shares[share]


class _Lines(Generic[T]):
    """The items of one share, by lines that take turns."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()  # the next line first
        self.size = 0

    def __iter__(self) -> Iterator[T]:
        return _in_turn(self._waiting.values())

    def copy(self) -> "_Lines[T]":
        lines: _Lines[T] = _Lines()
        lines._waiting = OrderedDict((line, items.copy()) for line, items in self._waiting.items())
        lines.size = self.size
        return lines

    def waiting(self, line: str) -> int:
        return len(self._waiting.get(line, ()))

    @property
    def longest(self) -> str:
        return max(reversed(self._waiting), key=self.waiting)

    @property
    def next(self) -> tuple[str, T]:
        line, items = next(iter(self._waiting.items()))
        return line, items[0]

    def add(self, line: str, item: T) -> None:
        self._waiting.setdefault(line, deque()).append(item)
        self.size += 1

    def pass_on(self, line: str) -> None:
        if line in self._waiting:
            self._waiting.move_to_end(line)

    def take_newest(self) -> T:
        line = self.longest
        item = self._waiting[line].pop()
        self._shrink(line)
        return item

    def remove(self, line: str, item: T) -> bool:
        items = self._waiting.get(line, deque())
        for index, found in enumerate(items):
            if found is item:
                del items[index]
                self._shrink(line)
                return True
        return False

    def _shrink(self, line: str) -> None:
        self.size -= 1
        if not self._waiting[line]:
            del self._waiting[line]


def _in_turn(queues: Iterable[Iterable[T]]) -> Iterator[T]:
    left = [iter(items) for items in queues]
    while left:
        going_on = []
        for items in left:
            for item in items:
                yield item
                going_on.append(items)
                break
        left = going_on
