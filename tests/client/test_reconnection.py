"""A server that was left alone is asked again in the background, for as long as somebody uses the session."""

from collections.abc import Callable

import numpy as np
import pytest

from partway.client.breaker import Breaker, Fault
from partway.client.reconnection import Reconnection
from partway.testing import FakeClock


class Bench:
    """A reconnection whose timers the test lets ring."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(clock=self.clock, generator=np.random.default_rng(0))
        self.rings: list[tuple[float, Callable[[], object]]] = []
        self.asked = 0
        self.reconnection = Reconnection(self.breaker, self.ask, later=self.later, clock=self.clock)

    def later(self, delay_s: float, callback: Callable[[], object]) -> Callable[[], None]:
        ring = (self.clock() + delay_s, callback)
        self.rings.append(ring)
        return lambda: self.rings.remove(ring)

    def ask(self) -> None:
        self.asked += 1
        assert self.breaker.claim()
        self.breaker.failed(Fault.UNREACHABLE, "still gone")
        self.reconnection.plan()

    def ring(self) -> None:
        ((when_s, callback),) = self.rings
        self.rings.clear()
        self.clock.now_s = when_s
        callback()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nothing_is_asked_of_a_server_that_answers(bench: Bench) -> None:
    bench.reconnection.used()
    assert not bench.rings


def test_one_question_at_a_time_is_planned_for_the_end_of_the_pause(bench: Bench) -> None:
    bench.breaker.failed(Fault.UNREACHABLE, "gone")
    for _ in range(5):
        bench.reconnection.used()
    ((when_s, _),) = bench.rings
    assert when_s == bench.clock() + bench.breaker.pause_left_s
    bench.ring()
    assert bench.asked == 1
    assert len(bench.rings) == 1, "after a question in vain the next one is planned"


def test_a_session_that_nobody_uses_falls_quiet_and_is_found_again_by_use(bench: Bench) -> None:
    bench.breaker.failed(Fault.UNREACHABLE, "gone")
    bench.reconnection.used()
    while bench.rings:
        bench.ring()
    assert 60.0 < bench.clock() < 120.0
    assert bench.asked < 20
    bench.reconnection.used()
    assert bench.rings


def test_a_closed_one_asks_nothing(bench: Bench) -> None:
    bench.breaker.failed(Fault.UNREACHABLE, "gone")
    bench.reconnection.used()
    bench.reconnection.close()
    bench.reconnection.used()
    assert not bench.rings


def test_a_question_in_vain_is_followed_by_the_next_after_the_pause_however_much_the_session_is_used_meanwhile(
    bench: Bench,
) -> None:
    bench.breaker.failed(Fault.UNREACHABLE, "gone")
    bench.clock.advance(bench.breaker.pause_left_s)
    assert bench.breaker.claim()
    bench.reconnection.used()  # while the question is on its way
    bench.breaker.failed(Fault.UNREACHABLE, "still gone")
    bench.reconnection.plan()
    ((when_s, _),) = bench.rings
    assert when_s <= bench.clock() + 0.5
