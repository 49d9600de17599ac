"""The few cuts that can be best.

In come the costs of many cuts and a region of conditions; out come the rows worth keeping: whatever the link
and the load turn out to be inside the region, the best of them is within a stated share of the best of all.
Only these cuts are then verified, built and weighed per request. Called by `plan` and by the client.

How. Latency is linear in five coefficients (`costs.coefficients`), and a region of conditions is a polytope
of them. So a cut's latencies at the region's 32 corners say all there is to know about it: where a mixture of
kept cuts is no slower than a cut in every corner, it is no slower anywhere inside, and neither is the better
of the mixed ones. That turns "needed somewhere" into geometry on 32 numbers, with no grid to fall through:

1. Drop every cut that one other beats in all corners (exact).
2. Start from device-only and server-only. While some cut is not within the tolerance of a mixture of two kept
   ones, keep the one that is furthest from it (quickhull's rule).

Energy is linear, too, in five prices of its own, so its 32 corners can join: a mixture that is no worse than a cut
in all corners of both is no worse for any sum of the two either, whatever the battery makes a joule count. A cut
whose joules are unknown is judged by latency alone, and stands in for no cut whose joules are known.

What is guaranteed: the tolerance, everywhere in the region, for every kind of cost. What is not: the smallest
possible set, since a cut that only a mixture of three could replace stays. Where cuts differ in two numbers
the result is exactly the lower convex hull.

Source: lower hull of linear objectives, de Berg et al., Computational Geometry, chapter 8; the farthest-point
rule, Barber, Dobkin and Huhdanpaa, ACM Transactions on Mathematical Software 22 (1996).
"""

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, FloatArray, coefficients
from partway.planning.energy import PowerDraw, energy_coefficients, energy_terms
from partway.planning.pareto import undominated

logger = logging.getLogger(__name__)

# Halvings of a mixture's share: 2^-30 is far below any tolerance and above rounding.
_HALVINGS = 30
_ROUNDING = 1e-9
# Latencies and joules are compared as ratios, so none may be 0.
_NOTHING = 1e-30
# Beyond any joules, so that what is unknown is beaten by all that is known and beats nothing of it.
_UNKNOWN_J = 1e18

Draws = Callable[[Conditions], PowerDraw]
"""What the device draws under given conditions. The prices of joules that it makes (`energy_coefficients`) must lie
between those of a region's corners, as they do for constant watts and for any `Radio`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The conditions for which a frontier must hold: a lowest and a highest value of each.

    The defaults span 80 kbit/s to 10 Gbit/s, a wait from loopback's to a badly queued server's, and devices
    from twice as fast as measured to eight times slower. A wider region keeps a few more cuts.

    Attributes:
        uplink_bytes_per_s: device to server, > 0.
        downlink_per_uplink: downlink over uplink, > 0; ties the two, since links that carry one way carry
            the other.
        wait_s: round trip plus queue, > 0.
        slowdown: of the server, > 0.
        device_factor: of the device, > 0.

    Raises:
        InputError: a pair is not finite, not above 0, or not in order.
    """

    uplink_bytes_per_s: tuple[float, float] = (1e4, 1.25e9)
    downlink_per_uplink: tuple[float, float] = (0.5, 20.0)
    wait_s: tuple[float, float] = (5e-5, 5.0)
    slowdown: tuple[float, float] = (0.5, 50.0)
    device_factor: tuple[float, float] = (0.5, 8.0)

    def __post_init__(self) -> None:
        """Refuse empty and unbounded regions."""
        for name in self.__slots__:
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise InputError(f"{name} of the region is {low} to {high}; expected 0 < lowest <= highest < inf")

    def covers(self, conditions: Conditions) -> bool:
        """Whether the frontier's guarantee holds under these conditions."""
        values = (
            (self.uplink_bytes_per_s, conditions.uplink_bytes_per_s),
            (self.downlink_per_uplink, conditions.downlink_bytes_per_s / conditions.uplink_bytes_per_s),
            (self.wait_s, conditions.rtt_s + conditions.queue_delay_s),
            (self.slowdown, conditions.slowdown),
            (self.device_factor, conditions.device_factor),
        )
        return all(low <= value <= high for (low, high), value in values)

    def corners(self) -> tuple[Conditions, ...]:
        """The region's 32 extreme conditions."""
        return tuple(
            Conditions(
                uplink_bytes_per_s=uplink,
                downlink_bytes_per_s=uplink * ratio,
                rtt_s=wait,
                slowdown=slowdown,
                device_factor=factor,
            )
            for uplink, ratio, wait, slowdown, factor in itertools.product(
                self.uplink_bytes_per_s,
                self.downlink_per_uplink,
                self.wait_s,
                self.slowdown,
                self.device_factor,
            )
        )


