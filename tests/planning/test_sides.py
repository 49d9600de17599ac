from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import chain_model

from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Cut, Source, candidate_cuts, canonicalise
from partway.planning.costs import Conditions, CutCost, How, spread_s
from partway.planning.sides import PieceCost, Side, costs_of_sides
from partway.profiling.power import ConstantPower

POWER = ConstantPower(name="it", idle_w=1.0, active_w=5.0, source="a test")


@pytest.fixture
def cuts(tmp_path: Path) -> tuple[Cut, ...]:
    """Server-only, one in the middle, device-only."""
    source = Source.open(chain_model(tmp_path))
    first, *middle, last = candidate_cuts(canonicalise(source, source.bind(), OrtRuntime()))
    return (first, middle[0], last)


def side(*hows: How, energy_j: float | None = None, spread: float | None = None) -> Side:
    pieces = tuple(
        PieceCost(seconds=float(row), how=how, spread=spread, energy_j=energy_j) for row, how in enumerate(hows)
    )
    return Side(heads=pieces, tails=pieces)


def test_a_cut_is_as_far_from_measured_as_the_piece_that_is_furthest(cuts: tuple[Cut, ...]) -> None:
    device = side("measured", "predicted", "measured")
    server = side("predicted", "interpolated", "predicted")
    costs = costs_of_sides(cuts, device=device, server=server)
    assert [cost.how for cost in costs] == ["predicted", "interpolated", "measured"]


def test_joules_of_a_meter_go_before_constants_and_both_say_what_they_are(cuts: tuple[Cut, ...]) -> None:
    plain = side("predicted", "predicted", "predicted")
    metered = side("predicted", "predicted", "predicted", energy_j=0.25)
    unknown = costs_of_sides(cuts, device=plain, server=plain)
    constant = costs_of_sides(cuts, device=plain, server=metered, power=POWER)
    read = costs_of_sides(cuts, device=metered, server=plain, power=POWER)
    assert {(cost.device_j, cost.device_j_how) for cost in unknown} == {(None, None)}
    assert [(cost.device_j, cost.device_j_how) for cost in constant] == [(5.0 * row, "constant") for row in range(3)]
    assert {(cost.device_j, cost.device_j_how) for cost in read} == {(0.25, "metered")}


def test_joules_that_do_not_say_where_they_come_from_are_refused() -> None:
    for joules, how in ((1.0, None), (None, "metered")):
        with pytest.raises(InputError, match="joules must say where they come from"):
            CutCost(
                crossing=(),
                device_s=1.0,
                up_bytes=0,
                server_s=0.0,
                down_bytes=0,
                offloaded=False,
                device_j=joules,
                device_j_how=how,  # type: ignore[arg-type]  # mypy sees any string
            )


def test_a_slower_machine_takes_longer_and_more_joules_in_proportion() -> None:
    slow = side("predicted", "predicted", energy_j=0.5, spread=0.1).slowed(8.0)
    assert slow.heads[1] == PieceCost(seconds=8.0, how="predicted", spread=0.1, energy_j=4.0)
    with pytest.raises(InputError, match="a factor of 1 or more"):
        slow.slowed(0.5)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_the_pieces_of_a_latency_err_each_for_itself(
    device_s: float, server_s: float, device_spread: float, server_spread: float
) -> None:
    cost = CutCost(
        crossing=("x",),
        device_s=device_s,
        up_bytes=1,
        server_s=server_s,
        down_bytes=1,
        offloaded=True,
        device_spread=device_spread,
        server_spread=server_spread,
    )
    conditions = Conditions(
        uplink_bytes_per_s=1.0, downlink_bytes_per_s=1.0, rtt_s=0.0, slowdown=2.0, device_factor=3.0
    )
    spread = spread_s(cost, conditions)
    assert spread is not None
    assert spread**2 == pytest.approx((3 * device_s * device_spread) ** 2 + (2 * server_s * server_spread) ** 2)


def test_nothing_is_said_of_the_spread_of_times_that_have_none() -> None:
    cost = CutCost(crossing=(), device_s=1.0, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    assert spread_s(cost, Conditions(uplink_bytes_per_s=1.0, downlink_bytes_per_s=1.0, rtt_s=0.0)) is None
