"""Random costs and conditions for the laws of planning."""

import math

import msgspec
from hypothesis import strategies as st

from partway.planning.costs import Conditions, CutCost
from partway.planning.energy import PowerDraw
from partway.planning.frontier import Region

# No time between 0 and a nanosecond: there rounding to subnormal numbers, not the laws, would be tested.
seconds = st.just(0.0) | st.floats(1e-9, 10)
sizes = st.integers(0, 10**8)
watts = st.just(0.0) | st.floats(1e-9, 100)
joules = st.just(0.0) | st.floats(1e-9, 100)


@st.composite
def offloaded_costs(draw: st.DrawFn) -> CutCost:
    """Any cut but the device-only one."""
    device_j = draw(st.none() | st.floats(0, 100))
    return CutCost(
        crossing=tuple(draw(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4, unique=True))),
        device_s=draw(seconds),
        up_bytes=draw(sizes),
        server_s=draw(seconds),
        down_bytes=draw(sizes),
        offloaded=True,
        device_j=device_j,
        device_j_how=None if device_j is None else draw(st.sampled_from(["metered", "constant"])),
        how=draw(st.sampled_from(["measured", "interpolated", "predicted"])),
        device_spread=draw(st.none() | st.floats(0, 1)),
        server_spread=draw(st.none() | st.floats(0, 1)),
        codec=draw(st.sampled_from(["raw", "zstd"])),
        device_bytes=draw(st.none() | sizes),
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
        slowdown=draw(st.floats(0.01, 1000)),
        device_factor=draw(st.floats(0.01, 1000)),
    )


@st.composite
def conditions_inside(draw: st.DrawFn, region: Region) -> Conditions:
    """Conditions that the region covers, spread evenly over each logarithm."""

    def between(ends: tuple[float, float]) -> float:
        share = draw(st.floats(0, 1))
        value = math.exp((1 - share) * math.log(ends[0]) + share * math.log(ends[1]))
        return min(max(value, ends[0]), ends[1])

    uplink = between(region.uplink_bytes_per_s)
    wait_s = between(region.wait_s)
    rtt_s = wait_s * draw(st.floats(0, 1))
    return Conditions(
        uplink_bytes_per_s=uplink,
        downlink_bytes_per_s=uplink * between(region.downlink_per_uplink),
        rtt_s=rtt_s,
        queue_delay_s=wait_s - rtt_s,
        slowdown=between(region.slowdown),
        device_factor=between(region.device_factor),
    )
