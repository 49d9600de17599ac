"""The links that the demo goes through, chosen so that the best cut has to change.

Input: what every cut costs, as just measured. Output: phases, each with a link. How fast a link must be for a cut to
pay depends on how fast this machine is, so a rate that was written down here would show something else elsewhere.
Called by `partway demo`.
"""

import math
from dataclasses import dataclass

import numpy as np

from partway.link import NAMED_LINKS, Link
from partway.planning import Conditions, CostTable, latency_s
from partway.units import format_rate

_DOWN_PER_UP = 13.76 / 5.85  # Source: the LTE link of Eshratifar et al., IEEE TMC 2019 (JointDNN)
_GOOD_RTT_S = 0.02  # an assumption: a cell that is near and not busy
_SLOWEST, _FASTEST = 5.85e6 / 8, 300e6 / 8
_WANTED_GAIN = 1.8
_SEARCHED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of time with one link.

    Attributes:
        name: what kind of link it is like.
        link: what the proxy behaves as; None where nothing gets through.
        share: of the script's time.
    """

    name: str
    link: Link | None
    share: float

    def describe(self) -> str:
        """The link in words."""
        if self.link is None:
            return "nothing gets through"
        up, down = self.link.uplink_bytes_per_s, self.link.downlink_bytes_per_s
        return f"{format_rate(up)} up, {format_rate(down)} down, rtt {self.link.rtt_s * 1e3:.0f} ms"


def write_script(table: CostTable) -> tuple[Phase, ...]:
    """A good cell, plain LTE, a tunnel, the good cell again.

    Args:
        table: costs of every cut, device-only last.
    """
    good, lte = choose_good_link(table), NAMED_LINKS["lte"]
    return (
        Phase(name="a good cell", link=good, share=0.27),
        Phase(name="plain LTE", link=lte, share=0.22),
        Phase(name="a tunnel", link=None, share=0.13),
        Phase(name="the good cell again", link=good, share=0.38),
    )


def choose_good_link(table: CostTable) -> Link:
    """The slowest link on which partway gains a good deal on device-only and server-only both, or else the most.

    Args:
        table: costs of every cut, device-only last.
    """
    best_gain, best = 0.0, _link(_FASTEST)
    for rate in np.geomspace(_SLOWEST, _FASTEST, _SEARCHED).tolist():
        link = _link(rate)
        seconds = expected_s(table, link)
        gain = min(seconds[server_row(table)], seconds[-1]) / min(seconds)
        if gain > best_gain:
            best_gain, best = gain, link
        if best_gain >= _WANTED_GAIN:
            break
    return best


def expected_s(table: CostTable, link: Link | None) -> tuple[float, ...]:
    """Expected seconds at every cut of the table; infinite for those that need a link where there is none."""
    if link is None:
        return tuple(math.inf if cost.offloaded else cost.device_s for cost in table.costs)
    conditions = Conditions(
        uplink_bytes_per_s=link.uplink_bytes_per_s, downlink_bytes_per_s=link.downlink_bytes_per_s, rtt_s=link.rtt_s
    )
    return tuple(float(seconds) for seconds in latency_s(table, conditions))


def server_row(table: CostTable) -> int:
    """The row that sends everything: the offloaded one with the smallest head."""
    offloaded = [row for row, cost in enumerate(table.costs) if cost.offloaded]
    return min(offloaded, key=lambda row: table.costs[row].device_s, default=len(table) - 1)


def _link(rate_bytes_per_s: float) -> Link:
    # Two digits of megabits: nobody knows a link better than that.
    up = float(f"{rate_bytes_per_s * 8 / 1e6:.2g}") * 1e6 / 8
    return Link(uplink_bytes_per_s=up, downlink_bytes_per_s=_DOWN_PER_UP * up, rtt_s=_GOOD_RTT_S)
