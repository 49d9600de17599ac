from hypothesis import given
from hypothesis import strategies as st

from partway.serving.returning import Returning


def test_who_came_back_at_once_is_expected_after_the_next_answer_and_no_longer_than_that() -> None:
    returning = Returning(2.0)
    returning.came("a", 0.0)
    returning.answered("a", 10.0)
    assert returning.expected(10.0) == (0, 0.0)  # nobody knows them yet
    returning.came("a", 11.0)
    assert returning.expected(11.0) == (0, 0.0)  # they are here
    returning.answered("a", 20.0)
    assert returning.expected(20.5) == (1, 1.5)
    assert returning.expected(22.0) == (0, 0.0)


def test_who_took_their_time_is_not_waited_for() -> None:
    returning = Returning(2.0)
    returning.came("a", 0.0)
    returning.answered("a", 1.0)
    returning.came("a", 5.0)
    returning.answered("a", 6.0)
    assert returning.expected(6.0) == (0, 0.0)


def test_who_never_asked_is_not_waited_for() -> None:
    returning = Returning(2.0)
    returning.answered("a", 0.0)
    assert returning.expected(0.0) == (0, 0.0)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0.0, 3.0)), max_size=40), st.floats(0.0, 3.0)
)
def test_nobody_is_waited_for_longer_than_the_longest_wait(
    events: list[tuple[str, bool, float]], later_s: float
) -> None:
    returning, now_s = Returning(2.0), 0.0
    for share, comes, after_s in events:
        now_s += after_s
        (returning.came if comes else returning.answered)(share, now_s)
    coming, until_s = returning.expected(now_s + later_s)
    assert 0 <= coming <= 3
    assert (until_s > 0.0) == (coming > 0)
    assert until_s <= max(0.0, 2.0 - later_s) + 1e-9
