"""An ONNX graph under construction: nodes, stored tensors, and the shape and type of everything in it.

In come a generator and, one call at a time, nodes with the shapes that they make; out goes a model, or a blueprint of
one. Called by `GraphBuilder`, which knows layers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import onnx
from onnx import helper, numpy_helper

from partway.zoo.blueprint import Blueprint
from partway.zoo.weights import NOISE, Recipe

OPSET, IR_VERSION = 17, 8
CONTRIB = "com.microsoft"  # the runtime's own operators

Attribute = int | float | str | Sequence[int] | Sequence[float]
Settings = Mapping[str, Attribute]
Numbers = np.ndarray | np.generic | Sequence[int]

NOTHING_SET: Settings = MappingProxyType({})

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
        weightless: describe weights instead of making them: the graph then becomes a blueprint.

    Attributes:
        macs: multiply-accumulates of the products so far.
        weight_bytes: bytes of the stored tensors so far.
    """

    def __init__(self, generator: np.random.Generator, *, dtype: str = "float32", weightless: bool = False) -> None:
        self.dtype = np.dtype(dtype)
        self.generator = generator
        self.macs = 0
        self.weight_bytes = 0
        self._graph = onnx.GraphProto()
        self._made = 0
        self._scope = ""
        self._weightless = weightless
        self._recipes: dict[str, Recipe] = {}
        self._domains = {""}
        self._noise = generator.standard_normal(NOISE, dtype=np.float32)

    # --- Tensors ----------------------------------------------------------------------------------------------

    def input(self, *shape: int, dtype: str | None = None, name: str | None = None) -> Tensor:
        """An input of the model."""
        tensor = Tensor(name or self._name("input"), shape, self.dtype if dtype is None else np.dtype(dtype))
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

        They are a short vector of normally distributed numbers, repeated; see `Recipe`.

        Args:
            shape: its lengths.
            deviation: standard deviation of the numbers.
            mean: their mean.
            dtype: element type; integers are rounded and clipped to its range.
        """
        recipe = Recipe(
            noise=self._noise,
            start=self._made * 61 % NOISE,
            shape=shape,
            dtype=self.dtype if dtype is None else np.dtype(dtype),
            deviation=deviation,
            mean=mean,
        )
        return self._describe(recipe) if self._weightless else self.constant(recipe.make())

    def _describe(self, recipe: Recipe) -> Tensor:
        name, kind = self._name("stored"), helper.np_dtype_to_tensor_dtype(recipe.dtype)
        self._graph.initializer.append(onnx.TensorProto(name=name, dims=recipe.shape, data_type=kind))
        self._recipes[name] = recipe
        self.weight_bytes += recipe.size_bytes
        return Tensor(name, recipe.shape, recipe.dtype)

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

    @property
    def described_bytes(self) -> int:
        """Bytes of the weights that are described and not made."""
        return sum(recipe.size_bytes for recipe in self._recipes.values())

    def maker(self, tensor: Tensor) -> str:
        """The operator that makes a tensor; empty if none does."""
        return next((node.op_type for node in reversed(self._graph.node) if tensor.name in node.output), "")

    def rename(self, tensor: Tensor, name: str) -> Tensor:
        """What the last node makes, and the node, under a name of their own.

        Args:
            tensor: nothing reads it yet.
            name: unique within the graph.
        """
        node = self._graph.node[-1]
        node.output[list(node.output).index(tensor.name)] = node.name = name
        return replace(tensor, name=name)

    @contextmanager
    def scope(self, word: str) -> Iterator[None]:
        """Begin the names of all that is added within by a word and a slash."""
        before, self._scope = self._scope, f"{self._scope}{word}/"
        try:
            yield
        finally:
            self._scope = before

    def _name(self, stem: str) -> str:
        self._made += 1
        return f"{self._scope}{stem}_{self._made}"

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
        for tensor in self._graph.initializer[mark.stored :]:
            self._recipes.pop(tensor.name, None)
        del self._graph.initializer[mark.stored :]
        self.macs, self.weight_bytes = mark.macs, mark.weight_bytes

    def build(self, *outputs: Tensor, name: str = "graph") -> onnx.ModelProto:
        """The model whose outputs are these tensors; its weights are hollow if they were only described."""
        opsets = [helper.make_opsetid(domain, 1 if domain else OPSET) for domain in sorted(self._domains)]
        model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="partway", opset_import=opsets)
        model.graph.CopyFrom(self._graph)
        model.graph.name = name
        model.graph.output.extend(map(_value_info, outputs))
        return model

    def blueprint(self, *outputs: Tensor, name: str = "graph") -> Blueprint:
        """The model whose outputs are these tensors, its weights described."""
        return Blueprint(model=self.build(*outputs, name=name), recipes=MappingProxyType(dict(self._recipes)))


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)
