"""The cuts worth pricing piece by piece: those that a search over all cuts of the graph proposes.

    seconds of nodes ─> Search ─> explore ─> heads that can be best somewhere in the region
                                             + for deadlines, budgets and throughput: what no other cut beats
    heads ─> cuts, named by what they send

Input: a model, additive seconds of its nodes on either side, and what is forbidden. Output: a `Proposal`, with how it
was found, and where an objective is not linear how far from the best of all it can be. Called by `partway plan`.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from partway.engine import Clock
from partway.graph import Cut, Model, cut_of, prefix_cuts, single_tensor_cuts
from partway.planning.bounds import Bound, energy_bound, throughput_bound
from partway.planning.costs import Conditions, CostTable, CutCost, FloatArray
from partway.planning.energy import DeviceDraw, PowerDraw
from partway.planning.exploration import PriceBox, explore
from partway.planning.frontier import Region
from partway.planning.objective import LATENCY, Goal, weigh
from partway.planning.pareto import undominated
from partway.planning.plan import SearchRecord
from partway.planning.search import Found, NodeCosts, Prices, Restrictions, Search

_FREE = Prices(uplink=0.0, server=0.0, downlink=0.0)
_MOST_UNDOMINATED = 24  # marking a tensor keeps the kernels around it from fusing


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a search found.

    Attributes:
        cuts: from the smallest head to the largest; device-only is not among them where pins forbid it.
        record: how they were found.
        search: that found them.
    """

    cuts: tuple[Cut, ...]
    record: SearchRecord
    search: Search


def propose_cuts(
    model: Model,
    nodes: NodeCosts,
    *,
    goal: Goal = LATENCY,
    restrictions: Restrictions | None = None,
    region: Region | None = None,
    draw: DeviceDraw | None = None,
    active_w: float | None = None,
    coded_bytes: Iterable[Mapping[str, int]] = (),
    tolerance: float = 0.001,
    clock: Clock = time.perf_counter,
) -> Proposal:
    """The cuts of a model that can be best anywhere in a region of conditions, by additive costs.

    A cut is named by what it sends. Where a head also makes outputs from nothing but crossing tensors, the cut of that
    name leaves those to the server, and the record does not call the proposal certified.

    Args:
        model: the canonical graph.
        nodes: additive seconds of its nodes.
        goal: where it is not linear, or limits bytes, cuts that no other beats are proposed, too.
        restrictions: what cuts must keep to; nothing if None.
        region: conditions; `Region()` if None.
        draw: what the device draws while it does not compute; with it and `active_w` the cuts hold for energy and any
            balance with latency as well.
        active_w: what it draws while it computes, > 0.
        coded_bytes: for each codec that cuts could use, what it makes of tensors, by name; the cuts that could be best
            with it, if it took no time, are proposed, too.
        tolerance: by how much the best of them may be worse than the best of all, as a share, >= 0.
        clock: seconds, monotonic.

    Raises:
        InputError: the restrictions contradict each other, or scipy is not installed.
    """
    start_s = clock()
    search = Search.of(model, nodes, restrictions)
    single = single_tensor_cuts(model)
    box = PriceBox.of(region or Region(), draw, active_w)
    searches = [search, *(Search.of(model, nodes, restrictions, sizes) for sizes in coded_bytes)]
    found = [explore(each, box, tolerance=tolerance, seeds=(cut.nodes for cut in single)) for each in searches]
    named = {head: cut_of(model, head) for one in found for head in one.heads}
    cuts = {cut.crossing: cut for cut in named.values()}
    limits = goal.constraints
    if not goal.linear or limits.device_memory_bytes is not None or limits.max_up_bytes is not None:
        cuts |= {cut.crossing: cut for cut in _undominated(search, (*cuts.values(), *single, *prefix_cuts(model)))}
    record = SearchRecord(
        nodes=len(model.nodes),
        single_tensor_cuts=len(single),
        proposed=len(cuts),
        searches=sum(one.searches for one in found),
        seconds=clock() - start_s,
        # What was proved holds for heads; a name that moves outputs to the server may be of a dearer cut.
        certified=all(one.certified for one in found) and all(cut.nodes == head for head, cut in named.items()),
        tolerance=tolerance,
    )
    return Proposal(
        cuts=tuple(sorted(cuts.values(), key=lambda cut: (cut.depth, cut.crossing))), record=record, search=search
    )


