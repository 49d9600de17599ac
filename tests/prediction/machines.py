"""Analytic machines for tests: a plain one, and any."""

from hypothesis import settings
from hypothesis import strategies as st

from partway.prediction.analytic import AnalyticMachine, Parameter, Share, Shares, Work

LAW = settings(max_examples=60, derandomize=True)


def parameter(value: float) -> Parameter:
    """A number that a test assumes."""
    return Parameter(value=value, source="assumed", why="a test")


def machine(
    *,
    flop_per_s: float = 1e10,
    bytes_per_s: float = 1e9,
    efficiency: float = 0.5,
    overhead_s: float = 1e-4,
    arithmetic: float = 0.5,
    bandwidth: float = 0.8,
) -> AnalyticMachine:
    """A machine with the same shares for every kind of layer."""
    share = Share(arithmetic=arithmetic, bandwidth=bandwidth, source="assumed", why="a test")
    return AnalyticMachine(
        name="board",
        description="a test's",
        peak_flop_per_s=parameter(flop_per_s),
        peak_bytes_per_s=parameter(bytes_per_s),
        shares=Shares(conv=share, local=share, fc=share, other=share),
        efficiency=parameter(efficiency),
        overhead_s=parameter(overhead_s),
        active_w=parameter(6.0),
        idle_w=parameter(2.0),
    )


_shares = st.floats(0.01, 1.0)
machines = st.builds(
    machine,
    flop_per_s=st.floats(1e6, 1e13),
    bytes_per_s=st.floats(1e6, 1e12),
    efficiency=_shares,
    overhead_s=st.floats(0.0, 1e-3),
    arithmetic=_shares,
    bandwidth=_shares,
)
"""Any."""

works = st.builds(
    Work,
    kind=st.sampled_from(("conv", "local", "fc", "other", "view")),
    macs=st.integers(0, 10**10),
    read_bytes=st.integers(1, 10**9),
    written_bytes=st.integers(1, 10**9),
    weight_bytes=st.integers(0, 10**9),
)
"""Layers of any kind that move something."""
