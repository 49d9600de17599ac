import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import TooManyRequests
from partway.serving.limits import InFlight


def test_a_caller_is_let_in_again_once_one_of_their_requests_was_answered() -> None:
    limit = InFlight(2)
    with limit.admitted("a"):
        with limit.admitted("a"):
            with pytest.raises(TooManyRequests, match="a waits for 2 answers already"), limit.admitted("a"):
                pass
            with limit.admitted("b"):
                pass
        with limit.admitted("a"):
            pass


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())), st.integers(1, 3))
def test_no_caller_ever_has_more_places_than_they_may(events: list[tuple[str, bool]], most: int) -> None:
    limit = InFlight(most)
    held: dict[str, list[contextlib.ExitStack]] = {name: [] for name in "abc"}
    for name, comes in events:
        if not comes:
            if held[name]:
                held[name].pop().close()
            continue
        place = contextlib.ExitStack()
        try:
            place.enter_context(limit.admitted(name))
        except TooManyRequests:
            assert len(held[name]) == most
        else:
            held[name].append(place)
            assert len(held[name]) <= most
    for places in held.values():
        for place in places:
            place.close()
    for name in "abc":
        with limit.admitted(name):
            pass
