import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.strategies import law

from partway.errors import WireError
from partway.wire import Load, Parameter, decode_load, encode_load, encode_orca

seconds = st.floats(0, 86_400)
WHOLE: dict[str, Parameter] = {
    "load.queue_delay_us": 1500,
    "load.slowdown_permille": 1250,
    "load.service_us": 20_000,
    "load.queue_us": 0,
}


@law
@given(st.builds(Load, queue_delay_s=seconds, slowdown=st.floats(0.001, 1e6), service_s=seconds, queue_s=seconds))
def test_a_load_arrives_to_the_microsecond_and_the_thousandth(load: Load) -> None:
    found = decode_load(encode_load(load))
    assert found is not None
    assert found.queue_delay_s == pytest.approx(load.queue_delay_s, abs=0.51e-6)
    assert found.slowdown == pytest.approx(load.slowdown, abs=0.51e-3)
    assert found.service_s == pytest.approx(load.service_s, abs=0.51e-6)
    assert found.queue_s == pytest.approx(load.queue_s, abs=0.51e-6)


def test_parameters_are_whole_microseconds_and_thousandths() -> None:
    load = Load(queue_delay_s=0.0015, slowdown=1.25, service_s=0.02, queue_s=0.0)
    assert encode_load(load) == WHOLE
    assert load.residence_s == 0.02


def test_a_slowdown_is_never_rounded_to_zero() -> None:
    load = Load(queue_delay_s=0, slowdown=1e-9, service_s=0, queue_s=0)
    assert encode_load(load)["load.slowdown_permille"] == 1


def test_a_plain_server_reports_no_load() -> None:
    assert decode_load({"other": 1}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load.queue_delay_us", -1),
        ("load.queue_delay_us", 10**12),
        ("load.service_us", "20000"),
        ("load.queue_us", 1.5),
        ("load.queue_us", True),
        ("load.slowdown_permille", 0),
        ("load.slowdown_permille", 2**62),
        ("load.service_us", 2**64 - 1),
    ],
)
def test_nonsense_is_refused(name: str, value: Parameter) -> None:
    with pytest.raises(WireError, match="load"):
        decode_load(WHOLE | {name: value})


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_load_is_refused(name: str) -> None:
    with pytest.raises(WireError, match=name):
        decode_load({other: value for other, value in WHOLE.items() if other != name})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-9])
def test_a_load_is_finite_and_not_negative(value: float) -> None:
    with pytest.raises(WireError, match="queue_s"):
        Load(queue_delay_s=0, slowdown=1, service_s=0, queue_s=value)
    with pytest.raises(WireError, match="slowdown"):
        Load(queue_delay_s=0, slowdown=value, service_s=0, queue_s=0)


def test_the_orca_header_is_text_in_plain_decimals() -> None:
    load = Load(queue_delay_s=0.000002, slowdown=1.25, service_s=0.02, queue_s=0.0)
    assert encode_orca(load) == (
        "TEXT named_metrics.queue_delay_s=0.000002, named_metrics.slowdown=1.250000, "
        "named_metrics.service_s=0.020000, named_metrics.queue_s=0.000000"
    )
