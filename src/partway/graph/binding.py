"""Bindings: the concrete input shapes, and the inputs held constant, of one request.

Input: a source's declared inputs and what the user or a feed says. Output: a `Binding`, the key under which
a canonical graph is made and kept. Called by sources, the client for each feed, the server for each request.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from partway.errors import BindingError
from partway.graph.tensors import TensorInfo, dtype_name, element_type_of

_LARGEST_VALUE_BYTES = 65_536  # bound values travel with every request: they are switches, not weights
_LARGEST_RANK = 32
# Spelt out, since numpy reads far more out of a text than an element type.
_BOUND_DTYPES = frozenset(np.dtype(code).newbyteorder("<").str for code in "?bhilqBHILQefd")
_Length = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class _EncodedValue(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[_Length, ...]
    content: str


class _EncodedBinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    shapes: dict[str, tuple[_Length, ...]]
    values: dict[str, _EncodedValue] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundValue:
    """An input's constant value, hashable.

    Attributes:
        name: the input.
        dtype: element type, as numpy names it.
        shape: lengths of all dimensions.
        content: the raw elements, little-endian, row-major.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: bytes

    def array(self) -> np.ndarray:
        """The value as a read-only array."""
        return np.frombuffer(self.content, dtype=np.dtype(self.dtype)).reshape(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Concrete shapes of all fed inputs and the inputs held constant.

    Attributes:
        shapes: (input name, lengths), sorted by name.
        values: the constant inputs, sorted by name.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    values: tuple[BoundValue, ...] = ()

    def encode(self) -> str:
        """Compact JSON: equal bindings give equal text."""
        values = {
            value.name: _EncodedValue(value.dtype, value.shape, base64.b64encode(value.content).decode())
            for value in self.values
        }
        return msgspec.json.encode(_EncodedBinding(dict(self.shapes), values)).decode()

    @classmethod
    def decode(cls, text: str) -> "Binding":
        """The binding that `encode` wrote; validated, since it may come from a peer.

        Raises:
            BindingError: the text is no binding.
        """
        try:
            encoded = msgspec.json.decode(text.encode(), type=_EncodedBinding)
            values = {name: _decode_value(name, value) for name, value in encoded.values.items()}
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise BindingError(f"{text[:80]!r} is no binding: {error}") from error
        if any(len(shape) > _LARGEST_RANK for shape in encoded.shapes.values()):
            raise BindingError(f"a shape in the binding has more than {_LARGEST_RANK} dimensions")
        return make_binding(encoded.shapes, values)


def make_binding(shapes: Mapping[str, Sequence[int]], values: Mapping[str, np.ndarray]) -> Binding:
    """A binding in its one canonical order.

    Args:
        shapes: lengths of every fed input.
        values: inputs held constant; numeric or bool, at most 64 KiB each.

    Raises:
        BindingError: a value is too large or of strings.
    """
    bound = []
    for name, value in sorted(values.items()):
        if value.dtype.str not in _BOUND_DTYPES or value.nbytes > _LARGEST_VALUE_BYTES:
            raise BindingError(
                f"input {name!r} cannot be bound to a value of {dtype_name(value.dtype)}{list(value.shape)}; "
                f"bound values are numbers of at most {_LARGEST_VALUE_BYTES} bytes: feed it instead"
            )
        bound.append(BoundValue(name=name, dtype=value.dtype.str, shape=value.shape, content=value.tobytes()))
    ordered = tuple((name, tuple(int(length) for length in shapes[name])) for name in sorted(shapes))
    return Binding(shapes=ordered, values=tuple(bound))


def bind_inputs(
    inputs: Sequence[TensorInfo],
    optional: frozenset[str],
    shapes: Mapping[str, Sequence[int]],
    values: Mapping[str, np.ndarray],
) -> Binding:
    """The binding of a model's inputs to what the user said.

    A dimension that is left open takes its length from another input's dimension of the same symbol;
    an open first dimension is a batch of 1. An optional input is fed only when its shape is given.

    Args:
        inputs: the declared inputs, optional ones included.
        optional: names of the inputs that have a default.
        shapes: lengths by input name, for as many inputs as the user likes.
        values: constants by input name.

    Raises:
        BindingError: an unknown name, a shape or value that contradicts the model, or open dimensions left.
    """
    known = {tensor.name: tensor for tensor in inputs}
    for name in (*shapes, *values):
        if name not in known:
            raise BindingError(f"the model has no input {name!r}; its inputs are {', '.join(known) or 'none'}")
    constants = {name: match_value(known[name], value) for name, value in values.items()}
    fed = [t for t in inputs if t.name not in constants and (t.name not in optional or t.name in shapes)]
    symbols: dict[str, int] = {}
    for tensor in fed:
        if tensor.name in shapes:
            _match_shape(tensor, tuple(shapes[tensor.name]), symbols)
    for name, value in constants.items():
        _match_shape(known[name], value.shape, symbols)
        if name in shapes and tuple(shapes[name]) != value.shape:
            raise BindingError(
                f"input {name!r} is bound to a value of shape {list(value.shape)} and to the shape "
                f"{list(shapes[name])}; leave the shape out"
            )
    bound: dict[str, tuple[int, ...]] = {}
    missing = []
    for tensor in fed:
        if tensor.dtype is None:
            continue  # sequences and optionals have no shape to bind
        shape = tuple(shapes[tensor.name]) if tensor.name in shapes else _complete(tensor, symbols)
        if shape is None:
            missing.append(tensor)
        else:
            bound[tensor.name] = shape
    if missing:
        wanted = "; ".join(tensor.describe().replace(",", ", ") + f" {tensor.name}" for tensor in missing)
        example = " ".join(f"--shape {t.name}={','.join(map(_example, t.shape or ('N',)))}" for t in missing)
        raise BindingError(f"these inputs have open dimensions: {wanted}; bind them, for instance {example}")
    return make_binding(bound, constants)


def _example(length: int | str | None) -> str:
    return str(length) if isinstance(length, int) else "N"


def _decode_value(name: str, value: _EncodedValue) -> np.ndarray:
    if value.dtype not in _BOUND_DTYPES or len(value.content) > 2 * _LARGEST_VALUE_BYTES:
        raise BindingError(f"the bound value of {name!r} is too large or not numeric")
    return np.frombuffer(base64.b64decode(value.content, validate=True), dtype=value.dtype).reshape(value.shape)


def match_value(tensor: TensorInfo, value: np.ndarray) -> np.ndarray:
    """A constant as the input wants it: in its element type, one element reshaped to its rank.

    Raises:
        BindingError: the input or the value is not numeric, or the input cannot hold the value: integers must
            be exact, floats are rounded.
    """
    if tensor.dtype is None or tensor.dtype == np.dtype(object):
        raise BindingError(f"input {tensor.name!r} is {tensor.describe()}; only numbers can be bound by value")
    given = np.asarray(value)
    if given.dtype.kind not in "biuf":
        raise BindingError(f"input {tensor.name!r} is {tensor.describe()}; {value!r} is no number to bind it to")
    with np.errstate(all="ignore"):
        converted = given.astype(tensor.dtype)
        wide, held = given.astype(np.float64), converted.astype(np.float64)
        rounding = float(np.finfo(tensor.dtype).eps) if tensor.dtype.kind == "f" else 0.0
        fits = np.allclose(held, wide, rtol=rounding, atol=0.0, equal_nan=rounding > 0)
    if not fits:
        raise BindingError(
            f"input {tensor.name!r} is {tensor.describe()} and cannot hold {value!r}; "
            f"give values that {element_type_of(tensor.dtype).name.lower()} can hold"
        )
    if tensor.shape is not None and len(tensor.shape) != converted.ndim and converted.size == 1:
        converted = converted.reshape((1,) * len(tensor.shape))
    return np.ascontiguousarray(converted).reshape(converted.shape)


def _match_shape(tensor: TensorInfo, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    if tensor.shape is None:
        return
    fits = len(shape) == len(tensor.shape) and all(length >= 0 for length in shape)
    for declared, given in zip(tensor.shape, shape, strict=False):
        if isinstance(declared, int):
            fits = fits and declared == given
        elif isinstance(declared, str) and symbols.setdefault(declared, given) != given:
            raise BindingError(
                f"input {tensor.name!r} binds dimension {declared!r} to {given}, another input to "
                f"{symbols[declared]}; give them one length"
            )
    if not fits:
        raise BindingError(f"input {tensor.name!r} is {tensor.describe()}; the shape {list(shape)} does not fit it")


def _complete(tensor: TensorInfo, symbols: Mapping[str, int]) -> tuple[int, ...] | None:
    if tensor.shape is None:
        return None
    lengths = []
    for axis, declared in enumerate(tensor.shape):
        if isinstance(declared, int):
            lengths.append(declared)
        elif isinstance(declared, str) and declared in symbols:
            lengths.append(symbols[declared])
        elif axis == 0:
            lengths.append(1)
        else:
            return None
    return tuple(lengths)
