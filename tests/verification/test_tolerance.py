import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.graph.support import law

from partway.verification import Difference, difference, tolerance_of

floats = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
)
ALIKE = Difference(absolute=0.0, relative=0.0)
UNLIKE = Difference(absolute=np.inf, relative=np.inf)


def of(*numbers: float, dtype: object = np.float32) -> np.ndarray:
    return np.array(numbers).astype(dtype)  # type: ignore[call-overload, no-any-return] # any dtype


@pytest.mark.parametrize(
    ("dtype", "share"), [(np.float64, 1e-6), (np.float32, 1e-4), (np.float16, 1e-2), (ml_dtypes.bfloat16, 5e-2)]
)
def test_floats_may_differ_by_a_share_of_their_scale(dtype: type, share: float) -> None:
    tolerance = tolerance_of(of(-32, 8, 0, dtype=dtype), 0.0)
    assert tolerance.scale == 32
    assert tolerance.absolute == pytest.approx(32 * share)
    assert tolerance.dtype == np.dtype(dtype).name


def test_tiny_outputs_may_differ_by_a_millionth() -> None:
    assert tolerance_of(of(1e-5), 0.0).absolute == 1e-6
    assert tolerance_of(of(), 0.0).absolute == 1e-6


def test_the_runtimes_own_spread_makes_the_tolerance_wider() -> None:
    assert tolerance_of(of(1), 0.5).absolute == 1.0
    assert tolerance_of(of(1), 1e-9).absolute == pytest.approx(1e-4)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, object, ml_dtypes.float8_e4m3fn])
def test_everything_else_must_be_exact(dtype: type) -> None:
    tolerance = tolerance_of(of(0, 1, dtype=dtype), 7.0)
    assert (tolerance.absolute, tolerance.scale) == (0.0, 0.0)
    assert difference(of(0, 1, dtype=dtype), of(0, 1, dtype=dtype)) == ALIKE
    assert difference(of(0, 1, dtype=dtype), of(1, 1, dtype=dtype)) == UNLIKE


def test_infinities_do_not_stretch_the_scale() -> None:
    assert tolerance_of(of(2, np.inf, np.nan, -np.inf), 0.0).scale == 2


@law
@given(floats)
def test_an_array_does_not_differ_from_itself(array: np.ndarray) -> None:
    assert difference(array, array.copy()) == ALIKE


@law
@given(floats, st.data())
def test_one_other_element_is_found(array: np.ndarray, data: st.DataObject) -> None:
    if not array.size:
        return
    other = array.copy()
    index = data.draw(st.integers(0, array.size - 1))
    changed = data.draw(st.sampled_from([1.0, -2.0, np.nan, np.inf, -np.inf]))
    other.reshape(-1)[index] = changed
    found = difference(array, other).absolute
    before = float(array.reshape(-1)[index])
    if before == changed or (np.isnan(before) and np.isnan(changed)):
        assert found == 0
    elif np.isfinite(before) and np.isfinite(changed):
        assert found == abs(before - changed)
    else:
        assert found == np.inf


def test_a_difference_is_a_share_of_the_references_scale() -> None:
    found = difference(of(0, -4), of(1, -4))
    assert (found.absolute, found.relative) == (1.0, 0.25)
    assert difference(of(0, 0), of(0, 0.5)).relative == 0.5


def test_other_shapes_and_types_are_infinitely_far() -> None:
    assert difference(of(1), of(1, 1)) == UNLIKE
    assert difference(of(1), of(1).reshape(1, 1)) == UNLIKE
    assert difference(of(1), of(1, dtype=np.float64)) == UNLIKE


def test_strings_are_compared_as_such() -> None:
    words = np.array(["a", "b"], dtype=object)
    assert difference(words, words.copy()) == ALIKE
    assert difference(words, np.array(["a", "c"], dtype=object)) == UNLIKE
