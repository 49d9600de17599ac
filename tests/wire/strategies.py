"""What hypothesis draws for the wire: tensors of every type and shape, parameters, whole messages."""

import ml_dtypes
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from partway.wire import InferRequest, InferResponse, Parameter, Tensor

FIXED_DTYPES = tuple(
    np.dtype(kind)
    for kind in (
        "?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ml_dtypes.bfloat16
    )
)  # fmt: skip

law = settings(max_examples=150)
"""For every property: a busy machine is no failure."""

# Lone surrogates are no text that UTF-8 can carry.
names = st.text(st.characters(codec="utf-8"), max_size=12)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def not_text(element: bytes) -> bool:
    """Whether the bytes stay bytes: valid UTF-8 comes back as text."""
    try:
        element.decode()
    except UnicodeDecodeError:
        return True
    return False


@st.composite
def fixed_arrays(draw: st.DrawFn) -> np.ndarray:
    dtype, shape = draw(st.sampled_from(FIXED_DTYPES)), draw(shapes)
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == np.bool_:
        return np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype).reshape(shape)
    size_bytes = count * dtype.itemsize
    raw = draw(st.binary(min_size=size_bytes, max_size=size_bytes))
    array: np.ndarray = np.frombuffer(bytearray(raw), np.uint8).view(dtype).reshape(shape)
    return array


# Made once: a filter that is made within a draw reads its own source each time.
_string_shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
_string_elements = st.one_of(names, st.binary(max_size=8).filter(not_text))


@st.composite
def string_arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(_string_shapes)
    count = int(np.prod(shape, dtype=np.int64))
    array = np.empty(count, dtype=object)
    array[:] = draw(st.lists(_string_elements, min_size=count, max_size=count))
    return array.reshape(shape)


arrays = st.one_of(fixed_arrays(), string_arrays())
parameters: st.SearchStrategy[dict[str, Parameter]] = st.dictionaries(
    names.filter(lambda name: name != "partway.crc32"),
    st.one_of(st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), names),
    max_size=3,
)
tensors = st.lists(
    st.builds(Tensor, name=names, array=arrays, parameters=parameters),
    max_size=3,
    unique_by=lambda tensor: tensor.name,
).map(tuple)
requests = st.builds(
    InferRequest,
    model_name=names,
    model_version=names,
    id=names,
    tensors=tensors,
    outputs=st.lists(names, max_size=3, unique=True).map(tuple),
    parameters=parameters,
)
responses = st.builds(
    InferResponse, model_name=names, model_version=names, id=names, tensors=tensors, parameters=parameters
)


def assert_same_array(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.dtype == object:
        assert found.reshape(-1).tolist() == expected.reshape(-1).tolist()
    else:
        assert found.tobytes() == expected.tobytes()  # bit by bit: NaNs too


def assert_same_tensors(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    assert [tensor.name for tensor in found] == [tensor.name for tensor in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.parameters == other.parameters
        assert_same_array(one.array, other.array)
