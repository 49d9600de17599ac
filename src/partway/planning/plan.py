"""A plan: the costs of a model's cuts, the few worth keeping, and what they were made from.

In come costs and descriptions; out comes a versioned document that `partway plan` prints, the client decides
by and anybody can read. Called by the command line and the client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from partway.documents import Document
from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, Parts, latency_s, parts, spread_s
from partway.planning.energy import EnergyParts, PowerDraw, energy_parts
from partway.planning.frontier import Region, frontier


class PlanDocument(Document, frozen=True, kw_only=True):
    """What is stored as `plan.json`.

    Attributes:
        model: digest of the source model, `sha256:` and hexadecimal digits.
        binding: the input shapes and values that the costs hold for, as `Binding.encode` writes them.
        objective: what the frontier was made for.
        device: the device, in words.
        server: the server, in words.
        costs: every cut considered, from server-only to device-only.
        frontier: rows of `costs` that can be best, ascending.
        created_from: what the costs were taken from, in words or as a document's path.
        device_energy: where the joules of heads come from, in words; None where there are none.

    Raises:
        InputError: no costs, or a frontier that is empty, unordered or names rows that are not there.
    """

    kind: ClassVar[str] = "partway.plan"
    version: ClassVar[int] = 2

    model: str
    binding: str
    objective: Literal["latency"] = "latency"
    device: str
    server: str
    costs: tuple[CutCost, ...]
    frontier: tuple[int, ...]
    created_from: str
    device_energy: str | None = None

    def __post_init__(self) -> None:
        """Refuse a frontier that does not fit the costs."""
        rows = self.frontier
        if not rows or list(rows) != sorted(set(rows)) or not 0 <= rows[0] <= rows[-1] < len(self.costs):
            raise InputError(
                f"the plan's frontier is {rows}; expected ascending rows of its {len(self.costs)} costs, "
                "at least one: make the plan anew"
            )

    def frontier_costs(self) -> tuple[CutCost, ...]:
        """The cuts that can be best: what a per-request decision chooses from."""
        return tuple(self.costs[row] for row in self.frontier)


def make_plan(
    *,
    model: str,
    binding: str,
    costs: Sequence[CutCost],
    device: str,
    server: str,
    created_from: str,
    device_energy: str | None = None,
    region: Region | None = None,
    tolerance: float = 0.001,
) -> PlanDocument:
    """The plan for one model, binding, device and server.

    Args:
        model: digest of the source model.
        binding: encoded binding.
        costs: the cuts, from server-only to device-only.
        device: the device, in words.
        server: the server, in words.
        created_from: what the costs were taken from.
        device_energy: where the joules of heads come from, if there are any.
        region: conditions that the frontier must hold for; `Region()` if None.
        tolerance: of the frontier, as a share.

    Raises:
        InputError: no costs, or a negative tolerance.
    """
    return PlanDocument(
        model=model,
        binding=binding,
        device=device,
        server=server,
        costs=tuple(costs),
        frontier=frontier(costs, region, tolerance),
        created_from=created_from,
        device_energy=device_energy,
    )


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
    """

    index: int
    cost: CutCost
    parts: Parts
    latency_s: float
    spread_s: float | None
    energy: EnergyParts | None
    on_frontier: bool


def rank(plan: PlanDocument, conditions: Conditions, draw: PowerDraw | None = None) -> tuple[RankedCut, ...]:
    """Every cut of the plan, fastest first; of equally fast ones the plan's order.

    Args:
        plan: the costs.
        conditions: link and load.
        draw: what the device draws while it does not compute; without it only the device alone has joules.
    """
    seconds = latency_s(CostTable.of(plan.costs), conditions)
    kept = frozenset(plan.frontier)
    return tuple(
        RankedCut(
            index=row,
            cost=plan.costs[row],
            parts=parts(plan.costs[row], conditions),
            latency_s=float(seconds[row]),
            spread_s=spread_s(plan.costs[row], conditions),
            energy=_energy(plan.costs[row], conditions, draw),
            on_frontier=row in kept,
        )
        for row in seconds.argsort(kind="stable").tolist()
    )


def _energy(cost: CutCost, conditions: Conditions, draw: PowerDraw | None) -> EnergyParts | None:
    if cost.device_j is None or (draw is None and cost.offloaded):
        return None
    return energy_parts(cost, conditions, draw or _NO_DRAW)


_NO_DRAW = PowerDraw(tx_w=0.0, rx_w=0.0, idle_w=0.0)
