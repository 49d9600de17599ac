"""Laws of fleets: nothing is lost, workers do what arrives, devices make room, and a seed says the same again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.fleet_cases import INSIDE, WHOLE, fleet, group

from partway.errors import InputError
from partway.link import Link
from partway.planning import CostTable
from partway.simulation.arrivals import poisson
from partway.simulation.fleet_playing import Happened, play_fleet
from partway.simulation.fleet_runs import FleetTask, measure
from partway.simulation.fleets import Fleet, Pause
from partway.simulation.paths import LinkPath
from partway.simulation.replications import Precision, replicate
from partway.simulation.theory import wait_mmk_s

FAST = LinkPath.of(Link(uplink_bytes_per_s=1e12, downlink_bytes_per_s=1e12, rtt_s=0.0))


def played(one: Fleet, duration_s: float = 30.0, seed: int = 0) -> Happened:
    return play_fleet(one, duration_s, np.random.SeedSequence(seed))


@settings(max_examples=25, derandomize=True)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.5, 50.0), st.integers(1, 3), st.integers(0, 1000))
def test_requests_are_answered_or_in_flight_and_workers_do_what_arrives(
    pausing: int, asking: int, rate_per_s: float, workers: int, seed: int
) -> None:
    mixed = fleet(group(pausing), group(asking, name="cameras", requests=poisson(rate_per_s)), workers=workers)
    happened = played(mixed, 10.0, seed)
    assert happened.begun == happened.row.size + happened.in_flight
    assert happened.in_flight >= 0
    service_s = np.array([WHOLE.server_s, INSIDE.server_s, 0.0] * 2)[happened.row]
    offloaded = int((service_s > 0).sum())
    assert offloaded <= happened.served.sum() <= offloaded + happened.in_flight
    assert service_s.sum() - 1e-6 <= happened.busy_s.sum() <= service_s.sum() + 0.02 * happened.in_flight + 1e-6
    assert (happened.waited_s >= 0).all()
    assert (happened.latency_s > 0).all()


def test_the_same_seed_says_the_same_and_another_does_not() -> None:
    first, again, other = (played(fleet(), seed=seed) for seed in (1, 1, 2))
    assert first.latency_s.tolist() == again.latency_s.tolist()
    assert first.row.tolist() == again.row.tolist()
    assert other.latency_s.tolist() != first.latency_s.tolist()


def test_an_idle_server_answers_in_the_time_that_the_parts_add_up_to() -> None:
    alone = fleet(group(1, spread=0.0))
    happened = played(alone)
    assert happened.latency_s == pytest.approx(alone.groups[0].usual_s(), rel=1e-5)
    assert set(happened.row.tolist()) == {0}


def test_a_stream_to_the_server_is_a_queue_whose_answer_is_known() -> None:
    """Poisson arrivals, exponential service, several workers, a link that costs nothing: Erlang's."""
    stream = fleet(
        group(
            1000, table=CostTable.of([WHOLE]), path=FAST, requests=poisson(0.8 * 4 / WHOLE.server_s), policy="server"
        ),
        workers=4,
        service_variation=1.0,
    )
    found = replicate(
        FleetTask(fleet=stream, duration_s=400.0),
        seed=3,
        precision=Precision(mean=1.0, p95=1.0, confidence=0.999),
    )
    assert found.of(lambda run: run.mean_wait_s).covers(wait_mmk_s(WHOLE.server_s, 4, 0.8))
    assert found.mean_s.covers(wait_mmk_s(WHOLE.server_s, 4, 0.8) + WHOLE.server_s)
    assert found.of(lambda run: run.utilisation).covers(0.8)


def test_devices_that_decide_make_room_where_others_queue() -> None:
    """At twice what the server can do, who decides stays near the device's own time; who does not, waits."""
    adaptive, stubborn, alone = (
        FleetTask(fleet=fleet(group(120, policy=policy)), duration_s=60.0)(np.random.SeedSequence(0))
        for policy in ("adaptive", "server", "device")
    )
    assert stubborn.offloaded == 1.0
    assert alone.offloaded == 0.0
    assert 0.1 < adaptive.offloaded < 0.9
    assert alone.mean_s == pytest.approx(0.4, rel=0.02)
    assert stubborn.mean_s > 3 * alone.mean_s
    assert adaptive.mean_s < 1.2 * alone.mean_s
    assert adaptive.throughput_per_s > stubborn.throughput_per_s
    assert stubborn.utilisation == pytest.approx(1.0, abs=0.02)


def test_devices_that_do_not_heed_the_load_all_go_to_the_server() -> None:
    run = FleetTask(fleet=fleet(group(120, heeds_load=False)), duration_s=30.0)(np.random.SeedSequence(0))
    assert run.offloaded == 1.0


def test_devices_come_back_when_others_leave() -> None:
    """Who computes alone asks now and then, and so finds out."""
    crowd = group(60, name="crowd", requests=poisson(45.0), policy="server")
    happened = played(fleet(group(10), crowd), 60.0)
    mine = happened.row < 3
    assert 0.0 < (happened.row[mine] < 2).mean() < 1.0


def test_little_s_law_holds_in_a_closed_fleet() -> None:
    """Devices are answers a second times the time of a round: Little's law for all of them."""
    devices, pause_s = 200, 2.0
    run = FleetTask(fleet=fleet(group(devices, requests=Pause(mean_s=pause_s))), duration_s=200.0)(
        np.random.SeedSequence(1)
    )
    assert run.throughput_per_s * (run.mean_s + pause_s) == pytest.approx(devices, rel=0.02)


def test_a_slower_uplink_takes_devices_off_the_server() -> None:
    slow = LinkPath.of(Link(uplink_bytes_per_s=2e5, downlink_bytes_per_s=1e6, rtt_s=0.05))
    run = FleetTask(fleet=fleet(group(5, path=slow)), duration_s=30.0)(np.random.SeedSequence(0))
    assert run.groups[0].cuts[0] < 0.05
    assert run.groups[0].cuts[2] > 0.9


def test_groups_add_up_to_the_whole() -> None:
    mixed = fleet(group(30), group(20, name="cameras", policy="device"))
    run = FleetTask(fleet=mixed, duration_s=30.0)(np.random.SeedSequence(0))
    jobs = sum(one.jobs for one in run.groups)
    assert sum(one.jobs * one.mean_s for one in run.groups) / jobs == pytest.approx(run.mean_s)
    assert sum(one.jobs * one.offloaded for one in run.groups) / jobs == pytest.approx(run.offloaded)
    assert [sum(one.cuts) for one in run.groups] == pytest.approx([1.0, 1.0])
    assert run.groups[1].offloaded == 0.0


def test_a_window_without_answers_is_no_error() -> None:
    happened = played(fleet(group(1, requests=Pause(mean_s=1e6))), 1.0)
    run = measure(happened, 0.0)
    assert (run.jobs, run.throughput_per_s, run.mean_wait_s) == (0, 0.0, 0.0)
    assert all(math.isnan(value) for value in (run.mean_s, run.p50_s, run.p95_s, run.p99_s, run.offloaded))
    (phones,) = run.groups
    assert all(math.isnan(value) for value in (phones.mean_s, phones.p95_s, phones.offloaded))


def test_a_time_that_cannot_be_played_is_refused() -> None:
    with pytest.raises(InputError, match="finite and above 0"):
        played(fleet(), 0.0)


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    play_fleet(fleet(group(3)), 5.0, np.random.SeedSequence(0), progress=lambda done, total: told.append((done, total)))
    assert told == [(step, 100) for step in range(1, 101)]
