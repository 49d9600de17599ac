"""Minimum cuts of a network with real costs, by scipy's maximum flow, which knows 32-bit integers only.

In come costs of every vertex on either side and of every link that is cut; out comes the side of each vertex that costs
least in sum. Planning imports scipy, an optional extra, through here only. Called by `search`.

scipy adds capacities modulo 2^32 and says nothing. So costs are scaled, and what keeps them in range is this. A known
cut bounds the least by B, which becomes 2^29. No edge beyond it is in a minimum cut, so capacities are clipped just
above it, to M = 2^29 + edges + 2; the last two terms are room for rounding. Flow grows by simple paths, so no edge ever
carries more than the flow's value, which is at most M. What is left of an edge after flow against it is then at most
M + M, less than 2^31 for less than 2^29 edges. All the same each answer is checked: the cut that is read from the flow
must cost as much as the flow carries.

Rounding moves each edge by at most B * 2^-30, so a cut is off by at most its edges * B * 2^-30, and two are compared.
The bound is set to what was found, and the search repeated, until it is at most eight times the answer: for cuts of a
thousand edges, at most 1e-5 of the answer; where rounding is random, below 1e-6. The costs here are differences
between the two sides of each vertex, so in shares of a whole sum it is less still.

Source: Picard, Maximal closure of a graph, Management Science 22 (1976), for infinite edges; Ford and Fulkerson for the
rest.
"""

import importlib
import math
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import numpy.typing as npt

from partway.errors import InputError, PartwayError
from partway.planning.costs import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_UNIT = 2.0**29
_COARSE = 8.0  # a bound so many times the answer rounds too much of it away
_SOURCE, _SINK, _FIRST = 0, 1, 2


def load_scipy(module: str) -> ModuleType:
    """A module of scipy, such as `sparse.csgraph`.

    Raises:
        InputError: scipy is not installed.
    """
    try:
        return importlib.import_module(f"scipy.{module}")
    except ImportError as error:
        raise InputError("searching all cuts of a graph needs scipy: pip install 'partway[plan]'") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """Vertices, links that cost when cut and links that may not be cut; make it with `Network.of`.

    Attributes:
        vertices: how many there are.
        rows: where each edge of the flow network leaves, int64 (edges,), ascending.
        columns: where it arrives, int32 (edges,), ascending within a row. Every edge has its opposite.
        starts: of each row in `columns`, int32 (vertices + 3,).
        slots: the edges with costs: from the source to each vertex, from each vertex to the sink, the links.
        endless: the edges that are never cut.
    """

    vertices: int
    rows: IntArray = field(repr=False)
    columns: npt.NDArray[np.int32] = field(repr=False)
    starts: npt.NDArray[np.int32] = field(repr=False)
    slots: IntArray = field(repr=False)
    endless: IntArray = field(repr=False)

    @classmethod
    def of(cls, vertices: int, links: IntArray, endless: IntArray) -> "Network":
        """The network with these links.

        Args:
            vertices: how many there are.
            links: from where to where, int64 (links, 2), each pair once.
            endless: the same, of those that may not be cut; none of them in `links`.

        Raises:
            InputError: scipy is not installed.
        """
        load_scipy("sparse.csgraph")
        inner = np.arange(_FIRST, vertices + _FIRST)
        wanted = np.concatenate(
            (
                np.stack((np.full(vertices, _SOURCE), inner), axis=1),
                np.stack((inner, np.full(vertices, _SINK)), axis=1),
                links.reshape(-1, 2) + _FIRST,
                endless.reshape(-1, 2) + _FIRST,
            )
        )
        size = vertices + _FIRST
        keys = wanted[:, 0] * size + wanted[:, 1]
        # Opposite edges are part of the structure, so that scipy answers in the same one.
        edges = np.unique(np.concatenate((keys, wanted[:, 1] * size + wanted[:, 0])))
        rows = edges // size
        slots = np.searchsorted(edges, keys)
        finite = 2 * vertices + len(links)
        return cls(
            vertices=vertices,
            rows=rows,
            columns=(edges % size).astype(np.int32),
            starts=np.searchsorted(rows, np.arange(size + 1)).astype(np.int32),
            slots=slots[:finite],
            endless=slots[finite:],
        )

    def cheapest(self, here: FloatArray, there: FloatArray, links: FloatArray) -> BoolArray:
        """Which vertices are on the source's side in a cut that costs least, (vertices,).

        Args:
            here: what each vertex costs on the source's side, finite, >= 0, (vertices,).
            there: the same on the sink's side.
            links: what each link costs that leads from the source's side to the sink's, >= 0, (links,).

        Raises:
            InputError: the sum of the costs is not finite.
            PartwayError: scipy's flow is no maximum flow.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            spare = np.minimum(here, there)
            costs = np.concatenate((there - spare, here - spare, links))
            if not math.isfinite(costs.sum()):
                raise InputError("the costs of a graph add up to more than a float can hold; give lower prices")
        all_there, all_here = costs[: self.vertices].sum(), costs[self.vertices : 2 * self.vertices].sum()
        bound = float(min(all_there, all_here))
        best = np.full(self.vertices, bool(all_here <= all_there))
        while bound > 0:
            side = self._solve(costs, bound)
            least = float(costs @ self._cut(side)[self.slots])
            if least >= bound:
                break
            coarse, bound, best = bound > _COARSE * least, least, side[_FIRST:]
            if not coarse:
                break
        return best

    def _solve(self, costs: FloatArray, bound: float) -> BoolArray:
        sparse, csgraph = load_scipy("sparse"), load_scipy("sparse.csgraph")
        most = _UNIT + len(self.columns) + 2
        capacities = np.zeros(len(self.columns), dtype=np.int32)
        with np.errstate(over="ignore"):
            capacities[self.slots] = np.minimum(np.rint(costs / bound * _UNIT), most)
        capacities[self.endless] = int(most)
        size = self.vertices + _FIRST
        graph = sparse.csr_matrix((capacities, self.columns, self.starts), shape=(size, size))
        found = csgraph.maximum_flow(graph, _SOURCE, _SINK)
        if len(found.flow.data) != len(capacities):
            raise PartwayError(
                f"scipy answers with {len(found.flow.data)} edges for {len(capacities)}; try another one"
            )
        open_edges = capacities > found.flow.data
        starts = np.concatenate(([0], np.cumsum(open_edges)))[self.starts]
        left = sparse.csr_matrix((open_edges[open_edges], self.columns[open_edges], starts), shape=(size, size))
        side = np.zeros(size, dtype=np.bool_)
        side[csgraph.breadth_first_order(left, _SOURCE, return_predecessors=False)] = True
        cut = int(capacities[self._cut(side)].sum(dtype=np.int64))
        if side[_SINK] or cut != found.flow_value:
            raise PartwayError(f"scipy's maximum flow of {found.flow_value} has a cut of {cut}; try another scipy")
        return side

    def _cut(self, side: BoolArray) -> BoolArray:
        cut: BoolArray = side[self.rows] & ~side[self.columns]
        return cut
