"""Arrivals and services of a few requests, with ties and pauses, for laws that hold for any."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from partway.simulation.distributions import FloatArray


class Some(NamedTuple):
    """A few requests."""

    arrivals_s: FloatArray
    services_s: FloatArray


# Whole numbers beside fractions, so that requests come together and end together.
TIMES = st.one_of(st.integers(0, 5).map(float), st.floats(0, 5, allow_nan=False))
WORKERS = st.integers(1, 6)


@st.composite
def requests(draw: st.DrawFn, most: int = 40) -> Some:
    """Arrivals in order, and as many services."""
    gaps_s = draw(st.lists(TIMES, min_size=1, max_size=most))
    services_s = draw(st.lists(TIMES, min_size=len(gaps_s), max_size=len(gaps_s)))
    return Some(np.cumsum(gaps_s), np.array(services_s))
