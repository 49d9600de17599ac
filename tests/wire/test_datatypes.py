import ml_dtypes
import numpy as np
import pytest

from partway.errors import WireError
from partway.wire import can_cross, datatype_of, dtype_of

DATATYPES = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
)  # fmt: skip


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_is_that_of_its_dtype(datatype: str) -> None:
    assert datatype_of(dtype_of(datatype)) == datatype
    assert can_cross(dtype_of(datatype))


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [
        (np.dtype(">f8"), "FP64"),
        (np.dtype(np.longlong), "INT64"),
        (np.dtype("U5"), "BYTES"),
        (np.dtype("S5"), "BYTES"),
        (np.dtype(ml_dtypes.bfloat16), "BF16"),
    ],
)
def test_byte_order_and_second_names_do_not_matter(dtype: np.dtype, datatype: str) -> None:
    assert datatype_of(dtype) == datatype


@pytest.mark.parametrize(
    "dtype",
    [np.dtype(complex), np.dtype("M8[s]"), np.dtype("V2"), np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.float8_e5m2)],
    ids=str,
)
def test_types_without_a_word_cannot_cross(dtype: np.dtype) -> None:
    assert not can_cross(dtype)
    with pytest.raises(WireError, match="cannot be sent"):
        datatype_of(dtype)


def test_what_is_no_tensor_cannot_cross() -> None:
    assert not can_cross(None)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(WireError, match="'FP8' is unknown"):
        dtype_of("FP8")
