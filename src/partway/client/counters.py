"""How a session's requests went so far, in numbers.

Input: each request's result, and what went wrong on the server's side. Output: `Counters`, a record of one moment.
Kept by the session; safe to use from several threads.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from partway.client.breaker import Fault
from partway.client.result import Result

_TURNED_AWAY = "turned_away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Requests that were answered since the session was made.

    Attributes:
        requests: all of them.
        offloaded: of these, with the server's answer.
        hedged: begun on the device beside a server that was late.
        hedges_won_by_device: of the hedged, those that the device finished first, or alone.
        hedges_won_by_server: of the hedged, those with the server's answer.
        fell_back: how many asked the server in vain, by what went wrong (`partway.client.breaker.Fault`'s words, and
            `turned_away` where its queue was too long to wait for); what never happened is left out.
        breaker_openings: how often requests ceased to be sent.
    """

    requests: int
    offloaded: int
    hedged: int
    hedges_won_by_device: int
    hedges_won_by_server: int
    fell_back: Mapping[str, int]
    breaker_openings: int


class Tally:
    """Counts requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._offloaded = self._hedged = self._won = 0
        self._fell_back: Counter[str] = Counter()

    def count(self, result: Result, fault: Fault | None, *, turned_away: bool = False) -> None:
        """Count one request.

        Args:
            result: what came of it.
            fault: what went wrong on the server's side; None where it fell back merely because the answer was late, or
                was not to be waited for.
            turned_away: whether that is what the server said.
        """
        with self._lock:
            self._requests += 1
            self._offloaded += result.offloaded
            self._hedged += result.hedged
            self._won += result.hedged and result.offloaded
            if result.fell_back:
                self._fell_back[_TURNED_AWAY if turned_away else (fault or Fault.LATE).value] += 1

    def read(self, *, breaker_openings: int) -> Counters:
        """The numbers of this moment.

        Args:
            breaker_openings: as the breaker counts them.
        """
        with self._lock:
            return Counters(
                requests=self._requests,
                offloaded=self._offloaded,
                hedged=self._hedged,
                hedges_won_by_device=self._hedged - self._won,
                hedges_won_by_server=self._won,
                fell_back=dict(self._fell_back),
                breaker_openings=breaker_openings,
            )
