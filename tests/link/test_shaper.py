import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.link import Passage, Shaper, Trace
from partway.link.shaper import CREDIT_S, MAX_CHUNK_BYTES, PACKET_BYTES

rates = st.floats(1e3, 1e8)
sizes = st.integers(0, MAX_CHUNK_BYTES)
gaps = st.floats(0, 0.5)
delays = st.floats(0, 0.5)
traffic = st.lists(st.tuples(gaps, sizes), max_size=20)


def send_all(shaper: Shaper, chunks: list[tuple[float, int]]) -> list[Passage]:
    times = itertools.accumulate(gap for gap, _ in chunks)
    return [shaper.send(size, now_s) for now_s, (_, size) in zip(times, chunks, strict=True)]


@given(rates, delays, st.lists(sizes, min_size=1, max_size=40), st.data())
def test_a_waiting_sender_gets_exactly_the_rate_however_late_it_is_asked(
    rate: float, delay_s: float, chunks: list[int], data: st.DataObject
) -> None:
    shaper = Shaper(Trace.constant(rate), delay_s, 0.0)
    passage = Passage(leaves_s=0.0, arrives_s=delay_s)
    for size in chunks:
        late_s = data.draw(st.floats(0, CREDIT_S * 0.99))
        passage = shaper.send(size, passage.leaves_s + late_s, waiting_since_s=passage.leaves_s)
    assert passage.leaves_s == pytest.approx(sum(chunks) / rate)
    assert passage.arrives_s == pytest.approx(sum(chunks) / rate + delay_s)


@given(rates, delays, traffic)
def test_never_more_than_the_rate_and_one_packet_leaves_in_any_stretch_of_time(
    rate: float, delay_s: float, chunks: list[tuple[float, int]]
) -> None:
    passages = send_all(Shaper(Trace.constant(rate), delay_s, 0.0), chunks)
    for first, last in itertools.combinations(range(len(chunks)), 2):
        between_bytes = sum(size for _, size in chunks[first + 1 : last + 1])
        assert passages[last].leaves_s - passages[first].leaves_s >= between_bytes / rate - 1e-6


@given(rates, traffic, st.lists(st.tuples(rates, delays), min_size=1, max_size=4))
def test_order_is_kept_also_when_the_link_changes(
    rate: float, chunks: list[tuple[float, int]], links: list[tuple[float, float]]
) -> None:
    shaper, now_s, passages = Shaper(Trace.constant(rate), 0.3, 0.0), 0.0, []
    for (gap_s, size), (new_rate, delay_s) in zip(chunks, itertools.cycle(links), strict=False):
        now_s += gap_s
        shaper.change(Trace.constant(new_rate), delay_s, now_s)
        passages.append(shaper.send(size, now_s))
    for before, after in itertools.pairwise(passages):
        assert before.leaves_s <= after.leaves_s
        assert before.arrives_s <= after.arrives_s


@given(rates, st.floats(1, 100), delays, traffic)
def test_more_bandwidth_never_arrives_later(
    rate: float, factor: float, delay_s: float, chunks: list[tuple[float, int]]
) -> None:
    slow = send_all(Shaper(Trace.constant(rate), delay_s, 0.0), chunks)
    fast = send_all(Shaper(Trace.constant(rate * factor), delay_s, 0.0), chunks)
    assert all(f.arrives_s <= s.arrives_s + 1e-9 for f, s in zip(fast, slow, strict=True))


def test_a_sleeping_machine_is_made_up_for_by_the_credit_only() -> None:
    shaper = Shaper(Trace.constant(1000.0), 0.0, 0.0)
    shaper.send(1000, 0.0)
    late = shaper.send(10, 100.0, waiting_since_s=1.0)
    assert late.leaves_s == pytest.approx(100.0 - CREDIT_S + 0.01)


def test_a_trace_is_followed_from_when_it_was_set() -> None:
    trace = Trace(starts_s=(0.0, 1.0), rates_bytes_per_s=(100.0, 1000.0))
    shaper = Shaper(trace, 0.0, 50.0)
    assert shaper.send(600, 50.0).leaves_s == pytest.approx(51.5)
    shaper.change(trace, 0.0, 60.0)
    assert shaper.send(100, 60.0).leaves_s == pytest.approx(61.0)


@given(rates)
def test_chunks_are_between_one_packet_and_sixteen_kilobytes(rate: float) -> None:
    assert PACKET_BYTES <= Shaper(Trace.constant(rate), 0.0, 0.0).chunk_bytes(0.0) <= MAX_CHUNK_BYTES


def test_the_delay_holds_its_time_of_the_rate() -> None:
    assert Shaper(Trace.constant(1e6), 0.025, 0.0).in_flight_bytes(0.0) == pytest.approx(25_000)
