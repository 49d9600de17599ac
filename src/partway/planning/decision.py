"""One cut, chosen for one request.

In come a cost table, the conditions of this moment and what is to be best; out comes the decision, a few
microseconds later, so every request is decided anew. Called by the client before each run.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, CutCost, FloatArray, describe_cut
from partway.planning.energy import PowerDraw
from partway.planning.objective import LATENCY, Goal, ObjectiveName, Weighed, weigh
from partway.units import format_duration, format_energy


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The cut to use now, and what it was weighed against.

    Attributes:
        index: row of the table.
        crossing: the tensors to send; empty for the device alone.
        codec: how they travel.
        objective: what was to be best.
        value: of the objective: seconds, joules, or for throughput seconds from one answer to the next.
        latency_s: expected seconds of the request at this cut.
        energy_j: expected joules on the device; None where they are not known.
        runner_up: row of the best other cut that may be chosen, or None when there is none.
        runner_up_value: of the objective there, or None. Below `value` only when `kept`.
        runner_up_latency_s: expected seconds there, or None.
        kept: the current cut stays although another is better, by less than `switch_gain`.
        switch_gain: the share of the objective's value that a switch had to save.
        charge: how full the battery was said to be, or None.
        fastest: for throughput, row of the cut with the least latency; None otherwise.
        relaxed: why what was asked could not be kept to and less was asked; None where it was.
    """

    index: int
    crossing: tuple[str, ...]
    codec: str
    objective: ObjectiveName
    value: float
    latency_s: float
    energy_j: float | None
    runner_up: int | None
    runner_up_value: float | None
    runner_up_latency_s: float | None
    kept: bool
    switch_gain: float
    charge: float | None
    fastest: int | None
    _weighed: Weighed = field(repr=False, compare=False)
    relaxed: str | None = None

    @property
    def inputs_per_s(self) -> float | None:
        """For throughput, how many inputs of a stream are answered each second; None otherwise."""
        if self.objective != "throughput":
            return None
        return 1.0 / self.value if self.value else math.inf

    @property
    def given_up_s(self) -> float | None:
        """For throughput, by how many seconds a single request is slower than at the fastest cut; None otherwise."""
        return None if self.fastest is None else self.latency_s - float(self._weighed.latency_s[self.fastest])

    @property
    def runner_up_cost(self) -> CutCost | None:
        """What the best other cut costs, or None."""
        return None if self.runner_up is None else self._weighed.table.costs[self.runner_up]

    @property
    def reason(self) -> str:
        """One plain sentence that says why; made only when asked for."""
        chosen = f"{self._name(self.index)} {_SAYS[self.objective]} {self._amount(self.index, self.value)}"
        if self.relaxed is not None:
            chosen = f"{self.relaxed}; meanwhile {chosen}"
        if self.objective == "balanced" and self.charge is not None:
            chosen += f", weighed at {self.charge:.0%} of the battery"
        chosen += self._price_in_latency()
        if self.runner_up is None or self.runner_up_value is None:
            rest = "there is no other cut" if len(self._weighed.table) == 1 else "no other cut keeps to the constraints"
            return f"{chosen}, and {rest}"
        other = self._name(self.runner_up)
        amount = self._amount(self.runner_up, self.runner_up_value)
        would = _WOULD[self.objective]
        if self.kept:
            return (
                f"{chosen} and stays: {other} would {would} {amount}, and a switch has to save {self.switch_gain:.0%}"
            )
        return f"{chosen}; the next best, {other}, would {would} {amount}"

    def _name(self, row: int) -> str:
        return describe_cut(self._weighed.table.costs[row])

    def _amount(self, row: int, value: float) -> str:
        if self.objective == "throughput":
            return f"{1.0 / value:.3g} inputs/s" if value else "any number of inputs/s"
        if self.objective == "energy":
            return format_energy(value)
        latency = format_duration(float(self._weighed.latency_s[row]))
        if self.objective == "latency" or self._weighed.energy_j is None:
            return latency
        return f"{latency} and {format_energy(float(self._weighed.energy_j[row]))}"

    def _price_in_latency(self) -> str:
        if self.fastest is None or self.given_up_s is None:
            return ""
        one = f", each in {format_duration(self.latency_s)}"
        if self.given_up_s <= 0:
            return one
        return f"{one}, {format_duration(self.given_up_s)} later than at the fastest, {self._name(self.fastest)}"


