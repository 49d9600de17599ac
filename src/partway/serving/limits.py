"""What one caller may ask for, so that the others are served too.

Input: names of callers. Output: a way in, or `TooManyRequests`. Called by the handlers on their event loop.
"""

import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterator

from partway.engine import Clock
from partway.errors import TooManyRequests

_MINUTE_S = 60.0
_MOST_NAMES = 4096
_MOST_BEFORE = 16_384


class InFlight:
    """Bounds how many requests of one caller are unanswered at the same time.

    Args:
        most: requests.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._unanswered: Counter[str] = Counter()

    @contextlib.contextmanager
    def admitted(self, name: str) -> Iterator[None]:
        """Hold one place of a caller's for the time of a block.

        Raises:
            TooManyRequests: all of them are taken.
        """
        if self._unanswered.get(name, 0) >= self._most:
            raise TooManyRequests(
                f"{name} waits for {self._most} answers already, as many as one client may; "
                "send the next request once one of them came"
            )
        self._unanswered[name] += 1
        try:
            yield
        finally:
            self._unanswered[name] -= 1
            if not self._unanswered[name]:
                del self._unanswered[name]


class NewPieces:
    """Bounds what is built for one caller within any minute: sessions of tails, and graphs of shapes, that are new.

    What was built once and had to be forgotten meanwhile is built anew for free: that was no caller's doing.

    Args:
        most: pieces a minute.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._built_s: OrderedDict[str, deque[float]] = OrderedDict()
        self._before: OrderedDict[int, None] = OrderedDict()  # hashes: what clients name may be long

    def note(self, what: Hashable) -> None:
        """Take in that something is built at nobody's expense, and needs not be paid for any more."""
        self._before[hash(what)] = None
        self._before.move_to_end(hash(what))
        if len(self._before) > _MOST_BEFORE:
            self._before.popitem(last=False)

    def take(self, name: str, what: Hashable) -> bool:
        """Take in that a caller is about to have something built.

        Args:
            name: the caller's.
            what: identifies it.

        Returns:
            Whether it counts: it was neither built nor begun before.

        Raises:
            TooManyRequests: it counts, and they had as much built as they may already.
        """
        if hash(what) in self._before:
            self._before.move_to_end(hash(what))
            return False
        now_s = self._clock()
        built_s = self._built_s.setdefault(name, deque())
        self._built_s.move_to_end(name)
        if len(self._built_s) > _MOST_NAMES:
            self._built_s.popitem(last=False)
        while built_s and now_s - built_s[0] >= _MINUTE_S:
            built_s.popleft()
        if len(built_s) >= self._most:
            raise TooManyRequests(
                f"{name} asked for {self._most} cuts or shapes within a minute that were not there yet, as many as one "
                f"client may; ask for those that are there, or go on in {_MINUTE_S - (now_s - built_s[0]):.0f} s"
                if built_s
                else f"{name} asks for a cut or shape that is not there yet, and this server builds none for clients"
            )
        built_s.append(now_s)
        self.note(what)
        return True
