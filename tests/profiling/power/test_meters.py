import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.errors import PartwayError
from partway.profiling.power import Meter, PowerMeter, uncertainty_j
from partway.profiling.power.meters import Counter, Integral
from partway.testing import FakeClock

steps = st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 500)), max_size=20)


def meter(start: Callable[[], Callable[[], float]], poll_s: float | None = None) -> PowerMeter:
    return Meter(name="some", scope="all", start=start, resolution_s=0.1, resolution_j=0.5, poll_s=poll_s)


class Sensor:
    """Tells what it was last set to, or fails."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.error: Exception | None = None

    def __call__(self) -> float:
        if self.error is not None:
            raise self.error
        return self.value


def test_a_span_s_joules_are_the_difference_of_two_readings() -> None:
    count = Sensor(100.0)
    with meter(lambda: Counter(count)) as opened:
        count.value = 103.0
        before_j = opened.energy_j()
        count.value = 107.5
        assert before_j == 3.0
        assert opened.energy_j() - before_j == 4.5


def test_a_meter_that_is_opened_again_begins_at_zero() -> None:
    count = Sensor(100.0)
    one = meter(lambda: Counter(count))
    with one:
        count.value = 101.0
        assert one.energy_j() == 1.0
    with one:
        assert one.energy_j() == 0.0
    with pytest.raises(RuntimeError, match="open it with `with`"):
        one.energy_j()


@law
@given(st.floats(0, 99), st.lists(st.floats(0, 99), max_size=20))
def test_a_counter_that_turns_over_loses_nothing(first_j: float, steps_j: list[float]) -> None:
    count = Sensor(first_j)
    counter = Counter(count, wraps_at_j=100.0)
    for step_j in steps_j:
        count.value = (count.value + step_j) % 100.0
        counter()
    assert counter() == pytest.approx(sum(steps_j), abs=1e-6)


def test_a_count_that_is_set_back_adds_nothing() -> None:
    count = Sensor(100.0)
    counter = Counter(count)
    count.value = 3.0
    assert counter() == 0.0
    count.value = 5.0
    assert counter() == 2.0


def test_watts_are_added_up_as_trapezoids() -> None:
    clock, power = FakeClock(), Sensor(2.0)
    integral = Integral(power, clock)
    clock.advance(3.0)
    assert integral() == 6.0
    power.value = 4.0
    clock.advance(1.0)
    assert integral() == 9.0


@law
@given(st.floats(0, 500), steps)
def test_joules_never_fall_and_lie_between_the_least_and_the_most_watts(
    first_w: float, readings: list[tuple[float, float]]
) -> None:
    clock, power = FakeClock(), Sensor(first_w)
    integral = Integral(power, clock)
    last_j = 0.0
    for span_s, power_w in readings:
        clock.advance(span_s)
        power.value = power_w
        now_j = integral()
        assert now_j >= last_j
        last_j = now_j
    seen_w = [first_w, *(power_w for _, power_w in readings)]
    assert min(seen_w) * clock.now_s * (1 - 1e-9) - 1e-6 <= last_j
    assert last_j <= max(seen_w) * clock.now_s * (1 + 1e-9) + 1e-6


def test_a_thread_reads_while_the_work_runs() -> None:
    clock = FakeClock()
    read_often = threading.Event()
    threads = set()
    times = 0

    def read_w() -> float:
        nonlocal times
        threads.add(threading.current_thread().name)
        times += 1
        clock.advance(1.0)
        if times == 4:
            read_often.set()
        return 2.0

    with meter(lambda: Integral(read_w, clock), poll_s=1e-4) as opened:
        assert read_often.wait(60)
        assert opened.energy_j() >= 2.0 * 4
    assert threads == {"MainThread", "partway-meter-some"}
    assert "partway-meter-some" not in {thread.name for thread in threading.enumerate()}


def test_a_sensor_that_fails_at_the_start_is_an_error_of_ours() -> None:
    sensor = Sensor(0.0)
    sensor.error = OSError(5, "Input/output error")
    with pytest.raises(PartwayError, match=r"some cannot be read \(.*Input/output error\)"):
        meter(lambda: Counter(sensor)).__enter__()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("no number"), PartwayError("gone")])
def test_a_sensor_that_failed_once_spoils_the_span(error: Exception) -> None:
    sensor = Sensor(0.0)
    with meter(lambda: Counter(sensor)) as opened:
        sensor.error = error
        with pytest.raises(PartwayError):
            opened.energy_j()
        sensor.error = None
        with pytest.raises(PartwayError):
            opened.energy_j()


def test_a_failure_that_only_the_thread_saw_is_told_to_the_next_reader() -> None:
    readers: list[threading.Thread] = []
    failed = threading.Event()

    def read_j() -> float:
        if threading.current_thread() is not threading.main_thread():
            readers.append(threading.current_thread())
            failed.set()
            raise OSError(5, "Input/output error")
        return 1.0

    with meter(lambda: Counter(read_j), poll_s=1e-4) as opened:
        assert failed.wait(60)
        readers[0].join(60)
        with pytest.raises(PartwayError, match="Input/output error"):
            opened.energy_j()


@law
@given(st.floats(0.01, 100), st.floats(0.1, 100), st.floats(1.1, 100))
def test_longer_work_is_known_more_exactly(power_w: float, span_s: float, factor: float) -> None:
    one = meter(lambda: Counter(Sensor(0.0)))
    short_j, long_j = power_w * span_s, power_w * span_s * factor
    share = uncertainty_j(one, short_j, span_s) / short_j
    assert uncertainty_j(one, long_j, span_s * factor) / long_j < share
    assert uncertainty_j(one, 0.0, span_s) == one.resolution_j
