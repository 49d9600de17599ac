"""One device, one varying link, one request after the other: what each chooser of cuts makes of it.

    decide -> head -> [ uplink: one transfer at a time ] -> server -> downlink -> answer
       ^                    ^ questions, too                                        |
       '--- what the chooser was told: seconds of transfers and heads <-------------'

Input: a scene (link, cost table, noise) and a chooser. Output: the latencies of its requests. All on a clock that is
moved by hand, so a scene of minutes takes a fraction of a second. Called by `benchmarks.link_estimation`.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from benchmarks.link_traces import NamedTrace

from partway.planning import CostTable, CutCost
from partway.testing import FakeClock

QUESTION_BYTES, REPLY_BYTES = 600, 300
"""Of a question without padding, and of its answer: those of a model with some twenty cuts."""

_REPLY_SERVICE_S = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What happens, whoever chooses.

    Attributes:
        trace: the link.
        model: name of the cost table.
        table: what cuts cost on this device.
        noise: standard deviation of the logarithm of every network time.
    """

    trace: NamedTrace
    model: str
    table: CostTable
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to the server beside the requests.

    Attributes:
        padding_bytes: what is sent along.
    """

    padding_bytes: int


class Chooser(Protocol):
    """Chooses a row of the table for each request, and is told how it went."""

    def choose(self, table: CostTable, now_s: float) -> int:
        """The row for a request that begins now."""

    def saw_transfer(self, *, up_bytes: int, down_bytes: int, network_s: float, now_s: float) -> None:
        """An answer came."""

    def question(self, now_s: float) -> Question | None:
        """What to ask beside the next request; None for nothing."""

    def follow_up(self, now_s: float) -> Question | None:
        """What to ask right after an answer to a question; None for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a chooser did.

    Attributes:
        latencies_s: of each request.
        shares: of requests, by row of the table.
        asked_share: time on the uplink that questions took, over all time.
    """

    latencies_s: tuple[float, ...]
    shares: tuple[float, ...]
    asked_share: float

    @property
    def mean_s(self) -> float:
        """Of all requests."""
        return float(np.mean(self.latencies_s))

    @property
    def p95_s(self) -> float:
        """95 of 100 are below."""
        return float(np.quantile(self.latencies_s, 0.95))


def play(scene: Scene, chooser: Chooser, clock: FakeClock, *, seed: int, duration_s: float | None = None) -> Outcome:
    """Request after request for as long as the trace lasts.

    Args:
        scene: where.
        chooser: who.
        clock: the chooser's, at 0.
        seed: of the noise.
        duration_s: other than the trace's.
    """
    return _Run(scene, chooser, clock, np.random.default_rng(seed)).play(duration_s or scene.trace.link.duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    # A question on its way.
    up_bytes: int
    sent_s: float
    answered_s: float
    network_s: float


class _Run:
    def __init__(self, scene: Scene, chooser: Chooser, clock: FakeClock, generator: np.random.Generator) -> None:
        self._scene, self._link, self._chooser = scene, scene.trace.link, chooser
        self._clock, self._generator = clock, generator
        self._pending: _Pending | None = None
        self._asked_s = 0.0

    def play(self, duration_s: float) -> Outcome:
        latencies_s: list[float] = []
        rows: list[int] = []
        while self._clock() < duration_s:
            start_s = self._clock()
            if self._pending is None:
                self._ask(self._chooser.question(start_s), start_s)
            row = self._chooser.choose(self._scene.table, start_s)
            self._request(self._scene.table.costs[row], start_s)
            latencies_s.append(self._clock() - start_s)
            rows.append(row)
        counts = np.bincount(rows, minlength=len(self._scene.table))
        return Outcome(
            latencies_s=tuple(latencies_s),
            shares=tuple(float(count) / len(rows) for count in counts),
            asked_share=self._asked_s / self._clock(),
        )

    def _request(self, cost: CutCost, start_s: float) -> None:
        if not cost.offloaded:
            self._pass_until(start_s + cost.device_s)
            return
        ready_s = start_s + cost.device_s
        # A question that is still on its way up goes first.
        begun_s = max(ready_s, self._pending.sent_s if self._pending is not None else 0.0)
        sent_s = self._link.uplink.finish_s(begun_s, cost.up_bytes)
        served_s = sent_s + self._link.rtt_s / 2 + cost.server_s
        end_s = self._link.downlink.finish_s(served_s, cost.down_bytes) + self._link.rtt_s / 2
        network_s = self._noisy(end_s - ready_s - cost.server_s)
        end_s = ready_s + network_s + cost.server_s
        self._pass_until(end_s)
        self._chooser.saw_transfer(up_bytes=cost.up_bytes, down_bytes=cost.down_bytes, network_s=network_s, now_s=end_s)

    def _ask(self, question: Question | None, now_s: float) -> None:
        if question is None:
            return
        up_bytes = QUESTION_BYTES + question.padding_bytes
        sent_s = self._link.uplink.finish_s(now_s, up_bytes)
        served_s = sent_s + self._link.rtt_s / 2
        end_s = self._link.downlink.finish_s(served_s, REPLY_BYTES) + self._link.rtt_s / 2
        network_s = self._noisy(end_s - now_s)
        answered_s = now_s + network_s + _REPLY_SERVICE_S
        self._pending = _Pending(up_bytes=up_bytes, sent_s=sent_s, answered_s=answered_s, network_s=network_s)
        self._asked_s += sent_s - now_s

    def _pass_until(self, until_s: float) -> None:
        while (pending := self._pending) is not None and pending.answered_s <= until_s:
            self._pending = None
            self._clock.now_s = pending.answered_s
            self._chooser.saw_transfer(
                up_bytes=pending.up_bytes,
                down_bytes=REPLY_BYTES,
                network_s=pending.network_s,
                now_s=pending.answered_s,
            )
            self._ask(self._chooser.follow_up(pending.answered_s), pending.answered_s)
        self._clock.now_s = until_s

    def _noisy(self, network_s: float) -> float:
        sigma = self._scene.noise
        return network_s * math.exp(self._generator.normal(-0.5 * sigma * sigma, sigma))
