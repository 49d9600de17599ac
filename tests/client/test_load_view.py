"""Load is smoothed, forgotten, and believed by each device in its own way."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.client.load_view import LoadView
from partway.testing import FakeClock
from partway.wire import Load


def load(queue_delay_s: float, slowdown: float = 1.0) -> Load:
    return Load(queue_delay_s=queue_delay_s, slowdown=slowdown, service_s=0.0, queue_s=0.0)


def view_of(clock: FakeClock, *, doubt: float = 0.0, seed: int = 0) -> LoadView:
    return LoadView(clock=clock, generator=np.random.default_rng(seed), doubt=doubt)


def test_a_server_that_said_nothing_is_idle() -> None:
    view = view_of(FakeClock())
    assert view.queue_delay_s() == 0.0
    assert view.slowdown() == 1.0
    assert view.heard_s == -math.inf


def test_the_first_report_is_taken_as_it_is() -> None:
    view = view_of(FakeClock())
    view.saw(load(0.3, slowdown=2.0))
    assert view.queue_delay_s() == pytest.approx(0.3)
    assert view.slowdown() == pytest.approx(2.0)


def test_an_old_report_fades_to_idle() -> None:
    clock = FakeClock()
    view = view_of(clock)
    view.saw(load(0.3, slowdown=2.0))
    delays_s = []
    for _ in range(30):
        delays_s.append(view.queue_delay_s())
        clock.advance(4.0)
    assert delays_s == sorted(delays_s, reverse=True)
    assert view.queue_delay_s() < 0.01
    assert view.slowdown() == pytest.approx(1.0, abs=0.01)


def test_one_report_out_of_line_moves_the_view_by_less_than_it_says() -> None:
    clock = FakeClock()
    view = view_of(clock)
    for _ in range(50):
        view.saw(load(0.1))
        clock.advance(0.1)
    view.saw(load(1.0))
    assert view.queue_delay_s() < 0.25


def test_a_load_that_stays_is_believed_within_seconds() -> None:
    clock = FakeClock()
    view = view_of(clock)
    for _ in range(50):
        view.saw(load(0.0))
        clock.advance(0.1)
    for _ in range(30):
        view.saw(load(1.0))
        clock.advance(0.1)
    assert view.queue_delay_s() > 0.9


def test_an_answer_that_did_not_come_is_a_queue_until_the_server_says_how_long_it_is() -> None:
    clock = FakeClock()
    view = view_of(clock)
    view.saw(load(0.1))
    view.overdue(0.5)
    assert view.queue_delay_s() == pytest.approx(0.5)
    clock.advance(20.0)
    assert view.queue_delay_s() == pytest.approx(0.5 / math.e)
    view.overdue(0.01)
    assert view.queue_delay_s() == pytest.approx(0.5 / math.e), "the longer one still holds"
    view.saw(load(0.0))
    assert view.queue_delay_s() < 0.01


def test_an_answer_that_is_late_by_less_than_the_queue_says_nothing_new() -> None:
    view = view_of(FakeClock())
    view.saw(load(0.4))
    view.overdue(-0.1)
    assert view.queue_delay_s() == pytest.approx(0.4)


@settings(max_examples=60, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0, 3600), st.floats(0, 86400), st.floats(1e-3, 1e6)), max_size=30),
    st.integers(0, 2**32),
)
def test_whatever_is_reported_delay_and_slowdown_stay_within_what_conditions_take(
    reports: list[tuple[float, float, float]], seed: int
) -> None:
    clock = FakeClock()
    view = view_of(clock, doubt=0.8, seed=seed)
    for pause_s, queue_delay_s, slowdown in reports:
        clock.advance(pause_s)
        view.saw(load(queue_delay_s, slowdown))
        assert 0.0 <= view.queue_delay_s() < math.inf
        assert 0.0 < view.slowdown() <= 1e6


def test_devices_doubt_differently_keep_their_doubt_for_a_while_and_are_right_in_the_middle() -> None:
    clock = FakeClock()
    views = [view_of(clock, doubt=0.8, seed=seed) for seed in range(400)]
    for view in views:
        view.saw(load(0.1))
    first = [view.queue_delay_s() for view in views]
    assert np.median(first) == pytest.approx(0.1, rel=0.15)
    assert np.quantile(first, 0.9) > 2 * np.median(first)
    assert min(first) >= 0.069, "who takes it for less waits in vain"
    for seconds, kept in ((0.1, 0.9), (60.0, 0.2)):
        clock.advance(seconds)
        for view in views:
            view.saw(load(0.1))
        now = [view.queue_delay_s() for view in views]
        same = np.mean([after == pytest.approx(before, rel=1e-6) for before, after in zip(first, now, strict=True)])
        assert same >= kept if kept > 0.5 else same <= kept
