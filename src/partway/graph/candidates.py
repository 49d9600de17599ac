"""Which cuts of a graph are worth looking at: those that send one tensor, those along graph order, candidates.

In: a `Model`. Out: cuts, from the shallowest to the deepest. Pure, and without a price: what a cut costs is planning's
matter, and a search there finds those that no list here holds. Called by planning, client, server.
"""

from collections.abc import Iterator

from partway.graph.cuts import Cut, device_only, head_cut, node_indices, widest_cut
from partway.graph.model import Model

# ONNX Runtime fuses these into the convolution or product before them: cutting in between only costs.
_FUSED_ACTIVATIONS = frozenset({"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish"})


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
            cuts.append(head_cut(model, ((1 << count) - 1) & ~tail))
        elif len(consumers) > 1 and (cut := widest_cut(model, frozenset({name}))).crossing:
            cuts.append(cut)  # some of those that read it can stay on the device
    return tuple(sorted(cuts, key=lambda cut: (cut.depth, cut.crossing)))


def prefix_cuts(model: Model) -> tuple[Cut, ...]:
    """The cuts after the first few nodes in graph order, however many tensors cross; each legal, and once.

    A node of those that only makes outputs from crossing tensors is the tail's all the same, as in `cut_at`.
    """
    sets = dict.fromkeys(alive for alive in _alive(model) if alive and model.crossable.issuperset(alive))
    return tuple(widest_cut(model, alive) for alive in sets)


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
            yield widest_cut(model, alive)


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
        and all(model.nodes[index].op_type in _FUSED_ACTIVATIONS for index in node_indices(between))
    )


def _only_reads(model: Model, tail: int, name: str) -> bool:
    for index in node_indices(tail):
        for read in model.nodes[index].inputs:
            producer = model.producers.get(read)
            if read != name and (producer is None or not tail >> producer & 1):
                return False
    return True
