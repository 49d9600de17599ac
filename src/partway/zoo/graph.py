"""An ONNX graph under construction: nodes, stored tensors, and the shape and type of everything in it.

In come a generator and, one call at a time, nodes with the shapes that they make; out goes a model. Called by
`GraphBuilder`, which knows layers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 17, 8
CONTRIB = "com.microsoft"  # the runtime's own operators

Attribute = int | float | str | Sequence[int] | Sequence[float]
Settings = Mapping[str, Attribute]
Numbers = np.ndarray | np.generic | Sequence[int]

NOTHING_SET: Settings = MappingProxyType({})

_NOISE = 4093  # a prime, so that no filter's size divides it and filters differ
_FLOAT32 = np.dtype(np.float32)
_TRUTHS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "IsNaN"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a node makes or reads: its name in the graph, its static shape and its element type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype = field(default=_FLOAT32)

    @property
    def elements(self) -> int:
        """How many."""
        return math.prod(self.shape)

    @property
    def rank(self) -> int:
        """How many dimensions."""
        return len(self.shape)


ABSENT = Tensor("", ())  # an optional input that is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment of construction that a graph can return to."""

    nodes: int
    inputs: int
    stored: int
    macs: int
    weight_bytes: int


class Graph:
    """Nodes in the order of the calls that made them.

    Args:
        generator: draws the weights.
        dtype: element type of inputs and weights that do not say otherwise: `float32` or `float16`.

    Attributes:
        macs: multiply-accumulates of the products so far.
        weight_bytes: bytes of the stored tensors so far.
    """

    def __init__(self, generator: np.random.Generator, *, dtype: str = "float32") -> None:
        self.dtype = np.dtype(dtype)
        self.generator = generator
        self.macs = 0
        self.weight_bytes = 0
        self._graph = onnx.GraphProto()
        self._made = 0
        self._domains = {""}
        self._noise = generator.standard_normal(_NOISE, dtype=np.float32)

    # --- Tensors ----------------------------------------------------------------------------------------------

    def input(self, *shape: int, dtype: str | None = None) -> Tensor:
        """An input of the model."""
        tensor = Tensor(self._name("input"), shape, self.dtype if dtype is None else np.dtype(dtype))
        self._graph.input.append(_value_info(tensor))
        return tensor

    def constant(self, values: Numbers) -> Tensor:
        """A stored tensor of these values; plain integers become int64, as shapes and axes are."""
        array = np.asarray(values) if isinstance(values, np.ndarray | np.generic) else np.array(values, np.int64)
        name = self._name("stored")
        self._graph.initializer.append(numpy_helper.from_array(array, name))
        self.weight_bytes += array.nbytes
        return Tensor(name, array.shape, array.dtype)

    def scalar(self, value: float, dtype: np.dtype | None = None) -> Tensor:
        """A stored number."""
        return self.constant(np.array(value, self.dtype if dtype is None else dtype))

    def weights(self, *shape: int, deviation: float = 1.0, mean: float = 0.0, dtype: str | None = None) -> Tensor:
        """A stored tensor of random numbers.

        A short vector of normally distributed numbers is repeated as often as it takes: time depends on where
        weights lie, not on what they are, and large ones are made at the speed of memory.

        Args:
            shape: its lengths.
            deviation: standard deviation of the numbers.
            mean: their mean.
            dtype: element type; integers are rounded and clipped to its range.
        """
        kind = self.dtype if dtype is None else np.dtype(dtype)
        values = np.float32(mean) + np.float32(deviation) * self._noise
        if kind.kind in "iu":
            limits = np.iinfo(kind)
            values = np.clip(np.rint(values), limits.min, limits.max)
        start = self._made * 61 % _NOISE
        return self.constant(np.resize(np.roll(values.astype(kind), start), shape))

    # --- Nodes ------------------------------------------------------------------------------------------------

    def emit(
        self,
        op_type: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[tuple[Sequence[int], np.dtype]],
        *,
        domain: str = "",
        macs: int = 0,
        settings: Settings = NOTHING_SET,
    ) -> tuple[Tensor, ...]:
        """A node with any number of outputs.

        Args:
            op_type: the operator.
            inputs: in the operator's order; `ABSENT` for one that is left out.
            outputs: shape and element type of each.
            domain: the operator set; ONNX's own by default.
            macs: multiply-accumulates of one execution.
            settings: attributes that differ from the operator's defaults.
        """
        label = self._name(op_type)
        names = [f"{label}_{index}" if index else label for index in range(len(outputs))]
        node = helper.make_node(op_type, [tensor.name for tensor in inputs], names, name=label, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(settings.items()))
        self._graph.node.append(node)
        self._domains.add(domain)
        self.macs += macs
        return tuple(
            Tensor(name, tuple(map(int, shape)), dtype) for name, (shape, dtype) in zip(names, outputs, strict=True)
        )

    def node(
        self,
        op_type: str,
        inputs: Sequence[Tensor],
        shape: Sequence[int],
        dtype: str | np.dtype | None = None,
        *,
        domain: str = "",
        macs: int = 0,
        settings: Settings = NOTHING_SET,
        **attributes: Attribute,
    ) -> Tensor:
        """A node with one output, whose element type is the first input's unless it says otherwise; see `emit`.

        Attributes are given by name, or as settings where they lie in a mapping already.
        """
        kind = inputs[0].dtype if dtype is None else np.dtype(dtype)
        return self.emit(
            op_type, inputs, [(shape, kind)], domain=domain, macs=macs, settings={**settings, **attributes}
        )[0]

    def elementwise(self, op_type: str, *operands: Tensor | float, domain: str = "", **attributes: Attribute) -> Tensor:
        """An operator that broadcasts; plain numbers are stored as scalars of the last tensor's element type.

        The result of a comparison or of a logical operator is bool; else it has that type too.
        """
        dtype = next(operand.dtype for operand in reversed(operands) if isinstance(operand, Tensor))
        tensors = [operand if isinstance(operand, Tensor) else self.scalar(operand, dtype) for operand in operands]
        shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
        kind = np.dtype(np.bool_) if op_type in _TRUTHS else tensors[-1].dtype
        return self.node(op_type, tensors, shape, kind, domain=domain, settings=attributes)

    def maker(self, tensor: Tensor) -> str:
        """The operator that makes a tensor; empty if none does."""
        return next((node.op_type for node in reversed(self._graph.node) if tensor.name in node.output), "")

    def _name(self, stem: str) -> str:
        self._made += 1
        return f"{stem}_{self._made}"

    # --- Going back, and the end ------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """This moment, to return to."""
        graph = self._graph
        return Mark(
            nodes=len(graph.node),
            inputs=len(graph.input),
            stored=len(graph.initializer),
            macs=self.macs,
            weight_bytes=self.weight_bytes,
        )

    def rewind(self, mark: Mark) -> None:
        """Forget all that was added since."""
        del self._graph.node[mark.nodes :]
        del self._graph.input[mark.inputs :]
        del self._graph.initializer[mark.stored :]
        self.macs, self.weight_bytes = mark.macs, mark.weight_bytes

    def build(self, *outputs: Tensor, name: str = "graph") -> onnx.ModelProto:
        """The model whose outputs are these tensors."""
        opsets = [helper.make_opsetid(domain, 1 if domain else OPSET) for domain in sorted(self._domains)]
        model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="partway", opset_import=opsets)
        model.graph.CopyFrom(self._graph)
        model.graph.name = name
        model.graph.output.extend(map(_value_info, outputs))
        return model


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)
