"""One cut that repeats back to back, over a link that becomes another: the client finds out what it was."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from partway.client.observer import Observer
from partway.link import NAMED_LINKS, Link, LinkEstimate
from partway.testing import FakeClock
from partway.wire import Load

QUESTION_BYTES, REPLY_BYTES, SERVER_S = 600, 300, 0.005
IDLE = Load(queue_delay_s=0.0, slowdown=1.0, service_s=SERVER_S, queue_s=0.0)


def link_of(up: float, down: float, rtt_s: float) -> Link:
    """In Mbit/s."""
    return Link(uplink_bytes_per_s=up * 125e3, downlink_bytes_per_s=down * 125e3, rtt_s=rtt_s)


WIFI, LTE = link_of(18.88, 54.97, 0.002), link_of(2.6, 6.0, 0.05)
STEPS = {
    "Wi-Fi to LTE": (WIFI, LTE),
    "LTE to Wi-Fi": (LTE, WIFI),
    "round trip up": (WIFI, link_of(18.88, 54.97, 0.05)),
    "round trip down": (link_of(18.88, 54.97, 0.05), WIFI),
    "rate down": (WIFI, link_of(2.6, 6.0, 0.002)),
    "rate up": (link_of(2.6, 6.0, 0.002), WIFI),
    "LTE to 3G": (LTE, link_of(1.1, 3.0, 0.15)),
}
CUTS = {"large": (600_000, 700), "middle": (36_000, 4_000), "between": (150_000, 700)}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests at one cut, one after the other, and the questions that the client has between them."""

    cut: tuple[int, int]
    head_s: float
    noise: float = 0.0

    def estimate_after(self, before: Link, after: Link, *, lasting_s: float, requests: int = 0) -> LinkEstimate:
        """What is believed so long, and so many requests, after the step; the link before it was had for 20 s."""
        clock, chance = FakeClock(), np.random.default_rng(1)
        observer = Observer(prior=NAMED_LINKS["lte"], clock=clock, generator=chance)
        step_s, since = clock() + 20.0, 0
        while clock() < step_s + lasting_s or since < requests:
            link = before if clock() < step_s else after
            since += clock() >= step_s
            self._send(observer, clock, link, chance)
        return observer.link

    def _send(self, observer: Observer, clock: FakeClock, link: Link, chance: np.random.Generator) -> None:
        padding_bytes, begun_s = observer.next_question(), clock()
        up_bytes, down_bytes = self.cut
        if padding_bytes is not None:
            sizes = QUESTION_BYTES + padding_bytes, REPLY_BYTES
            network_s = self._network_s(link, sizes, chance)
            clock.advance(network_s)
            observer.saw_answer(up_bytes=sizes[0], down_bytes=sizes[1], network_s=network_s, load=IDLE)
        clock.advance(max(0.0, self.head_s - (clock() - begun_s)))
        network_s = self._network_s(link, self.cut, chance)
        clock.advance(network_s + SERVER_S)
        observer.saw_answer(up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s, load=IDLE)

    def _network_s(self, link: Link, sizes: tuple[int, int], chance: np.random.Generator) -> float:
        exact_s = link.rtt_s + sizes[0] / link.uplink_bytes_per_s + sizes[1] / link.downlink_bytes_per_s
        return exact_s * math.exp(chance.normal(0.0, self.noise))


def check(found: LinkEstimate, true: Link) -> None:
    assert found.link.rtt_s == pytest.approx(true.rtt_s, rel=0.25)
    assert found.link.uplink_bytes_per_s == pytest.approx(true.uplink_bytes_per_s, rel=0.25)
    ratio = found.link.downlink_bytes_per_s / true.downlink_bytes_per_s
    assert 0.25 <= ratio <= 4.0 or not found.downlink_observed


@pytest.mark.parametrize("head_s", [0.001, 0.05])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("before", "after"), STEPS.values(), ids=STEPS)
def test_a_few_requests_at_one_cut_and_a_question_a_second_show_the_link_after_a_step(
    before: Link, after: Link, cut: tuple[int, int], head_s: float
) -> None:
    check(Traffic(cut, head_s).estimate_after(before, after, lasting_s=3.0, requests=3), after)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("before", "after"), STEPS.values(), ids=STEPS)
def test_in_noise_a_cut_that_repeats_does_not_lead_astray(before: Link, after: Link, cut: tuple[int, int]) -> None:
    check(Traffic(cut, 0.05, noise=0.05).estimate_after(before, after, lasting_s=30.0), after)


@pytest.mark.parametrize("seed", range(12))
def test_a_device_that_went_alone_after_one_late_answer_is_back_soon_though_threads_are_late_too(seed: int) -> None:
    clock, chance = FakeClock(), np.random.default_rng(seed)
    observer = Observer(prior=NAMED_LINKS["lte"], clock=clock, generator=chance)
    office = link_of(12.0, 24.0, 0.005)

    def transfer(up_bytes: int, down_bytes: int) -> None:
        bytes_s = up_bytes / office.uplink_bytes_per_s + down_bytes / office.downlink_bytes_per_s
        network_s = office.rtt_s + bytes_s + 0.005 * chance.lognormal(0.0, 0.5)  # of both ends' software
        clock.advance(network_s)
        observer.saw_answer(up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s, load=IDLE)

    def ask() -> None:
        padding_bytes = observer.next_question()
        while padding_bytes is not None:
            transfer(QUESTION_BYTES + padding_bytes, REPLY_BYTES)
            padding_bytes = observer.follow_up()

    for _ in range(20):
        ask()
        clock.advance(0.1)
        transfer(180_000, 4_000)
    observer.saw_silence(up_bytes=180_000, waited_s=0.46, rest_s=0.02)
    late_s = clock()
    while observer.link.link.uplink_bytes_per_s < 0.8 * office.uplink_bytes_per_s:
        assert clock() - late_s < 5.0
        clock.advance(0.3)
        ask()
