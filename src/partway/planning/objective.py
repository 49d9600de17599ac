"""What is best: latency, energy, a balance of both, or throughput, within constraints.

In come a cost table, the conditions of the moment, what the device draws and how full its battery is; out comes one
value per cut, the less the better, and which cuts may be chosen. Called by `decision` and `plan`.

    latency      seconds of a request
    energy       joules of a request on the device
    balanced     latency + lambda * energy, with lambda = seconds_per_joule * (1 - charge) / charge
    throughput   seconds from one answer to the next in a stream: its slowest stage

Balanced is latency on a full battery, tends to energy as the battery runs empty, and at half charge counts a joule
as `seconds_per_joule`. By default those are the seconds of the device's own run over its joules, so that at half
charge its own run counts its joules as much as its seconds, whatever the model. The function is ours; that the
remaining battery should move the cut is the paper's.

Throughput is that of a pipeline in which device, uplink, server and downlink each work on another input. Links carry
both ways at once, and neither the round trip nor the server's queue bounds a pipeline.

Source: Kang et al., ASPLOS 2017, name latency and energy as objectives, and the remaining battery as a factor.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from partway.errors import InputError
from partway.planning.constraints import BoolArray, Constraints, Limit, keep_to, limits, nothing_fits
from partway.planning.costs import Conditions, CostTable, FloatArray, coefficients, latency_s
from partway.planning.energy import PowerDraw, energy_j

ObjectiveName = Literal["latency", "energy", "balanced", "throughput"]
OBJECTIVES: tuple[ObjectiveName, ...] = get_args(ObjectiveName)
STAGES = ("device", "uplink", "server", "downlink")
_STAGE_COLUMNS = [0, 2, 3, 4]  # of `CostTable.terms`: all but offloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a decision is to reach.

    Attributes:
        objective: what is to be least (or, for throughput, most).
        constraints: what every cut must keep to.
        seconds_per_joule: what a joule counts at half charge, > 0; None for the device's own seconds over its joules.

    Raises:
        InputError: no such objective, or `seconds_per_joule` is not finite or not above 0.
    """

    objective: ObjectiveName = "latency"
    constraints: Constraints = field(default_factory=Constraints)
    seconds_per_joule: float | None = None

    def __post_init__(self) -> None:
        """Refuse unknown objectives and prices that mean nothing."""
        if self.objective not in OBJECTIVES:
            raise InputError(f"{self.objective!r} is no objective; choose one of {', '.join(OBJECTIVES)}")
        if self.seconds_per_joule is not None and not 0 < self.seconds_per_joule < math.inf:
            raise InputError(
                f"seconds_per_joule is {self.seconds_per_joule}; it must be finite and above 0, or left out"
            )

    @property
    def linear(self) -> bool:
        """Whether the best cut is always on the frontier; if not, only the Pareto set is sure to have it."""
        return self.objective != "throughput" and not self.constraints.varies

    @property
    def weighs_energy(self) -> bool:
        """Whether its objective counts joules."""
        return self.objective in ("energy", "balanced")

    @property
    def asks_joules(self) -> bool:
        """Whether its objective or its constraints do."""
        return self.weighs_energy or self.constraints.energy_budget_j is not None


LATENCY = Goal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """All cuts under given conditions, by what a goal asks.

    Attributes:
        table: the cuts.
        latency_s: expected seconds, float64 (cuts,).
        energy_j: expected joules on the device, float64 (cuts,), `nan` where unknown; None without a draw.
        values: what is to be least, float64 (cuts,): seconds, joules, or for throughput seconds per input; infinite
            for cuts that the objective cannot judge, their joules being unknown.
        limits: that the goal's constraints set.
        feasible: the cuts that may be chosen, bool (cuts,); None for all.
    """

    table: CostTable
    latency_s: FloatArray
    energy_j: FloatArray | None
    values: FloatArray
    limits: tuple[Limit, ...]
    feasible: BoolArray | None

    def require_feasible(self) -> None:
        """Refuse to go on where no cut may be chosen.

        Raises:
            NothingFits: it names the cut that comes nearest, and what to loosen.
        """
        if self.feasible is not None and not self.feasible.any():
            raise nothing_fits(self.table, self.limits, np.isfinite(self.values))


