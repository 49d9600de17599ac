"""Those who choose cuts on a varying link: who knows it, who guesses it, and ours.

Played by `benchmarks.link_estimation`.
"""

from typing import Protocol

import numpy as np
from benchmarks.figure14.reckoning import request_s
from benchmarks.link_scene import Question

from partway.client.guide import SWITCH_GAIN
from partway.client.observer import Observer
from partway.engine import Clock
from partway.link import NAMED_LINKS, LinkTrace
from partway.planning import Conditions, CostTable, decide
from partway.wire import Load

_IDLE = Load(queue_delay_s=0.0, slowdown=1.0, service_s=0.0, queue_s=0.0)
_SMALL_BYTES = 2048


class _Silent:
    """Asks nothing and listens to nothing."""

    def saw_transfer(self, *, up_bytes: int, down_bytes: int, network_s: float, now_s: float) -> None:
        """It does not matter."""

    def question(self, now_s: float) -> Question | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None

    def follow_up(self, now_s: float) -> Question | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class Clairvoyant(_Silent):
    """Knows the link's future: takes the cut that will answer first."""

    def __init__(self, link: LinkTrace) -> None:
        self._link = link

    def choose(self, table: CostTable, now_s: float) -> int:
        """The row that answers first, as it will turn out."""
        return int(np.argmin([request_s(self._link, cost, now_s) for cost in table.costs]))


class Knowing(_Silent):
    """Knows the link as it is at the moment of the choice, and expects it to stay so."""

    def __init__(self, link: LinkTrace) -> None:
        self._link = link

    def choose(self, table: CostTable, now_s: float) -> int:
        """The best row at the current rates."""
        link = self._link.at(now_s)
        return decide(table, _conditions(link.uplink_bytes_per_s, link.downlink_bytes_per_s, link.rtt_s)).index


class Fixed(_Silent):
    """One row for ever."""

    def __init__(self, row: int) -> None:
        self._row = row

    def choose(self, table: CostTable, now_s: float) -> int:  # noqa: ARG002 - the protocol's
        """The row."""
        return self._row


class Averaging:
    """An exponentially weighted average of the rates of transfers; the round trip is told to it.

    It asks with padding once a second while it sends nothing, without a budget.

    Args:
        link: tells the round trip and the ratio of the two rates.
        gain: of the newest transfer; 1 believes it alone.
    """

    def __init__(self, link: LinkTrace, gain: float) -> None:
        self._rtt_s, self._gain = link.rtt_s, gain
        self._rate = NAMED_LINKS["lte"].uplink_bytes_per_s
        self._told_s = -1.0

    def choose(self, table: CostTable, now_s: float) -> int:  # noqa: ARG002 - the protocol's
        """The best row at the average rate."""
        return decide(table, _conditions(self._rate, 2.0 * self._rate, self._rtt_s)).index

    def saw_transfer(self, *, up_bytes: int, down_bytes: int, network_s: float, now_s: float) -> None:
        """Average a rate in."""
        if up_bytes < _SMALL_BYTES:
            return
        rate = (up_bytes + down_bytes / 2.0) / max(network_s - self._rtt_s, 0.05 * network_s)
        self._rate += self._gain * (rate - self._rate)
        self._told_s = now_s

    def question(self, now_s: float) -> Question | None:
        """A tenth of a second's worth."""
        if now_s - self._told_s < 1.0:
            return None
        self._told_s = now_s
        return Question(padding_bytes=int(min(262_144.0, max(8_192.0, 0.1 * self._rate))))

    def follow_up(self, now_s: float) -> Question | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class Ours:
    """What the client does: its observer, its decision, its hysteresis."""

    def __init__(self, clock: Clock, *, seed: int, switch_gain: float = SWITCH_GAIN) -> None:
        self._observer = Observer(prior=NAMED_LINKS["lte"], clock=clock, generator=np.random.default_rng(seed))
        self._switch_gain = switch_gain
        self._row: int | None = None
        self._fresh = True

    def choose(self, table: CostTable, now_s: float) -> int:  # noqa: ARG002 - the observer has a clock
        """The row that the client would take."""
        decision = decide(table, self._observer.conditions(), current=self._row, switch_gain=self._switch_gain)
        self._row = decision.index
        return decision.index

    def saw_transfer(
        self,
        *,
        up_bytes: int,
        down_bytes: int,
        network_s: float,
        now_s: float,  # noqa: ARG002 - the observer has a clock
    ) -> None:
        """Tell the observer."""
        self._observer.saw_answer(
            up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s, load=_IDLE, fresh=self._fresh
        )
        self._fresh = False

    def question(self, now_s: float) -> Question | None:  # noqa: ARG002 - the observer has a clock
        """What the client would ask."""
        padding_bytes = self._observer.next_question()
        return None if padding_bytes is None else Question(padding_bytes=padding_bytes)

    def follow_up(self, now_s: float) -> Question | None:  # noqa: ARG002 - the observer has a clock
        """What the client would ask at once after an answer."""
        padding_bytes = self._observer.follow_up()
        return None if padding_bytes is None else Question(padding_bytes=padding_bytes)


class Maker(Protocol):
    """Makes a chooser for one play."""

    def __call__(self, link: LinkTrace, clock: Clock, seed: int) -> "Averaging | Ours | Clairvoyant | Knowing":
        """The chooser."""


def _conditions(uplink: float, downlink: float, rtt_s: float) -> Conditions:
    return Conditions(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=rtt_s)
