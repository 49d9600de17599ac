import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.models import ELEMENT_TYPES

from partway.engine import random_feeds
from partway.errors import BindingError
from partway.graph import TensorInfo


def info(dtype: object, *shape: int | str | None) -> TensorInfo:
    return TensorInfo(name="x", dtype=None if dtype is None else np.dtype(dtype), shape=shape)  # type: ignore[call-overload] # any


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("element", ELEMENT_TYPES)
@pytest.mark.parametrize("shape", [(), (2, 3), (0,)])
def test_feeds_have_the_type_and_shape_that_is_asked_for(element: str, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(getattr(TensorProto, element)))
    array = random_feeds([info(dtype, *shape)], generator())["x"]
    assert isinstance(array, np.ndarray)
    assert (array.dtype, array.shape) == (dtype, shape)


def test_one_seed_gives_one_feed() -> None:
    tensor = info(np.float32, 4, 4)
    first, again, other = (random_feeds([tensor], generator(seed))["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_integers_are_nearly_always_valid_indices() -> None:
    assert set(np.unique(random_feeds([info(np.int64, 100)], generator())["x"])) == {0, 1}


def test_bytes_are_as_varied_as_those_of_images() -> None:
    assert len(np.unique(random_feeds([info(np.uint8, 100, 100)], generator())["x"])) == 256


@pytest.mark.parametrize("tensor", [info(None), info(np.float32, "N", 3), info(np.float32, None)])
def test_what_has_no_static_shape_cannot_be_made_up(tensor: TensorInfo) -> None:
    with pytest.raises(BindingError, match=r"input 'x' is .*, which cannot be made up; give real inputs"):
        random_feeds([tensor], generator())
