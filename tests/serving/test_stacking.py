from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import chain_model, dynamic_model, multi_io_model
from tests.serving.test_meaning import model_of

from partway.graph import Source, whole
from partway.serving.stacking import is_multiple, multiply_rows, rows_of, split, stack

SHAPES = {"image": (2, 3, 8, 8)}


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_splitting_what_was_stacked_gives_each_member_its_own(members: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    feeds = [
        {
            "x": generator.standard_normal((rows, 3)),
            "words": generator.integers(9, size=rows).astype(str).astype(object),
        }
        for _ in range(members)
    ]
    for found, given_ in zip(split(stack(feeds), members), feeds, strict=True):
        assert found.keys() == given_.keys()
        for name, array in given_.items():
            np.testing.assert_array_equal(found[name], array)


def test_rows_are_multiplied_where_the_model_leaves_them_open(tmp_path: Path) -> None:
    source = Source.open(dynamic_model(tmp_path))
    binding = multiply_rows(source, source.bind(SHAPES), 4)
    assert binding is not None
    assert dict(binding.shapes) == {"image": (8, 3, 8, 8)}


@pytest.mark.parametrize("build", [chain_model, multi_io_model])
def test_rows_that_are_fixed_are_not_multiplied(tmp_path: Path, build: object) -> None:
    assert callable(build)
    source = Source.open(build(tmp_path))
    assert multiply_rows(source, source.bind(), 2) is None


def test_a_piece_has_rows_where_all_that_it_is_fed_and_gives_share_them(tmp_path: Path) -> None:
    source = Source.open(dynamic_model(tmp_path))
    model, many = (model_of(source, source.bind({"image": (rows, 3, 8, 8)})) for rows in (2, 8))
    assert rows_of(model, whole(model)) == 2
    assert is_multiple(model, many, whole(model), 4)
    assert not is_multiple(model, many, whole(model), 2)
