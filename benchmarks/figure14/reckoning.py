"""What a request would have taken at any cut, had it been made at a given moment of a trace.

Input: measured costs of the cuts, the link's trace, what messages carry beside tensors. Output: seconds for each cut:
exact, from the integral of the rate, as a clairvoyant would know them; and expected, by the rate of the moment.
Called by the benchmarks of changing and of steady links. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partway.link import LinkTrace, Trace
from partway.planning import Conditions, CostTable, CutCost, latency_s
from partway.planning.costs import FloatArray

Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    """What a request over the wire takes beside its tensors and pieces.

    Attributes:
        up_bytes: of a request beside its tensors.
        down_bytes: of an answer beside its tensors.
        seconds: of both ends' software, without any network.
        goodput: share of the link's rate that payload gets; headers take the rest.
    """

    up_bytes: float = 0.0
    down_bytes: float = 0.0
    seconds: float = 0.0
    goodput: float = 1.0


NO_OVERHEADS = Overheads()


def request_s(link: LinkTrace, cost: CutCost, at_s: float, beside: Overheads = NO_OVERHEADS) -> float:
    """Seconds of a request at a cut, by what the link will do, with no other requests about.

    Args:
        link: the trace.
        cost: of the cut.
        at_s: when it begins, in seconds of the trace.
        beside: overheads.
    """
    if not cost.offloaded:
        return cost.device_s

    def arrival_s(way: Trace, start_s: float, size_bytes: float) -> float:
        return way.finish_s(start_s, size_bytes / beside.goodput) + link.rtt_s / 2

    sent_s = at_s + beside.seconds + cost.device_s
    there_s = arrival_s(link.uplink, sent_s, cost.up_bytes + beside.up_bytes)
    back_s = arrival_s(link.downlink, there_s + cost.server_s, cost.down_bytes + beside.down_bytes)
    return back_s - at_s


@dataclass(frozen=True, slots=True)
class Reckoner:
    """Seconds of requests at any moment of a trace.

    Attributes:
        table: what the cuts cost on an idle device and server.
        trace: the link.
        overheads: of requests.
    """

    table: CostTable
    trace: LinkTrace
    overheads: Overheads

    def exact_s(self, at_s: float) -> FloatArray:
        """Seconds of a request made `at_s` seconds into the trace, float64 (cuts,), by what the link will do."""
        return np.array([request_s(self.trace, cost, at_s, self.overheads) for cost in self.table.costs])

    def expected_s(self, at_s: float) -> FloatArray:
        """The same by the link as it is at that moment, as if it stayed so."""
        link, beside = self.trace.at(at_s), self.overheads
        return latency_s(
            self.table,
            Conditions(
                uplink_bytes_per_s=link.uplink_bytes_per_s * beside.goodput,
                downlink_bytes_per_s=link.downlink_bytes_per_s * beside.goodput,
                rtt_s=link.rtt_s
                + beside.seconds
                + beside.up_bytes / (link.uplink_bytes_per_s * beside.goodput)
                + beside.down_bytes / (link.downlink_bytes_per_s * beside.goodput),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The rows that choosers take for requests at some moments, and what every row would have taken there.

    Attributes:
        seconds: exact, float64 (requests, cuts).
        knower: rows of the chooser that knows the rate of the moment, int64 (requests,).
        clairvoyant: rows of the one that knows what the link will do.
        best_fixed: the row that is best on average.
    """

    seconds: FloatArray
    knower: Ints
    clairvoyant: Ints
    best_fixed: int

    def of(self, rows: Ints) -> FloatArray:
        """Seconds of each request at the row that was taken for it."""
        seconds: FloatArray = self.seconds[np.arange(len(rows)), rows]
        return seconds


def choose(reckoner: Reckoner, moments_s: Sequence[float]) -> Choices:
    """What each chooser takes for requests made at some moments of the trace."""
    seconds = np.array([reckoner.exact_s(at_s) for at_s in moments_s])
    expected = np.array([reckoner.expected_s(at_s) for at_s in moments_s])
    return Choices(
        seconds=seconds,
        knower=expected.argmin(axis=1),
        clairvoyant=seconds.argmin(axis=1),
        best_fixed=int(seconds.mean(axis=0).argmin()),
    )


def shares(table: CostTable, rows: Ints) -> dict[tuple[str, ...], float]:
    """How often each set of crossing tensors was taken, whatever its codec; most often first."""
    crossings = [table.costs[row].crossing for row in rows]
    counted = {crossing: crossings.count(crossing) / len(crossings) for crossing in dict.fromkeys(crossings)}
    return dict(sorted(counted.items(), key=lambda item: -item[1]))
