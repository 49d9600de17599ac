"""Cuts of a canonical graph: which sets of tensors may cross, and what lies on either side.

A cut gives some nodes to the head, which runs on the device, and the rest to the tail, which runs on the
server; nothing in the head waits for the tail. A tensor that several nodes of the tail read crosses once.
Device-only and server-only are cuts too. Pure functions of a `Model`; called by planning, client, server.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from partway.errors import CutError
from partway.graph.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the graph, named by what goes in and what comes out.

    Attributes:
        inputs: tensors to feed, in graph order.
        outputs: tensors to compute from them, in graph order.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A split of the graph into head and tail.

    Attributes:
        crossing: tensors that the device sends, in graph order; none for device-only.
        head: what the device runs; None when it only sends its inputs. Outputs that are constants are its own.
        tail: what the server runs; None for device-only.
        up_bytes: raw bytes of the crossing tensors; strings, whose size shows only when fed, count 0.
        down_bytes: raw bytes of the outputs that the server computes, as far as their shapes are known.
        macs: multiply-accumulates of the head.
        depth: nodes in the head.
    """

    crossing: tuple[str, ...]
    head: Piece | None
    tail: Piece | None
    up_bytes: int
    down_bytes: int
    macs: int
    depth: int
    nodes: int = field(repr=False, compare=False)  # the head as a bit set over node indices

    @property
    def offloaded(self) -> bool:
        """Whether anything is sent at all."""
        return self.tail is not None


def device_only(model: Model) -> Cut:
    """The cut that sends nothing."""
    return head_cut(model, (1 << len(model.nodes)) - 1)


def server_only(model: Model) -> Cut:
    """The cut that sends the inputs and computes nothing on the device.

    Raises:
        CutError: an input is no plain tensor, so that it cannot be sent.
    """
    cut = head_cut(model, 0)
    _require_crossable(model, cut.crossing)
    return cut


def whole(model: Model) -> Piece:
    """The piece that is the whole model."""
    return Piece(
        inputs=tuple(tensor.name for tensor in model.inputs),
        outputs=tuple(tensor.name for tensor in model.outputs),
    )


def cut_at(model: Model, crossing: Iterable[str]) -> Cut:
    """The cut that sends exactly these tensors.

    What crosses names a cut: nodes that could lie on either side, since they only make outputs from crossing
    tensors, are the tail's.

    Args:
        model: the graph.
        crossing: tensor names, in any order; none for device-only.

    Raises:
        CutError: a name is unknown or may not cross, or the tensors do not separate the graph; the message
            names the tensor that is missing or superfluous.
    """
    names = frozenset(crossing)
    if not names:
        return device_only(model)
    _require_crossable(model, tail_piece(model, names, None).inputs)
    cut = widest_cut(model, names)
    if names != frozenset(cut.crossing):
        raise CutError(f"{_listed(names)} is no cut: {_obstacle(model, names)}")
    return cut


def tail_piece(model: Model, fed: Iterable[str], requested: Sequence[str] | None) -> Piece:
    """What remains to be run once the tensors `fed` are there.

    Args:
        model: the graph.
        fed: names of the tensors at hand: inputs, intermediate tensors, or both.
        requested: outputs wanted; None for all that can be computed from `fed` alone.

    Raises:
        CutError: an unknown name, a fed tensor that nobody needs, or outputs that need more.
    """
    names = frozenset(fed)
    for name in sorted(names):
        if name not in model.tensors:
            raise CutError(f"the graph has no tensor {name!r}; `partway inspect` lists those that may cross")
    outputs = tuple(tensor.name for tensor in model.outputs)
    for name in requested or ():
        if name not in outputs:
            raise CutError(f"{name!r} is no output of the model; its outputs are {', '.join(outputs)}")
    wanted = [name for name in outputs if requested is None or name in requested]
    if requested is None:
        wanted = [name for name in wanted if name not in names and not _needed(model, (name,), names)[1]]
    nodes, missing = _needed(model, wanted, names)
    if missing:
        raise CutError(f"{_listed(names)} is no cut: the outputs also need {_listed(missing)}")
    if not wanted:
        raise CutError(
            f"{_listed(names)} is no cut: no output can be computed from it alone; {_obstacle(model, names)}"
        )
    if already := sorted(names.intersection(wanted)):
        raise CutError(f"{_listed(already)} was fed and requested; request only what the server has to compute")
    used = {name for index in nodes for name in model.nodes[index].inputs}
    if superfluous := sorted(names - used):
        raise CutError(f"{_listed(names)} is no cut: nothing that remains to be run reads {_listed(superfluous)}")
    return Piece(inputs=tuple(name for name in model.tensors if name in names), outputs=tuple(wanted))


def _needed(model: Model, wanted: Iterable[str], fed: frozenset[str]) -> tuple[set[int], set[str]]:
    # The nodes that compute `wanted` from `fed`, and the inputs they would need beside it.
    inputs = {tensor.name for tensor in model.inputs}
    nodes: set[int] = set()
    missing: set[str] = set()
    stack = [name for name in wanted if name not in fed]
    while stack:
        name = stack.pop()
        producer = model.producers.get(name)
        if producer is None:
            if name in inputs:
                missing.add(name)
        elif producer not in nodes:
            nodes.add(producer)
            stack.extend(read for read in model.nodes[producer].inputs if read not in fed)
    return nodes, missing


