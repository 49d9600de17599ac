"""Recipes of weights: the same numbers at once and block by block."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.zoo.weights import NOISE, Recipe

VECTOR = np.random.default_rng(3).standard_normal(NOISE, dtype=np.float32)


def recipe(shape: tuple[int, ...], dtype: str = "float32", *, start: int = 0) -> Recipe:
    return Recipe(noise=VECTOR, start=start, shape=shape, dtype=np.dtype(dtype), deviation=0.5, mean=0.25)


def written(asked: Recipe) -> bytes:
    file = io.BytesIO()
    asked.write(file)
    return file.getvalue()


@given(
    shape=st.lists(st.integers(0, 40), max_size=3).map(tuple),
    dtype=st.sampled_from(["float32", "float16", "int8"]),
    start=st.integers(0, NOISE),
)
def test_what_is_written_is_what_is_made(shape: tuple[int, ...], dtype: str, start: int) -> None:
    asked = recipe(shape, dtype, start=start)
    made = asked.make()
    assert (made.shape, made.dtype.name) == (shape, dtype)
    assert written(asked) == made.tobytes()
    assert len(written(asked)) == asked.size_bytes


@pytest.mark.parametrize("blocks", [1, 2])
def test_tensors_of_several_blocks_are_whole(blocks: int) -> None:
    asked = recipe((256 * NOISE * blocks + 7,))
    assert written(asked) == asked.make().tobytes()


def test_recipes_tell_what_they_would_make_apart() -> None:
    assert len({recipe((4, 6)).words, recipe((24,)).words, recipe((4, 6), start=1).words, recipe((4, 6)).words}) == 3
