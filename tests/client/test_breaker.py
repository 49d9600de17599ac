"""A server that fails is left alone, no longer than it deserves, and found again by questions alone."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.client.breaker import Breaker, Fault
from partway.errors import PartwayError, ServerNotReady, ServerRefused, ServerUnavailable, WireError
from partway.testing import FakeClock

FAULTS = st.sampled_from(Fault)


def make_breaker(clock: FakeClock, seed: int = 0) -> Breaker:
    return Breaker(clock=clock, generator=np.random.default_rng(seed))


def pauses_of(breaker: Breaker, clock: FakeClock, fault: Fault, count: int) -> list[float]:
    """The pauses after so many failures in a row, each of the question that ended the one before."""
    found = []
    for _ in range(count):
        breaker.failed(fault, "why")
        found.append(breaker.pause_left_s)
        clock.advance(breaker.pause_left_s)
        assert breaker.claim()
    return found


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ServerUnavailable("gone"), Fault.UNREACHABLE),
        (ServerNotReady("UNAVAILABLE", "opening", "loading"), Fault.NOT_READY),
        (ServerRefused("RESOURCE_EXHAUSTED", "full"), Fault.BUSY),
        (ServerRefused("INTERNAL", "broke"), Fault.BUSY),
        (ServerRefused("FAILED_PRECONDITION", "another model"), Fault.REFUSED),
        (ServerRefused("UNAUTHENTICATED", "who are you"), Fault.REFUSED),
        (WireError("damaged"), Fault.DAMAGED),
    ],
)
def test_an_error_says_what_went_wrong(error: PartwayError, fault: Fault) -> None:
    assert Fault.of(error) is fault


def test_a_failure_opens_it_and_only_an_answer_closes_it() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    assert breaker.closed
    breaker.failed(Fault.UNREACHABLE, "connection refused")
    assert breaker.state == "open"
    assert breaker.why_not == "connection refused"
    clock.advance(3600.0)
    assert not breaker.closed, "time alone does not bring requests back"
    breaker.answered(question=True)
    assert breaker.closed


def test_one_question_is_asked_at_a_time_and_none_before_the_pause_is_over() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    breaker.failed(Fault.UNREACHABLE, "gone")
    assert not breaker.claim()
    clock.advance(breaker.pause_left_s)
    assert breaker.claim()
    assert breaker.state == "half-open"
    assert not breaker.closed
    assert not breaker.claim()
    clock.advance(60.0)
    assert breaker.claim(), "whoever asked has been forgotten"


@given(fault=FAULTS, seed=st.integers(0, 2**32 - 1))
def test_pauses_never_shrink_below_half_nor_grow_beyond_their_bound(fault: Fault, seed: int) -> None:
    clock = FakeClock()
    pauses_s = pauses_of(make_breaker(clock, seed), clock, fault, 20)
    longest_s = {Fault.BUSY: 2.0, Fault.NOT_READY: 0.5}.get(fault, 30.0)
    assert all(0.1 <= pause_s <= longest_s for pause_s in pauses_s)
    assert all(after_s >= 0.5 * before_s for before_s, after_s in pairwise(pauses_s))
    assert pauses_s[-1] >= 0.5 * longest_s


def test_a_server_that_is_loading_is_asked_again_within_a_second_however_often() -> None:
    clock = FakeClock()
    assert max(pauses_of(make_breaker(clock), clock, Fault.NOT_READY, 50)) < 1.0


def test_clients_that_failed_together_return_apart() -> None:
    clock = FakeClock()
    pauses_s = {pauses_of(make_breaker(clock, seed), clock, Fault.UNREACHABLE, 1)[0] for seed in range(20)}
    assert len(pauses_s) == 20


def test_several_requests_that_fail_together_count_once() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    for _ in range(50):
        breaker.failed(Fault.UNREACHABLE, "gone")
    assert breaker.pause_left_s <= 0.25


def test_a_question_that_passes_where_requests_do_not_shortens_no_pause() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    for _ in range(10):
        breaker.failed(Fault.DAMAGED, "damaged")
        clock.advance(breaker.pause_left_s)
        breaker.answered(question=True)
    breaker.failed(Fault.DAMAGED, "damaged")
    assert breaker.pause_left_s >= 15.0
    breaker.answered(question=False)
    breaker.failed(Fault.DAMAGED, "damaged")
    assert breaker.pause_left_s <= 0.25, "an answered request begins anew"


def test_old_failures_are_forgiven() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    pauses_of(breaker, clock, Fault.UNREACHABLE, 10)
    breaker.answered(question=True)
    clock.advance(61.0)
    breaker.failed(Fault.UNREACHABLE, "gone")
    assert breaker.pause_left_s <= 0.25


def test_one_late_answer_proves_nothing_and_three_in_a_row_do() -> None:
    breaker = make_breaker(FakeClock())
    breaker.outrun()
    breaker.outrun()
    assert breaker.closed
    breaker.answered(question=False)
    breaker.outrun()
    breaker.outrun()
    assert breaker.closed
    breaker.outrun()
    assert breaker.state == "open"
    assert "3 answers" in breaker.why_not


def test_late_answers_long_apart_are_not_in_a_row() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    for _ in range(10):
        breaker.outrun()
        clock.advance(61.0)
    assert breaker.closed


def test_silence_is_counted_and_a_word_ends_it() -> None:
    clock = FakeClock()
    breaker = make_breaker(clock)
    pauses_of(breaker, clock, Fault.UNREACHABLE, 3)
    assert breaker.silences == 3
    breaker.failed(Fault.REFUSED, "no such model")
    assert breaker.silences == 0, "whoever refuses is not silent"
