"""How much memory pieces take: constants, and the most tensors that are alive at once.

Input: a model and a cut or a piece. Output: bytes, by sizes and lifetimes alone. A runtime takes more: its own code,
packed copies of weights, scratch space. Called by planning for devices that are short of memory, and by the engine for
the sessions that it keeps.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import onnx

from partway.graph.cuts import Cut, Piece, node_indices
from partway.graph.model import Model, captured_names, constant_bytes


def head_bytes(model: Model, cut: Cut) -> int:
    """Bytes that the head of a cut needs at least.

    Every constant that its nodes read counts once; to that come the inputs and the results that are alive while the
    nodes run one by one in graph order. What crosses or is an output stays to the end. Strings, and tensors whose size
    shows only when they run, count 0.

    Args:
        model: the graph.
        cut: of that graph.
    """
    head = tuple(node_indices(cut.nodes))
    return _peak_bytes(model, head, {*cut.crossing, *(tensor.name for tensor in model.outputs)}) + _weight_bytes(
        model, head
    )


def activation_bytes(model: Model, piece: Piece) -> int:
    """Bytes of the tensors that a piece holds at once, as `head_bytes` counts them, constants left out.

    Args:
        model: the graph.
        piece: of that graph.
    """
    return _peak_bytes(model, piece_nodes(model, piece), frozenset(piece.outputs))


def piece_nodes(model: Model, piece: Piece) -> tuple[int, ...]:
    """Indices of the nodes that compute a piece's outputs from its inputs, in graph order."""
    fed = frozenset(piece.inputs)
    needed: set[int] = set()
    stack = [name for name in piece.outputs if name not in fed]
    while stack:
        index = model.producers.get(stack.pop())
        if index is not None and index not in needed:
            needed.add(index)
            stack.extend(name for name in model.nodes[index].inputs if name not in fed)
    return tuple(sorted(needed))


def _peak_bytes(model: Model, nodes: tuple[int, ...], kept: AbstractSet[str]) -> int:
    sizes = {name: tensor.size_bytes or 0 for name, tensor in model.tensors.items()}
    last_read = {name: index for index in nodes for name in model.nodes[index].inputs}
    made = {name for index in nodes for name in model.nodes[index].outputs}
    inputs = {tensor.name for tensor in model.inputs}
    alive = (last_read.keys() - made) | (inputs & kept)
    live_bytes = most_bytes = sum(sizes[name] for name in alive)
    for index in nodes:
        node = model.nodes[index]
        live_bytes += sum(sizes.get(name, 0) for name in node.outputs)
        most_bytes = max(most_bytes, live_bytes)
        done = {name for name in node.inputs if last_read[name] == index} - kept
        unread = {name for name in node.outputs if name not in last_read} - kept
        live_bytes -= sum(sizes.get(name, 0) for name in done | unread)
    return most_bytes


def _weight_bytes(model: Model, head: tuple[int, ...]) -> int:
    constants: Mapping[str, onnx.TensorProto] = {tensor.name: tensor for tensor in model.graph.graph.initializer}
    nodes = [model.graph.graph.node[index] for index in head]
    read = {name for node in nodes for name in (*node.input, *captured_names(node)) if name in constants}
    return sum(constant_bytes(constants[name]) for name in read)
