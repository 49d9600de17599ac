"""Partway is held against others whose seconds are not its own, and what was not played holds no mark."""

from dataclasses import replace

import pytest
from benchmarks.figure14.__main__ import Skipped, verdicts
from benchmarks.figure14.outcome import Outcome, as_run, sum_up
from benchmarks.figure14.playing import Ask, PartwayAsk
from benchmarks.figure14.reckoning import Overheads, Reckoner
from benchmarks.figure14.scaling import Scale

from partway.client import Result
from partway.link import Link, LinkTrace
from partway.planning import CostTable, CutCost

HEAD_S, TAIL_S, NETWORK_S, ALONE_S = 0.05, 0.01, 0.02, 0.4
LINK = LinkTrace.constant(Link(uplink_bytes_per_s=2e6, downlink_bytes_per_s=2e6, rtt_s=0.01))


def cost(name: str, device_s: float, up_bytes: int, server_s: float) -> CutCost:
    return CutCost(
        crossing=(name,) if name else (),
        device_s=device_s,
        up_bytes=up_bytes,
        server_s=server_s,
        down_bytes=0,
        offloaded=bool(name),
    )


TABLE = CostTable.of([cost("x", 0.0, 600_000, 0.02), cost("a", HEAD_S, 20_000, TAIL_S), cost("", ALONE_S, 0, 0.0)])


def asked(number: int, *, slow: float = 1.0, hedged: bool = False, total_s: float | None = None) -> PartwayAsk:
    took_s = slow * HEAD_S + TAIL_S + NETWORK_S if total_s is None else total_s
    result = Result(
        outputs=(),
        output_names=(),
        crossing=("a",),
        offloaded=not hedged,
        fell_back=hedged,
        hedged=hedged,
        hedge_wait_s=0.1,
        device_s=slow * HEAD_S,
        uplink_s=NETWORK_S,
        server_s=TAIL_S,
        downlink_s=0.0,
        total_s=took_s,
        up_bytes=20_000,
        down_bytes=0,
        expected_s=None,
        reason="",
        codec="raw",
        emulated_slowdown=1.0,
    )
    return PartwayAsk(at_s=float(number), total_s=took_s, result=result)


def outcome(
    partway: list[PartwayAsk], *, trace: str = "lte", model: str = "alexnet", device: float = 1.0, server: float = 1.0
) -> Outcome:
    alone = [Ask(at_s=0.0, total_s=device * ALONE_S)]
    whole = [Ask(at_s=0.0, total_s=0.33, server_s=server * 0.02)]
    reckoner = Reckoner(as_run(TABLE, alone, whole), LINK, Overheads())
    scale = Scale(device=1.0, rate=1.0, third=1.0)
    return sum_up(reckoner, partway, alone, whole, trace=trace, origin="", model=model, scale=scale)


def test_slow_heads_of_partways_own_are_not_handed_to_those_it_is_held_against() -> None:
    quick, slow = (outcome([asked(number, slow=factor) for number in range(20)]) for factor in (1.0, 2.0))
    assert quick.to_knower == pytest.approx(1.0)
    assert slow.to_knower == pytest.approx((2 * HEAD_S + TAIL_S + NETWORK_S) / (HEAD_S + TAIL_S + NETWORK_S))
    assert slow.choices_to_knower == pytest.approx(1.0)
    assert slow.reckoned_to_measured["partway"] < 0.7


def test_heads_are_corrected_by_device_only_and_tails_by_server_only() -> None:
    costs = as_run(TABLE, [Ask(at_s=0.0, total_s=2 * ALONE_S)], [Ask(at_s=0.0, total_s=1.0, server_s=0.06)]).costs
    assert [it.device_s for it in costs] == pytest.approx([0.0, 2 * HEAD_S, 2 * ALONE_S])
    assert [it.server_s for it in costs] == pytest.approx([0.06, 3 * TAIL_S, 0.0])


def test_a_choice_is_not_judged_by_the_time_that_the_device_rescued() -> None:
    rescued = outcome([asked(number, hedged=True, total_s=0.5) for number in range(20)])
    assert rescued.choices_to_knower == pytest.approx(1.0)
    assert rescued.to_knower > 5.0
    assert (rescued.hedged, rescued.fell_back) == (1.0, 20)


def test_a_pair_that_was_not_played_is_a_mark_that_is_missed() -> None:
    played = [
        replace(outcome([asked(number) for number in range(4)], trace=trace, model=model), third=0.2)
        for trace in ("3g", "lte", "wifi")
        for model in ("alexnet", "convnext-0")
    ]
    assert all(held for _, _, held in verdicts(played, []))
    skipped = Skipped(trace="wifi", model="convnext-0", reason="nothing to adapt to")
    what, found, held = verdicts(played[:-1], [skipped])[-1]
    assert what == "3 traces and 2 models played"
    assert "nothing to adapt to" in found
    assert not held
    assert not all(held for _, _, held in verdicts(played[:1], []))
