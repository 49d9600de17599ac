"""The loop of fleets does what the client and the link do, and what is compiled is what is written."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.simulation.fleet_cases import ALONE, INSIDE, LINK, TABLE, WHOLE, fleet, group

from partway.client.hedge import Outlook
from partway.client.load_view import LoadView
from partway.link import Link, LinkEstimator, LinkTrace, Trace
from partway.planning import Conditions, CostTable, CutCost, decide
from partway.simulation import fleet_loops as loops
from partway.simulation import fleet_world
from partway.simulation.arrivals import Renewal, poisson
from partway.simulation.compiling import plain
from partway.simulation.distributions import Constant
from partway.simulation.fleet_playing import lay_out, roomier
from partway.simulation.fleets import Fleet, Reading
from partway.simulation.paths import LinkPath
from partway.testing import FakeClock
from partway.wire import Load

laws = settings(max_examples=30, derandomize=True)
seconds, rates = st.floats(0, 1), st.floats(1e4, 1e8)


@laws
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 10)), min_size=1, max_size=20), st.floats(0, 30))
def test_a_device_reads_reports_as_the_client_does(reports: list[tuple[float, float]], later_s: float) -> None:
    one = Fleet(groups=(group(1),), reading=Reading(doubt=0.0))
    rules, world = lay_out(one, 10.0, np.random.default_rng(0))
    clock = FakeClock()
    view = LoadView(clock=clock, generator=np.random.default_rng(0), doubt=0.0)
    for gap_s, delay_s in reports:
        clock.advance(gap_s)
        view.saw(Load(queue_delay_s=delay_s, slowdown=1.0, service_s=0.0, queue_s=0.0))
        loops._hear(rules, world, 0, delay_s, clock(), np.random.default_rng(0))
    clock.advance(later_s)
    device = world.devices[0]
    faded = math.exp(-max(clock() - device["heard_s"], 0.0) / one.reading.fades_in_s)
    assert device["weight"] * faded * device["delay_s"] == pytest.approx(view.queue_delay_s(), rel=1e-9, abs=1e-12)


@laws
@given(rates, rates, seconds, st.floats(0, 5), st.integers(-1, 2))
def test_a_device_decides_as_the_client_does(
    uplink: float, downlink: float, rtt_s: float, delay_s: float, current: int
) -> None:
    link = Link(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=rtt_s)
    one = Fleet(groups=(group(1, path=LinkPath.of(link)),), reading=Reading(doubt=0.0))
    rules, world = lay_out(one, 10.0, np.random.default_rng(0))
    world.devices[0]["heard_s"], world.devices[0]["delay_s"], world.devices[0]["row"] = 3.0, delay_s, current
    conditions = Conditions(
        uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=rtt_s, queue_delay_s=delay_s
    )
    expected = decide(TABLE, conditions, current=None if current < 0 else current, switch_gain=0.01)
    assert loops._choose(rules, world, 0, 3.0) == expected.index


@laws
@given(st.lists(st.floats(1e3, 1e6), min_size=1, max_size=5), st.floats(0, 50), st.floats(0, 1e7))
def test_bytes_are_sent_when_the_trace_says(rates: list[float], start_s: float, size_bytes: float) -> None:
    trace = Trace(starts_s=tuple(2.0 * place for place in range(len(rates))), rates_bytes_per_s=tuple(rates))
    link = LinkTrace(uplink=trace, downlink=Trace.constant(1e6), rtt_s=0.0)
    rules, _ = lay_out(fleet(group(1, path=LinkPath.of(link))), 10.0, np.random.default_rng(0))
    assert loops._sent_s(rules, 0, start_s, size_bytes) == pytest.approx(trace.finish_s(start_s, size_bytes), rel=1e-9)


@laws
@given(st.lists(st.floats(0, 100), max_size=60))
def test_events_come_out_in_the_order_of_time(times_s: list[float]) -> None:
    _, world = lay_out(fleet(group(1, requests=poisson(1.0))), 1.0, np.random.default_rng(0))
    for code, at_s in enumerate(times_s):
        loops._push(world, at_s, code)
    found = []
    for _ in times_s:
        found.append((float(world.events[0]["at_s"]), int(world.events[0]["code"])))
        loops._drop_first(world)
    assert [at_s for at_s, _ in found] == sorted(times_s)
    assert sorted(code for _, code in found) == list(range(len(times_s)))


def test_what_is_compiled_is_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same world, played by the machine code and by Python."""
    names = [name for name, value in vars(loops).items() if hasattr(value, "py_func")]
    mixed = fleet(group(5), group(3, name="cameras", requests=poisson(6.0)), service_variation=0.5, workers=2)
    found = []
    for written in (False, True):
        if written:
            for name in names:
                monkeypatch.setattr(loops, name, plain(getattr(loops, name)))
        chance = np.random.default_rng(3)
        rules, world = lay_out(mixed, 20.0, chance)
        assert loops.advance(rules, world, 20.0, chance) == fleet_world.REACHED
        answers = world.answers[: int(world.counts[fleet_world.ANSWERED])]
        found.append((answers.tolist(), world.bins.tolist(), world.counts.tolist(), float(chance.random())))
    assert found[0] == found[1]
    assert len(found[0][0]) > 100


