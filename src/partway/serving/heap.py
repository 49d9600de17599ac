"""Memory that answered requests left behind goes back to the system while the server runs.

The C library keeps what was freed for the next request, in as many arenas as there are threads. After a burst of large
requests that is a hundred megabytes and more, which stay until the process ends. Here they are given back every few
seconds; memory in use is not touched. C libraries other than glibc have no such call: there nothing happens.

Called by a server that has its process to itself, `Server.serve_forever`.

Source: malloc_trim(3).
"""

import asyncio
import ctypes
from collections.abc import Callable

_EVERY_S = 10.0


def find_trim() -> Callable[[], None] | None:
    """What gives back all that is free; None where the C library cannot."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int

    def give_back() -> None:
        trim(0)

    return give_back


async def keep_trimmed(trim: Callable[[], None] | None, *, every_s: float = _EVERY_S) -> None:
    """Give memory back again and again, until cancelled.

    Args:
        trim: gives it back; it runs on a thread, since it takes milliseconds. None where there is no such call.
        every_s: seconds in between.
    """
    while trim is not None:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim)
