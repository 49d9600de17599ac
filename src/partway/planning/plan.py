"""A plan: the costs of a model's cuts, the few worth keeping, and what they were made from.

In come costs and descriptions; out comes a versioned document that `partway plan` prints, the client decides
by and anybody can read. Called by the command line and the client.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from partway.codecs import is_lossless
from partway.documents import Document
from partway.errors import InputError
from partway.planning.constraints import Constraints, keep_to, limits, nothing_fits
from partway.planning.costs import CostTable, CutCost, describe_cut
from partway.planning.energy import DeviceDraw
from partway.planning.frontier import Region, frontier
from partway.planning.objective import (
    LATENCY,
    Goal,
    ObjectiveName,
    own_seconds_per_joule,
    require_joules,
)
from partway.planning.pareto import pareto

_ROUNDING = 1e-9


class SearchRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the cuts of a plan were found among all cuts of a graph.

    Attributes:
        nodes: of the graph.
        single_tensor_cuts: how many of its cuts send one tensor.
        proposed: how many cuts the search proposed.
        searches: how many minimum cuts were computed.
        seconds: that it all took.
        certified: whether the proposed are proven to be within the tolerance of the best of all, by additive costs.
        tolerance: share of the best that was aimed at.
        gap: where the objective is not linear, by what share the best of all may at most be better; None elsewhere,
            and where nothing bounds it.
    """

    nodes: int
    single_tensor_cuts: int
    proposed: int
    searches: int
    seconds: float
    certified: bool
    tolerance: float
    gap: float | None = None


class PlanDocument(Document, frozen=True, kw_only=True):
    """What is stored as `plan.json`.

    Attributes:
        model: digest of the source model, `sha256:` and hexadecimal digits.
        binding: the input shapes and values that the costs hold for, as `Binding.encode` writes them.
        objective: what decisions make best.
        constraints: what they keep to.
        seconds_per_joule: what a joule counts at half charge, for a balanced objective; None where nothing said it.
        device: the device, in words.
        server: the server, in words.
        costs: every cut considered, from server-only to device-only.
        frontier: rows of `costs` that can be best while the objective is linear, ascending.
        pareto: rows that can be best within a deadline or a budget of joules, or in throughput, ascending.
        created_from: what the costs were taken from, in words or as a document's path.
        device_energy: where the joules of heads come from, in words; None where there are none.
        draw: what the device draws while it does not compute; None where nothing is known of it.
        search: how the cuts were found; None where they come from a list.

    Raises:
        InputError: no costs, rows of the frontier or the Pareto set that are none, unordered or not there, or a wrong
            price of joules.
    """

    kind: ClassVar[str] = "partway.plan"
    version: ClassVar[int] = 3

    model: str
    binding: str
    objective: ObjectiveName = "latency"
    constraints: Constraints = Constraints()
    seconds_per_joule: float | None = None
    device: str
    server: str
    costs: tuple[CutCost, ...]
    frontier: tuple[int, ...]
    pareto: tuple[int, ...]
    created_from: str
    device_energy: str | None = None
    draw: DeviceDraw | None = None
    search: SearchRecord | None = None

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the costs, and a goal that is none."""
        for name in ("frontier", "pareto"):
            rows: tuple[int, ...] = getattr(self, name)
            if not rows or list(rows) != sorted(set(rows)) or not 0 <= rows[0] <= rows[-1] < len(self.costs):
                raise InputError(
                    f"the plan's {name} is {rows}; expected ascending rows of its {len(self.costs)} costs, "
                    "at least one: make the plan anew"
                )
        _ = self.goal
        for cost in (self.costs[row] for row in {*self.frontier, *self.pareto}):
            self._check_codec(cost)

    def check_model(self, model: str, binding: str) -> None:
        """Refuse to be followed for another model, or for inputs of other shapes.

        Args:
            model: digest of the source model at hand.
            binding: of its inputs, encoded.

        Raises:
            InputError: the plan was made for another.
        """
        if (self.model, self.binding) != (model, binding):
            raise InputError(
                f"the plan is of the model {self.model} bound to {self.binding}; this one is {model} bound to "
                f"{binding}: make the plan anew"
            )

    def _check_codec(self, cost: CutCost) -> None:
        # What a session may choose has to be lossless, or within an error that somebody measured and accepted.
        if is_lossless((cost.codec,)) and not cost.error:
            return
        most = self.constraints.max_error
        if most is None or cost.error > most * (1.0 + _ROUNDING):
            accepted = "none is accepted" if most is None else f"{most:.3g} is accepted"
            raise InputError(
                f"{describe_cut(cost)} may change answers by {cost.error:.3g} of their scale, and {accepted}: make the "
                "plan anew with --max-error"
            )

    @property
    def goal(self) -> Goal:
        """What the plan was made for."""
        return Goal(objective=self.objective, constraints=self.constraints, seconds_per_joule=self.seconds_per_joule)

    @property
    def choices(self) -> tuple[int, ...]:
        """Rows of `costs` that a decision by the plan's goal chooses from, ascending."""
        return self.frontier if self.goal.linear else self.pareto

    def frontier_costs(self) -> tuple[CutCost, ...]:
        """The cuts of the frontier."""
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
    goal: Goal = LATENCY,
    draw: DeviceDraw | None = None,
    search: SearchRecord | None = None,
) -> PlanDocument:
    """The plan for one model, binding, device and server.

    Args:
        model: digest of the source model.
        binding: encoded binding.
        costs: the cuts, from server-only to device-only, all of which keep to the goal's `restrict`.
        device: the device, in words.
        server: the server, in words.
        created_from: what the costs were taken from.
        device_energy: where the joules of heads come from, if there are any.
        region: conditions that the frontier must hold for; `Region()` if None.
        tolerance: of the frontier, as a share.
        goal: what decisions are to reach. Cuts that miss its limits under any conditions (bytes, memory, error) are
            neither on the frontier nor in the Pareto set.
        draw: what the device draws while it does not compute; needed where the objective counts joules.
        search: how the cuts were found.

    Raises:
        InputError: no costs, a negative tolerance, no cut within the limits, or joules that are asked for and unknown.
    """
    table = CostTable.of(costs)
    rows = _always_within(table, goal.constraints)
    kept = [table.costs[row] for row in rows]
    require_joules(goal, table, knows_draw=draw is not None)
    price = goal.seconds_per_joule
    if goal.objective == "balanced" and price is None:
        price = own_seconds_per_joule(table)
    best = frontier(kept, region, tolerance, draws=draw.at if draw is not None and goal.weighs_energy else None)
    return PlanDocument(
        model=model,
        binding=binding,
        objective=goal.objective,
        constraints=goal.constraints,
        seconds_per_joule=price,
        device=device,
        server=server,
        costs=table.costs,
        frontier=tuple(rows[row] for row in best),
        pareto=tuple(rows[row] for row in pareto(kept)),
        created_from=created_from,
        device_energy=device_energy,
        draw=draw,
        search=search,
    )


def _always_within(table: CostTable, constraints: Constraints) -> list[int]:
    # Rows that keep to all limits which no conditions change.
    found = limits(constraints, table)
    kept = keep_to(found)
    if kept is None:
        return list(range(len(table)))
    if not kept.any():
        raise nothing_fits(table, found)
    return [int(row) for row in np.flatnonzero(kept)]