_SAYS: dict[ObjectiveName, str] = {
    "latency": "takes",
    "energy": "costs",
    "balanced": "takes",
    "throughput": "answers",
}
_WOULD: dict[ObjectiveName, str] = {
    "latency": "take",
    "energy": "cost",
    "balanced": "take",
    "throughput": "answer",
}


def decide(
    table: CostTable,
    conditions: Conditions,
    *,
    goal: Goal = LATENCY,
    draw: PowerDraw | None = None,
    charge: float | None = None,
    current: int | None = None,
    switch_gain: float = 0.0,
) -> Decision:
    """The best cut that keeps to the constraints.

    Args:
        table: the cuts to choose from; of equal ones that of least latency, then the first.
        conditions: link, load and device now.
        goal: what is to be best, and within which constraints; without one, the least latency at which nothing is
            lost.
        draw: what the device draws while it does not compute.
        charge: how full the battery is, in (0, 1]; only a balanced objective asks.
        current: row of the cut in use, or None.
        switch_gain: share of the current cut's value that another must save before it is preferred, in
            [0, 1). 0, the default, always takes the best; more keeps estimates that flicker around a tie from
            building and warming pieces in turn, at the price of at most that share of the value.

    Raises:
        InputError: no cut keeps to the constraints; joules or a charge are asked for and not known; `current` is no
            row of the table or `switch_gain` is out of range.
    """
    if not 0 <= switch_gain < 1:
        raise InputError(f"switch_gain is {switch_gain}; expected a share in [0, 1), such as 0.05")
    if current is not None and not 0 <= current < len(table):
        raise InputError(f"the current cut is row {current}; expected a row below {len(table)}")
    weighed = weigh(table, conditions, goal, draw=draw, charge=charge)
    weighed.require_feasible()
    seconds, feasible = weighed.latency_s, weighed.feasible
    values = weighed.values.copy() if feasible is None else np.where(feasible, weighed.values, math.inf)
    tie_breaker = None if goal.objective == "latency" else seconds
    chosen = _least(values, tie_breaker)
    # Written so that a tie, too, keeps the current cut.
    if current is not None and values[chosen] >= (1.0 - switch_gain) * values[current]:
        chosen = current
    value = float(values[chosen])
    values[chosen] = math.inf
    runner_up: int | None = None
    if len(table) > 1 and (feasible is None or feasible.sum() > 1):
        runner_up = _least(values, tie_breaker)
    runner_up_value = None if runner_up is None else float(values[runner_up])
    cost = table.costs[chosen]
    joules = math.nan if weighed.energy_j is None else float(weighed.energy_j[chosen])
    return Decision(
        index=chosen,
        crossing=cost.crossing,
        codec=cost.codec,
        objective=goal.objective,
        value=value,
        latency_s=float(seconds[chosen]),
        energy_j=None if math.isnan(joules) else joules,
        runner_up=runner_up,
        runner_up_value=runner_up_value,
        runner_up_latency_s=None if runner_up is None else float(seconds[runner_up]),
        kept=runner_up_value is not None and runner_up_value < value,
        switch_gain=switch_gain,
        charge=charge,
        fastest=_fastest(seconds, weighed) if goal.objective == "throughput" else None,
        _weighed=weighed,
    )


def _least(values: FloatArray, tie_breaker: FloatArray | None) -> int:
    row = int(values.argmin())
    if tie_breaker is None:
        return row
    equal = np.flatnonzero(values == values[row])
    return int(equal[tie_breaker[equal].argmin()])


def _fastest(seconds: FloatArray, weighed: Weighed) -> int:
    return int((seconds if weighed.feasible is None else np.where(weighed.feasible, seconds, math.inf)).argmin())
