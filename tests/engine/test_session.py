import threading
from collections.abc import Mapping

import numpy as np
import pytest

from partway.engine import SlowSession, Stop
from partway.errors import RunStopped


class Clock:
    """Time that passes only when somebody works or sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


class Working:
    """A session that takes two seconds a run."""

    inputs = ("x",)
    outputs = ("y", "z")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.inside = 0
        self.most_inside = 0

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.clock.now_s += 2.0
        self.inside -= 1
        return dict.fromkeys(outputs or self.outputs, feeds["x"] * 2)


@pytest.mark.parametrize(("factor", "waited_s"), [(1.0, 0.0), (1.5, 1.0), (8.0, 14.0)])
def test_a_slow_session_takes_as_many_times_longer_as_it_says(factor: float, waited_s: float) -> None:
    clock = Clock()
    session = SlowSession(Working(clock), factor, clock=clock, sleep=clock.sleep)
    start_s = clock()
    answer = session.run({"x": np.array([1, 2])}, ("y",))
    assert clock.slept_s == [waited_s]
    assert clock() - start_s == 2.0 * factor
    np.testing.assert_array_equal(answer["y"], [2, 4])
    assert list(answer) == ["y"]


def test_only_what_a_run_computes_is_stretched_where_that_can_be_told() -> None:
    clock, computed_s = Clock(), iter([7.0, 7.5])  # of the two seconds of a run, half a second
    session = SlowSession(Working(clock), 8.0, clock=clock, sleep=clock.sleep, computing=lambda: next(computed_s))
    session.run({"x": np.zeros(1)})
    assert clock() == 100.0 + 2.0 + 7.0 * 0.5


def test_a_slow_session_has_the_sessions_names() -> None:
    clock = Clock()
    session = SlowSession(Working(clock), 2.0, clock=clock, sleep=clock.sleep)
    assert (session.inputs, session.outputs) == (("x",), ("y", "z"))


def test_a_slow_machine_does_one_thing_at_a_time() -> None:
    clock = Clock()
    working = Working(clock)
    session = SlowSession(working, 2.0, clock=clock, sleep=clock.sleep)
    threads = [threading.Thread(target=session.run, args=({"x": np.zeros(1)},)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert working.most_inside == 1
    assert clock() == 100.0 + 8 * 4.0


def test_sessions_of_one_slow_machine_take_turns() -> None:
    clock, busy = Clock(), threading.Lock()
    working = Working(clock)
    sessions = [SlowSession(working, 2.0, clock=clock, sleep=clock.sleep, busy=busy) for _ in range(8)]
    threads = [threading.Thread(target=session.run, args=({"x": np.zeros(1)},)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert working.most_inside == 1
    assert clock() == 100.0 + 8 * 4.0


@pytest.mark.parametrize("factor", [0.5, 0.0, -1.0, float("nan")])
def test_no_machine_is_slowed_to_be_faster(factor: float) -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="a factor of 1 or more"):
        SlowSession(Working(clock), factor, clock=clock, sleep=clock.sleep)


def test_a_slow_run_that_is_stopped_is_not_waited_out() -> None:
    clock, stop = Clock(), Stop()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock() >= 103.0:
            stop.stop()

    session = SlowSession(Working(clock), 8.0, clock=clock, sleep=sleep)
    with pytest.raises(RunStopped):
        session.run({"x": np.zeros(1)}, stop=stop)
    assert clock() == pytest.approx(103.0, abs=0.01)


def test_a_slow_run_that_may_be_stopped_and_is_not_takes_as_long_as_any() -> None:
    clock = Clock()
    session = SlowSession(Working(clock), 8.0, clock=clock, sleep=clock.sleep)
    session.run({"x": np.zeros(1)}, stop=Stop())
    assert clock() == pytest.approx(100.0 + 2.0 * 8.0)


def test_a_run_that_waits_for_a_busy_machine_can_be_stopped() -> None:
    clock, stop = Clock(), Stop()
    session = SlowSession(Working(clock), 8.0, clock=clock, sleep=clock.sleep)
    with session._busy:
        threading.Timer(0.01, stop.stop).start()
        with pytest.raises(RunStopped):
            session.run({"x": np.zeros(1)}, stop=stop)