def frontier(
    costs: Sequence[CutCost], region: Region | None = None, tolerance: float = 0.001, *, draws: Draws | None = None
) -> tuple[int, ...]:
    """A small set of cuts, one of which is as good as the best of all, everywhere in the region.

    Takes about 10 ms for the 50 cuts of a deep model.

    Args:
        costs: the cuts to choose from.
        region: the conditions it must hold for; `Region()` if None.
        tolerance: by how much the best kept cut may be worse than the best of all, as a share, >= 0.
        draws: what the device draws, to hold for energy and for any balance of both; latency alone if None.

    Returns:
        Rows of `costs`, ascending. Device-only and server-only (the offloaded cut with the smallest head) are
        always among them when present.

    Raises:
        InputError: no costs, or a negative tolerance.
        LinkError: `draws` knows no watts at the region's rates.
    """
    if not tolerance >= 0:
        raise InputError(f"the frontier's tolerance is {tolerance}; expected a share >= 0, such as 0.001")
    table = CostTable.of(costs)
    amounts = _amounts(table, (region or Region()).corners(), draws)
    rows = undominated(amounts)
    kept = _hull(amounts[rows], _extremes(costs, rows), max(tolerance, _ROUNDING))
    result = tuple(sorted({int(rows[k]) for k in kept} | set(_always_kept(costs))))
    logger.debug("event=frontier cuts=%d undominated=%d kept=%d", len(costs), len(rows), len(result))
    return result


def _amounts(table: CostTable, corners: Sequence[Conditions], draws: Draws | None) -> FloatArray:
    """Seconds, and joules if asked for, of every cut at every corner, > 0, (cuts, corners or twice as many)."""
    amounts = table.terms @ np.stack([coefficients(corner) for corner in corners]).T
    if draws is not None:
        prices = np.stack([energy_coefficients(corner, draws(corner)) for corner in corners])
        joules = energy_terms(table) @ prices.T
        amounts = np.hstack((amounts, np.where(np.isnan(joules), _UNKNOWN_J, joules)))
    return np.maximum(amounts, _NOTHING)


def _always_kept(costs: Sequence[CutCost]) -> list[int]:
    """The first device-only row and the server-only row, where they exist."""
    alone = [row for row, cost in enumerate(costs) if not cost.offloaded][:1]
    offloaded = [row for row, cost in enumerate(costs) if cost.offloaded]
    return alone + sorted(offloaded, key=lambda row: (costs[row].device_s, -costs[row].server_s))[:1]


def _extremes(costs: Sequence[CutCost], rows: np.ndarray) -> list[int]:
    """Positions in `rows` of what is kept anyway: mixtures may use them from the start."""
    return [int(position) for row in _always_kept(costs) for position in np.flatnonzero(rows == row)]


def _hull(amounts: FloatArray, start: Sequence[int], tolerance: float) -> list[int]:
    """Rows to keep so that every row is within `tolerance` of a mixture of two of them.

    Args:
        amounts: undominated rows, (cuts, corners), > 0.
        start: rows kept from the start.
        tolerance: share, > 0.
    """
    waiting = list(start) or [int(amounts.sum(axis=1).argmin())]
    excess = np.full(len(amounts), np.inf)
    kept: list[int] = []
    while waiting:
        new = waiting.pop(0)
        kept.append(new)
        excess[new] = 0.0
        # Rows within the tolerance stay so as more are kept; only the others are looked at again.
        unsettled = np.flatnonzero(excess > 1.0 + tolerance)
        distances = _excess(amounts[unsettled], amounts[kept])
        excess[unsettled] = np.minimum(excess[unsettled], distances)
        if not waiting and excess.max() > 1.0 + tolerance:
            waiting = [int(excess.argmax())]
    return kept


def _excess(rows: FloatArray, kept: FloatArray) -> FloatArray:
    """How far each row is from the mixtures of the last kept row with any kept row, (rows,).

    For every row, the least over kept rows and shares of the greatest ratio, over corners, of the mixture's
    amount to the row's: at most 1 + t means that the better of the two is never more than t worse than it.

    Args:
        rows: amounts of the rows in question, (rows, corners).
        kept: amounts of the kept rows, (kept, corners), the new one last.
    """
    ends = kept[None, :, :] / rows[:, None, :]
    slopes = ends - ends[:, -1:, :]
    # The greatest ratio is convex in the share of the older row; halve towards its least value.
    share = np.full(ends.shape[:2], 0.5)
    least = ends.max(axis=2)
    for halving in range(2, _HALVINGS + 2):
        ratios = ends - (1.0 - share)[:, :, None] * slopes
        steepest = ratios.argmax(axis=2)[:, :, None]
        least = np.minimum(least, np.take_along_axis(ratios, steepest, axis=2)[:, :, 0])
        rising = np.take_along_axis(slopes, steepest, axis=2)[:, :, 0] > 0
        share += np.where(rising, -1.0, 1.0) * 0.5**halving
    distance: FloatArray = least.min(axis=1)
    return distance
