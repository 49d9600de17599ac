from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from partway.studies.findings import HOLDS, Claim, Finding, Mark, at_most, compare, within

GAIN = Claim(figure="6", quantity="times faster", value=2.0, unit="x", certainty="from memory")
ORDER = Claim(figure="3", quantity="device GPU is faster", value=True, unit="yes", certainty="second-hand")


def found(ours: float | bool, *, claim: Claim = GAIN, mark: Mark | None = None) -> Finding:
    return compare(claim, ours, kind="predicted", mark=mark)


def test_a_number_has_a_ratio_and_a_statement_has_none() -> None:
    assert found(3.0).ratio == pytest.approx(1.5)
    assert found(True, claim=ORDER).ratio is None


@given(st.floats(0.01, 0.9), st.floats(1e-6, 1e6), st.sampled_from([-1, 1]), st.floats(0.0, 2.0))
def test_within_a_share_is_met_exactly_there(share: float, value: float, way: int, off: float) -> None:
    assume(abs(off - 1.0) > 1e-6)
    assert within(share, value).met(value * (1 + way * off * share)) == (off < 1.0)


def test_marks_of_statements_and_bounds() -> None:
    assert found(True, claim=ORDER, mark=HOLDS).holds is True
    assert found(False, claim=ORDER, mark=HOLDS).holds is False
    assert found(1.02, mark=at_most(1.02, "under 1.02x")).holds is True
    assert found(1.03, mark=at_most(1.02, "under 1.02x")).holds is False
    assert found(1.03).holds is None
    assert within(0.2, 3.0).words == "within 20 %"


def test_a_number_agrees_within_a_share_and_a_statement_only_if_it_is_the_same() -> None:
    assert found(2.39).agrees(0.2) is True
    assert found(2.41).agrees(0.2) is False
    assert found(False, claim=ORDER).agrees(0.2) is False
    assert found(True, claim=ORDER).agrees(0.2) is True
    assert replace(found(2.0), paper=None).agrees(0.2) is None


def test_a_mark_on_a_fitted_row_or_that_no_gain_would_meet_could_not_fail() -> None:
    assert found(1.0, mark=within(0.2, 1.43, nothing=1.0)).could_fail
    assert not found(1.0, mark=within(0.2, 1.04, nothing=1.0)).could_fail
    assert found(0.3, mark=at_most(0.38, "at most", nothing=0.7)).could_fail
    assert not found(0.3, mark=at_most(0.38, "at most", nothing=0.3)).could_fail
    assert not found(1.0).could_fail
    assert not replace(found(1.0, mark=within(0.2, 1.04)), kind="fitted").could_fail
