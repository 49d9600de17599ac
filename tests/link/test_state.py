import math

import pytest

from partway.errors import InputError, LinkError
from partway.link import NAMED_LINKS, Link


def test_the_named_links_have_the_rates_of_jointdnn() -> None:
    mbit_s = {
        name: (link.uplink_bytes_per_s * 8 / 1e6, link.downlink_bytes_per_s * 8 / 1e6)
        for name, link in NAMED_LINKS.items()
    }
    assert {name: mbit_s[name] for name in ("3g", "lte", "wifi")} == {
        "3g": pytest.approx((1.1, 2.0275)),
        "lte": pytest.approx((5.85, 13.76)),
        "wifi": pytest.approx((18.88, 54.97)),
    }


@pytest.mark.parametrize(("radio", "upload_s"), [("3g", 0.870), ("lte", 0.180), ("wifi", 0.095)])
def test_the_papers_links_take_as_long_for_its_image_as_it_says(radio: str, upload_s: float) -> None:
    link = NAMED_LINKS[f"paper-{radio}"]
    assert 227 * 227 * 3 / link.uplink_bytes_per_s == pytest.approx(upload_s)
    assert link.rtt_s == 0.0
    assert link.downlink_bytes_per_s > link.uplink_bytes_per_s


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_that_no_link_has_is_refused_by_name(rate: float) -> None:
    with pytest.raises(LinkError, match=r"the uplink rate is .* above 0"):
        Link(uplink_bytes_per_s=rate, downlink_bytes_per_s=1.0, rtt_s=0.0)
    with pytest.raises(LinkError, match=r"the downlink rate is .* above 0"):
        Link(uplink_bytes_per_s=1.0, downlink_bytes_per_s=rate, rtt_s=0.0)


@pytest.mark.parametrize("rtt_s", [-0.001, math.inf, math.nan])
def test_a_round_trip_time_that_no_link_has_is_refused(rtt_s: float) -> None:
    with pytest.raises(InputError, match=r"the round trip time is .* at least 0"):
        Link(uplink_bytes_per_s=1.0, downlink_bytes_per_s=1.0, rtt_s=rtt_s)
