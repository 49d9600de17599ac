import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import LinkError
from partway.link import NAMED_LINKS, Link, LinkEstimator, Transfer

PING = (100, 200)

links = st.builds(
    Link,
    uplink_bytes_per_s=st.floats(1e5, 5e6),
    downlink_bytes_per_s=st.floats(2e5, 1e7),
    rtt_s=st.floats(0.001, 0.1),
)


def observe(estimator: LinkEstimator, link: Link, size: tuple[int, int], at_s: float, factor: float = 1.0) -> None:
    up_bytes, down_bytes = size
    bytes_s = up_bytes / link.uplink_bytes_per_s + down_bytes / link.downlink_bytes_per_s
    estimator.observe(
        Transfer(at_s=at_s, up_bytes=up_bytes, down_bytes=down_bytes, network_s=link.rtt_s + factor * bytes_s)
    )


def test_without_a_transfer_the_estimate_is_the_prior_and_says_so() -> None:
    estimate = LinkEstimator(NAMED_LINKS["3g"]).estimate(0.0)
    assert estimate.link == NAMED_LINKS["3g"]
    assert estimate.observed_transfers == 0
    assert not estimate.rtt_observed
    assert not estimate.uplink_observed
    assert not estimate.downlink_observed


@given(links)
def test_one_ping_and_one_payload_are_enough_for_a_first_estimate(link: Link) -> None:
    estimator = LinkEstimator()
    observe(estimator, link, PING, 0.0)
    observe(estimator, link, (500_000, 400), 0.1)
    estimate = estimator.estimate(0.1)
    assert estimate.link.uplink_bytes_per_s == pytest.approx(link.uplink_bytes_per_s, rel=0.2)
    assert estimate.link.rtt_s == pytest.approx(link.rtt_s, rel=0.1, abs=0.003)
    assert estimate.rtt_observed
    assert estimate.uplink_observed
    assert not estimate.downlink_observed
    assert estimate.link.downlink_bytes_per_s == NAMED_LINKS["lte"].downlink_bytes_per_s


@given(links, st.integers(0, 2**32))
def test_a_noiseless_link_is_recovered_from_varied_transfers(link: Link, seed: int) -> None:
    rng, estimator = np.random.default_rng(seed), LinkEstimator()
    for number in range(30):
        size = int(rng.integers(100_000, 1_000_000))
        sizes = (PING, (size, 400), (400, size))
        observe(estimator, link, sizes[number % 3], number * 0.2)
    estimate = estimator.estimate(6.0)
    assert estimate.link.uplink_bytes_per_s == pytest.approx(link.uplink_bytes_per_s, rel=0.03)
    assert estimate.link.downlink_bytes_per_s == pytest.approx(link.downlink_bytes_per_s, rel=0.03)
    assert estimate.link.rtt_s == pytest.approx(link.rtt_s, rel=0.03, abs=0.001)
    assert estimate.downlink_observed


@given(
    # A megabyte takes at least as long as the round trip here: a step that hides behind it is nobody's to see.
    st.builds(
        Link,
        uplink_bytes_per_s=st.floats(1e5, 2e6),
        downlink_bytes_per_s=st.floats(2e5, 1e7),
        rtt_s=st.floats(0.001, 0.05),
    ),
    st.sampled_from([0.1, 0.3, 3.0, 10.0]),
)
def test_a_step_of_the_uplink_is_followed_within_five_transfers_of_one_cut(link: Link, factor: float) -> None:
    estimator, payload = LinkEstimator(), (1_000_000, 400)
    for number in range(20):
        observe(estimator, link, PING if number % 5 == 0 else payload, number * 0.2)
    stepped = Link(
        uplink_bytes_per_s=link.uplink_bytes_per_s * factor,
        downlink_bytes_per_s=link.downlink_bytes_per_s,
        rtt_s=link.rtt_s,
    )
    for number in range(20, 25):
        observe(estimator, stepped, payload, number * 0.2)
    estimate = estimator.estimate(5.0)
    assert estimate.link.uplink_bytes_per_s == pytest.approx(stepped.uplink_bytes_per_s, rel=0.15)


def test_a_step_of_the_round_trip_is_followed_by_pings() -> None:
    estimator = LinkEstimator()
    lte, far = NAMED_LINKS["lte"], Link(uplink_bytes_per_s=731250, downlink_bytes_per_s=1.72e6, rtt_s=0.2)
    for number, link in enumerate([lte] * 10 + [far] * 4):
        observe(estimator, link, PING, number * 1.0)
    assert estimator.estimate(14.0).link.rtt_s == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_the_estimate_less_than_it_moves_the_observations(seed: int) -> None:
    rng, estimator, link = np.random.default_rng(seed), LinkEstimator(), NAMED_LINKS["lte"]
    logs, noises = [], []
    for number in range(80):
        noise = float(rng.normal(0.0, 0.3))
        observe(estimator, link, PING if number % 8 == 0 else (150_000, 400), number * 0.3, math.exp(noise))
        if number >= 20 and number % 8:
            estimated = estimator.estimate(number * 0.3).link.uplink_bytes_per_s
            logs.append(math.log(estimated / link.uplink_bytes_per_s))
            noises.append(noise)
    assert statistics.stdev(logs) < 0.6 * statistics.stdev(noises)
    assert abs(statistics.mean(logs)) < 0.15


