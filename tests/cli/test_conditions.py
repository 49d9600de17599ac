from pathlib import Path

import pytest

from partway.cli.conditions import Situation
from partway.planning import Constraints, CutCost, Goal, PlanDocument, make_plan
from partway.planning.objective import LATENCY

ALONE = CutCost(crossing=(), device_s=1.0, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
SENT = CutCost(crossing=("x",), device_s=0.0, up_bytes=1000, server_s=0.0, down_bytes=0, offloaded=True)


def plan_of(*costs: CutCost, goal: Goal = LATENCY) -> PlanDocument:
    return make_plan(
        model="sha256:0", binding="{}", costs=costs, device="d", server="s", created_from="a test", goal=goal
    )


def situation(text: str) -> Situation:
    return Situation.of(text, queue_delay_s=0.25, slowdown=2.0)


def test_a_steady_link_gives_its_own_conditions_and_no_shares() -> None:
    steady = situation("up=8kbit/s,down=16kbit/s,rtt=100ms")
    conditions = steady.mean()
    assert (conditions.uplink_bytes_per_s, conditions.downlink_bytes_per_s) == (1000, 2000)
    assert (conditions.rtt_s, conditions.queue_delay_s, conditions.slowdown) == (0.1, 0.25, 2.0)
    assert steady.shares(plan_of(ALONE, SENT), None, None) == {}
    assert not steady.varies


def test_a_trace_gives_its_time_average_and_the_time_of_every_best_cut(tmp_path: Path) -> None:
    trace = tmp_path / "drive.csv"
    trace.write_text("t_s,mbps\n0,0.05\n1,8\n3,0.08\n")  # the last row lasts 2 s, as the one before it
    varying = situation(f"up={trace},down=8Mbit/s")
    assert varying.varies
    assert varying.mean().uplink_bytes_per_s == pytest.approx((6250 + 2 * 1e6 + 2 * 1e4) / 5)
    assert varying.mean().downlink_bytes_per_s == pytest.approx(1e6)
    slow = CutCost(crossing=(), device_s=0.3, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    # 1000 bytes: 0.16 s, 0.001 s, 0.1 s on the link, and 0.25 s in the queue, against 0.3 s alone.
    assert varying.shares(plan_of(slow, SENT), None, None) == pytest.approx({0: 3 / 5, 1: 2 / 5})


def test_time_in_which_no_cut_meets_the_deadline_is_nobody_s(tmp_path: Path) -> None:
    trace = tmp_path / "drive.csv"
    trace.write_text("t_s,mbps\n0,0.05\n1,8\n3,0.08\n")
    strict = plan_of(ALONE, SENT, goal=Goal(constraints=Constraints(deadline_s=0.3)))
    assert situation(f"up={trace},down=8Mbit/s").shares(strict, None, None) == pytest.approx({1: 2 / 5})


def test_two_ways_with_traces_of_their_own_are_stepped_through_together(tmp_path: Path) -> None:
    up, down = tmp_path / "up.csv", tmp_path / "down.csv"
    up.write_text("t_s,mbps\n0,8\n1,16\n")  # lasts 2 s, so it comes twice
    down.write_text("t_s,mbps\n0,8\n3,16\n")
    conditions = situation(f"up={up},down={down}").mean()
    assert conditions.uplink_bytes_per_s == pytest.approx(1.5e6)
    assert conditions.downlink_bytes_per_s == pytest.approx(1.5e6)
