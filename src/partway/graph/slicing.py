"""Pieces as ONNX graphs of their own, sliced from a weight-free graph.

Input: a graph whose weights are references into files, and a piece. Output: a graph that computes the
piece's outputs from its inputs, with the same references. Nothing is copied but nodes, so it takes
milliseconds and has no size limit. Called by the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx
from onnx import helper

from partway.errors import CutError
from partway.graph.cuts import Piece
from partway.graph.model import captured_names
from partway.graph.tensors import TensorInfo, element_type_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A way to make an inner tensor from one that a piece is fed.

    Runtimes keep some tensors in a layout of their own; a piece that is fed the plain tensor makes the
    other form with `node`.

    Attributes:
        inner: the tensor in the runtime's layout.
        plain: the tensor that a piece may be fed.
        node: reads `plain` and makes `inner`.
    """

    inner: str
    plain: str
    node: onnx.NodeProto


@dataclass(slots=True)
class Selection:
    """What a piece takes of a graph.

    Attributes:
        nodes: indices of nodes.
        constants: names of weights.
        adapters: nodes that are put in where it is fed another layout.
    """

    nodes: set[int] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    adapters: list[Adapter] = field(default_factory=list)


class Slicer:
    """Slices pieces from one graph.

    Args:
        graph: the weight-free graph.
        tensors: types and shapes of the tensors that pieces may name.
        adapters: how to enter the graph where a tensor is kept in another layout.
    """

    def __init__(
        self, graph: onnx.ModelProto, tensors: Mapping[str, TensorInfo], adapters: tuple[Adapter, ...] = ()
    ) -> None:
        self._model = graph
        self._tensors = tensors
        self._adapters: dict[str, list[Adapter]] = {}
        for adapter in adapters:
            self._adapters.setdefault(adapter.inner, []).append(adapter)
        self._producers = {name: i for i, node in enumerate(graph.graph.node) for name in node.output if name}
        self._constants = {tensor.name: tensor for tensor in graph.graph.initializer}
        self._declared: dict[str, onnx.ValueInfoProto] = {
            value.name: value for value in (*graph.graph.output, *graph.graph.input)
        }

    def slice(self, piece: Piece) -> onnx.ModelProto:
        """The piece as a model.

        Raises:
            CutError: the graph cannot compute the piece's outputs from its inputs.
        """
        selection = self.select(piece)
        graph = self._model.graph
        sliced = onnx.ModelProto(ir_version=self._model.ir_version, producer_name="partway")
        sliced.opset_import.extend(self._model.opset_import)
        sliced.functions.extend(self._model.functions)
        sliced.graph.name = "piece"
        sliced.graph.input.extend(self.value(name) for name in piece.inputs)
        sliced.graph.output.extend(self.value(name) for name in piece.outputs)
        sliced.graph.node.extend(adapter.node for adapter in selection.adapters)
        sliced.graph.node.extend(graph.node[index] for index in sorted(selection.nodes))
        sliced.graph.initializer.extend(self._constants[name] for name in sorted(selection.constants))
        return sliced

    def select(self, piece: Piece) -> Selection:
        """What the piece takes of the graph.

        Raises:
            CutError: the graph cannot compute the piece's outputs from its inputs.
        """
        fed = frozenset(piece.inputs)
        selection = Selection()
        seen: set[str] = set()
        stack = list(piece.outputs)
        while stack:
            name = stack.pop()
            if name in seen or name in fed:
                continue
            seen.add(name)
            adapter = next((item for item in self._adapters.get(name, ()) if item.plain in fed), None)
            if adapter is not None:
                selection.adapters.append(adapter)
            elif name in self._constants:
                selection.constants.add(name)
            elif name in self._producers:
                index = self._producers[name]
                if index not in selection.nodes:
                    selection.nodes.add(index)
                    node = self._model.graph.node[index]
                    stack.extend(read for read in (*node.input, *captured_names(node)) if read)
            elif name:
                raise CutError(f"the piece from {', '.join(piece.inputs)} also needs {name!r}")
        return selection

    def value(self, name: str) -> onnx.ValueInfoProto:
        """The declaration of a tensor as a graph's input or output."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.dtype is None:
            return self._declared.get(name, onnx.ValueInfoProto(name=name))
        value: onnx.ValueInfoProto = helper.make_tensor_value_info(
            name, int(element_type_of(tensor.dtype)), tensor.shape
        )
        return value
