"""The cuts of a plan under given conditions, best first: what tables, figures and pages show.

In come a plan, conditions, and what its goal asks of the device; out comes every cut with its parts. Called by the
command line and by reporting.
"""

from dataclasses import dataclass

import numpy as np

from partway.planning.constraints import largest_excess, misses
from partway.planning.costs import Conditions, CostTable, CutCost, Parts, parts, spread_s
from partway.planning.energy import EnergyParts, PowerDraw, energy_parts
from partway.planning.objective import STAGES, Weighed, stages_s, weigh
from partway.planning.plan import PlanDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCut:
    """One cut of a plan under given conditions.

    Attributes:
        index: row of the plan's costs.
        cost: its numbers.
        parts: its seconds, part by part.
        latency_s: their sum.
        spread_s: by how much it may be off, one standard deviation; None where nothing tells.
        energy: its joules on the device, part by part; None where they are not known.
        on_frontier: whether decisions consider it.
        value: of the plan's objective: seconds, joules, or for throughput seconds from one answer to the next; None
            where its joules are asked for and unknown.
        feasible: whether it may be chosen.
        misses: what it misses of the constraints, in words.
        slowest: for throughput, the stage that bounds it, one of `STAGES`; None otherwise.
        inputs_per_s: for throughput, how many inputs of a stream it answers each second; None otherwise.
    """

    index: int
    cost: CutCost
    parts: Parts
    latency_s: float
    spread_s: float | None
    energy: EnergyParts | None
    on_frontier: bool
    value: float | None
    feasible: bool
    misses: tuple[str, ...]
    slowest: str | None = None
    inputs_per_s: float | None = None


def rank(
    plan: PlanDocument, conditions: Conditions, draw: PowerDraw | None = None, charge: float | None = None
) -> tuple[RankedCut, ...]:
    """Every cut of the plan, best first; those that miss a constraint last, the nearest to keeping them first.

    Equally good ones follow in order of latency, then in the plan's.

    Args:
        plan: the costs and the goal.
        conditions: link and load.
        draw: what the device draws while it does not compute; without it only the device alone has joules.
        charge: how full the battery is, in (0, 1]; only a balanced objective asks.

    Raises:
        InputError: joules or a charge are asked for and not known.
    """
    table = CostTable.of(plan.costs)
    weighed = weigh(table, conditions, plan.goal, draw=draw, charge=charge)
    stages = stages_s(table, conditions) if plan.objective == "throughput" else None
    kept = frozenset(plan.choices)
    return tuple(
        RankedCut(
            index=row,
            cost=plan.costs[row],
            parts=parts(plan.costs[row], conditions),
            latency_s=float(weighed.latency_s[row]),
            spread_s=spread_s(plan.costs[row], conditions),
            energy=_energy(plan.costs[row], conditions, draw),
            on_frontier=row in kept,
            value=float(weighed.values[row]) if np.isfinite(weighed.values[row]) else None,
            feasible=weighed.feasible is None or bool(weighed.feasible[row]),
            misses=_misses(weighed, row),
            slowest=None if stages is None else STAGES[int(stages[row].argmax())],
            inputs_per_s=None if stages is None else _inverse(float(weighed.values[row])),
        )
        for row in _order(weighed)
    )


def _order(weighed: Weighed) -> list[int]:
    keys = [weighed.latency_s, weighed.values]  # the last key counts first
    if weighed.feasible is not None:
        if weighed.limits:
            keys.append(np.where(weighed.feasible, 0.0, largest_excess(weighed.limits)))
        keys.append((~weighed.feasible).astype(np.float64))
    order: list[int] = np.lexsort(keys).tolist()
    return order


def _misses(weighed: Weighed, row: int) -> tuple[str, ...]:
    unknown = () if np.isfinite(weighed.values[row]) else ("costs joules that are not known",)
    return (*unknown, *misses(weighed.limits, row))


def _inverse(seconds: float) -> float:
    return 1.0 / seconds if seconds else float("inf")


def _energy(cost: CutCost, conditions: Conditions, draw: PowerDraw | None) -> EnergyParts | None:
    if cost.device_j is None or (draw is None and cost.offloaded):
        return None
    return energy_parts(cost, conditions, draw or _NO_DRAW)


_NO_DRAW = PowerDraw(tx_w=0.0, rx_w=0.0, idle_w=0.0)
