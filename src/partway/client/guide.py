"""What a session may do, and what it is to reach: by a plan, or without one.

    without a plan    the candidate cuts, lossless codecs, the least latency
    with a plan       its cuts and codecs and no others, its objective within its constraints, its joules

Input: a model's cost table as it is known, and conditions. Output: the cuts to learn about, and decisions. Called by
the session and its background work; safe to call from several threads.
"""

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from partway.client.packing import lossless_codecs
from partway.client.surroundings import Surroundings
from partway.documents import read_document
from partway.engine import Clock
from partway.errors import CutError, InputError, NothingFits
from partway.graph import Cut, Model, candidate_cuts, cut_at
from partway.planning import (
    Charge,
    Conditions,
    CostTable,
    CutCost,
    Decision,
    Goal,
    PlanDocument,
    allows,
    decide,
    read_charge,
)
from partway.planning.objective import require_joules

logger = logging.getLogger(__name__)

SWITCH_GAIN = 0.01
"""What a switch has to save: estimates flicker by a few per cent, and switching for nothing warms pieces in turn. More
loses more than it brings (docs/link.md)."""

_CHARGE_LASTS_S = 10.0
_FULL = 1.0  # what a charge that cannot be read is weighed as


class Guide(Protocol):
    """Says which cuts and codecs a session may use, and which is the best now.

    Attributes:
        max_up_bytes: most bytes that a request may send; None for any.
        thrifty: whether joules count.
        deadline_s: seconds within which a request has to be answered; infinite for any.
    """

    max_up_bytes: int | None
    thrifty: bool
    deadline_s: float

    def cuts(self, model: Model) -> tuple[Cut, ...]:
        """The cuts to choose from, device-only last.

        Raises:
            InputError: the guide is of another model or binding.
        """

    def allowed(self, cut: Cut) -> tuple[str, ...]:
        """The codecs that a cut may use beside raw."""

    def complete(self, cost: CutCost) -> CutCost:
        """A cost with all that the decision asks of it."""

    def decide(self, table: CostTable, conditions: Conditions, current: int | None) -> Decision:
        """The best row now.

        Args:
            table: the rows that can be chosen.
            conditions: link, load and device.
            current: the row in use, or None.
        """


class Unplanned:
    """The least latency over the candidate cuts.

    Args:
        codecs: that any cut may use; lossless ones.
    """

    max_up_bytes: int | None = None
    thrifty = False
    deadline_s = math.inf

    def __init__(self, codecs: tuple[str, ...]) -> None:
        self._codecs = codecs

    def cuts(self, model: Model) -> tuple[Cut, ...]:
        """The candidate cuts."""
        return candidate_cuts(model)

    def allowed(self, cut: Cut) -> tuple[str, ...]:  # noqa: ARG002 - a plan's answer depends on it
        """The same for every cut."""
        return self._codecs

    def complete(self, cost: CutCost) -> CutCost:
        """The cost as it is: latency asks for no more."""
        return cost

    def decide(self, table: CostTable, conditions: Conditions, current: int | None) -> Decision:
        """The fastest row now, or the one in use where it is hardly slower."""
        return decide(table, conditions, current=current, switch_gain=SWITCH_GAIN)


