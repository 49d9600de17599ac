"""What a cut must keep to: limits that it is chosen within, and parts of the graph that have their place.

In come what the user allows and, row by row, what cuts cost. Out come the rows that keep to it, by how much the
others miss it, and, where none does, an error that names the nearest. Called by `objective`, which weighs rows, and
by `plan`, which stores the constraints; names of layers become `Restrictions` in `placement`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from partway.errors import InputError, NothingFits
from partway.graph import Model
from partway.planning.costs import CostTable, FloatArray, describe_cut
from partway.planning.placement import restrictions_of
from partway.planning.search import Restrictions
from partway.units import format_duration, format_energy, format_size

BoolArray = npt.NDArray[np.bool_]


class Constraints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cut must keep to; nothing but exact results by default.

    A msgspec record because plans store it.

    Attributes:
        deadline_s: most seconds of a request, > 0; None for any.
        energy_budget_j: most joules of a request on the device, > 0; None for any. A cut of unknown joules misses it.
        device_memory_bytes: most memory of the head, > 0; None for any. A cut of unknown memory misses it.
        max_up_bytes: most bytes that cross, after the codec, >= 0; None for any.
        keep_on_device: inputs that may not cross, and layers or tensors before which nothing may.
        on_server: layers, or tensors whose makers, run on the server alone.
        max_error: most that a codec may change an output, as a share of the output's scale, >= 0; None, as 0, allows
            only codecs that lose nothing.

    Raises:
        InputError: a number lies outside its range.
    """

    deadline_s: float | None = None
    energy_budget_j: float | None = None
    device_memory_bytes: int | None = None
    max_up_bytes: int | None = None
    keep_on_device: tuple[str, ...] = ()
    on_server: tuple[str, ...] = ()
    max_error: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing."""
        for name in ("deadline_s", "energy_budget_j", "device_memory_bytes"):
            value: float | None = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be finite and above 0, or left out")
        for name in ("max_up_bytes", "max_error"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"{name} is {value}; it must be finite and not negative, or left out")

    def restrict(self, model: Model) -> Restrictions:
        """Which nodes of a model have their place, and which of its tensors may not cross.

        Args:
            model: that the layers, tensors and inputs are of.

        Raises:
            InputError: a name is unknown or means two things, or two of them contradict each other.
        """
        return restrictions_of(model, keep_on_device=self.keep_on_device, on_server=self.on_server)

    @property
    def varies(self) -> bool:
        """Whether a limit depends on link, load or device: then the cuts of a linear frontier are not enough."""
        return self.deadline_s is not None or self.energy_budget_j is not None


_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, and what each cut has of what is limited.

    Attributes:
        name: for people.
        verb: what a cut does with it.
        most: what is allowed.
        values: float64 (cuts,); `nan` where unknown.
        show: a value for people.
    """

    name: str
    verb: str
    most: float
    values: FloatArray
    show: Callable[[float], str]

    @property
    def reach(self) -> float:
        """The limit, with room for the rounding of sums that people see as equal to it."""
        return self.most * (1.0 + _ROUNDING)

    def excess(self) -> FloatArray:
        """By what share of the limit each cut misses it, float64 (cuts,); at most 0 where it does not.

        Infinite where the value is unknown. Of a limit of 0, in shares of the smallest value that misses it.
        """
        scale = self.most or float(np.min(self.values, where=self.values > 0, initial=math.inf))
        with np.errstate(over="ignore"):
            shares = (self.values - self.most) / scale
        shares = np.where(self.values <= self.reach, np.minimum(shares, 0.0), shares)
        return np.where(np.isnan(self.values), math.inf, shares)

    def miss(self, row: int) -> str | None:
        """How a cut misses the limit, in words; None where it does not."""
        value = float(self.values[row])
        if math.isnan(value):
            return f"{self.verb} an unknown amount, where the {self.name} is {self.show(self.most)}"
        if value <= self.reach:
            return None
        over = self.show(value - self.most)
        return f"{self.verb} {self.show(value)}, {over} over the {self.name} of {self.show(self.most)}"

    def remedy(self, row: int) -> str:
        """What would let this cut through."""
        value = float(self.values[row])
        if math.isnan(value):
            return f"leave the {self.name} out"
        return f"loosen the {self.name} to {self.show(_rounded_up(value))}"


def limits(
    constraints: Constraints, table: CostTable, latency_s: FloatArray | None = None, energy_j: FloatArray | None = None
) -> tuple[Limit, ...]:
    """The limits that the constraints set.

    Args:
        constraints: that are to be kept.
        table: the cuts.
        latency_s: of each, float64 (cuts,); None leaves the deadline out, so that only what holds under all
            conditions remains.
        energy_j: the same for joules and their budget.
    """
    found = []
    if constraints.deadline_s is not None and latency_s is not None:
        found.append(Limit("deadline", "takes", constraints.deadline_s, latency_s, format_duration))
    if constraints.energy_budget_j is not None and energy_j is not None:
        found.append(Limit("energy budget", "costs", constraints.energy_budget_j, energy_j, format_energy))
    if constraints.device_memory_bytes is not None:
        most = constraints.device_memory_bytes
        found.append(Limit("limit on the device's memory", "needs", most, table.device_bytes, format_size))
    if constraints.max_up_bytes is not None:
        found.append(Limit("limit on the uplink", "sends", constraints.max_up_bytes, table.terms[:, 2], format_size))
    if table.lossy:
        found.append(Limit("error budget", "is off by", constraints.max_error or 0.0, table.error, _percent))
    return tuple(found)


def keep_to(found: Sequence[Limit]) -> BoolArray | None:
    """Which cuts keep to all limits, bool (cuts,); None where there are no limits."""
    kept: BoolArray | None = None
    for limit in found:
        within = limit.values <= limit.reach  # never true of nan
        kept = within if kept is None else kept & within
    return kept


def largest_excess(found: Sequence[Limit]) -> FloatArray:
    """By what share of a limit each cut misses the one that it misses most, float64 (cuts,).

    Args:
        found: at least one limit.
    """
    excess: FloatArray = np.max([limit.excess() for limit in found], axis=0)
    return excess


def misses(found: Sequence[Limit], row: int) -> tuple[str, ...]:
    """How a cut misses the limits, in words; nothing where it keeps to them."""
    return tuple(miss for limit in found if (miss := limit.miss(row)) is not None)


def nothing_fits(table: CostTable, found: Sequence[Limit], eligible: BoolArray | None = None) -> NothingFits:
    """The error that says that no cut keeps to the limits, and which comes nearest.

    Args:
        table: the cuts.
        found: the limits, at least one.
        eligible: those of the cuts that could be chosen at all, bool (cuts,); None for all.
    """
    excess = largest_excess(found)
    if eligible is not None:
        excess = np.where(eligible, excess, math.inf)
    row = int(excess.argmin())
    missed = [limit for limit in found if limit.miss(row) is not None]
    return NothingFits(
        f"no cut keeps to the constraints; the nearest, {describe_cut(table.costs[row])}, "
        f"{' and '.join(misses(missed, row))}: {' and '.join(limit.remedy(row) for limit in missed)}"
    )


def _rounded_up(value: float) -> float:
    # To the three digits that are shown, so that what is shown is enough.
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / step - 1e-9) * step


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
