from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import LinkError
from partway.link import NAMED_LINKS, Link, LinkTrace, Trace, format_link, parse_link

rates = st.floats(1.0, 1e12)


@given(rates, rates, st.floats(0.0, 1e4))
def test_a_formatted_link_is_read_as_itself(uplink: float, downlink: float, rtt_s: float) -> None:
    link = Link(uplink_bytes_per_s=uplink, downlink_bytes_per_s=downlink, rtt_s=rtt_s)
    read = parse_link(format_link(link))
    assert isinstance(read, Link)
    assert read.uplink_bytes_per_s == pytest.approx(uplink, rel=1e-9)
    assert read.downlink_bytes_per_s == pytest.approx(downlink, rel=1e-9)
    assert read.rtt_s == pytest.approx(rtt_s, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(NAMED_LINKS))
def test_a_name_is_its_link_in_any_case(name: str) -> None:
    assert parse_link(name) == parse_link(f" {name.upper()} ") == NAMED_LINKS[name]


def test_the_way_back_is_as_the_way_there_and_takes_no_time_unless_said() -> None:
    assert parse_link("up=8Mbit/s") == Link(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.0)
    assert parse_link(" rtt = 50 ms , up = 8 Mbit/s,down=2MB/s ") == Link(
        uplink_bytes_per_s=1e6, downlink_bytes_per_s=2e6, rtt_s=0.05
    )


def test_a_trace_may_be_the_whole_link_or_one_way_of_it(tmp_path: Path) -> None:
    path = tmp_path / "bus.csv"
    path.write_text("t_s,mbps\n0,8\n1,4\n")
    trace = Trace(starts_s=(0.0, 1.0), rates_bytes_per_s=(1e6, 5e5))
    assert parse_link(str(path)) == LinkTrace(uplink=trace, downlink=trace, rtt_s=0.0)
    assert parse_link(f"up={path},down=16Mbit/s,rtt=40ms") == LinkTrace(
        uplink=trace, downlink=Trace.constant(2e6), rtt_s=0.04
    )
    assert parse_link(f"up=16Mbit/s,down={path}") == LinkTrace(uplink=Trace.constant(2e6), downlink=trace, rtt_s=0.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no link; write one of 3g, lte, paper-3g, paper-lte, paper-wifi, wifi, 'up="),
        ("5g", "'5g' is no link; write one of 3g, lte, paper-3g, paper-lte, paper-wifi, wifi, 'up="),
        ("up=1Mbit/s,lag=5ms", "'lag=5ms' in the link .* is none of up=, down=, rtt="),
        ("up=1Mbit/s,", "'' in the link .* is none of up=, down=, rtt="),
        ("up=1Mbit/s,up=2Mbit/s", "has 'up' twice; give each of up=, down=, rtt= once"),
        ("down=1Mbit/s", "has no 'up='; write for instance 'up="),
        ("up=fast", "up=fast: 'fast' is not a rate; write a number and one of .*Mbit/s.* path of a .csv trace"),
        ("up=5", "up=5: '5' is not a rate"),
        ("up=0Mbit/s", "the uplink rate is 0 B/s; it must be a finite number above 0"),
        ("up=1e999Mbit/s", "too large for a rate; write a finite one"),
        ("up=1Mbit/s,rtt=50", "rtt=50: '50' is not a duration; write a number and one of s, ms"),
        ("absent.csv", "cannot read absent.csv: No such file or directory; expected a CSV trace"),
        ("up=1Mbit/s,down=absent.csv", "cannot read absent.csv: No such file or directory; expected a CSV trace"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_known(text: str, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        parse_link(text)