def test_a_device_that_asks_hears_the_answer_a_whole_round_trip_later() -> None:
    slow = LinkPath.of(Link(uplink_bytes_per_s=1e3, downlink_bytes_per_s=1e6, rtt_s=0.6))
    rules, world = lay_out(fleet(group(1, path=slow)), 20.0, np.random.default_rng(0))
    asks_s = float(world.events[0]["at_s"])
    world.free_s[0] = asks_s + 5.0
    for later_s, heard in ((0.5, False), (0.61, True)):
        loops.advance(rules, world, asks_s + later_s, np.random.default_rng(0))
        device = world.devices[0]
        assert device["asked_s"] == asks_s
        assert (device["heard_s"] > 0) == heard
    assert device["heard_s"] == pytest.approx(asks_s + 0.6)
    assert device["delay_s"] == pytest.approx(5.0 - 0.3)  # as it was when the question arrived


@pytest.mark.parametrize(("wait_s", "away"), [(0.36, False), (0.4, True)])
def test_a_request_that_would_wait_longer_than_finishing_alone_takes_is_turned_away(wait_s: float, away: bool) -> None:
    rules, world = lay_out(fleet(group(1, spread=0.0)), 20.0, np.random.default_rng(0))
    asked_s = float(world.events[0]["at_s"])
    arrives_s = asked_s + 150_000 / LINK.uplink_bytes_per_s + LINK.rtt_s / 2
    world.free_s[0] = arrives_s + wait_s
    loops.advance(rules, world, asked_s + 1.0, np.random.default_rng(0))
    answer, down_s = world.answers[0], 4_000 / LINK.downlink_bytes_per_s
    took_s = ALONE.device_s if away else wait_s + WHOLE.server_s + down_s
    assert answer["latency_s"] == pytest.approx(arrives_s - asked_s + took_s + LINK.rtt_s / 2, rel=1e-6)
    assert answer["row"] == (2 if away else 0)
    assert world.devices[0]["delay_s"] == pytest.approx(wait_s if away else 0.0)
    assert (world.bins["served"].sum() == 0) == away


@laws
@given(
    cost=st.builds(
        CutCost,
        crossing=st.just(("cut",)),
        device_s=seconds,
        up_bytes=st.integers(0, 10**6),
        server_s=seconds,
        down_bytes=st.integers(0, 10**6),
        offloaded=st.just(True),
    ),
    alone_s=st.floats(0, 3),
    link=st.builds(Link, uplink_bytes_per_s=rates, downlink_bytes_per_s=rates, rtt_s=seconds),
    factor=st.floats(0.1, 4),
    expected_s=seconds,
    beyond_s=st.floats(-1, 1),
)
def test_a_request_is_turned_away_where_it_would_wait_longer_than_the_client_bears(
    cost: CutCost, alone_s: float, link: Link, factor: float, expected_s: float, beyond_s: float
) -> None:
    alone = msgspec.structs.replace(ALONE, device_s=alone_s)
    phone = group(1, table=CostTable.of([cost, alone]), path=LinkPath.of(link))
    rules, world = lay_out(fleet(dataclasses.replace(phone, factor=factor)), 20.0, np.random.default_rng(0))
    conditions = Conditions(
        uplink_bytes_per_s=link.uplink_bytes_per_s,
        downlink_bytes_per_s=link.downlink_bytes_per_s,
        rtt_s=link.rtt_s,
        queue_delay_s=expected_s,
        device_factor=factor,
    )
    bearable_s = Outlook.of(cost, alone, conditions, LinkEstimator(link).estimate(0.0)).bearable_queue_s
    assert bearable_s is not None
    wait_s = max(0.0, bearable_s + beyond_s)
    assume(wait_s == 0.0 or abs(wait_s - bearable_s) > 1e-9)  # sums are rounded
    world.free_s[0] = 3.0 + wait_s
    assert loops._turned_away(rules, world, 0, 3.0, np.random.default_rng(0)) == (wait_s > bearable_s)


