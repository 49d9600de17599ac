"""Random costs and conditions for the laws of planning."""

import math

from hypothesis import strategies as st

from partway.planning.costs import Conditions, CutCost
from partway.planning.frontier import Region

# No time between 0 and a nanosecond: there rounding to subnormal numbers, not the laws, would be tested.
seconds = st.just(0.0) | st.floats(1e-9, 10)
sizes = st.integers(0, 10**8)


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
    )


def device_only(device_s: float) -> CutCost:
    """The cut that sends nothing."""
    return CutCost(crossing=(), device_s=device_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)


cut_costs = offloaded_costs() | seconds.map(device_only)
cost_sets = st.lists(cut_costs, min_size=1, max_size=12)

rates = st.floats(1e3, 1e10)


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
