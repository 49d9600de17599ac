"""Tensors as lists in JSON: the slow form that plain REST clients use instead of binary data.

In: the text of one `data` field with what was declared about it, or an array. Out: the other. Numbers are parsed in
blocks straight into their array, so that a list of millions takes no more memory than its text. Called by `rest`.

Source: KServe V2 inference protocol, 'Tensor Data' (flat or nested, row-major); FP16 and BF16 have no JSON form there.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np

from partway.errors import InputError, WireError
from partway.wire.arrays import count_elements, decode_text, freeze, narrow, object_array
from partway.wire.datatypes import BYTES, datatype_of, dtype_of
from partway.wire.records import Limits

T = TypeVar("T")

_ONLY_BINARY = ("FP16", "BF16")
_BLOCK_BYTES = 64 * 1024
_BUT_BRACKETS_AND_COMMAS = bytes(set(range(256)) - set(b"[],"))
_BRACKETS_AND_SPACES = b"[] \t\r\n"


def decode_data(name: str, datatype: str, shape: tuple[int, ...], text: bytes, limits: Limits) -> np.ndarray:
    """The read-only array that a `data` field holds.

    Args:
        name: the tensor's, for the errors.
        datatype: OIP's word, as declared.
        shape: as declared.
        text: well-formed JSON: a flat list, or lists nested as the shape is.
        limits: for the rank.

    Raises:
        WireError: another shape, elements of another type or out of its range, or a type that JSON cannot carry.
    """
    count = count_elements(name, shape, limits)
    dtype = dtype_of(datatype)
    if datatype in _ONLY_BINARY:
        raise WireError(f"tensor {name!r} is {datatype}, which has no form in JSON; send it as binary data")
    if datatype == BYTES:
        return freeze(object_array(list(_strings(name, shape, count, text))), shape)
    _check_brackets(name, shape, count, text)
    if dtype.kind == "b":
        return freeze(_numbers(name, datatype, text, count, dtype, bool), shape)
    if dtype.kind in "iu":
        wide = _numbers(name, datatype, text, count, np.dtype(f"{dtype.kind}8"), int)
        return freeze(narrow(name, datatype, wide), shape)
    values = _numbers(name, datatype, text, count, np.dtype("<f8"), float)
    with np.errstate(over="ignore"):  # found below
        array = values.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise WireError(f"tensor {name!r} holds numbers too large for {datatype}; send infinities as binary data")
    return freeze(array, shape)


def encode_data(name: str, array: np.ndarray) -> bytes:
    """The array as a flat list in JSON.

    Args:
        name: the tensor's, for the error.
        array: of any type that can be sent, and any shape.

    Raises:
        InputError: it holds what JSON cannot carry, so that the client has to ask for binary data.
        WireError: the element type cannot be sent at all.
    """
    datatype = datatype_of(array.dtype)
    advice = "ask for it as binary data (`binary_data`)"
    if datatype in _ONLY_BINARY:
        raise InputError(f"tensor {name!r} is {datatype}, which has no form in JSON; {advice}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"tensor {name!r} holds NaN or infinity, for which JSON has no words; {advice}")
    elements = array.reshape(-1).tolist()
    if datatype == BYTES:
        elements = [decode_text(element) if isinstance(element, bytes) else element for element in elements]
        if not all(isinstance(element, str) for element in elements):
            raise InputError(f"tensor {name!r} holds strings that are not valid UTF-8; {advice}")
    try:
        return msgspec.json.encode(elements)
    except UnicodeEncodeError as error:
        raise InputError(f"tensor {name!r} holds a string that is not valid Unicode; {advice}") from error


def _check_brackets(name: str, shape: tuple[int, ...], count: int, text: bytes) -> None:
    """Compares all brackets and commas with those of either form, lengths first: a shape may declare far too many."""
    found = text.translate(None, _BUT_BRACKETS_AND_COMMAS)
    if len(found) == _flat_length(count) and found == _flat(count):
        return
    if len(found) == _nested_length(shape) and found == _nested(shape):
        return
    raise _misshapen(name, shape, count)


def _flat_length(count: int) -> int:
    return max(count, 1) + 1


def _flat(count: int) -> bytes:
    return b"[" + b"," * (count - 1) + b"]"


def _nested_length(shape: tuple[int, ...]) -> int:
    length = 0
    for size in reversed(shape):
        length = size * length + max(size, 1) + 1
    return length


def _nested(shape: tuple[int, ...]) -> bytes:
    nested = b""
    # Inside an empty list nothing is written, however long it would be.
    for size in reversed(shape[: shape.index(0) + 1] if 0 in shape else shape):
        nested = b"[" + b",".join([nested] * size) + b"]"
    return nested


def _misshapen(name: str, shape: tuple[int, ...], count: int) -> WireError:
    return WireError(
        f"tensor {name!r} has data that is neither a flat list of {count} elements nor lists nested as {list(shape)}; "
        "send one of them"
    )


def _numbers(name: str, datatype: str, text: bytes, count: int, dtype: np.dtype, kind: type[T]) -> np.ndarray:
    numbers = np.empty(count, dtype)
    elements = text.translate(None, _BRACKETS_AND_SPACES)
    if count == 0:  # empty lists within lists have commas between them
        elements = elements.replace(b",", b"")
    filled = position = 0
    while position < len(elements):
        end = elements.find(b",", position + _BLOCK_BYTES)
        end = len(elements) if end < 0 else end
        block = _parse(name, datatype, b"[" + elements[position:end] + b"]", list[kind])  # type: ignore[valid-type]  # one of three
        if filled + len(block) > count:
            raise WireError(f"tensor {name!r} carries more than the {count} elements that its shape takes")
        try:
            numbers[filled : filled + len(block)] = np.fromiter(block, dtype, count=len(block))
        except OverflowError as error:
            raise WireError(f"tensor {name!r} holds values outside {datatype}") from error
        filled, position = filled + len(block), end + 1
    if filled != count:
        raise WireError(f"tensor {name!r} carries {filled} elements; its shape takes {count}")
    return numbers


def _strings(name: str, shape: tuple[int, ...], count: int, text: bytes) -> Sequence[str]:
    flat = text.startswith(b"[") and not text[1:].lstrip().startswith(b"[")
    lengths = (count,) if flat else shape
    kind: type = str
    for _ in lengths:
        kind = list[kind]  # type: ignore[valid-type]  # as deep as the shape
    level: list[list[str]] = [_parse(name, BYTES, text, kind)]
    for length in lengths:
        if any(len(part) != length for part in level):
            raise _misshapen(name, shape, count)
        level = [part for parts in level for part in parts]  # type: ignore[misc]  # lists, until the last are strings
    return level  # type: ignore[return-value]  # the strings


def _parse(name: str, datatype: str, text: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"tensor {name!r} has data that is no list of {datatype}: {error}") from error
