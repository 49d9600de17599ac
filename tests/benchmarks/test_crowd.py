import pytest
from benchmarks.crowd import Tally, jain
from benchmarks.soak import growth, phase_of, unevenness
from hypothesis import given
from hypothesis import strategies as st

shares = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


@given(shares=shares)
def test_shares_are_between_one_for_all_and_equal(shares: list[float]) -> None:
    assert 1 / len(shares) - 1e-9 <= jain(shares) <= 1 + 1e-9


@given(share=st.floats(1e-3, 1e6), clients=st.integers(1, 50))
def test_equal_shares_are_fair(share: float, clients: int) -> None:
    assert jain([share] * clients) == pytest.approx(1)


@given(share=st.floats(1e-3, 1e6), clients=st.integers(1, 50))
def test_one_who_has_everything_is_as_unfair_as_can_be(share: float, clients: int) -> None:
    assert jain([share] + [0.0] * (clients - 1)) == pytest.approx(1 / clients)


@given(size=st.integers(1, 10**12), count=st.integers(4, 300))
def test_memory_that_stays_does_not_grow(size: int, count: int) -> None:
    assert growth([size] * count) == 0


def test_growth_is_of_the_last_minute_over_the_first() -> None:
    assert growth([100] * 60 + [150] * 480 + [120] * 60) == pytest.approx(0.2)


def test_errors_of_all_clients_are_counted_by_kind() -> None:
    tallies = [Tally(answered=3, seconds=0.6), Tally(answered=1, seconds=0.2)]
    tallies[0].errors["WRONG"] += 1
    tallies[1].errors["WRONG"] += 1
    tallies[1].errors["UNAVAILABLE"] += 2
    phase = phase_of("all", 2.0, tallies)
    assert (phase.answered, phase.least, phase.most) == (4, 1, 3)
    assert phase.errors == {"WRONG": 2, "UNAVAILABLE": 2}
    assert phase.mean_s == pytest.approx(0.2)


def test_one_who_waits_longer_is_seen_though_all_get_as_many_answers() -> None:
    patient = Tally(answered=100, seconds=40.0)
    tallies = [Tally(answered=100, seconds=10.0) for _ in range(63)] + [patient]
    phase = phase_of("all", 60.0, tallies)
    assert phase.jain == pytest.approx(1)
    assert phase.uneven == pytest.approx(4)
    assert unevenness([*tallies, Tally()]) == float("inf")