def test_one_outlier_is_not_taken_for_a_change() -> None:
    estimator, link = LinkEstimator(), NAMED_LINKS["wifi"]
    for number in range(15):
        observe(estimator, link, PING if number % 5 == 0 else (400_000, 400), number * 0.2)
    observe(estimator, link, (400_000, 400), 3.0, factor=20.0)
    assert estimator.estimate(3.0).link.uplink_bytes_per_s > 0.75 * link.uplink_bytes_per_s


def test_without_a_ping_the_round_trip_is_not_claimed_and_leaves_time_for_the_bytes() -> None:
    estimator, link = LinkEstimator(), NAMED_LINKS["wifi"]
    observe(estimator, link, (20_000, 400), 0.0)
    estimate = estimator.estimate(0.0)
    assert not estimate.rtt_observed
    assert estimate.link.rtt_s < NAMED_LINKS["lte"].rtt_s


def test_the_estimate_grows_less_sure_while_nothing_is_observed() -> None:
    estimator = LinkEstimator()
    observe(estimator, NAMED_LINKS["lte"], PING, 0.0)
    observe(estimator, NAMED_LINKS["lte"], (400_000, 400), 1.0)
    soon, later, much_later = (estimator.estimate(now_s) for now_s in (1.0, 20.0, 3600.0))
    assert soon.relative_spread < later.relative_spread < much_later.relative_spread
    assert soon.uplink_observed
    assert not much_later.uplink_observed


@given(
    st.lists(
        st.builds(
            Transfer,
            at_s=st.floats(-1e9, 1e9),
            up_bytes=st.integers(0, 2**63),
            down_bytes=st.integers(0, 2**63),
            network_s=st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=30,
    )
)
def test_no_sequence_of_transfers_breaks_it(transfers: list[Transfer]) -> None:
    estimator = LinkEstimator()
    for transfer in transfers:
        estimator.observe(transfer)
    estimate = estimator.estimate(0.0)
    assert estimate.observed_transfers == len(transfers)
    assert 0 <= estimate.relative_spread <= math.log(10)


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ({"network_s": math.nan}, "give finite times"),
        ({"at_s": math.inf}, "give finite times"),
        ({"up_bytes": -1}, "give sizes from 0"),
        ({"down_bytes": -1}, "give sizes from 0"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(transfer: dict[str, float], message: str) -> None:
    values = {"at_s": 0.0, "up_bytes": 1, "down_bytes": 1, "network_s": 0.1} | transfer
    with pytest.raises(LinkError, match=message):
        Transfer(
            at_s=values["at_s"],
            up_bytes=int(values["up_bytes"]),
            down_bytes=int(values["down_bytes"]),
            network_s=values["network_s"],
        )


@given(links)
def test_a_request_given_up_lowers_the_uplink_at_once_and_makes_it_unsure(link: Link) -> None:
    estimator = LinkEstimator()
    for at_s in range(5):
        observe(estimator, link, PING, float(at_s))
        observe(estimator, link, (500_000, 400), at_s + 0.5)
    before = estimator.estimate(5.0).link
    estimator.observe_timeout(at_s=5.0, up_bytes=500_000, waited_s=10 * 500_000 / before.uplink_bytes_per_s)
    after = estimator.estimate(5.0)
    assert after.link.uplink_bytes_per_s == pytest.approx(0.1 * before.uplink_bytes_per_s)
    assert not after.uplink_observed


def test_a_small_request_given_up_says_nothing_of_the_rate() -> None:
    estimator = LinkEstimator()
    estimator.observe_timeout(at_s=1.0, up_bytes=300, waited_s=60.0)
    assert estimator.estimate(1.0).link == NAMED_LINKS["lte"]


def test_pings_of_a_slower_link_are_not_believed_against_a_quicker_transfer() -> None:
    slow = Link(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.5)
    fast = Link(uplink_bytes_per_s=1e7, downlink_bytes_per_s=1e7, rtt_s=0.01)
    estimator = LinkEstimator()
    for at_s in range(5):
        observe(estimator, slow, PING, float(at_s))
    for at_s in range(5, 8):
        observe(estimator, fast, (250_000, 300), float(at_s))
    assert estimator.estimate(8.0).link.rtt_s < 0.03
    assert estimator.estimate(8.0).link.uplink_bytes_per_s > 5e6
