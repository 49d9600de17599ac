"""Random costs and conditions for the laws of planning."""

import math
from typing import Literal

import msgspec
from hypothesis import strategies as st

from partway.planning.costs import Conditions, CutCost, How
from partway.planning.energy import PowerDraw
from partway.planning.frontier import Region

# No time between 0 and a nanosecond: there rounding to subnormal numbers, not the laws, would be tested.
seconds = st.just(0.0) | st.floats(1e-9, 10)
sizes = st.integers(0, 10**8)
watts = st.just(0.0) | st.floats(1e-9, 100)
joules = st.just(0.0) | st.floats(1e-9, 100)
shares = st.floats(0, 1)

# Strategies are made once: each that is made within a draw is checked anew, which takes longer than to draw from it.
_names = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4, unique=True).map(tuple)
_joules_and_how: st.SearchStrategy[tuple[float | None, Literal["metered", "constant"] | None]] = st.just(
    (None, None)
) | st.tuples(st.floats(0, 100), st.sampled_from(["metered", "constant"]))
_spreads = st.none() | shares
_factors = st.floats(0.01, 1000)
_hows: st.SearchStrategy[How] = st.sampled_from(["measured", "interpolated", "predicted"])
_codecs = st.sampled_from(["raw", "zstd"])
_some_sizes = st.none() | sizes


@st.composite
def offloaded_costs(draw: st.DrawFn) -> CutCost:
    """Any cut but the device-only one."""
    device_j, device_j_how = draw(_joules_and_how)
    return CutCost(
        crossing=draw(_names),
        device_s=draw(seconds),
        up_bytes=draw(sizes),
        server_s=draw(seconds),
        down_bytes=draw(sizes),
        offloaded=True,
        device_j=device_j,
        device_j_how=device_j_how,
        how=draw(_hows),
        device_spread=draw(_spreads),
        server_spread=draw(_spreads),
        codec=draw(_codecs),
        device_bytes=draw(_some_sizes),
    )


def device_only(device_s: float) -> CutCost:
    """The cut that sends nothing."""
    return CutCost(crossing=(), device_s=device_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)


def office(*, device_w: float | None = 5.0) -> list[CutCost]:
    """Server-only, a cut in the middle and device-only: the best on a fast, a middling and a slow link."""

    def cost(crossing: str, device_s: float, up_bytes: int, server_s: float, device_bytes: int) -> CutCost:
        return CutCost(
            crossing=(crossing,) if crossing else (),
            device_s=device_s,
            up_bytes=up_bytes,
            server_s=server_s,
            down_bytes=0,
            offloaded=bool(crossing),
            device_j=None if device_w is None else device_w * device_s,
            device_j_how=None if device_w is None else "constant",
            device_bytes=device_bytes,
        )

    return [
        cost("image", 0.0, 600_000, 0.03, 0),
        cost("pool5", 0.1, 40_000, 0.01, 2_000_000),
        cost("", 0.165, 0, 0.0, 9_000_000),
    ]


def with_joules(costs: st.SearchStrategy[CutCost]) -> st.SearchStrategy[CutCost]:
    """The same cuts, with the joules of their heads."""
    return st.tuples(costs, joules).map(
        lambda pair: msgspec.structs.replace(pair[0], device_j=pair[1], device_j_how="metered")
    )


def lossy(costs: st.SearchStrategy[CutCost]) -> st.SearchStrategy[CutCost]:
    """The same cuts, some of them under a codec that loses something."""
    errors = st.sampled_from([0.0, 0.001, 0.01, 0.05])
    return st.tuples(costs, errors).map(
        lambda pair: msgspec.structs.replace(pair[0], error=pair[1]) if pair[0].offloaded else pair[0]
    )


cut_costs = offloaded_costs() | seconds.map(device_only)
cost_sets = st.lists(cut_costs, min_size=1, max_size=12)

rates = st.floats(1e3, 1e10)
power_draws = st.builds(PowerDraw, tx_w=watts, rx_w=watts, idle_w=watts, tail_j=joules)
metered_sets = st.lists(with_joules(cut_costs), min_size=1, max_size=12)


@st.composite
def any_conditions(draw: st.DrawFn) -> Conditions:
    """Any conditions that are allowed, far beyond the useful."""
    return Conditions(
        uplink_bytes_per_s=draw(rates),
        downlink_bytes_per_s=draw(rates),
        rtt_s=draw(seconds),
        queue_delay_s=draw(seconds),
        slowdown=draw(_factors),
        device_factor=draw(_factors),
    )


@st.composite
def conditions_inside(draw: st.DrawFn, region: Region) -> Conditions:
    """Conditions that the region covers, spread evenly over each logarithm."""

    def between(ends: tuple[float, float]) -> float:
        share = draw(shares)
        value = math.exp((1 - share) * math.log(ends[0]) + share * math.log(ends[1]))
        return min(max(value, ends[0]), ends[1])

    uplink = between(region.uplink_bytes_per_s)
    wait_s = between(region.wait_s)
    rtt_s = wait_s * draw(shares)
    return Conditions(
        uplink_bytes_per_s=uplink,
        downlink_bytes_per_s=uplink * between(region.downlink_per_uplink),
        rtt_s=rtt_s,
        queue_delay_s=wait_s - rtt_s,
        slowdown=between(region.slowdown),
        device_factor=between(region.device_factor),
    )
