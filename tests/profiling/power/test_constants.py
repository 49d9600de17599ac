import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.errors import InputError
from partway.profiling.power import NAMED_POWERS, ConstantPower, parse_power
from partway.testing import FakeClock

watts = st.floats(0, 1e4)


def test_power_is_read_as_people_write_it() -> None:
    given_power = parse_power(" idle = 2700mW, active=6.4 W ")
    assert (given_power.idle_w, given_power.active_w) == (2.7, 6.4)
    assert given_power.source == "the user"
    assert parse_power("active=6W").idle_w == 0.0
    assert parse_power("Raspberry-Pi-4") is NAMED_POWERS["raspberry-pi-4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toaster", "raspberry-pi-4"),
        ("", "write idle="),
        ("idle=2W", "has no 'active='"),
        ("active=6", "'active=6' in the power 'active=6': '6' is not a power; write a number and one of W, mW"),
        ("active=6MW", "is not a power"),
        ("active=-6W", "is not a power"),
        ("active=6W,active=7W", "not understood"),
        ("active=6W,", "not understood"),
        ("sleep=1W,active=6W", "'sleep=1W'"),
        ("idle=7W,active=6W", "the idle one not above the active one"),
        ("active=1e999W", "too large for a power; write a finite one"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_power(text)


@law
@given(watts, watts, st.floats(0, 1e4), st.floats(0, 1e4))
def test_joules_are_watts_times_seconds(one_w: float, other_w: float, busy_s: float, waiting_s: float) -> None:
    idle_w, active_w = sorted((one_w, other_w))
    power = ConstantPower(name="it", idle_w=idle_w, active_w=active_w, source="test")
    assert power.energy_j(busy_s, waiting_s) == active_w * busy_s + idle_w * waiting_s
    clock = FakeClock()
    with power.meter(clock) as meter:
        clock.advance(busy_s)
        assert meter.energy_j() == pytest.approx(power.energy_j(busy_s))


def test_a_constant_says_that_it_is_one() -> None:
    meter = NAMED_POWERS["raspberry-pi-4"].meter(FakeClock())
    assert meter.kind == "constant"
    assert "not measured" in meter.scope


def test_every_named_power_has_a_source_and_says_what_it_assumes() -> None:
    for name, power in NAMED_POWERS.items():
        assert power.name == name
        assert power.source
        assert power.assumed == ("assumed" in power.source)


def test_a_stored_power_is_read_back() -> None:
    power = NAMED_POWERS["laptop"]
    assert msgspec.json.decode(msgspec.json.encode(power), type=ConstantPower) == power
