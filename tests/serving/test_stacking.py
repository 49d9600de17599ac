from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import chain_model, dynamic_model, if_model, multi_io_model
from tests.serving.batches import lookup_model, quantised_model
from tests.serving.test_meaning import model_of

from partway.graph import Source, whole
from partway.serving.stacking import disturb, is_multiple, mixing_node, multiply_rows, rows_of, split, stack

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


def test_what_may_mix_rows_is_known_by_its_operators(tmp_path: Path) -> None:
    assert mixing_node(model_of(Source.open(quantised_model(tmp_path)))) == "DynamicQuantizeLinear"
    assert mixing_node(model_of(Source.open(if_model(tmp_path)))) == "If"
    assert mixing_node(model_of(Source.open(lookup_model(tmp_path)))) is None


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_disturbed_feeds_fit_the_same_inputs_and_are_others(rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    feeds: dict[str, np.ndarray] = {
        "x": generator.standard_normal((rows, 3)).astype(np.float32),
        "ids": np.arange(5 * rows).reshape(rows, 5),
        "words": np.array([["a", "b"]] * rows, object),
    }
    found = disturb(feeds)
    for name, array in feeds.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype
        assert not np.array_equal(found[name], array)
    assert set(found["ids"].ravel()) == set(feeds["ids"].ravel())