def weigh(
    table: CostTable,
    conditions: Conditions,
    goal: Goal = LATENCY,
    *,
    draw: PowerDraw | None = None,
    charge: float | None = None,
) -> Weighed:
    """All cuts by a goal.

    Args:
        table: the cuts.
        conditions: link, load and device now.
        goal: what is asked.
        draw: what the device draws while it does not compute; None where nothing is known of it.
        charge: how full the battery is, in (0, 1]; only a balanced objective asks.

    Raises:
        InputError: joules or a charge are asked for and not known, or the charge is out of range.
    """
    seconds = latency_s(table, conditions)
    joules = None if draw is None else energy_j(table, conditions, draw)
    require_joules(goal, table, knows_draw=joules is not None)
    found = limits(goal.constraints, table, seconds, joules)
    feasible = keep_to(found)
    values = seconds
    if goal.objective == "throughput":
        values = stages_s(table, conditions).max(axis=1)
    elif goal.weighs_energy and joules is not None:
        known = ~np.isnan(joules)
        feasible = known if feasible is None else feasible & known
        if goal.objective == "balanced":
            price = goal.seconds_per_joule or _seconds_per_joule(table, seconds, joules)
            values = np.where(known, seconds + balance(charge, price) * joules, math.inf)
        else:
            values = np.where(known, joules, math.inf)
    return Weighed(table=table, latency_s=seconds, energy_j=joules, values=values, limits=found, feasible=feasible)


def balance(charge: float | None, seconds_per_joule: float) -> float:
    """Lambda, the seconds that a joule counts at this charge: 0 on a full battery, without bound on an empty one.

    Args:
        charge: how full the battery is, in (0, 1].
        seconds_per_joule: what a joule counts at half charge.

    Raises:
        InputError: the charge is unknown or out of range.
    """
    if charge is None:
        raise InputError(
            "the objective balanced weighs joules by the battery's charge, and nothing tells it here; give the charge, "
            "or choose latency or energy"
        )
    if not 0 < charge <= 1:
        raise InputError(f"the battery's charge is {charge}; expected a share in (0, 1], such as 0.5")
    return seconds_per_joule * (1.0 - charge) / charge


def stages_s(table: CostTable, conditions: Conditions) -> FloatArray:
    """How long each input occupies each of `STAGES`, float64 (cuts, 4); the slowest bounds a stream."""
    seconds: FloatArray = table.terms[:, _STAGE_COLUMNS] * coefficients(conditions)[_STAGE_COLUMNS]
    return seconds


def own_seconds_per_joule(table: CostTable) -> float | None:
    """The seconds of the device's own run over its joules; None where either is unknown or nothing."""
    for row in np.flatnonzero(table.terms[:, 1] == 0.0).tolist():
        own_s, own_j = float(table.terms[row, 0]), float(table.device_j[row])
        if own_s > 0 and own_j > 0:
            return own_s / own_j
    return None


def _seconds_per_joule(table: CostTable, seconds: FloatArray, joules: FloatArray) -> float:
    own = own_seconds_per_joule(table)
    if own is not None:
        return own
    usable = (seconds > 0) & (joules > 0)
    # Where nothing costs joules, any price will do.
    return float(np.median(seconds[usable] / joules[usable])) if usable.any() else 1.0


def require_joules(goal: Goal, table: CostTable, *, knows_draw: bool) -> None:
    """Refuse a goal that asks for joules which nothing tells.

    Args:
        goal: what is asked.
        table: the cuts.
        knows_draw: whether what the device draws while it does not compute is known.

    Raises:
        InputError: it names the options that give them.
    """
    if not goal.asks_joules or (knows_draw and table.has_joules):
        return
    raise InputError(
        f"{f'the objective {goal.objective}' if goal.weighs_energy else 'an energy budget'} needs joules, and what "
        f"{'heads cost' if knows_draw else 'the device draws'} is not known here; add --device-power (or a device's "
        "profile that has a meter's joules), and --radio where the link's name implies none"
    )
