import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import LinkError
from partway.link import NAMED_LINKS
from partway.link.radio import NAMED_RADIOS, Radio, RadioStage, parse_radio, radio_of
from partway.units import parse_rate

rates = st.floats(1.0, 1e12)
powers = st.floats(0.0, 1e3)

# As printed in the source: mW per Mbit/s up, down, and mW.
PRINTED = {"3g": (868.98, 122.12, 817.88), "lte": (438.39, 51.97, 1288.04), "wifi": (283.17, 137.01, 132.86)}


@pytest.mark.parametrize("name", sorted(PRINTED))
@pytest.mark.parametrize("rate", ["0.5Mbit/s", "1Mbit/s", "18.88Mbit/s"])
def test_a_named_radio_draws_the_watts_of_the_printed_formula(name: str, rate: str) -> None:
    up, down, base = PRINTED[name]
    mbit_s = float(rate.removesuffix("Mbit/s"))
    radio = NAMED_RADIOS[name]
    assert radio.tx_w(parse_rate(rate)) == pytest.approx((up * mbit_s + base) / 1e3)
    assert radio.rx_w(parse_rate(rate)) == pytest.approx((down * mbit_s + base) / 1e3)


def test_the_whole_tail_costs_seconds_times_watts_of_each_stage() -> None:
    assert NAMED_RADIOS["3g"].tail_j == pytest.approx(8.0882 * 0.8039 + 0.8242 * 0.6013)
    assert NAMED_RADIOS["lte"].tail_j == pytest.approx(11.576 * 1.06)
    assert NAMED_RADIOS["wifi"].tail_j == pytest.approx(0.2381 * 0.1193)


@pytest.mark.parametrize(
    ("name", "duration_s", "power_w"), [("3g", 0.5821, 0.6594), ("lte", 0.2601, 1.2107), ("wifi", 0.0791, 0.1244)]
)
def test_what_it_takes_to_wake_a_named_radio_is_known(name: str, duration_s: float, power_w: float) -> None:
    woken = NAMED_RADIOS[name].promotion
    assert woken is not None
    assert (woken.duration_s, woken.power_w) == pytest.approx((duration_s, power_w))
    assert woken.energy_j == pytest.approx(duration_s * power_w)


@pytest.mark.parametrize("name", sorted(NAMED_RADIOS))
def test_a_named_radio_that_waits_is_at_the_start_of_its_tail(name: str) -> None:
    radio = NAMED_RADIOS[name]
    assert radio.idle_w == radio.tail[0].power_w
    assert radio.idle_w < radio.tx_base_w


@pytest.mark.parametrize("name", sorted(NAMED_RADIOS))
def test_a_named_radio_says_that_its_watts_are_constants_and_whose(name: str) -> None:
    assert NAMED_RADIOS[name].source == "constants of a 2012 phone, Huang et al., MobiSys 2012; tail second-hand"


def test_every_named_link_implies_its_radio_and_no_other_does() -> None:
    assert NAMED_RADIOS.keys() == NAMED_LINKS.keys()
    assert radio_of(" LTE ") is radio_of("paper-lte") is NAMED_RADIOS["lte"]
    assert radio_of("up=5.85Mbit/s") is None
    assert radio_of("trace.csv") is None


@given(rates, rates, powers, powers, powers)
def test_a_described_radio_draws_what_it_says_at_any_rate(
    up: float, down: float, tx_w: float, rx_w: float, idle_w: float
) -> None:
    radio = parse_radio(f"tx={tx_w!r}W,rx={rx_w!r}W,idle={idle_w!r}W")
    assert (radio.tx_w(up), radio.rx_w(down), radio.idle_w, radio.tail_j) == (tx_w, rx_w, idle_w, 0.0)


@given(rates, st.floats(1.0, 1e3))
def test_sending_faster_draws_no_less_and_costs_no_more_joules_a_byte(rate: float, factor: float) -> None:
    for radio in NAMED_RADIOS.values():
        for draw_w in (radio.tx_w, radio.rx_w):
            assert draw_w(rate * factor) >= draw_w(rate)
            assert draw_w(rate * factor) / (rate * factor) <= draw_w(rate) / rate * (1 + 1e-12)


def test_a_name_is_its_radio_in_any_case() -> None:
    assert parse_radio(" WiFi ") is NAMED_RADIOS["wifi"]


def test_a_described_radio_may_stay_awake_after_the_last_packet() -> None:
    radio = parse_radio(" idle = 500 mW , tail = 3s, rx=1W,tx=1.2W ")
    assert (radio.tx_w(1.0), radio.rx_w(1.0), radio.idle_w) == (1.2, 1.0, 0.5)
    assert radio.tail == (RadioStage(duration_s=3.0, power_w=0.5),)
    assert radio.tail_j == 1.5
    assert radio.source == "as given: idle = 500 mW , tail = 3s, rx=1W,tx=1.2W"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no radio; write one of 3g, lte, paper-3g, paper-lte, paper-wifi, wifi, or 'tx=1.2W"),
        ("5g", "'5g' is no radio; write one of 3g, lte, paper-3g, paper-lte, paper-wifi, wifi, or 'tx=1.2W"),
        ("tx=1W,rx=1W,idle=1W,lag=5ms", "'lag=5ms' in the radio .* is none of tx=, rx=, idle=, tail="),
        ("tx=1W,", "'' in the radio .* is none of tx=, rx=, idle=, tail="),
        ("tx=1W,tx=2W", "has 'tx' twice; give each of tx=, rx=, idle=, tail= once"),
        ("tx=1W,rx=1W", "has no 'idle='; write for instance 'tx=1.2W"),
        ("tx=1,rx=1W,idle=1W", "tx=1: '1' is not a power; write a number and one of W, mW, kW"),
        ("tx=1MW,rx=1W,idle=1W", "tx=1MW: '1MW' is not a power"),
        ("tx=-1W,rx=1W,idle=1W", "tx=-1W: '-1W' is not a power"),
        ("tx=1W,rx=1e999W,idle=1W", "rx=1e999W: '1e999W' is too large for a power; write a finite one"),
        ("tx=1W,rx=1W,idle=1W,tail=3", "tail=3: '3' is not a duration"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_known(text: str, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        parse_radio(text)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Radio) if field.type is float])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_watts_that_no_radio_draws_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(LinkError, match=f"{name} of a radio is .* finite and not negative"):
        dataclasses.replace(NAMED_RADIOS["lte"], promotion=None, tail=(), source="a test", **{name: value})


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_a_stage_that_no_radio_has_is_refused(value: float) -> None:
    with pytest.raises(LinkError, match="duration_s of a radio's stage"):
        RadioStage(duration_s=value, power_w=1.0)
    with pytest.raises(LinkError, match="power_w of a radio's stage"):
        RadioStage(duration_s=1.0, power_w=value)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_that_no_link_has_draws_no_watts(rate: float) -> None:
    with pytest.raises(LinkError, match="the uplink rate is"):
        NAMED_RADIOS["lte"].tx_w(rate)
    with pytest.raises(LinkError, match="the downlink rate is"):
        NAMED_RADIOS["lte"].rx_w(rate)
