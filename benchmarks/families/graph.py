"""An ONNX graph under construction: nodes, stored tensors and the chance that shapes both.

In come a seeded generator and, one by one, nodes with the shapes that they make; out goes a model. Called by the
builder, which knows layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8

Attribute = int | float | str | Sequence[int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a node makes or reads: its name in the graph and its static shape."""

    name: str
    shape: tuple[int, ...]


ABSENT = Tensor("", ())  # an optional input that is left out


class Graph:
    """Nodes in the order of the calls that made them.

    Args:
        rng: draws whatever is left to chance, in the order of the calls, so that a seed gives the same bytes.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._stored: list[onnx.TensorProto] = []

    def pick(self, *choices: T) -> T:
        """One of the choices, each as likely."""
        return choices[int(self.rng.integers(len(choices)))]

    def between(self, low: int, high: int, step: int = 1) -> int:
        """One of low, low + step, ... up to and including high."""
        return low + step * int(self.rng.integers((high - low) // step + 1))

    def input(self, *shape: int, element: int = TensorProto.FLOAT) -> Tensor:
        """An input of the model."""
        name = f"input_{len(self._inputs)}"
        self._inputs.append(helper.make_tensor_value_info(name, element, shape))
        return Tensor(name, shape)

    def constant(self, values: np.ndarray | Sequence[int]) -> Tensor:
        """A stored tensor with these values; plain integers become int64, as shapes and axes are."""
        array = values if isinstance(values, np.ndarray) else np.array(values, np.int64)
        name = f"stored_{len(self._stored)}"
        self._stored.append(numpy_helper.from_array(array, name))
        return Tensor(name, array.shape)

    def normal(self, *shape: int, deviation: float, mean: float = 0.0) -> Tensor:
        """A stored tensor of normally distributed float32 numbers."""
        noise = self.rng.standard_normal(shape, dtype=np.float32)
        return self.constant(np.float32(mean) + np.float32(deviation) * noise)

    def emit(
        self, op_type: str, operands: Sequence[Tensor], shapes: Sequence[Sequence[int]], **attributes: Attribute
    ) -> tuple[Tensor, ...]:
        """A node, with one output a shape."""
        label = f"{op_type}_{len(self._nodes)}"
        names = [f"{label}_{index}" if index else label for index in range(len(shapes))]
        node = helper.make_node(op_type, [operand.name for operand in operands], names, name=label)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        return tuple(Tensor(name, tuple(shape)) for name, shape in zip(names, shapes, strict=True))

    def node(self, op_type: str, operands: Sequence[Tensor], shape: Sequence[int], **attributes: Attribute) -> Tensor:
        """A node with one output."""
        return self.emit(op_type, operands, [shape], **attributes)[0]

    def twin(self, branch: Callable[[Tensor], Tensor], one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """One branch, with one set of weights, on two tensors of the same shape."""
        first = len(self._nodes)
        made = branch(one)
        renamed = {one.name: other.name}
        for original in self._nodes[first:]:
            copy = onnx.NodeProto()
            copy.CopyFrom(original)
            renamed |= {name: f"{name}_twin" for name in original.output}
            copy.name += "_twin"
            copy.input[:] = [renamed.get(name, name) for name in original.input]
            copy.output[:] = [renamed[name] for name in original.output]
            self._nodes.append(copy)
        return made, Tensor(renamed[made.name], made.shape)

    def build(self, *outputs: Tensor) -> onnx.ModelProto:
        """The model whose outputs are these float32 tensors."""
        values = [helper.make_tensor_value_info(made.name, TensorProto.FLOAT, made.shape) for made in outputs]
        graph = helper.make_graph(self._nodes, "family", self._inputs, values, self._stored)
        return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
