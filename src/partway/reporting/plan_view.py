"""A plan as pictures need it: its cuts with their names, the model's layers, and the conditions to begin with.

Input: a plan and what the command line knows around it. Output: a `PlanView`, which `plan_figures` draws and
`plan_page` turns into a page. Called by `partway plan --plot` and `--html`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from partway.errors import InputError
from partway.link import Radio
from partway.planning import Conditions, PlanDocument, PowerDraw, RankedCut, rank
from partway.units import format_duration, format_rate

_SEPARATORS = "/._"  # that exporters put between a module's name and what lies in it


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBar:
    """One node of the model; a model's seconds are nearly, not exactly, the sum of its nodes'.

    Attributes:
        name: the node, or what it computes.
        op_type: its ONNX operator.
        device_s: additive estimate of its seconds on the device, >= 0.
        server_s: the same on an idle server, >= 0.
        output_bytes: of what it computes, >= 0.
        weight_bytes: of its constants, >= 0.
    """

    name: str
    op_type: str
    device_s: float
    server_s: float
    output_bytes: int
    weight_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePower:
    """What joules depend on besides those of heads, under any conditions.

    Attributes:
        device_idle_w: watts of the device without its radio while its processors wait, >= 0.
        radio: its radio; None where nothing is known of it, so that only the device alone has joules.
        tail: whether every offloaded request pays the radio's whole tail.
    """

    device_idle_w: float
    radio: Radio | None
    tail: bool = False

    def draw(self, conditions: Conditions) -> PowerDraw | None:
        """What the device draws while it does not compute; None where nothing is known of its radio.

        Raises:
            LinkError: the radio's watts have no meaning at these rates.
        """
        if self.radio is None:
            return None
        return PowerDraw.of(self.radio, conditions, device_idle_w=self.device_idle_w, tail=self.tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan, and all that is shown around it.

    Attributes:
        title: the heading, for instance `squeezenet over LTE`.
        model: the model as the user named it.
        plan: the costs of every cut, from server-only to device-only.
        names: what to call each row of the plan: `(device alone)`, `(server alone)`, or what crosses; without the
            codec, which `label` adds.
        layers: the nodes, in an order in which they can run; none where nothing is known of their seconds.
        conditions: link, load and device to begin with.
        link: the link in words.
        power: where joules come from; None where there are none.
        charge: how full the battery is, in (0, 1]; a balanced objective asks.
        notes: what the reader should know of the costs, one sentence each.
        emulated: which sides are emulated and how, for instance `device EMULATED 8x slower`; none where both are real.

    Raises:
        InputError: names and rows of the plan differ in number.
    """

    title: str
    model: str
    plan: PlanDocument
    names: tuple[str, ...]
    layers: tuple[LayerBar, ...] = ()
    conditions: Conditions
    link: str
    power: PagePower | None = None
    charge: float = 0.5
    notes: tuple[str, ...] = ()
    emulated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) != len(self.plan.costs):
            raise InputError(
                f"the view has {len(self.names)} names for the plan's {len(self.plan.costs)} cuts; give one for each"
            )

    def label(self, row: int) -> str:
        """What to call a row of the plan, with its codec where it has one: `pool5 as int8`."""
        codec = self.plan.costs[row].codec
        return self.names[row] if codec == "raw" else f"{self.names[row]} as {codec}"

    def brief_labels(self) -> tuple[str, ...]:
        """The labels without what the names of all tensors share."""
        inner = [row for row, name in enumerate(self.names) if not name.startswith("(")]
        short = dict(zip(inner, brief([self.names[row] for row in inner]), strict=True))
        return tuple(self.label(row).replace(name, short.get(row, name), 1) for row, name in enumerate(self.names))

    def ranked(self) -> tuple[RankedCut, ...]:
        """Every cut under the view's conditions, best first, with joules where they are known."""
        draw = None if self.power is None else self.power.draw(self.conditions)
        return rank(self.plan, self.conditions, draw, self.charge)

    def cut_groups(self) -> tuple[int, ...]:
        """For each row the first row of the same cut: rows that differ in their codec alone share it."""
        first: dict[tuple[bool, tuple[str, ...]], int] = {}
        return tuple(first.setdefault((cost.offloaded, cost.crossing), row) for row, cost in enumerate(self.plan.costs))

    def link_in_words(self) -> str:
        """Rates and round trip of the view's conditions, and the load where there is one."""
        given = self.conditions
        load = f", server {given.slowdown:g}x slower" if given.slowdown != 1 else ""
        queue = f", queue {format_duration(given.queue_delay_s)}" if given.queue_delay_s else ""
        slow = f", device {given.device_factor:g}x slower" if given.device_factor != 1 else ""
        # A link that is described by its rates would say them twice.
        name = "" if "=" in self.link else f"{self.link}: "
        return (
            f"{name}up {format_rate(given.uplink_bytes_per_s)}, down {format_rate(given.downlink_bytes_per_s)}, "
            f"round trip {format_duration(given.rtt_s)}{queue}{load}{slow}"
        )


def brief(names: Sequence[str]) -> tuple[str, ...]:
    """Names without what they all begin and end with, which exporters make long: `…denselayer3/conv2…`.

    Args:
        names: of tensors or nodes.
    """
    if len(frozenset(names)) < 2:
        return tuple(names)
    start = _shared_beginning(names)
    end = _shared_beginning([name[start:][::-1] for name in names])
    return tuple(("…" if start else "") + name[start : len(name) - end] + ("…" if end else "") for name in names)


def _shared_beginning(names: Sequence[str]) -> int:
    """How many characters all names begin with, up to and with a separator."""
    first, last = min(names), max(names)
    shared = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    return max(first.rfind(separator, 0, shared) for separator in _SEPARATORS) + 1


def evenly(rows: Sequence[int], most: int, *, always: Collection[int]) -> tuple[int, ...]:
    """A few of many rows, spread evenly, in their order.

    Args:
        rows: ascending.
        most: how many to keep, unless more than these are in `always`.
        always: rows that stay.

    Returns:
        All of `rows` where they are few enough.
    """
    others = [row for row in rows if row not in always]
    room = max(0, most - (len(rows) - len(others)))
    if room < len(others):
        others = [others[(2 * place + 1) * len(others) // (2 * room)] for place in range(room)]
    kept = frozenset(others)
    return tuple(row for row in rows if row in always or row in kept)
