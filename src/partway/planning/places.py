"""Which nodes are bound to the device, to the server or to each other, by what may not cross and what is pinned.

In come a `Model`, nodes pinned to a side and tensors that stay where they are made. Out come three classes of nodes:
those that only the device may run, those that only the server may run, and the free ones, in groups that are never cut.
All follows from one relation, "runs on the device, so this one does, too": from a reader to the maker of what it reads,
since the device never waits for the server, and from a maker to its readers where the tensor may not cross. Called by
`search`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.graph import Model
from partway.planning.network import BoolArray, IntArray, load_scipy

# For each node: those that must be on the device if it is, and the tensor that makes it so.
_Relation = Mapping[int, Sequence[tuple[int, str]]]

_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides:
    """Where the nodes of a graph may run.

    Attributes:
        device: those that only the device may run, bool (nodes,).
        server: those that only the server may run, bool (nodes,).
        groups: of each node the number of its group, which runs on one side as a whole, int64 (nodes,).
        implied: pairs of which the second runs on the device whenever the first does, int64 (pairs, 2).
    """

    device: BoolArray
    server: BoolArray
    groups: IntArray
    implied: IntArray


def settle_sides(model: Model, *, on_device: Iterable[int], on_server: Iterable[int], stays: Iterable[str]) -> Sides:
    """Follow pins and tensors that may not cross to all that they imply.

    Args:
        model: the graph.
        on_device: indices of nodes that the device must run.
        on_server: indices of nodes that the server must run.
        stays: tensors that may not cross, beside those that no cut may send.

    Raises:
        InputError: an unknown node or tensor, nodes that would have to run on both sides, or no scipy.
    """
    pinned_here, pinned_there, kept = frozenset(on_device), frozenset(on_server), frozenset(stays)
    _check(model, (*pinned_here, *pinned_there), kept)
    relation, at_inputs = _relate(model, kept)
    reached = _follow(relation, (*pinned_here, *at_inputs))
    if clash := sorted(pinned_there & reached.keys()):
        raise InputError(_explain(model, clash[0], reached, at_inputs))
    pairs = [(index, other) for index, others in relation.items() for other, _ in others]
    implied = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    opposite: dict[int, list[tuple[int, str]]] = {}
    for index, others in relation.items():
        for other, name in others:
            opposite.setdefault(other, []).append((index, name))
    count = len(model.nodes)
    return Sides(
        device=_members(reached, count),
        server=_members(_follow(opposite, pinned_there), count),
        groups=_groups(implied, count),
        implied=implied,
    )


def _check(model: Model, pinned: Iterable[int], stays: Iterable[str]) -> None:
    for index in pinned:
        if not 0 <= index < len(model.nodes):
            raise InputError(f"node {index} is pinned, but the graph's nodes are 0 to {len(model.nodes) - 1}")
    for name in sorted(stays):
        if name not in model.tensors:
            raise InputError(f"{name!r} is to stay, but the graph has no such tensor; see `partway inspect`")


def _relate(model: Model, stays: frozenset[str]) -> tuple[_Relation, Mapping[int, str]]:
    # The relation, and the nodes that read a tensor that the device is given and may not send.
    relation: dict[int, list[tuple[int, str]]] = {}
    at_inputs: dict[int, str] = {}
    for name, readers in model.consumers.items():
        bound = name in stays or name not in model.crossable
        maker = model.producers.get(name)
        for reader in readers:
            if maker is not None:
                relation.setdefault(reader, []).append((maker, name))
                if bound:
                    relation.setdefault(maker, []).append((reader, name))
            elif bound:
                at_inputs[reader] = name
    return relation, at_inputs


def _follow(relation: _Relation, start: Iterable[int]) -> dict[int, tuple[int, str] | None]:
    # All that follows from `start`, each with what it followed from.
    found: dict[int, tuple[int, str] | None] = dict.fromkeys(start)
    waiting = list(found)
    for index in waiting:
        for other, name in relation.get(index, ()):
            if other not in found:
                found[other] = (index, name)
                waiting.append(other)
    return found


def _explain(
    model: Model, clash: int, reached: Mapping[int, tuple[int, str] | None], at_inputs: Mapping[int, str]
) -> str:
    steps = []
    index, cause = clash, reached[clash]
    while cause is not None:
        before, name = cause
        node = model.nodes[before].name
        made_here = model.producers[name] == index
        steps.append(f"{node!r} needs its {name!r}" if made_here else f"{name!r}, made by {node!r}, may not cross")
        index, cause = before, reached[before]
    node = model.nodes[index].name
    root = f"{node!r} reads {at_inputs[index]!r}, which may not cross" if index in at_inputs else ""
    steps.append(root or f"{node!r} is pinned to the device")
    if len(steps) > _SHOWN:
        steps[_SHOWN // 2 : -_SHOWN // 2] = [f"and {len(steps) - _SHOWN} more steps"]
    return f"{model.nodes[clash].name!r} cannot run on the server: {'; '.join(steps)}. Give up one of these pins"


def _members(indices: Iterable[int], count: int) -> BoolArray:
    members = np.zeros(count, dtype=np.bool_)
    members[list(indices)] = True
    return members


def _groups(implied: IntArray, count: int) -> IntArray:
    # Nodes that imply each other, in whichever number of steps.
    graph = load_scipy("sparse").csr_matrix(
        (np.ones(len(implied)), (implied[:, 0], implied[:, 1])), shape=(count, count)
    )
    _, groups = load_scipy("sparse.csgraph").connected_components(graph, directed=True, connection="strong")
    return np.asarray(groups, dtype=np.int64)
