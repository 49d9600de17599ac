"""Cuts of a canonical graph: which sets of tensors may cross, and what lies on either side.

A cut gives some nodes to the head, which runs on the device, and the rest to the tail, which runs on the
server; nothing in the head waits for the tail. A tensor that several nodes of the tail read crosses once.
Device-only and server-only are cuts too. Pure functions of a `Model`; called by planning, client, server.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from partway.errors import CutError
from partway.graph.model import Model

# ONNX Runtime fuses these into the convolution or product before them: cutting in between only costs.
_FUSED_ACTIVATIONS = frozenset({"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish"})


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
    return _cut(model, (1 << len(model.nodes)) - 1)


def server_only(model: Model) -> Cut:
    """The cut that sends the inputs and computes nothing on the device.

    Raises:
        CutError: an input is no plain tensor, so that it cannot be sent.
    """
    cut = _cut(model, 0)
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
    cut = _widest(model, names)
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


def single_tensor_cuts(model: Model) -> tuple[Cut, ...]:
    """All cuts that send one tensor, from the shallowest to the deepest; a sole input makes server-only one."""
    count = len(model.nodes)
    descendants = [0] * count
    for index in reversed(range(count)):
        for name in model.nodes[index].outputs:
            for consumer in model.consumers.get(name, ()):
                descendants[index] |= descendants[consumer] | 1 << consumer
    cuts = []
    for name in model.tensors:
        tail = 0
        consumers = model.consumers.get(name, ())
        for consumer in consumers:
            tail |= descendants[consumer] | 1 << consumer
        if not tail or name not in model.crossable:
            continue
        if _only_reads(model, tail, name):
            cuts.append(_cut(model, ((1 << count) - 1) & ~tail))
        elif len(consumers) > 1 and (cut := _widest(model, frozenset({name}))).crossing:
            cuts.append(cut)  # some of those that read it can stay on the device
    return tuple(sorted(cuts, key=lambda cut: (cut.depth, cut.crossing)))


def prefix_cuts(model: Model) -> tuple[Cut, ...]:
    """The cuts after the first few nodes in graph order, however many tensors cross; each legal, and once.

    A node of those that only makes outputs from crossing tensors is the tail's all the same, as in `cut_at`.
    """
    sets = dict.fromkeys(alive for alive in _alive(model) if alive and model.crossable.issuperset(alive))
    return tuple(_widest(model, alive) for alive in sets)


def candidate_cuts(model: Model) -> tuple[Cut, ...]:
    """The cuts worth measuring: server-only, those that send less than every shallower one, device-only.

    A deeper cut that sends no less loses to the shallower one as long as the server runs the nodes in
    between no slower than the device; where it does not, device-only wins over both.
    """
    cuts = sorted((*single_tensor_cuts(model), *_lean_cuts(model)), key=lambda cut: (cut.depth, len(cut.crossing)))
    chosen: list[Cut] = []
    for cut in cuts:
        if cut.depth == 0:
            if not chosen:
                chosen.append(cut)
        elif chosen and _absorbs(model, chosen[-1], cut):
            chosen[-1] = cut
        elif not chosen or cut.up_bytes < min(earlier.up_bytes for earlier in chosen):
            chosen.append(cut)
    return (*chosen, device_only(model))


def _lean_cuts(model: Model) -> Iterator[Cut]:
    # The prefix cuts that send no more than any shallower one: the only ones that can be candidates.
    least_bytes = float("inf")
    for alive in dict.fromkeys(_alive(model)):
        size_bytes = sum(model.tensors[name].size_bytes or 0 for name in alive)
        if alive and model.crossable.issuperset(alive) and size_bytes <= least_bytes:
            least_bytes = size_bytes
            yield _widest(model, alive)


def _alive(model: Model) -> Iterator[frozenset[str]]:
    # Before each node in turn: the tensors at hand that it or a later one reads.
    last_read = {name: indices[-1] for name, indices in model.consumers.items()}
    alive = {tensor.name for tensor in model.inputs if tensor.name in last_read}
    for index, node in enumerate(model.nodes):
        yield frozenset(alive)
        alive -= {name for name in node.inputs if last_read[name] == index}
        alive |= {name for name in node.outputs if name in last_read}


def _absorbs(model: Model, earlier: Cut, later: Cut) -> bool:
    between = later.nodes & ~earlier.nodes
    return (
        earlier.depth > 0
        and later.up_bytes == earlier.up_bytes
        and earlier.nodes & ~later.nodes == 0
        and all(model.nodes[index].op_type in _FUSED_ACTIVATIONS for index in _indices(between))
    )


def _only_reads(model: Model, tail: int, name: str) -> bool:
    for index in _indices(tail):
        for read in model.nodes[index].inputs:
            producer = model.producers.get(read)
            if read != name and (producer is None or not tail >> producer & 1):
                return False
    return True


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


def _cut(model: Model, head: int) -> Cut:
    # Outputs that no node makes stay on the device: constants come from its head, inputs are at hand.
    made_by_head = {name for index in _indices(head) for name in model.nodes[index].outputs}
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
        macs=sum(model.nodes[index].macs for index in _indices(head)),
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


def _widest(model: Model, fed: frozenset[str]) -> Cut:
    # The cut with the most nodes in a tail that reads `fed` alone, and on which no node of the head waits.
    tail, before = _computable(model, fed), -1
    while tail != before:
        before = tail
        for index in reversed(tuple(_indices(tail))):
            readers = (reader for name in model.nodes[index].outputs for reader in model.consumers.get(name, ()))
            if not all(tail >> reader & 1 for reader in readers):
                tail &= ~(1 << index)
        for index in _indices(tail):
            producers = (model.producers.get(name) for name in model.nodes[index].inputs if name not in fed)
            if not all(producer is not None and tail >> producer & 1 for producer in producers):
                tail &= ~(1 << index)
    return _cut(model, ((1 << len(model.nodes)) - 1) & ~tail)


def _indices(nodes: int) -> Iterator[int]:
    while nodes:
        lowest = nodes & -nodes
        yield lowest.bit_length() - 1
        nodes ^= lowest


def _listed(names: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(names)) + "}"
