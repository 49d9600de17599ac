"""Bytes on their way through the emulator: accepted, held for their time, released.

The emulator pushes what it receives and releases what it delivers; between them this bounds how much is held.
"""

import asyncio
from collections.abc import Callable

from partway.link.shaper import MAX_CHUNK_BYTES, Shaper
from partway.link.trace import Trace

# Bytes that one connection may have under way in one direction, beyond those that the delay holds.
QUEUE_BYTES = 128 * 1024


class Way:
    """One direction of the link, shared by every connection.

    Args:
        trace: its rate over time.
        delay_s: seconds from leaving to arriving.
        now_s: the clock.
    """

    def __init__(self, trace: Trace, delay_s: float, now_s: float) -> None:
        self.shaper = Shaper(trace, delay_s, now_s)
        self.delivered_bytes = self.peak_held_bytes = 0


class Flow:
    """One connection's bytes in one direction, between being accepted and being delivered.

    At most `QUEUE_BYTES` are held, and as much again as the delay holds at the present rate.

    Args:
        way: the direction of the link.
        clock: seconds that never go back.
    """

    def __init__(self, way: Way, clock: Callable[[], float]) -> None:
        self.way, self._clock = way, clock
        self.held_bytes = 0
        self.arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()

    def push(self, data: bytes, arrives_s: float) -> None:
        """Take in a chunk that is to be delivered at a time; no bytes are the sender's end."""
        self._hold(len(data))
        self.way.peak_held_bytes = max(self.way.peak_held_bytes, self.held_bytes)
        self.arrivals.put_nowait((arrives_s, data))

    def release(self, size_bytes: int) -> None:
        """Count bytes as delivered, which makes room for others."""
        self._hold(-size_bytes)
        self.way.delivered_bytes += size_bytes

    async def wait_for_room(self) -> bool:
        """Wait until a chunk more may be accepted; whether that took any waiting."""
        waited = not self._room.is_set()
        await self._room.wait()
        return waited

    def _hold(self, size_bytes: int) -> None:
        self.held_bytes += size_bytes
        bound_bytes = QUEUE_BYTES + self.way.shaper.in_flight_bytes(self._clock())
        if self.held_bytes + MAX_CHUNK_BYTES <= bound_bytes:
            self._room.set()
        else:
            self._room.clear()
