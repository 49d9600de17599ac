"""How long an answer is waited for before the device begins to finish alone."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.client.hedge import Hedge, Outlook
from partway.link import Link, LinkEstimator, Transfer
from partway.planning import Conditions, CutCost

seconds = st.floats(1e-4, 10.0)
spreads = st.floats(0.0, 3.0)


def outlook_of(remaining_s: float, *, spread: float = 0.0, local_s: float = 1.0) -> Outlook:
    return Outlook(remaining_s=remaining_s, spread=spread, local_s=local_s, uplink_s=0.5 * remaining_s)


@given(remaining_s=seconds, spread=spreads, local_s=seconds, late=st.lists(st.floats(0.01, 100.0), max_size=20))
def test_no_answer_is_late_before_its_time_nor_waited_for_beyond_half_of_the_local_tail(
    remaining_s: float, spread: float, local_s: float, late: list[float]
) -> None:
    hedge, outlook = Hedge(), outlook_of(remaining_s, spread=spread, local_s=local_s)
    for ratio in late:
        hedge.saw(outlook, ratio * remaining_s)
    wait_s = hedge.wait_s(outlook)
    assert remaining_s + 0.002 <= wait_s * (1 + 1e-9)
    assert wait_s <= remaining_s + max(0.002, 0.5 * local_s) * (1 + 1e-9)


@given(remaining_s=seconds, less=spreads, more=spreads)
def test_the_less_sure_the_longer(remaining_s: float, less: float, more: float) -> None:
    hedge = Hedge()
    less, more = sorted((less, more))
    assert hedge.wait_s(outlook_of(remaining_s, spread=less)) <= hedge.wait_s(outlook_of(remaining_s, spread=more))


def test_where_joules_count_the_tail_is_not_run_twice_for_latencys_sake() -> None:
    outlook = outlook_of(0.5, spread=0.5, local_s=0.1)
    thrifty = dataclasses.replace(outlook, thrifty=True)
    assert Hedge().wait_s(outlook) == pytest.approx(0.5 + 0.05)
    assert Hedge().wait_s(thrifty) == pytest.approx(0.5 * math.exp(1.645 * 0.5))


@given(remaining_s=seconds, local_s=seconds, deadline_s=st.floats(-1.0, 20.0), thrifty=st.booleans())
def test_a_deadline_that_the_device_can_meet_is_met_and_no_other_wait_is_longer_than_without(
    remaining_s: float, local_s: float, deadline_s: float, thrifty: bool
) -> None:
    free = dataclasses.replace(outlook_of(remaining_s, spread=0.5, local_s=local_s), thrifty=thrifty)
    wait_s = Hedge().wait_s(dataclasses.replace(free, deadline_s=deadline_s))
    assert 0.0 <= wait_s <= Hedge().wait_s(free)
    if deadline_s >= local_s:
        assert wait_s + local_s <= deadline_s * (1 + 1e-9)
    else:
        assert wait_s >= remaining_s, "work is not done twice for a deadline that is missed anyway"


def test_answers_that_come_as_expected_shorten_the_wait_and_late_ones_lengthen_it() -> None:
    outlook, calm, late = outlook_of(0.1), Hedge(), Hedge()
    first_s = calm.wait_s(outlook)
    for _ in range(100):
        calm.saw(outlook, 0.1)
        late.saw(outlook, 0.2)
    assert calm.wait_s(outlook) < first_s
    assert late.wait_s(outlook) >= 0.2, "what is always late is expected late"


def test_one_answer_in_twenty_is_hedged_when_they_scatter_as_they_have() -> None:
    # A fixed sample of a log-normal scatter: its quantiles, in an order that repeats nothing.
    quantiles = [(index * 0.618034) % 1.0 for index in range(1, 2001)]
    scatter = [0.1 * math.exp(0.2 * math.sqrt(2) * _inverse_erf(2 * q - 1)) for q in quantiles]
    hedge, outlook, hedged = Hedge(), outlook_of(0.1), 0
    for took_s in scatter:
        hedged += took_s > hedge.wait_s(outlook)
        hedge.saw(outlook, took_s)
    assert 0.02 < hedged / len(scatter) < 0.10


def test_nonsense_teaches_nothing() -> None:
    hedge = Hedge()
    before_s = hedge.wait_s(outlook_of(0.1))
    hedge.saw(outlook_of(0.0), 1.0)
    hedge.saw(outlook_of(0.1), 0.0)
    assert hedge.wait_s(outlook_of(0.1)) == before_s


def test_the_outlook_is_what_is_left_after_the_head() -> None:
    estimator = LinkEstimator(Link(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.05))
    estimator.observe(Transfer(at_s=0.0, up_bytes=10, down_bytes=10, network_s=0.05))
    alone = CutCost(crossing=(), device_s=1.0, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    cut = CutCost(
        crossing=("a",), device_s=0.25, up_bytes=100_000, server_s=0.2, down_bytes=10_000, offloaded=True,
        server_spread=0.5,
    )  # fmt: skip
    conditions = Conditions(
        uplink_bytes_per_s=1e6,
        downlink_bytes_per_s=1e6,
        rtt_s=0.05,
        queue_delay_s=0.02,
        slowdown=2.0,
        device_factor=2.0,
    )
    outlook = Outlook.of(cut, alone, conditions, estimator.estimate(0.0))
    assert outlook.remaining_s == pytest.approx(0.05 + 0.02 + 0.1 + 2.0 * 0.2 + 0.01)
    assert outlook.local_s == pytest.approx(2.0 * 0.75)
    assert outlook.rest_s == pytest.approx(outlook.remaining_s - 0.1), "all but the crossing tensors' way"
    assert outlook.spread > 0.5 * 0.4 / outlook.remaining_s, "link and server are unsure, each for itself"


def _inverse_erf(value: float) -> float:
    low, high = -6.0, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < value else (low, middle)
    return low


@given(seconds, seconds, st.floats(0.0, 1.0), st.floats(0.0, 5.0))
def test_a_queue_is_bearable_as_long_as_the_answer_comes_before_the_devices_own_would(
    tail_s: float, local_s: float, rtt_s: float, believed_s: float
) -> None:
    link = LinkEstimator(Link(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=rtt_s)).estimate(0.0)
    conditions = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=rtt_s, queue_delay_s=believed_s)
    cost = CutCost(crossing=("x",), device_s=0.0, up_bytes=1000, server_s=tail_s, down_bytes=500, offloaded=True)
    alone = CutCost(crossing=(), device_s=local_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    outlook = Outlook.of(cost, alone, conditions, link)
    bearable_s = outlook.bearable_queue_s
    assert bearable_s is not None
    if bearable_s > 0.0:  # from when the request arrives
        there_s, here_s = bearable_s + tail_s + 500 / 1e6 + rtt_s / 2, rtt_s / 2 + local_s
        assert there_s == pytest.approx(here_s)
    else:
        assert tail_s + 500 / 1e6 >= local_s - 1e-9
    assert dataclasses.replace(outlook, thrifty=True).bearable_queue_s is None
