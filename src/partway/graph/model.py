"""The canonical graph of one binding: nodes in order, tensors with static shapes, who feeds whom.

Input: the files of a cache entry. Output: a `Model`, immutable, on which cuts are found and from which pieces
are sliced. Made by canonicalisation; read by nearly everyone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import onnx

from partway.graph.binding import Binding
from partway.graph.cache import Entry
from partway.graph.macs import count_macs
from partway.graph.tensors import TensorInfo

GRAPH_FILE = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of the canonical graph.

    Attributes:
        name: unique within the graph.
        op_type: the operator, as ONNX names it.
        domain: its operator set; empty for ONNX's own.
        inputs: tensors that it reads, each once, constants left out, and for `If`, `Loop` and `Scan`
            with the outer tensors that their bodies capture.
        outputs: tensors that it makes.
        macs: multiply-accumulates of one execution.
        weight_bytes: bytes of the constants it reads.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int
    weight_bytes: int


class Model:
    """A model's graph for one binding, with all shapes that can be known.

    Attributes:
        source_digest: identity of the model it was made from.
        binding: the input shapes and constants it was made for.
        inputs: tensors to feed.
        outputs: tensors that come out.
        nodes: operators, every one after those that feed it.
        tensors: what is known of every input and node output, by name.
        crossable: the tensors that a cut may send: named by the model's author, of a plain type and known size.
        graph: the weight-free ONNX graph; weights are references into files of the entry's folder.
        entry: the folder that holds it.
    """

    def __init__(
        self,
        *,
        source_digest: str,
        binding: Binding,
        source_names: frozenset[str],
        tensors: tuple[TensorInfo, ...],
        graph: onnx.ModelProto,
        entry: Entry,
    ) -> None:
        self.source_digest = source_digest
        self.binding = binding
        self.graph = graph
        self.entry = entry
        self.tensors: Mapping[str, TensorInfo] = {tensor.name: tensor for tensor in tensors}
        self.inputs = tuple(self.tensors[value.name] for value in graph.graph.input)
        self.outputs = tuple(self.tensors[value.name] for value in graph.graph.output)
        self.nodes = _read_nodes(graph.graph, self.tensors)
        inputs = {tensor.name for tensor in self.inputs}
        self.crossable = frozenset(
            tensor.name
            for tensor in tensors
            if tensor.name in source_names
            and tensor.dtype is not None
            and (tensor.size_bytes is not None or tensor.name in inputs)
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one execution of the whole."""
        return sum(node.macs for node in self.nodes)

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of all constants."""
        return sum(constant_bytes(tensor) for tensor in self.graph.graph.initializer)

    @cached_property
    def producers(self) -> Mapping[str, int]:
        """Index of the node that makes each tensor."""
        return {name: index for index, node in enumerate(self.nodes) for name in node.outputs}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[int, ...]]:
        """Indices of the nodes that read each tensor."""
        found: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            for name in node.inputs:
                found.setdefault(name, []).append(index)
        return {name: tuple(indices) for name, indices in found.items()}


def captured_names(node: onnx.NodeProto) -> frozenset[str]:
    """Outer tensors that the bodies of a node read."""
    captured: set[str] = set()
    for attribute in node.attribute:
        bodies = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for body in bodies:
            captured |= _free_names(body)
    return frozenset(captured)


def _free_names(body: onnx.GraphProto) -> set[str]:
    defined = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    free = set()
    for node in body.node:
        free |= (set(node.input) | captured_names(node)) - defined
        defined |= set(node.output)
    free |= {value.name for value in body.output} - defined
    return free - {""}


def _read_nodes(graph: onnx.GraphProto, tensors: Mapping[str, TensorInfo]) -> tuple[Node, ...]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    taken: set[str] = set()
    nodes = []
    for index, node in enumerate(graph.node):
        read = dict.fromkeys((*node.input, *sorted(captured_names(node))))
        name = node.name if node.name and node.name not in taken else f"{node.op_type}_{index}"
        taken.add(name)
        nodes.append(
            Node(
                name=name,
                op_type=node.op_type,
                domain=node.domain,
                inputs=tuple(tensor for tensor in read if tensor in tensors),
                outputs=tuple(tensor for tensor in node.output if tensor),
                macs=count_macs(
                    node.op_type,
                    [_shape(tensor, constants, tensors) for tensor in node.input],
                    _shape(node.output[0], constants, tensors),
                ),
                weight_bytes=sum(constant_bytes(constants[tensor]) for tensor in read if tensor in constants),
            )
        )
    return tuple(nodes)


def _shape(
    name: str, constants: Mapping[str, onnx.TensorProto], tensors: Mapping[str, TensorInfo]
) -> tuple[int, ...] | None:
    if name in constants:
        return tuple(constants[name].dims)
    return tensors[name].static_shape if name in tensors else None


def constant_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes of a weight's elements, wherever they lie."""
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    return prod(int(length) for length in tensor.dims) * dtype.itemsize
