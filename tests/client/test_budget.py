"""Questions never keep the link busy for more than their share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from partway.client.budget import Budget
from partway.testing import FakeClock


@settings(max_examples=60, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 2.0)), max_size=60),
    st.floats(0.001, 1.0),
    st.floats(1.0, 100.0),
)
def test_no_window_holds_more_than_the_share_and_no_two_questions_are_closer_than_the_gap(
    wishes: list[tuple[float, float]], share: float, window_s: float
) -> None:
    clock = FakeClock()
    budget = Budget(share=share, window_s=window_s, least_gap_s=1.0, clock=clock)
    taken: list[tuple[float, float]] = []
    for pause_s, seconds in wishes:
        clock.advance(pause_s)
        if budget.take(seconds):
            taken.append((clock(), seconds))
    for place, (end_s, _) in enumerate(taken):
        within = sum(seconds for at_s, seconds in taken[: place + 1] if end_s - at_s < window_s)
        assert within <= share * window_s * (1 + 1e-9)
        assert place == 0 or end_s - taken[place - 1][0] >= 1.0


def test_what_left_the_window_can_be_taken_again() -> None:
    clock = FakeClock()
    budget = Budget(share=0.1, window_s=10.0, least_gap_s=1.0, clock=clock)
    assert budget.take(1.0)
    clock.advance(9.0)
    assert not budget.take(0.5)
    clock.advance(1.0)
    assert budget.take(1.0)
