"""A machine in a handful of numbers, each with its source: what can be said of one that nobody can measure here.

    seconds of a layer = max(2 * macs / (arithmetic * peak flop/s), bytes / (bandwidth * peak bytes/s)) / efficiency
                         + overhead

`arithmetic` and `bandwidth` are shares of the peaks that good code reaches on a layer of that kind, assumed beforehand.
`efficiency` is how much of that the software of the machine reaches, one number for all kinds, fitted to one known
time. Views take nothing. Layers add up: nothing is fused, nothing overlaps.

Input: a document, as those that ship with the package, and `Work`. Output: seconds. Pure. Called by planning and by
studies.

Source: Williams, Waterman and Patterson, Roofline, Communications of the ACM 52(4), 2009, for the maximum of
arithmetic and traffic. Hockney and Jesshope, Parallel Computers, Adam Hilger, 1981, for a constant beside it: work of a
half-performance length takes as long as that constant, and so reaches half the rate.
"""

import math
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import msgspec
import numpy as np

from partway.documents import Document
from partway.errors import InputError
from partway.prediction.analytic.work import Work, WorkKind, work_of_layer
from partway.prediction.physical import FloatArray
from partway.profiling.power import ConstantPower
from partway.zoo import Layer

Origin = Literal["datasheet", "measured", "fitted", "assumed"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number about a machine, and who says so.

    Attributes:
        value: in the unit that its name says, >= 0.
        source: of which kind its source is.
        why: the source, or what the number was fitted to, or why it is assumed.

    Raises:
        InputError: it is negative or not finite, or nothing says why it is so.
    """

    value: float
    source: Origin
    why: str

    def __post_init__(self) -> None:
        """Refuse numbers that no machine has."""
        if not 0 <= self.value < math.inf:
            raise InputError(f"a parameter of a machine is {self.value:g}; it must be finite and not negative")
        _require_why(self.why)


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a machine's peaks good code reaches on layers of one kind.

    Attributes:
        arithmetic: of the peak operations, in (0, 1].
        bandwidth: of the peak bytes, in (0, 1].
        source: of which kind the source of both is.
        why: as in `Parameter`.

    Raises:
        InputError: a share is out of range, or nothing says why it is so.
    """

    arithmetic: float
    bandwidth: float
    source: Origin
    why: str

    def __post_init__(self) -> None:
        """Refuse shares of nothing, and of more than there is."""
        for name in ("arithmetic", "bandwidth"):
            value: float = getattr(self, name)
            if not 0 < value <= 1:
                raise InputError(f"the share of {name} is {value:g}; it must be above 0 and at most 1")
        _require_why(self.why)


class Shares(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for every kind of layer.

    Attributes:
        conv: convolutions.
        local: layers with weights of their own at every place.
        fc: all other products.
        other: pools, activations, normalisation, softmax and whatever else only moves and compares.
    """

    conv: Share
    local: Share
    fc: Share
    other: Share

    def of(self, kind: WorkKind) -> Share:
        """The shares of a kind that is no view."""
        found: Share = getattr(self, kind)
        return found


class AnalyticMachine(Document, frozen=True, kw_only=True):
    """What is stored of a machine that is known by its datasheet.

    Attributes:
        name: what people call it.
        description: processor and software, in words.
        peak_flop_per_s: floating-point operations a second at most, a multiply-accumulate being two.
        peak_bytes_per_s: bytes a second between it and its memory at most.
        shares: what good code reaches of both, by kind of layer.
        efficiency: what its software reaches of that, one number for all kinds.
        overhead_s: seconds that each layer takes beside its work.
        active_w: watts while it computes; None where nothing is known of them.
        idle_w: watts while it waits, of the same scope, at most `active_w`.

    Raises:
        InputError: it does nothing, would be faster than its peaks, or its watts make no sense.
    """

    kind: ClassVar[str] = "partway.machine"
    version: ClassVar[int] = 1

    name: str
    description: str
    peak_flop_per_s: Parameter
    peak_bytes_per_s: Parameter
    shares: Shares
    efficiency: Parameter
    overhead_s: Parameter
    active_w: Parameter | None = None
    idle_w: Parameter | None = None

    def __post_init__(self) -> None:
        """Refuse machines that cannot be."""
        for name in ("peak_flop_per_s", "peak_bytes_per_s", "efficiency"):
            parameter: Parameter = getattr(self, name)
            if not parameter.value:
                raise InputError(f"{name} of {self.name} is 0; a machine that does anything has one above 0")
        every = (self.shares.conv, self.shares.local, self.shares.fc, self.shares.other)
        most = max(share for kind in every for share in (kind.arithmetic, kind.bandwidth))
        if self.efficiency.value * most > 1:
            raise InputError(
                f"the efficiency of {self.name} is {self.efficiency.value:g}, which times its share of {most:g} is "
                f"more than its peak; expected at most {1 / most:g}"
            )
        if (self.active_w is None) != (self.idle_w is None):
            raise InputError(
                f"{self.name} has watts for one of computing and waiting; give active_w and idle_w, or none"
            )
        _ = self.power

    def layer_s(self, work: Work) -> float:
        """Seconds of one layer; 0 for a view."""
        if work.kind == "view":
            return 0.0
        return self.ideal_s(work) / self.efficiency.value + self.overhead_s.value

    def ideal_s(self, work: Work) -> float:
        """What the same would take if software reached the shares and calls cost nothing; 0 for a view."""
        if work.kind == "view":
            return 0.0
        share = self.shares.of(work.kind)
        arithmetic_s = 2.0 * work.macs / (share.arithmetic * self.peak_flop_per_s.value)
        traffic_s = work.moved_bytes / (share.bandwidth * self.peak_bytes_per_s.value)
        return max(arithmetic_s, traffic_s)

    def layers_s(self, layers: Iterable[Layer]) -> FloatArray:
        """Seconds of layers of the zoo, float64 (layers,); as other predictors of layers have it."""
        return np.array([self.layer_s(work_of_layer(layer)) for layer in layers], dtype=np.float64)

    @property
    def power(self) -> ConstantPower | None:
        """Its watts, with their sources; None where nothing is known of them."""
        if self.active_w is None or self.idle_w is None:
            return None
        active, idle = self.active_w, self.idle_w
        return ConstantPower(
            name=self.name,
            idle_w=idle.value,
            active_w=active.value,
            source=f"active: {active.source}, {active.why}; idle: {idle.source}, {idle.why}",
            assumed="assumed" in (active.source, idle.source),
        )

    def describe(self, slowdown: float = 1.0) -> str:
        """The machine in words; says so where it is emulated.

        Args:
            slowdown: 1 for the machine as it is.
        """
        emulated = f", EMULATED {slowdown:g}x slower" if slowdown != 1.0 else ""
        return f"{self.name} ({self.description}; analytic, not measured){emulated}"

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every number with its name, for tables."""
        for name in ("peak_flop_per_s", "peak_bytes_per_s"):
            yield name, getattr(self, name)
        for kind in Shares.__struct_fields__:
            share: Share = getattr(self.shares, kind)
            for term in ("arithmetic", "bandwidth"):
                value = Parameter(value=getattr(share, term), source=share.source, why=share.why)
                yield f"shares.{kind}.{term}", value
        for name in ("efficiency", "overhead_s", "active_w", "idle_w"):
            parameter: Parameter | None = getattr(self, name)
            if parameter is not None:
                yield name, parameter


def calibrate(machine: AnalyticMachine, works: Iterable[Work], total_s: float) -> AnalyticMachine:
    """The machine with the one efficiency at which some layers take a known time together.

    Which of arithmetic and traffic binds a layer does not depend on the efficiency, which is common to both, so the
    total is a line in one over it, and no search is needed.

    Args:
        machine: with all other parameters as assumed.
        works: of the layers.
        total_s: what they take together, > 0.

    Raises:
        InputError: the overheads alone take as long, or the machine would have to be faster than its peaks.
    """
    calls = [work for work in works if work.kind != "view"]
    computing_s = total_s - len(calls) * machine.overhead_s.value
    ideal_s = math.fsum(map(machine.ideal_s, calls))
    if not computing_s > 0 or not ideal_s:
        raise InputError(
            f"{machine.name} cannot take {total_s:g} s for {len(calls)} layers that take {machine.overhead_s.value:g} "
            "s each beside their work; expected work, and more time"
        )
    efficiency = msgspec.structs.replace(machine.efficiency, value=ideal_s / computing_s, source="fitted")
    return msgspec.structs.replace(machine, efficiency=efficiency)


def _require_why(why: str) -> None:
    if not why.strip():
        raise InputError(
            "a parameter of a machine says nothing of why it is so; give the source, or say what is assumed"
        )
