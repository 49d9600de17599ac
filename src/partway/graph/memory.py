"""How much memory a head takes on the device: its constants, and the most tensors that are alive at once.

Input: a model and a cut. Output: bytes, by sizes and lifetimes alone. A runtime takes more: its own code, packed
copies of weights, scratch space. Called by planning for devices that are short of memory.
"""

from collections.abc import Mapping

import onnx

from partway.graph.cuts import Cut, node_indices
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
    sizes = {name: tensor.size_bytes or 0 for name, tensor in model.tensors.items()}
    last_read = {name: index for index in head for name in model.nodes[index].inputs}
    kept = {*cut.crossing, *(tensor.name for tensor in model.outputs)}
    alive = {tensor.name for tensor in model.inputs if tensor.name in last_read or tensor.name in kept}
    live_bytes = most_bytes = sum(sizes[name] for name in alive)
    for index in head:
        node = model.nodes[index]
        live_bytes += sum(sizes.get(name, 0) for name in node.outputs)
        most_bytes = max(most_bytes, live_bytes)
        done = {name for name in node.inputs if last_read[name] == index} - kept
        unread = {name for name in node.outputs if name not in last_read} - kept
        live_bytes -= sum(sizes.get(name, 0) for name in done | unread)
    return most_bytes + _weight_bytes(model, head)


def _weight_bytes(model: Model, head: tuple[int, ...]) -> int:
    constants: Mapping[str, onnx.TensorProto] = {tensor.name: tensor for tensor in model.graph.graph.initializer}
    nodes = [model.graph.graph.node[index] for index in head]
    read = {name for node in nodes for name in (*node.input, *captured_names(node)) if name in constants}
    return sum(constant_bytes(constants[name]) for name in read)
