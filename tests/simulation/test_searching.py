"""Searches find the border, whatever it is, with few tries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from partway.simulation.searching import least_that, most_load_that, most_that

laws = settings(max_examples=100, derandomize=True)


@laws
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_the_least_that_keeps_is_found(border: int, least: int, most: int) -> None:
    most = max(least, most)
    tried: list[int] = []

    def keeps(at: int) -> bool:
        tried.append(at)
        return at >= border

    found = least_that(keeps, least=least, most=most)
    assert found == (max(border, least) if border <= most else None)
    assert all(least <= at <= most for at in tried)
    assert len(tried) <= 30


@laws
@given(st.integers(0, 100_000), st.integers(1, 1000), st.integers(1, 5000), st.integers(1, 100_000))
def test_the_most_that_keeps_is_found_within_half_a_per_cent(border: int, least: int, start: int, most: int) -> None:
    most, start = max(least, most), max(least, start)
    start = min(start, most)
    tried: list[int] = []

    def keeps(at: int) -> bool:
        tried.append(at)
        return at <= border

    found = most_that(keeps, start=start, least=least, most=most)
    wanted = min(border, most)
    if border < least:
        assert found is None
    else:
        assert found is not None
        assert wanted - max(1.0, 0.005 * wanted) <= found <= wanted
    assert len(tried) <= 40
    assert all(least <= at <= most for at in tried)


@laws
@given(st.floats(0, 1))
def test_the_most_load_that_keeps_is_found_within_half_a_per_cent(border: float) -> None:
    found = most_load_that(lambda load: load <= border)
    if border < 0.005:
        assert found is None
    else:
        assert found is not None
        assert border - 0.011 <= found <= border