def test_who_decides_nothing_by_what_it_is_told_is_not_turned_away() -> None:
    for deaf in (group(1, policy="server"), group(1, heeds_load=False)):
        rules, _ = lay_out(fleet(deaf), 20.0, np.random.default_rng(0))
        assert rules.groups[0]["alone"] == -1
    rules, _ = lay_out(Fleet(groups=(group(1),), reading=Reading(turns_away=False)), 20.0, np.random.default_rng(0))
    assert rules.groups[0]["alone"] == -1


@pytest.mark.parametrize(("wait_s", "served_s"), [(0.0, WHOLE.server_s), (9.0, 0.0)], ids=["answered", "turned away"])
def test_a_device_that_does_not_wait_hears_a_report_when_it_is_there_and_not_before(
    wait_s: float, served_s: float
) -> None:
    far = LinkPath.of(Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.3))
    every_second = Renewal(gaps=Constant(mean_s=1.0))
    rules, world = lay_out(fleet(group(1, path=far, requests=every_second, spread=0.0)), 1.9, np.random.default_rng(0))
    world.free_s[0] = 1.15 + wait_s
    there_s = 1.0 + 0.3 + served_s
    for until_s, heard in ((there_s - 0.01, False), (there_s + 0.01, True)):
        loops.advance(rules, world, until_s, np.random.default_rng(0))
        assert (world.devices[0]["heard_s"] > 0) == heard
        assert int(world.counts[fleet_world.ANSWERED]) == heard
    assert world.devices[0]["heard_s"] == pytest.approx(there_s, abs=1e-3)


def test_a_world_without_room_says_so_and_goes_on_with_more() -> None:
    """However little room there is, what is answered is the same."""
    crowd = fleet(group(10, requests=poisson(100.0), policy="server"))
    found = []
    for room in (4, 4096):
        chance = np.random.default_rng(1)
        rules, world = lay_out(crowd, 5.0, chance)
        world.counts[fleet_world.SPARE] = min(room, world.spare.size)
        world = world._replace(events=world.events[: room + 8])
        crowded = 0
        while loops.advance(rules, world, 5.0, chance) == fleet_world.CROWDED:
            world, crowded = roomier(world), crowded + 1
        found.append(world.answers[: int(world.counts[fleet_world.ANSWERED])].tolist())
        assert (crowded > 0) == (room == 4)
    assert found[0] == found[1]


def test_answers_that_cannot_be_noted_are_not_lost() -> None:
    chance = np.random.default_rng(1)
    rules, world = lay_out(fleet(group(5)), 10.0, chance)
    world = world._replace(answers=world.answers[:7])
    noted = 0
    while loops.advance(rules, world, 10.0, chance) == fleet_world.FULL:
        noted += int(world.counts[fleet_world.ANSWERED])
        world.counts[fleet_world.ANSWERED] = 0
    noted += int(world.counts[fleet_world.ANSWERED])
    assert 0 <= int(world.counts[fleet_world.BEGUN]) - noted <= 5
    assert noted > 20


def test_the_cases_are_those_of_the_herd() -> None:
    assert list(TABLE.costs) == [WHOLE, INSIDE, ALONE]
    assert LINK.uplink_bytes_per_s == 2.5e6
