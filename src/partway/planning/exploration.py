"""The few heads among which the best one is, whatever the prices turn out to be inside a box of them.

In come a `Search` and the box; out come heads, one of which is within a tolerance of the cheapest cut of all, at every
price in the box, and with any round trip and queue. Their pieces are then priced and the frontier is drawn among them.
Called once per model and binding.

How, and why that is a proof. Let f be the least over all cuts and g the least over the heads found so far, as functions
of the prices. g is the lower envelope of planes, linear on each of its cells, and f, a least of planes too, is concave.
So on a cell g - (1 + tolerance) f is convex, and greatest at one of the cell's vertices. It is enough to ask for f at
every vertex of g: where g is too high, what was found there joins, and new vertices replace the old ones; until g is
good at all of them, and so everywhere.

Round trip and queue: any wait adds the same to all cuts but the empty one. Heads within the tolerance without it are so
with it: if the device alone is best without, it stays so; else both sides of the comparison grow by the same, or stop
at the device alone. The downlink of a model of which all tails send the same outputs is such a wait, beginning at its
lowest price. In no other way does it matter where the device alone lies.

Source: Eisner and Severance, Mathematical techniques for efficient record segmentation in large shared databases, JACM
23 (1976), for one price; the rest is convexity.
"""

import itertools
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.planning.costs import FloatArray
from partway.planning.energy import DeviceDraw
from partway.planning.envelope import PriceSpace
from partway.planning.frontier import Region
from partway.planning.search import Found, Prices, Search

logger = logging.getLogger(__name__)

