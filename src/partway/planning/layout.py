"""How a graph lies in the network whose minimum cut is the cheapest cut.

In come where nodes may run, the tensors that they read and what nodes cost. Out comes a `Layout`, which turns prices
into costs of the network's vertices and links, and the network's answer into nodes. Called by `search`, which says how
the network is drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from partway.graph import Model
from partway.planning.costs import FloatArray
from partway.planning.network import BoolArray, IntArray, Network
from partway.planning.places import Sides

_HERE, _THERE = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadTensors:
    """The tensors that some node reads.

    Attributes:
        makers: index of the node that makes each, the count of nodes for those of the model's inputs, int64 (tensors,).
        sizes: bytes of each, 0 where unknown, int64 (tensors,).
        readers: indices of the nodes that read them, those of one tensor after those of the one before.
        starts: where those of each begin, int64 (tensors,).
    """

    makers: IntArray
    sizes: IntArray
    readers: IntArray
    starts: IntArray

    @classmethod
    def of(cls, model: Model, sizes: Mapping[str, int]) -> "ReadTensors":
        """Those of a model.

        Args:
            model: the canonical graph.
            sizes: bytes of those that are not as large as they are raw.
        """
        rows = []
        readers: list[int] = []
        for name, indices in model.consumers.items():
            rows.append(
                (
                    model.producers.get(name, len(model.nodes)),
                    sizes.get(name, model.tensors[name].size_bytes or 0),
                    len(readers),
                )
            )
            readers.extend(indices)
        makers, bytes_each, starts = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(makers=makers, sizes=bytes_each, readers=np.array(readers, dtype=np.int64), starts=starts)

    def crossing(self, head: BoolArray) -> BoolArray:
        """Which of them the cut after a head sends, bool (tensors,)."""
        if not len(self.starts):
            return np.zeros(0, dtype=np.bool_)
        read: BoolArray = np.logical_or.reduceat(~head[self.readers], self.starts)
        at_hand: BoolArray = np.append(head, True)[self.makers]
        return read & at_hand

    def at(self, vertices: IntArray) -> Iterator[tuple[int, int, frozenset[int]]]:
        """Of each one that some cuts send and others do not: its maker's vertex, bytes and its readers' vertices.

        Args:
            vertices: of each node, as `Layout` has them.
        """
        makers = np.append(vertices, _HERE)[self.makers].tolist()
        readers = vertices[self.readers].tolist()
        ends = [*self.starts.tolist()[1:], len(readers)]
        for maker, size, start, end in zip(makers, self.sizes.tolist(), self.starts.tolist(), ends, strict=True):
            others = frozenset(readers[start:end]) - {maker, _HERE}
            if size and others and maker != _THERE and not (maker == _HERE and _THERE in others):
                yield maker, size, others


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """How nodes and tensors lie in the network; make it with `Layout.of`.

    Attributes:
        vertices: of each node, -1 if only the device may run it, -2 if only the server may, int64 (nodes,).
        here_s: seconds of each vertex on the device, float64 (vertices,).
        here_up_bytes: bytes that cross if it is on the device, since the server always reads them.
        there_s: its seconds on the server.
        there_up_bytes: bytes that cross if it is on the server, since the device always makes them.
        there_down_bytes: bytes of the outputs that come back if it is on the server.
        link_bytes: bytes of each link of the network, float64 (links,).
        network: the vertices, which are groups of nodes and tensors that several of those read, and their links.
    """

    vertices: IntArray
    here_s: FloatArray
    here_up_bytes: FloatArray
    there_s: FloatArray
    there_up_bytes: FloatArray
    there_down_bytes: FloatArray
    link_bytes: FloatArray
    network: Network

    @classmethod
    def of(
        cls, sides: Sides, tensors: ReadTensors, *, device_s: FloatArray, server_s: FloatArray, output_bytes: IntArray
    ) -> "Layout":
        """The layout of a graph.

        Args:
            sides: where its nodes may run.
            tensors: that its nodes read.
            device_s: seconds of each node on the device, (nodes,).
            server_s: the same on the server.
            output_bytes: bytes of the outputs that each makes, (nodes,).

        Raises:
            InputError: scipy is not installed.
        """
        vertices = np.where(sides.device, _HERE, np.where(sides.server, _THERE, 0))
        free = vertices == 0
        groups, vertices[free] = np.unique(sides.groups[free], return_inverse=True)
        here: dict[int, int] = {}
        there: dict[int, int] = {}
        links: dict[tuple[int, int], int] = {}
        joints: dict[tuple[int, frozenset[int]], int] = {}
        endless = {(u, v) for u, v in vertices[sides.implied].tolist() if u >= 0 and v >= 0 and u != v}
        for maker, size, readers in tensors.at(vertices):
            if _THERE in readers:
                here[maker] = here.get(maker, 0) + size  # the server always reads it
                continue
            end = next(iter(readers))
            if len(readers) > 1:
                end = joints.setdefault((maker, readers), len(groups) + len(joints))
                endless |= {(end, reader) for reader in readers}
            if maker == _HERE:
                there[end] = there.get(end, 0) + size
            else:
                links[maker, end] = links.get((maker, end), 0) + size
        count = len(groups) + len(joints)
        pairs = [np.array(sorted(found), dtype=np.int64) for found in (links, endless)]
        return cls(
            vertices=vertices,
            here_s=_sum_up(device_s, vertices, count),
            here_up_bytes=_spread(here, count),
            there_s=_sum_up(server_s, vertices, count),
            there_up_bytes=_spread(there, count),
            there_down_bytes=_sum_up(output_bytes, vertices, count),
            link_bytes=np.array([links[pair] for pair in sorted(links)], dtype=np.float64),
            network=Network.of(count, *pairs),
        )

    def cheapest(self, *, device: float, uplink: float, server: float, downlink: float) -> BoolArray:
        """The nodes that run on the device in the cut that costs least, bool (nodes,).

        Args:
            device: price of a second on the device.
            uplink: of a byte that crosses.
            server: of a second on the server.
            downlink: of a byte of an output.

        Raises:
            InputError: the sum is more than a float can hold.
            PartwayError: scipy gave a wrong answer.
        """
        with np.errstate(over="ignore"):  # the network refuses what is infinite
            here = device * self.here_s + uplink * self.here_up_bytes
            there = server * self.there_s + uplink * self.there_up_bytes + downlink * self.there_down_bytes
            links = uplink * self.link_bytes
        side = self.network.cheapest(here, there, links)
        head: BoolArray = np.append(side, (False, True))[self.vertices]  # the last two are _THERE and _HERE
        return head


def _sum_up(values: FloatArray | IntArray, vertices: IntArray, count: int) -> FloatArray:
    free = vertices >= 0
    return np.bincount(vertices[free], weights=values[free], minlength=count).astype(np.float64)


def _spread(amounts: Mapping[int, int], count: int) -> FloatArray:
    spread = np.zeros(count)
    spread[list(amounts)] = list(amounts.values())
    return spread
