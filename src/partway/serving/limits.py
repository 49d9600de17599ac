"""What one caller may ask for, so that the others are served too.

Input: names of callers. Output: a way in, or `TooManyRequests`. Called by the handlers on their event loop.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

from partway.errors import TooManyRequests


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
