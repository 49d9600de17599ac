"""The cheapest cut of any graph for given prices, among all of them and not only those that a list names.

In come a `Model`, seconds of every node on either side and what is forbidden; then prices, as often as wanted. Out
comes the head with the least sum. Exact for costs that add up over nodes; pieces cost a little less or more than their
nodes, so what is found here is priced again as pieces. Called by `exploration`, and by whoever wants the one best cut.

How: a minimum cut of a network in which one side runs on the device and the other on the server.

    a node                  costs its seconds on either side; on the server also the bytes of the outputs it makes
    maker ──> reader        costs the bytes of what is read
    maker ──> o ──> readers the same where there are several: the first link costs, once, the others are never cut
    reader ──> maker        is never cut: the device never waits for the server

Nodes between which nothing may be cut are one vertex; what is pinned to a side is in no vertex at all.

The round trip and the queue are no part of it: all cuts that offload pay them alike, so they change nothing among
those. Where the empty tail is cheapest without them, it is with them, since the others only grow; else add them to what
was found, and compare with the empty tail.

Source: Hu et al., DADS, INFOCOM 2019, for a vertex per tensor with several readers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from partway.errors import InputError
from partway.graph import Model
from partway.planning.costs import FloatArray
from partway.planning.layout import Layout, ReadTensors
from partway.planning.network import BoolArray, IntArray
from partway.planning.places import Sides, settle_sides


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What each term of a cut is charged, in any one unit.

    Attributes:
        device: of a second of the head on the device, > 0.
        uplink: of a byte that crosses, >= 0.
        server: of a second of the tail on the server, >= 0.
        downlink: of a byte of an output that the tail makes, >= 0.

    Raises:
        InputError: a price is not finite or outside its range.
    """

    device: float = 1.0
    uplink: float
    server: float
    downlink: float

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value: float = getattr(self, name)
            if not (0 <= value < math.inf and (value or name != "device")):
                expected = "above 0" if name == "device" else "not negative"
                raise InputError(f"the price {name!r} is {value}; it must be finite and {expected}")

    @property
    def vector(self) -> FloatArray:
        """Device, uplink, server, downlink, in the order of `Found.terms`; float64 (4,)."""
        return np.array((self.device, self.uplink, self.server, self.downlink))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeCosts:
    """Seconds of each node, as if they added up.

    Attributes:
        device_s: on the device, finite, >= 0, float64 (nodes,).
        server_s: on an idle server, the same.

    Raises:
        InputError: a value is negative or not finite, or the lengths differ.
    """

    device_s: FloatArray
    server_s: FloatArray

    def __post_init__(self) -> None:
        if self.device_s.shape != self.server_s.shape or self.device_s.ndim != 1:
            raise InputError(f"nodes have {self.device_s.shape} device and {self.server_s.shape} server seconds")
        for name in self.__slots__:
            seconds: FloatArray = getattr(self, name)
            if not np.all((seconds >= 0) & (seconds < np.inf)):
                raise InputError(f"{name} of a node is not finite or negative; give seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """What a cut may not do, beside what the graph itself forbids.

    Attributes:
        on_device: indices of nodes that the device must run.
        on_server: indices of nodes that the server must run.
        stays: tensors that may not cross.
    """

    on_device: frozenset[int] = frozenset()
    on_server: frozenset[int] = frozenset()
    stays: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A head and what its cut costs.

    Attributes:
        head: its nodes, as a bit set over node indices.
        value: the sum of the terms at the prices asked for; without round trip and queue.
        device_s: seconds of the head on the device.
        up_bytes: of the crossing tensors, raw unless the search was told otherwise; those of unknown size count 0.
        server_s: seconds of the tail on the server.
        down_bytes: raw bytes of the outputs that the tail makes.
    """

    head: int
    value: float
    device_s: float
    up_bytes: int
    server_s: float
    down_bytes: int

    @property
    def terms(self) -> tuple[float, float, float, float]:
        """What `Prices.vector` charges."""
        return self.device_s, float(self.up_bytes), self.server_s, float(self.down_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """All cuts of one graph, with costs of its nodes; make it with `Search.of`.

    Attributes:
        least: the smallest head that is allowed: no node, where nothing forbids it.
        most: the largest: all nodes, which is device-only, where nothing forbids it.
        downlink_matters: whether tails differ in the bytes of their outputs, the empty one aside.
    """

    least: int
    most: int
    downlink_matters: bool
    _costs: NodeCosts = field(repr=False)
    _sides: Sides = field(repr=False)
    _tensors: ReadTensors = field(repr=False)
    _output_bytes: IntArray = field(repr=False)
    _layout: Layout = field(repr=False)

    @classmethod
    def of(
        cls,
        model: Model,
        costs: NodeCosts,
        restrictions: Restrictions | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> "Search":
        """Prepare the search; takes some milliseconds per hundred nodes.

        Args:
            model: the canonical graph.
            costs: of its nodes, in their order.
            restrictions: none if None.
            sizes: bytes of tensors that do not cross raw, by name, >= 0.

        Raises:
            InputError: the costs are of another graph, the restrictions contradict each other or name what is not
                there, or scipy is not installed.
        """
        if len(costs.device_s) != len(model.nodes):
            raise InputError(f"costs of {len(costs.device_s)} nodes were given for a graph of {len(model.nodes)}")
        given = restrictions or Restrictions()
        sides = settle_sides(model, on_device=given.on_device, on_server=given.on_server, stays=given.stays)
        tensors = ReadTensors.of(model, sizes or {})
        output_bytes = _output_bytes(model)
        return cls(
            least=_bits(sides.device),
            most=_bits(~sides.server),
            downlink_matters=_downlink_matters(sides, output_bytes),
            _costs=costs,
            _sides=sides,
            _tensors=tensors,
            _output_bytes=output_bytes,
            _layout=Layout.of(
                sides, tensors, device_s=costs.device_s, server_s=costs.server_s, output_bytes=output_bytes
            ),
        )

    def best(self, prices: Prices) -> Found:
        """The cheapest cut of all that are allowed, device-only included.

        Exact but for rounding: no cut costs less by more than about a millionth of it; see `network`.

        Args:
            prices: of the terms.

        Raises:
            InputError: the prices are so high that a float cannot hold the sum.
            PartwayError: scipy gave a wrong answer.
        """
        nodes = self._layout.cheapest(
            device=prices.device, uplink=prices.uplink, server=prices.server, downlink=prices.downlink
        )
        return self._measure(nodes, prices)

    def measure(self, head: int, prices: Prices) -> Found:
        """What the cut after a head costs.

        Args:
            head: a bit set over node indices that `allows` allows.
            prices: of the terms.
        """
        return self._measure(_unpack(head, len(self._output_bytes)), prices)

    def allows(self, head: int) -> bool:
        """Whether no node of a head waits for the tail, no tensor crosses that may not, and pins hold."""
        count = len(self._output_bytes)
        if head < 0 or head >> count:
            return False
        nodes = _unpack(head, count)
        first, second = self._sides.implied.T
        broken = nodes[first] & ~nodes[second]
        return not (broken.any() or (self._sides.device & ~nodes).any() or (self._sides.server & nodes).any())

    def _measure(self, nodes: BoolArray, prices: Prices) -> Found:
        device_s = float(self._costs.device_s[nodes].sum())
        up_bytes = int(self._tensors.sizes[self._tensors.crossing(nodes)].sum())
        server_s = float(self._costs.server_s[~nodes].sum())
        down_bytes = int(self._output_bytes[~nodes].sum())
        return Found(
            head=_bits(nodes),
            value=float(prices.vector @ (device_s, up_bytes, server_s, down_bytes)),
            device_s=device_s,
            up_bytes=up_bytes,
            server_s=server_s,
            down_bytes=down_bytes,
        )


def _output_bytes(model: Model) -> IntArray:
    # Of the model's outputs that each node makes.
    made = np.zeros(len(model.nodes), dtype=np.int64)
    for tensor in model.outputs:
        maker = model.producers.get(tensor.name)
        if maker is not None:
            made[maker] += tensor.size_bytes or 0
    return made


def _downlink_matters(sides: Sides, output_bytes: IntArray) -> bool:
    # Whether some tail makes other bytes than the largest one. The smallest tails are what the server must run; where
    # that is nothing, each group that no node outside of it waits for.
    largest = output_bytes[~sides.device].sum()
    if sides.server.any():
        return bool(output_bytes[sides.server].sum() != largest)
    count = len(output_bytes)
    made = np.bincount(sides.groups, weights=output_bytes, minlength=count)
    readers, makers = sides.groups[sides.implied].T
    last = np.zeros(count, dtype=np.bool_)
    last[sides.groups[~sides.device]] = True
    last[makers[readers != makers]] = False
    return bool((made[last] != largest).any())


def _bits(nodes: BoolArray) -> int:
    return int.from_bytes(np.packbits(nodes, bitorder="little").tobytes(), "little")


def _unpack(head: int, count: int) -> BoolArray:
    packed = np.frombuffer(head.to_bytes(-(-count // 8), "little"), dtype=np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little").astype(np.bool_)
