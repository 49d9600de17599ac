"""Arrays and the bytes of one raw tensor field.

In: an array, or a view of received bytes with what was declared about it. Out: the other, without a copy
unless the elements are strings. Called by `messages` and `contents`.

Source: KServe V2 inference protocol, 'Raw Tensor Contents' (row-major, little-endian, no padding).
"""

import math
import struct

import numpy as np

from partway.errors import WireError
from partway.wire.datatypes import BYTES, datatype_of, dtype_of
from partway.wire.records import Limits

_LENGTH = struct.Struct("<I")
# Far beyond any message, far below where numpy's own 63-bit sizes overflow.
_MAX_ELEMENTS = 2**40


def count_elements(name: str, shape: tuple[int, ...], limits: Limits) -> int:
    """How many elements a declared shape holds.

    Args:
        name: the tensor's, for the error.
        shape: as declared by the other side.
        limits: for the rank.

    Raises:
        WireError: too many dimensions, a negative length, or an absurd size.
    """
    if len(shape) > limits.rank:
        raise WireError(f"tensor {name!r} has {len(shape)} dimensions; at most {limits.rank} are accepted")
    if min(shape, default=0) < 0:
        raise WireError(f"tensor {name!r} has shape {list(shape)}; lengths must not be negative: bind them first")
    count = math.prod(shape)
    # Empty tensors count too: numpy multiplies their other lengths when it computes strides.
    if (count or math.prod(max(length, 1) for length in shape)) > _MAX_ELEMENTS:
        raise WireError(f"tensor {name!r} has shape {list(shape)}; at most {_MAX_ELEMENTS} elements are accepted")
    return count


def encode_array(name: str, array: np.ndarray) -> bytes | memoryview:
    """The array's elements as they travel: a view of its memory where that is already so.

    Args:
        name: the tensor's, for the error.
        array: any shape and layout.

    Raises:
        WireError: the element type cannot be sent, or an element is neither `str` nor `bytes`.
    """
    datatype = datatype_of(array.dtype)
    if datatype == BYTES:
        return _encode_strings(name, array)
    flat = np.asarray(array, dtype=dtype_of(datatype), order="C").reshape(-1)
    # numpy exports no buffer of bfloat16, and none of its bytes is lost as uint8.
    return flat.view(np.uint8).data


def decode_array(name: str, datatype: str, shape: tuple[int, ...], payload: memoryview, limits: Limits) -> np.ndarray:
    """A read-only array over received bytes.

    Args:
        name: the tensor's, for the errors.
        datatype: OIP's word, as declared.
        shape: as declared.
        payload: the raw contents; kept alive by the array, not copied unless strings.
        limits: for the rank.

    Raises:
        WireError: the bytes do not hold such a tensor.
    """
    count = count_elements(name, shape, limits)
    dtype = dtype_of(datatype)
    if datatype == BYTES:
        return freeze(_decode_strings(name, count, payload), shape)
    if count * dtype.itemsize != len(payload):
        raise WireError(
            f"tensor {name!r} carries {len(payload)} bytes; {datatype} {list(shape)} takes {count * dtype.itemsize}"
        )
    if datatype == "BOOL" and count and np.frombuffer(payload, np.uint8).max() > 1:
        raise WireError(f"tensor {name!r} holds bytes other than 0 and 1; BOOL has no others")
    # numpy refuses some empty buffers.
    return freeze(np.frombuffer(payload, dtype) if count else np.empty(0, dtype), shape)


def freeze(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The elements in their shape, read-only."""
    array = flat.reshape(shape)
    array.flags.writeable = False
    return array


def narrow(name: str, datatype: str, wide: np.ndarray) -> np.ndarray:
    """Integers of 64 bits as those of a narrower type.

    Args:
        name: the tensor's, for the error.
        datatype: OIP's word for the type.
        wide: 64-bit integers of the same signedness.

    Raises:
        WireError: one is out of the type's range.
    """
    dtype = dtype_of(datatype)
    bounds = np.iinfo(dtype)
    if wide.size and not (bounds.min <= wide.min() and wide.max() <= bounds.max):
        raise WireError(f"tensor {name!r} holds values outside {datatype}, {bounds.min} to {bounds.max}")
    return wide.astype(dtype, copy=False)


def decode_text(element: bytes) -> str | bytes:
    """A string element as `str`, or as it came where it is not valid UTF-8."""
    try:
        return element.decode()
    except UnicodeDecodeError:
        return element


def object_array(elements: list[str | bytes]) -> np.ndarray:
    """The elements as a flat `object` array."""
    flat = np.empty(len(elements), dtype=object)
    flat[:] = elements
    return flat


def _encode_strings(name: str, array: np.ndarray) -> bytes:
    parts: list[bytes] = []
    for element in array.astype(object).reshape(-1):
        if isinstance(element, str):
            try:
                element = element.encode()
            except UnicodeEncodeError as error:
                raise WireError(f"tensor {name!r} holds a string that is not valid Unicode: {error}") from error
        if not isinstance(element, bytes):
            raise WireError(f"tensor {name!r} holds a {type(element).__name__}; expected str or bytes")
        parts += (_LENGTH.pack(len(element)), element)
    return b"".join(parts)


def _decode_strings(name: str, count: int, payload: memoryview) -> np.ndarray:
    # Each element takes its length at least: checked before anything is made.
    if count * _LENGTH.size > len(payload):
        raise WireError(f"tensor {name!r} carries {len(payload)} bytes; {count} strings take more")
    elements: list[str | bytes] = []
    position = 0
    for _ in range(count):
        start = position + _LENGTH.size
        if start > len(payload):
            raise WireError(f"tensor {name!r} ends inside the length of string {len(elements)} of {count}")
        position = start + _LENGTH.unpack_from(payload, position)[0]
        if position > len(payload):
            raise WireError(f"tensor {name!r} ends inside string {len(elements)} of {count}")
        elements.append(decode_text(bytes(payload[start:position])))
    if position != len(payload):
        raise WireError(f"tensor {name!r} has {len(payload) - position} bytes after its {count} strings")
    return object_array(elements)
