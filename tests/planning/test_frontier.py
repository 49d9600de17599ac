import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import (
    conditions_inside,
    cost_sets,
    cut_costs,
    device_only,
    metered_sets,
    watts,
    with_joules,
)

from partway.errors import InputError
from partway.link.radio import NAMED_RADIOS
from partway.planning.costs import Conditions, CostTable, CutCost, latency_s
from partway.planning.energy import PowerDraw, energy_j
from partway.planning.frontier import Draws, Region, frontier

REGION = Region()
ONE_RATE = Region(
    uplink_bytes_per_s=(1e4, 1e8),
    downlink_per_uplink=(1.0, 1.0),
    wait_s=(0.01, 0.01),
    slowdown=(1.0, 1.0),
    device_factor=(1.0, 1.0),
)


def cut(device_s: float, up_bytes: int, server_s: float = 0.0) -> CutCost:
    return CutCost(
        crossing=("t",), device_s=device_s, up_bytes=up_bytes, server_s=server_s, down_bytes=0, offloaded=True
    )


@given(cost_sets, conditions_inside(REGION), st.sampled_from([0.0, 0.001, 0.05]))
def test_the_best_kept_cut_is_as_good_as_the_best_of_all_everywhere_in_the_region(
    costs: list[CutCost], conditions: Conditions, tolerance: float
) -> None:
    seconds = latency_s(CostTable.of(costs), conditions)
    kept = frontier(costs, REGION, tolerance)
    assert seconds[list(kept)].min() <= seconds.min() * (1 + tolerance + 1e-8) + 1e-29


def draws_of(radio: str, device_idle_w: float) -> Draws:
    return lambda conditions: PowerDraw.of(NAMED_RADIOS[radio], conditions, device_idle_w=device_idle_w, tail=True)


@given(
    metered_sets,
    conditions_inside(REGION),
    st.sampled_from(sorted(NAMED_RADIOS)),
    watts,
    st.floats(-6, 6),
    st.sampled_from([0.0, 0.001, 0.05]),
)
def test_with_joules_it_is_as_good_for_latency_energy_and_every_balance_of_both(
    costs: list[CutCost], conditions: Conditions, radio: str, idle_w: float, exponent: float, tolerance: float
) -> None:
    draws = draws_of(radio, idle_w)
    table = CostTable.of(costs)
    seconds, joules = latency_s(table, conditions), energy_j(table, conditions, draws(conditions))
    kept = list(frontier(costs, REGION, tolerance, draws=draws))
    for values in (seconds, joules, seconds + 10.0**exponent * joules):
        assert values[kept].min() <= values.min() * (1 + tolerance + 1e-8) + 1e-22


@given(st.lists(cut_costs | with_joules(cut_costs), min_size=1, max_size=12), conditions_inside(REGION))
def test_cuts_of_unknown_joules_are_judged_by_latency_and_push_none_of_known_joules_out(
    costs: list[CutCost], conditions: Conditions
) -> None:
    draws = draws_of("lte", 1.0)
    table = CostTable.of(costs)
    seconds, joules = latency_s(table, conditions), energy_j(table, conditions, draws(conditions))
    kept = list(frontier(costs, REGION, draws=draws))
    assert seconds[kept].min() <= seconds.min() * 1.00101 + 1e-29
    known = ~np.isnan(joules)
    if known.any():
        for values in (joules, seconds + joules):
            assert np.nanmin(values[kept]) <= np.nanmin(values) * 1.00101 + 1e-22


def test_a_cut_that_only_saves_energy_is_kept_only_where_joules_count() -> None:
    def metered(cost: CutCost, device_j: float) -> CutCost:
        return msgspec.structs.replace(cost, device_j=device_j, device_j_how="metered")

    costs = [metered(cut(0.0, 600_000), 0.0), metered(cut(0.1, 40_000), 2.0), metered(cut(0.11, 41_000), 0.1)]
    assert frontier(costs) == (0, 1)
    assert frontier(costs, draws=draws_of("wifi", 1.0)) == (0, 1, 2)


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=15, unique=True))
def test_cuts_that_differ_in_two_numbers_leave_exactly_the_lower_hull(points: list[tuple[int, int]]) -> None:
    costs = [cut(device_s=x / 10, up_bytes=y * 10_000) for x, y in points]
    kept = frontier(costs, ONE_RATE, 0.0)
    at_ends = {min(range(len(points)), key=lambda row: points[row][0])}  # server-only is kept in any case
    assert _winners(points, margin=1e-7) <= set(kept) <= _winners(points, margin=-1e-7) | at_ends


