import pytest
from benchmarks.throughput import rate_per_s
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(("ends_s", "rate"), [([], 0.0), ([1.0], 0.5), ([1.0, 1.0, 1.0], 1.5), ([1.0, 1.5, 2.0], 2.0)])
def test_answers_that_came_at_one_instant_are_counted_over_the_window(ends_s: list[float], rate: float) -> None:
    assert rate_per_s(ends_s, 2.0) == rate


@given(st.lists(st.floats(0.0, 10.0), max_size=20))
def test_a_rate_is_never_negative_and_always_a_number(ends_s: list[float]) -> None:
    assert rate_per_s(sorted(ends_s), 10.0) >= 0.0
