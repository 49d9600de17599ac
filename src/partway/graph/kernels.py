"""What a runtime executes: the nodes of an optimised graph with all that their time depends on.

Input: a weight-free graph and the types of its tensors. Output: one `Kernel` a node: operator, attributes, and
the element type and shape of every operand. Profiles store them beside measured seconds, and prediction turns
them into features. Called by profiling, and by the engine for the graphs of pieces.
"""

from collections.abc import Iterable, Mapping
from math import isfinite, prod
from typing import Literal

import msgspec
import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper
from onnx.external_data_helper import uses_external_data

from partway.graph.tensors import TensorInfo, dtype_name, dtype_of

Attribute = int | float | str | tuple[int | float, ...]

_INT, _FLOAT, _STRING = onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT, onnx.AttributeProto.STRING
_INTS, _FLOATS = onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS
_LONGEST = 64  # a list longer than this is data, not a setting
_VALUES = {"Pow": 1}  # inputs whose value decides which code runs


class Operand(msgspec.Struct, frozen=True, array_like=True):
    """An input or output of a kernel.

    Attributes:
        dtype: the element type's name in ONNX, such as `float32`; `unknown` where the runtime does not say.
        shape: its lengths; None where they are not known before it runs.
        constant: 1 for a weight, there before the run begins, else 0.
    """

    dtype: str
    shape: tuple[int, ...] | None
    constant: Literal[0, 1] = 0

    @property
    def elements(self) -> int:
        """How many; 0 where the shape is not known."""
        return 0 if self.shape is None else prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of its raw elements; 0 where the shape is not known, or strings."""
        return self.elements * _ITEM_BYTES.get(self.dtype, 0)


class Kernel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node as the runtime executes it.

    Attributes:
        op_type: the operator.
        domain: its operator set; empty for ONNX's own, `com.microsoft.nchwc` for blocks of channels, ...
        inputs: in the operator's order; None for one that is left out.
        outputs: those that the graph uses.
        attributes: numbers, words and short lists; tensors and bodies of control flow are left out. `value` is that
            of a constant which decides what runs: the exponent of a power.
    """

    op_type: str
    domain: str = ""
    inputs: tuple[Operand | None, ...] = ()
    outputs: tuple[Operand, ...] = ()
    attributes: dict[str, Attribute] = {}

    @property
    def weight_bytes(self) -> int:
        """Bytes of the constants that it reads."""
        return sum(operand.size_bytes for operand in self.inputs if operand is not None and operand.constant)

    @property
    def traffic_bytes(self) -> int:
        """Bytes of all else that it reads and writes."""
        read = sum(operand.size_bytes for operand in self.inputs if operand is not None and not operand.constant)
        return read + sum(operand.size_bytes for operand in self.outputs)


def resident_bytes(kernels: Iterable[Kernel]) -> int:
    """What one run after the other wants to find in the caches: all weights, and the largest tensors in use at once.

    Args:
        kernels: of the run.
    """
    largest = total = 0
    for kernel in kernels:
        total += kernel.weight_bytes
        largest = max(largest, kernel.traffic_bytes)
    return total + largest


def read_kernels(graph: onnx.ModelProto, tensors: Mapping[str, TensorInfo]) -> tuple[Kernel, ...]:
    """The kernels of a graph, in the order of its nodes.

    Args:
        graph: what the runtime executes as it is, nodes in order.
        tensors: types and shapes of its inputs and of every node's outputs.
    """
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    constants = {name: Operand(_type_name(tensor.data_type), tuple(tensor.dims), 1) for name, tensor in stored.items()}

    def operand(name: str) -> Operand:
        if name in constants:
            return constants[name]
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype is None:
            return Operand("unknown", None)
        return Operand(dtype_name(tensor.dtype), tensor.static_shape)

    return tuple(
        Kernel(
            op_type=node.op_type,
            domain="" if node.domain == "ai.onnx" else node.domain,
            inputs=tuple(operand(name) if name else None for name in node.input),
            outputs=tuple(operand(name) for name in node.output if name),
            attributes=_attributes(node) | _value(node, stored),
        )
        for node in graph.graph.node
    )


def _attributes(node: onnx.NodeProto) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for item in node.attribute:
        if item.type == _INT:
            found[item.name] = item.i
        elif item.type == _FLOAT:
            found[item.name] = item.f if isfinite(item.f) else str(item.f)  # JSON has no infinity
        elif item.type == _STRING and len(item.s) <= _LONGEST:
            found[item.name] = item.s.decode(errors="replace")
        elif item.type == _INTS and len(item.ints) <= _LONGEST:
            found[item.name] = tuple(item.ints)
        elif item.type == _FLOATS and len(item.floats) <= _LONGEST and all(map(isfinite, item.floats)):
            found[item.name] = tuple(item.floats)
    return found


def _value(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> dict[str, Attribute]:
    index = _VALUES.get(node.op_type, len(node.input))
    tensor = stored.get(node.input[index]) if index < len(node.input) else None
    if tensor is None or prod(tensor.dims) != 1 or uses_external_data(tensor):
        return {}
    return {"value": float(numpy_helper.to_array(tensor).item())}


def _type_name(element_type: int) -> str:
    dtype = dtype_of(ir.DataType(element_type))
    return "unknown" if dtype is None else dtype_name(dtype)


def _item_bytes() -> Mapping[str, int]:
    dtypes = [dtype for kind in ir.DataType if kind is not ir.DataType.STRING and (dtype := dtype_of(kind)) is not None]
    return {dtype_name(dtype): np.dtype(dtype).itemsize for dtype in dtypes}


_ITEM_BYTES = _item_bytes()