class Planned:
    """A plan's objective, over the cuts and codecs that it kept.

    Where no cut keeps to its deadline or its budget of joules for the moment, the fastest of those that keep to the
    rest is taken, and the decision says so: an answer that is late is better than none. A charge that cannot be read
    counts as full.

    Args:
        plan: made for this model and these shapes, lossy codecs checked for them.
        charge: reads how full the battery is; asked at most every ten seconds, and for a balanced objective only.
        clock: seconds, monotonic.

    Raises:
        InputError: the plan does not let the device finish alone, which a session must be able to; or its objective
            counts joules and it has none.
    """

    def __init__(self, plan: PlanDocument, *, charge: Charge = read_charge, clock: Clock = time.monotonic) -> None:
        chosen = [plan.costs[row] for row in plan.choices]
        if all(cost.offloaded for cost in chosen):
            raise InputError(
                "the plan rules the device alone out, and a session finishes there when the server is silent; make the "
                "plan without --on-server and --device-memory, or write the pieces with `partway split`"
            )
        require_joules(plan.goal, CostTable.of(chosen), knows_draw=plan.draw is not None)
        limits = plan.constraints
        self.max_up_bytes = limits.max_up_bytes
        self.thrifty = plan.goal.objective in ("energy", "balanced") or limits.energy_budget_j is not None
        self.deadline_s = math.inf if limits.deadline_s is None else limits.deadline_s
        self._plan = plan
        self._goal = plan.goal
        self._relaxed = Goal(
            constraints=msgspec.structs.replace(plan.constraints, deadline_s=None, energy_budget_j=None)
        )
        self._codecs: dict[tuple[str, ...], list[str]] = {}
        for cost in chosen:
            if cost.offloaded:
                self._codecs.setdefault(cost.crossing, []).append(cost.codec)
        self._known = {(cost.crossing, cost.codec): cost for cost in plan.costs}
        self._any = {cost.crossing: cost for cost in reversed(plan.costs)}
        self._charge = charge
        self._clock = clock
        self._charge_read_s = -math.inf
        self._last_charge: float | None = None
        self._lock = threading.Lock()

    def cuts(self, model: Model) -> tuple[Cut, ...]:
        """The plan's cuts, from the shallowest on."""
        self._plan.check_model(model.source_digest, model.binding.encode())
        try:
            cuts = [cut_at(model, crossing) for crossing in (*self._codecs, ())]
        except CutError as error:
            raise InputError(f"the plan does not fit this runtime's graph: {error}; make the plan anew here") from error
        restrictions = self._plan.constraints.restrict(model)
        for cut in cuts:
            if not allows(cut, restrictions):
                sent = f"the cut at {', '.join(cut.crossing)}" if cut.offloaded else "the device alone"
                raise InputError(f"the plan keeps {sent}, which its own constraints rule out; make the plan anew")
        return tuple(sorted(cuts, key=lambda cut: (not cut.offloaded, cut.depth)))

    def allowed(self, cut: Cut) -> tuple[str, ...]:
        """The codecs that the plan kept for this cut."""
        return tuple(self._codecs.get(cut.crossing, ()))

    def complete(self, cost: CutCost) -> CutCost:
        """The cost with the plan's error, memory and watts."""
        planned = self._known.get((cost.crossing, cost.codec)) or self._any.get(cost.crossing)
        if planned is None:
            return cost
        watts = _watts(planned) if cost.device_s else 0.0
        known = planned.device_j is not None and watts is not None
        return msgspec.structs.replace(
            cost,
            error=planned.error if planned.codec == cost.codec else 0.0,
            device_bytes=planned.device_bytes,
            device_j=cost.device_s * (watts or 0.0) if known else None,
            device_j_how=planned.device_j_how if known else None,
        )

    def decide(self, table: CostTable, conditions: Conditions, current: int | None) -> Decision:
        """The row that the plan's objective prefers now, or the one in use where it is hardly worse."""
        balanced = self._goal.objective == "balanced"
        charge = self._charge_now() if balanced else None
        try:
            draw = None if self._plan.draw is None else self._plan.draw.at(conditions)
            decision = decide(
                table,
                conditions,
                goal=self._goal,
                draw=draw,
                charge=_FULL if balanced and charge is None else charge,
                current=current,
                switch_gain=SWITCH_GAIN,
            )
        except NothingFits as error:
            logger.info("constraints_relaxed reason=%s", error)
            decision = decide(table, conditions, goal=self._relaxed, current=current, switch_gain=SWITCH_GAIN)
            decision = dataclasses.replace(decision, relaxed=str(error))
        return dataclasses.replace(decision, charge=charge)  # as it was read, whatever was weighed

    def _charge_now(self) -> float | None:
        with self._lock:
            now_s = self._clock()
            if now_s - self._charge_read_s >= _CHARGE_LASTS_S:
                self._charge_read_s, self._last_charge = now_s, self._charge()
            return self._last_charge


def _watts(cost: CutCost) -> float | None:
    return cost.device_j / cost.device_s if cost.device_j is not None and cost.device_s else None


def guide_of(plan: PlanDocument | str | Path | None, codecs: Sequence[str] | None, surroundings: Surroundings) -> Guide:
    """What a session goes by.

    Args:
        plan: or its path; None for none.
        codecs: lossless ones that may be used without a plan; None for all that are installed.
        surroundings: clock and battery.

    Raises:
        InputError: both are given, a codec cannot be used, or the plan rules the device alone out.
        DocumentError: the plan cannot be read.
    """
    if plan is None:
        return Unplanned(lossless_codecs(codecs))
    if codecs is not None:
        raise InputError("a plan says itself how tensors may travel; give either a plan or codecs")
    document = plan if isinstance(plan, PlanDocument) else read_document(Path(plan), PlanDocument)
    return Planned(document, charge=surroundings.charge, clock=surroundings.clock)
