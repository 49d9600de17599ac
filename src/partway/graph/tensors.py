"""What is known of a tensor before it exists: name, element type, shape.

Element types are numpy dtypes (those of `ml_dtypes` for bfloat16, float8 and int4; `object` for strings).
Made when a graph is read; used by every room that counts bytes or checks feeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import msgspec
import numpy as np
import onnx_ir as ir


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """A tensor's name, element type and shape.

    Attributes:
        name: as in the graph.
        dtype: the element type; None for sequences, maps and optionals, which are no plain tensors.
        shape: one entry a dimension: its length, a symbol, or None where nothing is known.
            The whole is None when not even the rank is known.
    """

    name: str
    dtype: np.dtype | None
    shape: tuple[int | str | None, ...] | None

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """The shape when every dimension's length is known, else None."""
        if self.shape is None or not all(isinstance(length, int) for length in self.shape):
            return None
        return tuple(length for length in self.shape if isinstance(length, int))

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the tensor's raw elements; None for strings and for shapes that are not static."""
        shape = self.static_shape
        if shape is None or self.dtype is None or self.dtype == np.dtype(object):
            return None
        count = 1
        for length in shape:
            count *= length
        return count * self.dtype.itemsize

    def describe(self) -> str:
        """For people: `float32[1,3,224,224]`."""
        dtype = "no tensor" if self.dtype is None else dtype_name(self.dtype)
        if self.shape is None:
            return f"{dtype}[...]"
        return f"{dtype}[{','.join('?' if length is None else str(length) for length in self.shape)}]"


def dtype_name(dtype: np.dtype) -> str:
    """The element type's name in ONNX: `float32`, `bfloat16`, `string`."""
    return "string" if dtype == np.dtype(object) else dtype.name


class TensorRecord(msgspec.Struct, frozen=True):
    """A `TensorInfo` as documents store it."""

    name: str
    dtype: str | None
    shape: tuple[int | str | None, ...] | None

    @classmethod
    def of(cls, tensor: TensorInfo) -> "TensorRecord":
        """The record of `tensor`."""
        dtype = None if tensor.dtype is None else dtype_name(tensor.dtype)
        return cls(tensor.name, dtype, tensor.shape)

    def info(self) -> TensorInfo:
        """The tensor that this record describes."""
        if self.dtype is None or self.dtype == "string":
            dtype = None if self.dtype is None else np.dtype(object)
        else:
            dtype = np.dtype(getattr(ml_dtypes, self.dtype, self.dtype))
        return TensorInfo(name=self.name, dtype=dtype, shape=self.shape)


def read_value(value: ir.Value) -> TensorInfo:
    """The record of an onnx-ir value."""
    dtype = None
    if isinstance(value.type, ir.TensorType) and value.dtype is not None:
        dtype = dtype_of(value.dtype)
    shape: tuple[int | str | None, ...] | None = None
    if value.shape is not None:
        shape = tuple(_length(length) for length in value.shape)
    return TensorInfo(name=value.name or "", dtype=dtype, shape=shape)


def _length(declared: int | ir.SymbolicDim) -> int | str | None:
    # Exporters write -1 or "?" where they know nothing; taken at their word, all "?" would be one length.
    if isinstance(declared, int):
        return declared if declared >= 0 else None
    return declared.value if any(map(str.isalnum, declared.value or "")) else None


def dtype_of(element_type: ir.DataType) -> np.dtype | None:
    """The numpy element type of an ONNX one; None for undefined."""
    if element_type is ir.DataType.UNDEFINED:
        return None
    if element_type is ir.DataType.STRING:
        return np.dtype(object)
    return np.dtype(element_type.numpy())


def element_type_of(dtype: np.dtype) -> ir.DataType:
    """The ONNX element type of a numpy one."""
    if dtype == np.dtype(object) or dtype.kind in "US":
        return ir.DataType.STRING
    return ir.DataType.from_numpy(dtype)


def by_name(tensors: tuple[TensorInfo, ...]) -> Mapping[str, TensorInfo]:
    """The records keyed by tensor name."""
    return {tensor.name: tensor for tensor in tensors}
