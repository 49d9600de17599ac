"""OIP's element types and numpy's: which is which, and which can cross at all.

Called by `arrays` and `messages` for every tensor, by the server for metadata, and by whoever asks whether
a cut's tensors can be sent.

Source: KServe V2 inference protocol, 'Tensor Data Types'; BF16 is Triton's addition.
"""

import ml_dtypes
import numpy as np

from partway.errors import WireError

BYTES = "BYTES"
"""OIP's word for strings: each element a four-byte little-endian length and that many bytes."""

_DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    BYTES: np.dtype(object),
}
# By kind and width, so that byte order and numpy's second names of a type (`longlong`) do not matter.
_DATATYPES = {(dtype.kind, dtype.itemsize): datatype for datatype, dtype in _DTYPES.items() if datatype != "BF16"}


def _find_datatype(dtype: np.dtype) -> str | None:
    if dtype == _DTYPES["BF16"]:
        return "BF16"
    if dtype.kind in "SU":
        return BYTES
    return _DATATYPES.get((dtype.kind, dtype.itemsize))


def can_cross(dtype: np.dtype | None) -> bool:
    """Whether tensors of this element type can be sent; False for None, which is no plain tensor."""
    return dtype is not None and _find_datatype(dtype) is not None


def datatype_of(dtype: np.dtype) -> str:
    """OIP's word for a numpy element type, for instance `FP32`.

    Args:
        dtype: of any byte order; `object`, `str_` and `bytes_` are strings.

    Raises:
        WireError: OIP has no word for it.
    """
    datatype = _find_datatype(dtype)
    if datatype is None:
        raise WireError(f"elements of type {dtype} cannot be sent; expected one of {', '.join(_DTYPES)}")
    return datatype


def dtype_of(datatype: str) -> np.dtype:
    """The numpy element type of OIP's word, little-endian as on the wire; `object` for `BYTES`.

    Raises:
        WireError: no such word.
    """
    dtype = _DTYPES.get(datatype)
    if dtype is None:
        raise WireError(f"datatype {datatype!r} is unknown; expected one of {', '.join(_DTYPES)}")
    return dtype
