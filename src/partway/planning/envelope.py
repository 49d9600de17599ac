"""Where the lower envelope of some heads bends, over a box of prices.

In come ranges of prices and what heads cost. Out come the prices at which the envelope has its vertices, by scipy's
half-space intersection, which is Qhull. Called by `exploration`.

Source: Barber, Dobkin and Huhdanpaa, The quickhull algorithm for convex hulls, ACM Transactions on Mathematical
Software 22 (1996).
"""

import itertools
import logging
import math
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.planning.costs import FloatArray
from partway.planning.network import load_scipy

logger = logging.getLogger(__name__)

_POINT = 1e-9  # a range so narrow, as a share, is a point
_WIDER = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceSpace:
    """The prices of a box, by coordinates from 0 to 1, one for each price that is not fixed; of `PriceSpace.of`.

    Attributes:
        lowest: prices at the origin: device, uplink, server, downlink; float64 (4,).
        spans: what each coordinate adds to them on its way from 0 to 1, float64 (4, coordinates).
        bounds: what coordinates keep to: rows of a normal of length 1 and an offset, with
            normal @ coordinates + offset <= 0; float64 (bounds, coordinates + 1).
        centre: coordinates of a point well inside.
    """

    lowest: FloatArray
    spans: FloatArray
    bounds: FloatArray
    centre: FloatArray

    @classmethod
    def of(
        cls,
        uplink: tuple[float, float],
        server: tuple[float, float],
        downlink: tuple[float, float],
        downlink_per_uplink: tuple[float, float] = (0.0, math.inf),
    ) -> "PriceSpace":
        """The space of a box.

        Args:
            uplink: lowest and highest price of a byte up.
            server: the same of a second on the server.
            downlink: the same of a byte down.
            downlink_per_uplink: ratio of the two.

        Raises:
            InputError: no price has a ratio of these, or scipy is not installed.
        """
        ranges = np.array(((1.0, 1.0), uplink, server, downlink))
        lowest, spans = ranges[:, 0], ranges[:, 1] - ranges[:, 0]
        free = np.flatnonzero(spans > _POINT * ranges[:, 1])
        matrix = np.zeros((4, len(free)))
        matrix[free, np.arange(len(free))] = spans[free]
        rows = [*np.hstack((-np.eye(len(free)), np.zeros((len(free), 1))))]
        rows += [*np.hstack((np.eye(len(free)), -np.ones((len(free), 1))))]
        # A little wider, so that a fixed ratio leaves some room inside.
        low, high = downlink_per_uplink[0] / (1 + _WIDER), downlink_per_uplink[1] * (1 + _WIDER)
        for sign, ratio in ((1.0, low), (-1.0, high)):
            # The least, or the most, that the downlink may cost beside the uplink.
            if math.isfinite(ratio):
                normal = sign * (ratio * matrix[1] - matrix[3])
                if length := float(np.linalg.norm(normal)):
                    rows.append(np.append(normal, sign * (ratio * lowest[1] - lowest[3])) / length)
        bounds = np.array(rows).reshape(-1, len(free) + 1)
        return cls(lowest=lowest, spans=matrix, bounds=bounds, centre=_centre(bounds))

    def vertices(self, terms: FloatArray) -> FloatArray | None:
        """Prices at the vertices of the lower envelope of some heads; None where Qhull gives up.

        Args:
            terms: what each head costs, which is never negative, in the order of the prices, float64 (heads, 4).

        Returns:
            Prices, float64 (vertices, 4).
        """
        if not self.spans.size:
            return self.lowest[None, :]
        spatial = load_scipy("spatial")
        height = float((self._prices(self.centre[None, :]) @ terms.T).min()) or 1.0
        planes = np.column_stack((-(terms @ self.spans) / height, np.ones(len(terms)), -(terms @ self.lowest) / height))
        walls = np.insert(self.bounds, -1, 0.0, axis=1)
        floor = np.append(np.zeros(len(self.centre)), (-1.0, -1.0))
        # Rows of unlike length would make Qhull's one tolerance mean different things.
        planes /= np.linalg.norm(planes[:, :-1], axis=1, keepdims=True)
        try:
            found = spatial.HalfspaceIntersection(np.vstack((planes, walls, floor)), np.append(self.centre, -0.25))
        except spatial.QhullError:
            logger.warning("event=exploration_without_vertices heads=%d", len(terms), exc_info=True)
            return None
        points = found.intersections[np.isfinite(found.intersections).all(axis=1)]
        # Costs are never negative: what is far below 0 lies on the floor, and the point given to Qhull is inside.
        return self._prices(np.unique(np.clip(points[points[:, -1] > -0.5, :-1], 0.0, 1.0), axis=0))

    def corners(self) -> FloatArray:
        """Prices at the corners of the box, float64 (corners, 4)."""
        return self._prices(np.array(list(itertools.product((0.0, 1.0), repeat=self.spans.shape[1]))))

    def _prices(self, coordinates: FloatArray) -> FloatArray:
        prices: FloatArray = self.lowest + coordinates @ self.spans.T
        return prices


def _centre(bounds: FloatArray) -> FloatArray:
    # The middle of the largest ball inside, whose bounds' normals have length 1.
    size = bounds.shape[1] - 1
    if not size:
        return np.empty(0)
    found = load_scipy("optimize").linprog(
        np.append(np.zeros(size), -1.0),
        A_ub=np.hstack((bounds[:, :-1], np.ones((len(bounds), 1)))),
        b_ub=-bounds[:, -1],
        bounds=[(None, None)] * (size + 1),
    )
    if not found.success or found.x[-1] <= 0:
        raise InputError("no price is in the box: its downlink is nowhere the stated multiple of its uplink")
    centre: FloatArray = found.x[:-1]
    return centre
