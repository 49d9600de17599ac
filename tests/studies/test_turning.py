import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.studies.turning import holding_range, nearest_turn, turning_factors

FACTORS = st.floats(0.07, 15.0).filter(lambda factor: abs(math.log(factor)) > 1e-6)


@given(FACTORS)
def test_the_place_where_a_statement_turns_is_found(at: float) -> None:
    assert turning_factors(lambda factor: factor >= at) == pytest.approx((at,), rel=1e-6)
    assert nearest_turn(lambda factor: factor < at) == pytest.approx(at, rel=1e-6)


@given(st.floats(0.07, 0.9), st.floats(1.1, 15.0))
def test_the_range_around_one_is_between_the_nearest_turns(low: float, high: float) -> None:
    assert holding_range(lambda factor: low < factor < high) == pytest.approx((low, high), rel=1e-6)


def test_what_never_turns_has_no_place_and_the_whole_range() -> None:
    assert nearest_turn(lambda _: True) is None
    assert holding_range(lambda _: True, most=4.0) == (0.25, 4.0)
    assert holding_range(lambda _: False) is None