def _winners(points: list[tuple[int, int]], margin: float) -> set[int]:
    """Rows that are best over a range of rates wider than `margin`, by the rates at which each pair ties.

    With a negative margin also those that only tie with the best at one rate.
    """
    low, high = (1e4 / rate for rate in reversed(ONE_RATE.uplink_bytes_per_s))
    result = set()
    for row, (x, y) in enumerate(points):
        # Row wins at price p where (x / 10 + wait) + p * y is least: an interval of prices.
        start, stop, beaten = low, high, False
        for other, (a, b) in enumerate(points):
            if other == row:
                continue
            if b == y:
                beaten |= a < x
            elif b < y:
                stop = min(stop, (a - x) / 10 / (y - b))
            else:
                start = max(start, (x - a) / 10 / (b - y))
        if not beaten and start < stop * (1 - margin):
            result.add(row)
    return result


@given(cost_sets)
def test_device_only_and_server_only_are_always_kept(costs: list[CutCost]) -> None:
    kept = frontier(costs)
    alone = [row for row, cost in enumerate(costs) if not cost.offloaded]
    assert set(alone[:1]) <= set(kept)
    heads_s = [cost.device_s for cost in costs if cost.offloaded]
    kept_heads_s = [costs[row].device_s for row in kept if costs[row].offloaded]
    assert min(heads_s, default=0.0) == min(kept_heads_s, default=0.0)


@given(cost_sets)
def test_the_rows_are_ascending_and_unique(costs: list[CutCost]) -> None:
    kept = frontier(costs)
    assert list(kept) == sorted(set(kept))
    assert set(kept) <= set(range(len(costs)))


@given(cost_sets)
def test_keeping_only_the_frontier_keeps_the_frontier_as_good(costs: list[CutCost]) -> None:
    kept = frontier(costs, tolerance=0.0)
    again = frontier([costs[row] for row in kept], tolerance=0.0)
    for conditions in REGION.corners():
        seconds = latency_s(CostTable.of(costs), conditions)
        assert seconds[[kept[row] for row in again]].min() <= seconds.min() * (1 + 1e-8) + 1e-29


def test_a_cut_beaten_everywhere_is_dropped() -> None:
    costs = [cut(0.0, 600_000, 0.03), cut(0.1, 500_000, 0.02), cut(0.09, 40_000, 0.01), device_only(0.2)]
    assert frontier(costs) == (0, 2, 3)


def test_of_equal_cuts_the_first_is_kept() -> None:
    costs = [cut(0.0, 600_000, 0.03), cut(0.1, 40_000, 0.01), cut(0.1, 40_000, 0.01), device_only(0.5)]
    assert frontier(costs) == (0, 1, 3)


def test_a_cut_that_wins_only_outside_the_region_is_dropped() -> None:
    costs = [cut(0.0, 10_000), cut(0.5, 5_000), device_only(1.2)]
    assert frontier(costs) == (0, 1, 2)
    fast = Region(uplink_bytes_per_s=(1e6, 1e8))
    assert frontier(costs, fast) == (0, 2)


def test_costs_too_small_to_compare_do_no_harm() -> None:
    assert frontier([device_only(0.0), device_only(5e-324), cut(0.0, 0)]) == (0, 2)


def test_a_region_says_which_conditions_it_covers() -> None:
    assert REGION.covers(Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=2e6, rtt_s=0.05))
    assert not REGION.covers(Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=2e8, rtt_s=0.05))
    assert not REGION.covers(Conditions(uplink_bytes_per_s=math.inf, downlink_bytes_per_s=math.inf, rtt_s=0.05))


def test_an_empty_region_a_negative_tolerance_and_no_costs_are_refused() -> None:
    with pytest.raises(InputError, match="wait_s of the region"):
        Region(wait_s=(1.0, 0.5))
    with pytest.raises(InputError, match="tolerance"):
        frontier([device_only(1.0)], tolerance=-0.1)
    with pytest.raises(InputError, match="at least one"):
        frontier([])