_ROUNDING = 1e-5  # the search's own, and what a vertex is off by
_TIE = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBox:
    """A lowest and a highest price of each term, where a second of the device costs 1.

    Attributes:
        uplink: of a byte up, >= 0.
        server: of a second of the server, >= 0.
        downlink: of a byte down, >= 0.
        downlink_per_uplink: ratio of the two prices, which narrows the box, since links that are slow one way are slow
            the other way, too.

    Raises:
        InputError: a pair is negative, not in order or, the ratio's aside, not finite; or no price is in the box.
    """

    uplink: tuple[float, float]
    server: tuple[float, float]
    downlink: tuple[float, float]
    downlink_per_uplink: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            low, high = getattr(self, name)
            if not 0 <= low <= high or (math.isinf(high) and name != "downlink_per_uplink"):
                raise InputError(f"{name} of a price box is {low} to {high}; expected 0 <= lowest <= highest, finite")

    @classmethod
    def of(cls, region: Region, draw: DeviceDraw | None = None, active_w: float | None = None) -> "PriceBox":
        """All prices of a region's latency; with watts also those of energy, and of any balance between the two.

        A balance adds multiples of both price vectors, so every share in it, after dividing by the price of the
        device, lies between theirs.

        Args:
            region: the conditions.
            draw: what the device draws while it does not compute; None where energy does not matter or is not known.
            active_w: what it draws while it computes, > 0: joules of heads over their seconds; None likewise.

        Raises:
            InputError: `active_w` is not finite or not above 0.
        """
        if active_w is not None and not 0 < active_w < math.inf:
            raise InputError(f"active_w is {active_w}; it must be finite and above 0, in watts")
        prices = []
        for up, ratio, slowdown, factor in itertools.product(
            region.uplink_bytes_per_s, region.downlink_per_uplink, region.slowdown, region.device_factor
        ):
            down = up * ratio
            prices.append((1 / up / factor, slowdown / factor, 1 / down / factor))
            if draw is not None and active_w is not None:
                second_j = factor * active_w
                sending_j = draw.tx_j_per_byte + draw.tx_base_w / up
                receiving_j = draw.rx_j_per_byte + draw.rx_base_w / down
                prices.append((sending_j / second_j, draw.idle_w * slowdown / second_j, receiving_j / second_j))
        # Each price, and the ratio of two, is monotone in each condition, so the corners' extremes are the region's.
        uplink, server, downlink = ((min(column), max(column)) for column in zip(*prices, strict=True))
        ratios = [down / up if up else math.inf for up, _, down in prices]
        return cls(uplink=uplink, server=server, downlink=downlink, downlink_per_uplink=(min(ratios), max(ratios)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What was found in a box of prices.

    Attributes:
        heads: as bit sets over node indices, from the smallest to the largest; the smallest and the largest that are
            allowed are always among them, which is server-only and device-only where nothing is pinned.
        searches: cuts that were searched for.
        vertices: prices at which the heads meet or end, all of which are good if `certified`.
        certified: whether one of the heads is within the tolerance everywhere in the box.
        gap: by how much the best of the heads can be worse than the best of all, anywhere in the box, as a share; at
            most the tolerance if `certified`, infinite where nothing is known.
    """

    heads: tuple[int, ...]
    searches: int
    vertices: int
    certified: bool
    gap: float


def explore(
    search: Search,
    box: PriceBox,
    *,
    tolerance: float = 0.001,
    seeds: Iterable[int] = (),
    most_searches: int = 10_000,
) -> Exploration:
    """Heads of which one is nearly the best, everywhere in the box.

    Args:
        search: of the model.
        box: prices.
        tolerance: by how much the best of the heads may be worse than the best of all, as a share, >= 0; below 1e-5 it
            is taken as that.
        seeds: heads to start with, such as those of known cuts; those that are not allowed, or nowhere the best, are
            left out.
        most_searches: stop after so many, certified or not, >= 1.

    Raises:
        InputError: a negative tolerance, no search allowed, or scipy is not installed.
        PartwayError: scipy gave a wrong answer.
    """
    if not tolerance >= 0:
        raise InputError(f"the exploration's tolerance is {tolerance}; expected a share >= 0, such as 0.001")
    if most_searches < 1:
        raise InputError(f"the exploration may search {most_searches} times; allow at least 1")
    known = _Known(search, (search.least, search.most, *filter(search.allows, seeds)))
    space = _space_of(box, downlink=search.downlink_matters)
    accepted = max(tolerance, _ROUNDING)
    _settle(known, space, accepted, most_searches)
    vertices = space.vertices(known.terms)
    gap = math.inf if vertices is None else known.gap(vertices)
    heads = known.heads if vertices is None else known.useful(vertices)
    found = Exploration(
        heads=tuple(sorted({search.least, search.most, *heads}, key=lambda head: (head.bit_count(), head))),
        searches=len(known.asked),
        vertices=0 if vertices is None else len(vertices),
        certified=gap <= accepted,
        gap=gap,
    )
    logger.debug("event=exploration heads=%d searches=%d gap=%.2g", len(found.heads), found.searches, gap)
    return found


def _space_of(box: PriceBox, *, downlink: bool) -> PriceSpace:
    # Without the downlink's own dimension it is a wait like the round trip, and may begin at its lowest price.
    if not downlink:
        return PriceSpace.of(box.uplink, box.server, (box.downlink[0], box.downlink[0]))
    return PriceSpace.of(box.uplink, box.server, box.downlink, box.downlink_per_uplink)


def _settle(known: "_Known", space: PriceSpace, tolerance: float, most_searches: int) -> None:
    # Asks at every vertex until all are good, or the searches are used up.
    added = True
    while added:
        added = False
        vertices = space.vertices(known.terms)
        if vertices is None:
            vertices = space.corners()
        for prices, height in zip(vertices, known.least(vertices), strict=True):
            # What was found at another vertex may have cut this one off.
            if known.answer(prices) is not None or known.least(prices) < height * (1 - _ROUNDING):
                continue
            if len(known.asked) >= most_searches:
                return
            added |= known.ask(prices, tolerance)


class _Known:
    # Heads found so far with their terms, and the least cost of all cuts at the prices that were asked about.

    def __init__(self, search: Search, heads: Iterable[int]) -> None:
        self.search = search
        self.heads: list[int] = []
        self.terms = np.empty((0, 4))
        self.asked: dict[bytes, tuple[FloatArray, float]] = {}
        nothing = Prices(uplink=0.0, server=0.0, downlink=0.0)
        for head in heads:
            self._add(search.measure(head, nothing))

    def _add(self, found: Found) -> bool:
        if (self.terms == found.terms).all(axis=1).any():
            return False
        self.heads.append(found.head)
        self.terms = np.vstack((self.terms, found.terms))
        return True

    def least(self, prices: FloatArray) -> FloatArray:
        # Of the known heads, at prices (4,) or (many, 4).
        least: FloatArray = (prices @ self.terms.T).min(axis=-1)
        return least

    def answer(self, prices: FloatArray) -> float | None:
        # What was asked before, or so near to it that the answer is the same.
        found = self.asked.get(prices.astype(np.float32).tobytes())
        return None if found is None else found[1]

    def ask(self, prices: FloatArray, tolerance: float) -> bool:
        # Whether a head was missing there.
        device, uplink, server, downlink = prices.tolist()
        found = self.search.best(Prices(device=device, uplink=uplink, server=server, downlink=downlink))
        self.asked[prices.astype(np.float32).tobytes()] = (prices, found.value)
        return bool(self.least(prices) > (1 + tolerance) * found.value) and self._add(found)

    def gap(self, vertices: FloatArray) -> float:
        # Costs grow with prices, and no faster: where each price is at least a share of one that was asked about, so is
        # the least cost. Exact where the question was asked itself.
        asked = np.array([prices for prices, _ in self.asked.values()])
        answers = np.array([answer for _, answer in self.asked.values()])
        worst = 0.0
        for prices, height in zip(vertices, self.least(vertices).tolist(), strict=True):
            bound = self.answer(prices)
            if bound is None:
                shares = np.divide(prices, asked, out=np.full_like(asked, np.inf), where=asked > 0)
                bound = float((shares.min(axis=1) * answers).max())
            if height > bound:
                worst = max(worst, height / bound - 1 if bound else math.inf)
        return worst

    def useful(self, vertices: FloatArray) -> list[int]:
        # Those that are the best at some vertex: all that have a cell.
        costs = vertices @ self.terms.T
        best = np.any(costs <= self.least(vertices)[:, None] * (1 + _TIE), axis=0)
        return [self.heads[row] for row in np.flatnonzero(best)]
