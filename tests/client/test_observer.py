"""What the client has seen moves what it expects, and passes with the moment that it was seen in."""

import numpy as np
import pytest

from partway.client.observer import Observer
from partway.link import Link
from partway.planning import CostTable, CutCost, decide
from partway.testing import FakeClock
from partway.wire import Load

LINK = Link(uplink_bytes_per_s=5e6, downlink_bytes_per_s=5e6, rtt_s=0.01)


def observer_at(clock: FakeClock, link: Link = LINK) -> Observer:
    return Observer(prior=link, clock=clock, generator=np.random.default_rng(0))


def device_factor(observer: Observer) -> float:
    return observer.conditions().device_factor


def test_a_slow_device_is_tried_again_although_no_head_says_that_it_recovered() -> None:
    clock = FakeClock()
    observer = observer_at(clock)
    alone = CutCost(crossing=(), device_s=0.05, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    sent = CutCost(crossing=("x",), device_s=0.0, up_bytes=600_000, server_s=0.02, down_bytes=400, offloaded=True)
    table = CostTable.of([sent, alone])
    for _ in range(40):
        clock.advance(0.1)
        observer.saw_head(expected_s=0.05, took_s=0.4, alone=True)
    assert decide(table, observer.conditions()).crossing == ("x",)
    for _ in range(120):  # server-only runs no head
        clock.advance(1.0)
        if decide(table, observer.conditions()).crossing == ():
            observer.saw_head(expected_s=0.05, took_s=0.05, alone=True)
    assert decide(table, observer.conditions()).crossing == ()
    assert device_factor(observer) < 1.5


def test_a_correction_halves_in_thirty_seconds() -> None:
    clock = FakeClock()
    observer = observer_at(clock)
    for _ in range(50):
        observer.saw_head(expected_s=0.1, took_s=0.4, alone=True)
    before = device_factor(observer)
    clock.advance(30.0)
    assert device_factor(observer) == pytest.approx(before**0.5)


def test_heads_in_a_crowd_say_little_of_the_device() -> None:
    alone, crowded = observer_at(FakeClock()), observer_at(FakeClock())
    for _ in range(5):
        alone.saw_head(expected_s=0.1, took_s=0.8, alone=True)
        crowded.saw_head(expected_s=0.1, took_s=0.8, alone=False)
    assert device_factor(alone) > 1.9
    assert 1.0 < device_factor(crowded) < 1.1


def settled_observer(clock: FakeClock) -> Observer:
    observer = observer_at(clock, Link(uplink_bytes_per_s=3e6, downlink_bytes_per_s=3e6, rtt_s=0.005))
    for number in range(60):
        clock.advance(0.2)
        size_bytes = (1000, 4000, 100_000)[number % 3]
        network_s = 0.005 + (size_bytes + 500) / 3e6
        observer.saw_answer(up_bytes=size_bytes, down_bytes=500, network_s=network_s, load=None)
    return observer


def test_a_busy_server_is_not_taken_for_a_slow_link() -> None:
    clock = FakeClock()
    observer = settled_observer(clock)
    before = observer.link.link.uplink_bytes_per_s
    observer.saw_silence(up_bytes=4000, waited_s=0.15, rest_s=0.18)
    observer.saw_silence(up_bytes=4000, waited_s=3.0, rest_s=0.18)
    assert observer.link.link.uplink_bytes_per_s == pytest.approx(before), "four kilobytes are hardly why"
    observer.saw_silence(up_bytes=1_000_000, waited_s=0.45, rest_s=0.15)
    assert observer.link.link.uplink_bytes_per_s == pytest.approx(before), "that much it was to take"


def test_an_answer_that_did_not_come_is_the_queues_doing_where_the_server_has_one() -> None:
    clock = FakeClock()
    observer = settled_observer(clock)
    observer.saw_silence(up_bytes=1_000_000, waited_s=2.1, rest_s=0.1, queue_s=0.0)
    assert observer.conditions().queue_delay_s == 0.0, "its bytes may be why, and no queue is known"
    busy = Load(queue_delay_s=0.2, slowdown=1.0, service_s=0.0, queue_s=0.0)
    observer.saw_answer(up_bytes=4000, down_bytes=500, network_s=0.01, load=busy)
    observer.saw_silence(up_bytes=4000, waited_s=1.0, rest_s=0.3, queue_s=0.2)
    assert observer.conditions().queue_delay_s == pytest.approx(0.9, rel=0.05)


def test_bytes_that_should_have_been_there_long_ago_say_how_slow_the_link_is() -> None:
    clock = FakeClock()
    observer = settled_observer(clock)
    observer.saw_silence(up_bytes=1_000_000, waited_s=2.1, rest_s=0.1)
    assert observer.link.link.uplink_bytes_per_s == pytest.approx(5e5, rel=0.05)


def test_a_question_lost_in_a_tunnel_does_not_make_the_link_a_hundred_times_slower() -> None:
    clock = FakeClock()
    observer = settled_observer(clock)
    before = observer.link.link.uplink_bytes_per_s
    observer.saw_silence(up_bytes=40_000, waited_s=2.0)
    assert before / 4.5 < observer.link.link.uplink_bytes_per_s < before / 3.5


def test_questions_that_stay_without_answers_find_a_slow_link_step_by_step() -> None:
    clock = FakeClock()
    observer = settled_observer(clock)
    for _ in range(8):
        clock.advance(10.0)
        observer.saw_silence(up_bytes=40_000, waited_s=10.0)
    assert observer.link.link.uplink_bytes_per_s == pytest.approx(40_000 / 10.0, rel=0.1)