def cut_of(model: Model, head: int) -> Cut:
    """The cut that sends what a head leaves unfinished.

    What crosses names a cut, so nodes of the head that only make outputs from crossing tensors become the tail's,
    as in `cut_at`.

    Args:
        model: the graph.
        head: a bit set over node indices.

    Raises:
        CutError: a node of the head waits for the tail, or a tensor that would cross may not.
    """
    for index in node_indices(head):
        for name in model.nodes[index].inputs:
            producer = model.producers.get(name)
            if producer is not None and not head >> producer & 1:
                raise CutError(
                    f"{model.nodes[index].name!r} would run on the device and wait for {name!r} from the server; put "
                    "what makes it into the head, too"
                )
    crossing = head_cut(model, head).crossing
    _require_crossable(model, crossing)
    return widest_cut(model, frozenset(crossing)) if crossing else device_only(model)


def head_cut(model: Model, head: int) -> Cut:
    """The cut with exactly these nodes in its head, which is not asked whether it may be.

    Args:
        model: the graph.
        head: a bit set over node indices.
    """
    # Outputs that no node makes stay on the device: constants come from its head, inputs are at hand.
    made_by_head = {name for index in node_indices(head) for name in model.nodes[index].outputs}
    tail_nodes = [node for index, node in enumerate(model.nodes) if not head >> index & 1]
    made_by_tail = {name for node in tail_nodes for name in node.outputs}
    read_by_tail = {name for node in tail_nodes for name in node.inputs}
    crossing = tuple(name for name in model.tensors if name in read_by_tail and name not in made_by_tail)
    outputs = tuple(tensor.name for tensor in model.outputs)
    tail_outputs = tuple(name for name in outputs if name in made_by_tail)
    inputs = {tensor.name for tensor in model.inputs}
    constants = {name for name in outputs if name not in model.producers and name not in inputs}
    wanted = made_by_head.intersection((*crossing, *outputs)) | constants
    kept = tuple(name for name in model.tensors if name in wanted)
    passed = () if tail_outputs else tuple(name for name in outputs if name in inputs)
    return Cut(
        crossing=crossing if tail_outputs else (),
        head=_head_piece(model, (*kept, *passed)) if kept or passed else None,
        tail=Piece(inputs=crossing, outputs=tail_outputs) if tail_outputs else None,
        up_bytes=sum(model.tensors[name].size_bytes or 0 for name in crossing) if tail_outputs else 0,
        down_bytes=sum(model.tensors[name].size_bytes or 0 for name in tail_outputs),
        macs=sum(model.nodes[index].macs for index in node_indices(head)),
        depth=head.bit_count(),
        nodes=head,
    )


def _head_piece(model: Model, outputs: tuple[str, ...]) -> Piece:
    nodes, _ = _needed(model, outputs, frozenset())
    read = {name for index in nodes for name in model.nodes[index].inputs} | set(outputs)
    return Piece(inputs=tuple(tensor.name for tensor in model.inputs if tensor.name in read), outputs=outputs)


def _require_crossable(model: Model, names: Iterable[str]) -> None:
    for name in names:
        if name not in model.crossable:
            raise CutError(
                f"{name!r} may not cross: it is {model.tensors[name].describe()}, and only tensors of a plain type "
                f"and known size that the model's own file names may; `partway inspect` lists them"
            )


def _computable(model: Model, fed: frozenset[str]) -> int:
    # The nodes that need nothing but `fed`, as a bit set; those that make what is fed anyhow are left out.
    made = set(fed)
    nodes = 0
    for index, node in enumerate(model.nodes):
        if made.issuperset(node.inputs) and fed.isdisjoint(node.outputs):
            made.update(node.outputs)
            nodes |= 1 << index
    return nodes


def _obstacle(model: Model, fed: frozenset[str]) -> str:
    # The first node that has some of what it reads from the server and some not.
    computable = _computable(model, fed)
    for index, node in enumerate(model.nodes):
        at_hand = [
            name for name in node.inputs if name in fed or computable >> model.producers.get(name, len(model.nodes)) & 1
        ]
        if at_hand and not computable >> index & 1:
            return f"{node.name!r} reads {_listed(at_hand)} and also needs {_listed({*node.inputs} - {*at_hand})}"
    return f"nothing that is left to run reads {_listed(fed)}"


def widest_cut(model: Model, fed: frozenset[str]) -> Cut:
    """The cut with the most nodes in a tail that reads `fed` alone, and on which no node of the head waits."""
    tail, before = _computable(model, fed), -1
    while tail != before:
        before = tail
        for index in reversed(tuple(node_indices(tail))):
            readers = (reader for name in model.nodes[index].outputs for reader in model.consumers.get(name, ()))
            if not all(tail >> reader & 1 for reader in readers):
                tail &= ~(1 << index)
        for index in node_indices(tail):
            producers = (model.producers.get(name) for name in model.nodes[index].inputs if name not in fed)
            if not all(producer is not None and tail >> producer & 1 for producer in producers):
                tail &= ~(1 << index)
    return head_cut(model, ((1 << len(model.nodes)) - 1) & ~tail)


def node_indices(nodes: int) -> Iterator[int]:
    """The members of a bit set over node indices, ascending."""
    while nodes:
        lowest = nodes & -nodes
        yield lowest.bit_length() - 1
        nodes ^= lowest


def _listed(names: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(names)) + "}"
