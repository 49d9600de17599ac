"""When the folder of models is looked at again: every few seconds, and at once for a name that is not known.

Input: the scan. Output: it runs, on a thread of its own and one at a time, however many ask. Called by the handlers and
started by the server, on the event loop.
"""

import asyncio
import logging
import math
from collections.abc import Callable

from partway.engine import Clock

logger = logging.getLogger(__name__)

_LEAST_GAP_S = 1.0
_EVERY_S = 5.0


class Lookout:
    """Has the folder scanned.

    Args:
        scan: looks at it.
        clock: seconds, monotonic.
    """

    def __init__(self, scan: Callable[[], None], *, clock: Clock) -> None:
        self._scan = scan
        self._clock = clock
        self._began_s = -math.inf
        self._running: asyncio.Future[None] | None = None

    async def look(self) -> None:
        """Return once the folder was scanned, by whoever asked for it, or at once where that was a moment ago."""
        if self._running is None:
            if self._clock() - self._began_s < _LEAST_GAP_S:
                return
            self._began_s = self._clock()
            self._running = asyncio.ensure_future(self._look())
        await asyncio.shield(self._running)  # who leaves takes nobody's scan away

    async def watch(self) -> None:
        """Look every few seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.look()

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._scan)
        except OSError as error:  # the folder is gone, or closed to us: what was found so far is served
            logger.warning("repository_unread reason=%s", error)
        finally:
            self._running = None
