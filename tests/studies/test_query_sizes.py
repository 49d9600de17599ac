import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.studies import Setup
from partway.studies.query_sizes import DIGITS, FRAMES, WORDS, SizeGrid, near

SETUP = Setup.of_paper()
GRID = SizeGrid.of(SETUP)


@given(st.sampled_from(DIGITS), st.sampled_from(FRAMES), st.sampled_from(WORDS))
@settings(max_examples=10)
def test_each_place_of_the_grid_is_what_48_configurations_of_these_sizes_give(
    digits: int, frames: int, words: int
) -> None:
    queries = {"mnist": digits, "kaldi": frames, "senna-pos": words, "senna-chk": words, "senna-ner": words}
    configurations = tuple(Setup.of_paper(queries=queries).configurations())
    place = DIGITS.index(digits), FRAMES.index(frames), WORDS.index(words)
    gains = np.array([item.gain for item in configurations])
    left = 1.0 - np.array([item.energy_saved for item in configurations])
    assert GRID.values(lambda each: each.mean_gain)[place] == pytest.approx(gains.mean())
    assert GRID.values(lambda each: each.geometric_gain)[place] == pytest.approx(np.prod(gains ** (1 / 48)))
    assert GRID.values(lambda each: each.max_gain)[place] == pytest.approx(gains.max())
    assert GRID.values(lambda each: each.mean_saved)[place] == pytest.approx(1.0 - left.mean())
    assert GRID.values(lambda each: each.geometric_saved)[place] == pytest.approx(1.0 - np.prod(left ** (1 / 48)))
    assert GRID.values(lambda each: each.max_saved)[place] == pytest.approx(1.0 - left.min())


def test_sizes_that_come_near_are_named() -> None:
    values = GRID.values(lambda each: each.mean_gain)
    assert f"{DIGITS[1]}, {FRAMES[2]}, {WORDS[3]}" in near(values, float(values[1, 2, 3]), 1e-9)
    assert near(values, 1e9, 0.1) == []
