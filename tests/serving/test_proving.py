"""Made-up requests show what a batch does to each of them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.support import Clock

from partway.errors import EngineError
from partway.serving.proving import Arrays, Ways, compare_times, draw, draw_members, prove, same_bits

SAMPLES: dict[str, np.ndarray] = {
    "numbers": np.array([[0.5, -2.0, 3.0]], np.float32),
    "zeros": np.zeros((1, 3), np.float32),
    "broken": np.full((1, 3), np.nan, np.float16),
    "huge": np.array([[3e38, -3e38, 0.0]], np.float32),
    "ids": np.array([[3, 3, 7]], np.int64),
    "bytes": np.array([[0, 255, 3]], np.uint8),
    "flags": np.zeros((1, 3), bool),
    "words": np.array([["x", "y", "x"]], object),
}


@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2**32 - 1))
def test_what_is_made_up_is_of_the_kind_of_a_request_and_another_one(name: str, seed: int) -> None:
    sample = {name: SAMPLES[name]}
    members = draw_members(sample, 4, np.random.default_rng(seed))
    for member, before in zip(members[1:], members, strict=False):
        array = member[name]
        assert (array.dtype, array.shape) == (sample[name].dtype, sample[name].shape)
        assert not same_bits(array, before[name])
    if SAMPLES[name].dtype.kind == "i":
        assert all(member[name].min() >= 0 and member[name].max() <= 7 for member in members)
    if SAMPLES[name].dtype.kind == "f":
        assert all(
            np.isfinite(draw(m, np.random.default_rng(seed), unlike=m, stretch=8.0)[name]).all() for m in members
        )


def test_a_request_of_which_there_is_only_one_proves_nothing() -> None:
    with pytest.raises(EngineError, match="prove nothing"):
        draw_members({"x": np.zeros((0, 3), np.float32)}, 2, np.random.default_rng(0))


def ways(work: Callable[[np.ndarray], np.ndarray]) -> Ways:
    """Work on the rows of x, for one request of one row or for several."""

    def together(members: Sequence[Arrays]) -> list[Arrays]:
        done = work(np.concatenate([member["x"] for member in members]))
        return [{"y": done[row : row + 1]} for row in range(len(members))]

    return Ways(alone=lambda member: {"y": work(member["x"])}, together=together)


def judge(work: Callable[[np.ndarray], np.ndarray], sample: np.ndarray, size: int) -> str | None:
    generator = np.random.default_rng(0)
    return prove(ways(work), draw_members({"x": sample}, size, generator), generator)


ROW_BY_ROW: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "scaled": lambda x: x * x.dtype.type(2),
    "ordered": lambda x: np.sort(x, axis=1),
    "summed": lambda x: x.sum(axis=1, keepdims=True),
}
# Each is right for equal rows, for zeros, or where the others are small.
TOGETHER: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "next row": lambda x: np.roll(x, 1, axis=0),
    "first row": lambda x: np.broadcast_to(x[:1], x.shape),
    "last row leaks": lambda x: np.concatenate([x[:-1], (x[-1:] + x[:1] * x.dtype.type(1)) / 2]).astype(x.dtype),
    "largest": lambda x: x / np.maximum(np.abs(x).max(), 4).astype(x.dtype) if x.dtype.kind == "f" else x + x.max(),
}


@given(st.sampled_from(sorted(ROW_BY_ROW)), st.sampled_from(("numbers", "zeros", "ids")), st.integers(2, 8))
def test_what_keeps_rows_apart_is_proved(work: str, sample: str, size: int) -> None:
    assert judge(ROW_BY_ROW[work], SAMPLES[sample], size) is None


@given(st.sampled_from(sorted(TOGETHER)), st.sampled_from(("numbers", "zeros", "ids")), st.integers(2, 8))
def test_what_lets_a_row_see_another_is_found_for_every_position_and_however_alike_requests_are(
    work: str, sample: str, size: int
) -> None:
    assert judge(TOGETHER[work], SAMPLES[sample], size) is not None


@pytest.mark.parametrize("position", range(4))
def test_one_bit_of_any_row_that_moves_is_enough(position: int) -> None:
    def leak(x: np.ndarray) -> np.ndarray:
        done = x.copy()
        if len(x) > 1:
            done.view(np.int32)[position, 0] ^= int(x.view(np.int32).sum()) & 1
        return done

    generator = np.random.default_rng(0)
    members = draw_members({"x": SAMPLES["numbers"]}, 4, generator)
    faults = [prove(ways(leak), members, generator) for _ in range(8)]
    assert any(fault is not None and f"request {position} of 4" in fault for fault in faults)


def test_answers_that_are_all_alike_prove_nothing() -> None:
    with pytest.raises(EngineError, match="prove nothing"):
        judge(np.zeros_like, SAMPLES["numbers"], 2)


def test_times_are_compared_as_one_over_one_by_one() -> None:
    clock = Clock()

    def slowly(x: np.ndarray) -> np.ndarray:
        clock.advance(1.0 + 0.25 * len(x))
        return x

    members = draw_members({"x": SAMPLES["numbers"]}, 4, np.random.default_rng(0))
    assert compare_times(ways(slowly), members, clock) == pytest.approx(2.0 / 5.0)
