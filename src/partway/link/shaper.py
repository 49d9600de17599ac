"""When bytes leave one way of a link and when they arrive: arithmetic on times that are handed in.

Called by the emulator, which owns the sockets and the waiting.
"""

from dataclasses import dataclass

from partway.link.trace import Trace

# How long a sender may have been kept waiting by a late wake-up of ours and still be served as if it had
# not been. It covers a busy machine's scheduling; a machine that slept is not made up for.
CREDIT_S = 0.05

# One packet of Ethernet, the least that a link hands over, and a bound on how much it hands over at once.
PACKET_BYTES = 1448
MAX_CHUNK_BYTES = 16 * 1024
_CHUNK_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The times of one chunk's way through a link, on the caller's clock.

    Attributes:
        leaves_s: when its last byte is sent, and the link is free for the next.
        arrives_s: when it is there, one delay later.
    """

    leaves_s: float
    arrives_s: float


class Shaper:
    """One way of a link: a queue drained at a rate, then a fixed delay.

        waiting ──> [ sending, one chunk after another ] ──leaves──> [ delay ] ──arrives──>

    Order is kept, also when the delay shrinks. The link is busy from `max(free, waiting since)` on, and
    not from when somebody got round to asking: so a late wake-up costs the chunk that waited for it, but
    never the long-run rate.

    Args:
        trace: the rate over time.
        delay_s: seconds from leaving to arriving, at least 0.
        now_s: the clock at the trace's beginning.
    """

    def __init__(self, trace: Trace, delay_s: float, now_s: float) -> None:
        self._free_s = self._last_arrival_s = now_s
        self.change(trace, delay_s, now_s)

    def change(self, trace: Trace, delay_s: float, now_s: float) -> None:
        """Become another link from now on; what is already sent keeps its times."""
        self._trace, self._delay_s, self._origin_s = trace, delay_s, now_s

    def chunk_bytes(self, now_s: float) -> int:
        """How much to send at once: 5 ms worth, between one packet and 16 kB."""
        return int(min(max(self._trace.rate_at(now_s - self._origin_s) * _CHUNK_S, PACKET_BYTES), MAX_CHUNK_BYTES))

    def in_flight_bytes(self, now_s: float) -> float:
        """How much the delay holds at the present rate: bytes that have left and not arrived."""
        return self._trace.rate_at(now_s - self._origin_s) * self._delay_s

    def send(self, size_bytes: int, now_s: float, waiting_since_s: float | None = None) -> Passage:
        """Send a chunk after all those sent before.

        Args:
            size_bytes: the chunk's size, at least 0.
            now_s: the clock.
            waiting_since_s: since when the chunk has been ready, where that was before `now_s`.
                Believed up to `CREDIT_S`.
        """
        ready_s = now_s if waiting_since_s is None else min(max(waiting_since_s, now_s - CREDIT_S), now_s)
        start_s = max(self._free_s, ready_s)
        finish_s = self._origin_s + self._trace.finish_s(start_s - self._origin_s, size_bytes)
        self._free_s = max(start_s, finish_s)  # the origin's rounding must not turn the order round
        self._last_arrival_s = max(self._last_arrival_s, self._free_s + self._delay_s)
        return Passage(leaves_s=self._free_s, arrives_s=self._last_arrival_s)
