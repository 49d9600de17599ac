import contextlib
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.support import Clock

from partway.errors import TooManyRequests
from partway.serving.limits import InFlight, NewPieces


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


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 30.0))), st.integers(1, 4))
def test_within_no_minute_has_a_caller_more_built_than_they_may(events: list[tuple[str, float]], most: int) -> None:
    clock = Clock()
    limit = NewPieces(most, clock=clock)
    built: dict[str, list[float]] = {"a": [], "b": []}
    pieces = count()
    for name, later_s in events:
        clock.advance(later_s)
        recent = [at_s for at_s in built[name] if clock() - at_s < 60.0]
        try:
            assert limit.take(name, next(pieces))
        except TooManyRequests:
            assert len(recent) == most
        else:
            assert len(recent) < most
            built[name].append(clock())


def test_a_caller_is_told_when_to_go_on() -> None:
    clock = Clock()
    limit = NewPieces(1, clock=clock)
    limit.take("a", 1)
    clock.advance(20.0)
    with pytest.raises(TooManyRequests, match=r"a asked for 1 cuts or shapes within a minute .* go on in 40 s"):
        limit.take("a", 2)
    limit.take("b", 2)
    clock.advance(40.0)
    limit.take("a", 3)


def test_what_was_built_or_begun_before_is_free_for_everybody() -> None:
    limit = NewPieces(1, clock=Clock())
    assert limit.take("a", "piece")
    limit.note("another")
    for name in "aaabbb":
        assert not limit.take(name, "piece")
        assert not limit.take(name, "another")
    with pytest.raises(TooManyRequests):
        limit.take("a", "third")
    with pytest.raises(TooManyRequests):
        limit.take("a", "third")  # what was refused was not begun


def test_a_server_may_build_nothing_for_clients() -> None:
    with pytest.raises(TooManyRequests, match="builds none for clients"):
        NewPieces(0, clock=Clock()).take("a", 1)
