"""Links over time are what links and traces say at every moment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.errors import InputError
from partway.link import NAMED_LINKS, Link, LinkTrace, Trace
from partway.simulation.paths import LinkPath, Series


def test_a_link_stays_as_it_is() -> None:
    assert LinkPath.of(NAMED_LINKS["lte"]).at(1e6) == NAMED_LINKS["lte"]


def test_links_follow_each_other_and_the_last_stays() -> None:
    wifi, lte = NAMED_LINKS["wifi"], NAMED_LINKS["lte"]
    path = LinkPath.changing([(0.0, wifi), (10.0, lte), (20.0, wifi)])
    assert [path.at(at_s) for at_s in (0.0, 9.9, 10.0, 19.9, 20.0, 1e6)] == [wifi, wifi, lte, lte, wifi, wifi]


@settings(max_examples=50, derandomize=True)
@given(st.lists(st.floats(1e3, 1e8), min_size=1, max_size=6), st.floats(0, 100))
def test_a_trace_goes_round_and_round(rates: list[float], at_s: float) -> None:
    trace = Trace(starts_s=tuple(float(place) for place in range(len(rates))), rates_bytes_per_s=tuple(rates))
    link = LinkTrace(uplink=trace, downlink=Trace.constant(1e6), rtt_s=0.02)
    expected = Link(uplink_bytes_per_s=trace.rate_at(at_s), downlink_bytes_per_s=1e6, rtt_s=0.02)
    assert LinkPath.of(link).at(at_s) == expected


def test_what_is_no_series_is_refused() -> None:
    for starts_s, values, period_s in (
        ((), (), 1.0),
        ((0.0, 1.0), (1.0,), 2.0),
        ((1.0,), (1.0,), 2.0),
        ((0.0, 1.0), (1.0, 2.0), 1.0),
        ((0.0, 0.0), (1.0, 2.0), 3.0),
    ):
        with pytest.raises(InputError, match="series"):
            Series(starts_s=starts_s, values=values, period_s=period_s)