def additive_gap(
    proposal: Proposal,
    goal: Goal,
    conditions: Conditions,
    *,
    draw: PowerDraw | None = None,
    active_w: float | None = None,
) -> float | None:
    """By what share the best of all cuts may be better than the best proposed one, by additive costs; None if unknown.

    Known for throughput without limits, and for the least energy within nothing but a deadline. Where the objective is
    linear, the proposal's tolerance says it for all conditions at once.

    Args:
        proposal: for this goal.
        goal: what is asked.
        conditions: link and load.
        draw: what the device draws while it does not compute.
        active_w: what it draws while it computes, > 0.
    """
    search, limits = proposal.search, goal.constraints
    alone = (1 << proposal.record.nodes) - 1
    bound: Bound
    if limits.device_memory_bytes is not None or limits.max_up_bytes is not None:
        return None
    if goal.objective == "throughput" and not limits.varies:
        bound = throughput_bound(_Oracle(search, 0.0, alone), conditions)
    elif goal.objective == "energy" and limits.deadline_s and not limits.energy_budget_j and draw and active_w:
        bound = energy_bound(_Oracle(search, active_w, alone), conditions, draw, limits.deadline_s)
    else:
        return None
    costs = [_cost(cut, search.measure(cut.nodes, _FREE), active_w) for cut in proposal.cuts]
    weighed = weigh(CostTable.of(costs), conditions, goal, draw=draw)
    values = weighed.values if weighed.feasible is None else weighed.values[weighed.feasible]
    return bound.gap(float(values.min())) if len(values) else None


def _cost(cut: Cut, found: Found, active_w: float | None) -> CutCost:
    return CutCost(
        crossing=cut.crossing,
        device_s=found.device_s,
        up_bytes=found.up_bytes if cut.offloaded else 0,
        server_s=found.server_s if cut.offloaded else 0.0,
        down_bytes=found.down_bytes if cut.offloaded else 0,
        offloaded=cut.offloaded,
        device_j=None if active_w is None else active_w * found.device_s,
        device_j_how=None if active_w is None else "constant",
    )


@dataclass(frozen=True, slots=True)
class _Oracle:
    # The exact best of all cuts for linear prices, as `bounds` asks for it; joules are watts times seconds.
    search: Search
    active_w: float
    alone: int  # the head that is the whole model

    def __call__(self, prices: FloatArray) -> FloatArray:
        device, wait, uplink, server, downlink, joules = prices.tolist()
        asked = Prices(device=device + joules * self.active_w, uplink=uplink, server=server, downlink=downlink)
        best = self.search.best(asked)
        # All that offload pay the wait alike; the device alone, where it is allowed, pays none.
        if best.head != self.alone and self.search.allows(self.alone):
            alone = self.search.measure(self.alone, asked)
            best = alone if alone.value <= best.value + wait else best
        offloaded = best.head != self.alone
        joules_j = self.active_w * best.device_s
        return np.array((best.device_s, offloaded, best.up_bytes, best.server_s, best.down_bytes, joules_j))


def _undominated(search: Search, cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    allowed = [cut for cut in cuts if search.allows(cut.nodes)]
    if not allowed:
        return ()
    terms = np.array([(cut.offloaded, *search.measure(cut.nodes, _FREE).terms) for cut in allowed], dtype=np.float64)
    rows = undominated(terms)
    # Evenly over depth, where there are too many.
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_UNDOMINATED)).astype(int))]
    return tuple(allowed[row] for row in chosen)
