"""Typed tensor contents: the slow form that plain OIP clients may use instead of raw bytes.

In: protobuf's `InferTensorContents` with the declared type and shape. Out: a read-only array. Only read,
never written. Called by `messages`.

Source: KServe V2 inference protocol, `InferTensorContents`; FP16 and BF16 have no typed form there.
"""

import numpy as np
from google.protobuf.message import Message

from partway.errors import WireError
from partway.wire.arrays import count_elements, decode_text, freeze, narrow, object_array
from partway.wire.datatypes import BYTES, dtype_of
from partway.wire.records import Limits

_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def decode_contents(name: str, datatype: str, shape: tuple[int, ...], contents: Message, limits: Limits) -> np.ndarray:
    """The array that typed contents hold.

    Args:
        name: the tensor's, for the errors.
        datatype: OIP's word, as declared.
        shape: as declared.
        contents: the protobuf message; empty for an empty tensor.
        limits: for the rank.

    Raises:
        WireError: another type's contents, another count, or values out of the type's range.
    """
    count = count_elements(name, shape, limits)
    dtype = dtype_of(datatype)
    filled = [descriptor.name for descriptor, _ in contents.ListFields()]
    if count == 0 and not filled:
        return freeze(np.empty(0, dtype), shape)
    field = _FIELDS.get(datatype)
    if field is None:
        raise WireError(f"tensor {name!r} is {datatype}, which has no typed contents; send it as raw contents")
    if filled not in ([], [field]):
        raise WireError(f"tensor {name!r} is {datatype} and came in {', '.join(filled)}; expected {field} alone")
    values = getattr(contents, field)
    if len(values) != count:
        raise WireError(f"tensor {name!r} carries {len(values)} elements; {datatype} {list(shape)} takes {count}")
    if datatype == BYTES:
        return freeze(object_array([decode_text(element) for element in values]), shape)
    if dtype.kind not in "iu":
        return freeze(np.fromiter(values, dtype, count=count), shape)
    return freeze(narrow(name, datatype, np.fromiter(values, np.dtype(f"{dtype.kind}8"), count=count)), shape)
