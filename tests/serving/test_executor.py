import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.support import PATIENCE_S, Clock

from partway.errors import EngineError, ModelUnavailable, RequestExpired, ServerBusy
from partway.serving.executor import Executor
from partway.serving.jobs import Served

T = TypeVar("T")


class Blocker:
    """A job that occupies the worker until it is released."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.released = threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.released.wait(PATIENCE_S)
        return "blocked"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def executor(clock: Clock) -> Iterator[Executor]:
    executor = Executor(clock=clock, capacity=2)
    yield executor
    executor.close()


@pytest.fixture
def blocker(executor: Executor) -> Iterator[Blocker]:
    """Occupies the executor's worker, with an expectation of 4 s, until it is released."""
    blocker = Blocker()
    executor.submit(blocker, expected_s=4.0)
    assert blocker.began.wait(PATIENCE_S)
    yield blocker
    blocker.released.set()


def result(future: Future[Served[T]]) -> T:
    return future.result(PATIENCE_S).value


def lasting(clock: Clock, seconds: float) -> Callable[[], None]:
    return lambda: clock.advance(seconds)


def test_a_job_gives_its_result_and_what_it_waited_and_took(executor: Executor, clock: Clock) -> None:
    arrived_s = clock()
    clock.advance(0.5)
    served = executor.submit(lasting(clock, 2.0), arrived_s=arrived_s, lead_s=0.125).result(PATIENCE_S)
    assert served.load.service_s == pytest.approx(2.125)
    assert served.load.queue_s == pytest.approx(0.375)
    assert served.load.residence_s == pytest.approx(2.5)


def test_what_a_job_raises_reaches_who_waits_and_the_next_job_runs(executor: Executor) -> None:
    def fail() -> None:
        raise EngineError("the runtime failed")

    with pytest.raises(EngineError, match="the runtime failed"):
        executor.submit(fail).result(PATIENCE_S)
    assert result(executor.submit(lambda: "next")) == "next"


def test_a_full_queue_refuses_and_serves_again_once_there_is_room(executor: Executor, blocker: Blocker) -> None:
    waiting = [executor.submit(lambda: "waited") for _ in range(2)]
    with pytest.raises(ServerBusy, match="2 requests wait already"):
        executor.submit(lambda: "too many")
    blocker.released.set()
    assert [result(future) for future in waiting] == ["waited", "waited"]
    assert result(executor.submit(lambda: "later")) == "later"


def test_a_job_whose_deadline_passes_in_the_queue_never_runs(
    executor: Executor, blocker: Blocker, clock: Clock
) -> None:
    ran: list[str] = []
    late = executor.submit(lambda: ran.append("late"), deadline_s=clock() + 1.0)
    timely = executor.submit(lambda: ran.append("timely"), deadline_s=clock() + 10.0)
    clock.advance(2.0)
    blocker.released.set()
    with pytest.raises(RequestExpired, match="while the request waited"):
        late.result(PATIENCE_S)
    timely.result(PATIENCE_S)
    assert ran == ["timely"]


def test_late_jobs_make_room_in_a_full_queue(executor: Executor, blocker: Blocker, clock: Clock) -> None:
    late = [executor.submit(lambda: "late", deadline_s=clock() + 1.0) for _ in range(2)]
    clock.advance(2.0)
    fresh = executor.submit(lambda: "fresh")
    for future in late:
        with pytest.raises(RequestExpired):
            future.result(PATIENCE_S)
    blocker.released.set()
    assert result(fresh) == "fresh"


def test_a_deadline_that_has_passed_is_refused_at_once(executor: Executor, clock: Clock) -> None:
    with pytest.raises(RequestExpired, match="before the request could be queued"):
        executor.submit(lambda: "late", deadline_s=clock())


def test_a_cancelled_job_never_runs_and_is_no_load(executor: Executor, blocker: Blocker) -> None:
    ran: list[str] = []
    left = executor.submit(lambda: ran.append("left"), expected_s=3.0)
    assert executor.load().queue_delay_s == pytest.approx(7.0)
    assert left.cancel()
    assert executor.waiting == 0
    assert executor.load().queue_delay_s == pytest.approx(4.0)
    blocker.released.set()
    assert result(executor.submit(lambda: "next")) == "next"
    assert ran == []
    with pytest.raises(CancelledError):
        left.result(PATIENCE_S)


def test_the_queue_delay_is_what_waits_and_the_rest_of_what_runs(
    executor: Executor, blocker: Blocker, clock: Clock
) -> None:
    executor.submit(lambda: None, expected_s=3.0)
    clock.advance(1.5)
    assert executor.load().queue_delay_s == pytest.approx(2.5 + 3.0)
    clock.advance(10.0)
    assert executor.load().queue_delay_s == pytest.approx(3.0)


@given(within_s=st.floats(0.0, 20.0), lasts_s=st.lists(st.floats(0.0, 3.0), max_size=4))
def test_who_would_wait_longer_than_it_may_is_turned_away_and_nobody_else(
    within_s: float, lasts_s: list[float]
) -> None:
    executor, blocker = Executor(clock=Clock(), capacity=8), Blocker()
    try:
        executor.submit(blocker, expected_s=4.0)
        assert blocker.began.wait(PATIENCE_S)
        waiting = [executor.submit(lambda: "waited", expected_s=seconds) for seconds in lasts_s]
        load = executor.turns_away(within_s, share="", line="", seat=None)
        assert (load is not None) == (4.0 + sum(lasts_s) > within_s)
        assert load is None or load.queue_delay_s == pytest.approx(4.0 + sum(lasts_s))
        assert executor.waiting == len(waiting), "asking takes no place"
    finally:
        blocker.released.set()
        executor.close()


def test_an_idle_executor_reports_no_delay(executor: Executor) -> None:
    assert executor.load().queue_delay_s == 0.0
    assert executor.load().slowdown == 1.0


def test_jobs_that_take_longer_than_unloaded_raise_the_slowdown_and_the_delay(executor: Executor, clock: Clock) -> None:
    for _ in range(30):
        executor.submit(lasting(clock, 3.0), unloaded_s=1.0).result(PATIENCE_S)
    assert executor.load().slowdown == pytest.approx(3.0, rel=0.25)
    blocker = Blocker()
    executor.submit(blocker, expected_s=1.0)
    assert blocker.began.wait(PATIENCE_S)
    assert executor.load().queue_delay_s == pytest.approx(executor.load().slowdown)
    blocker.released.set()


def test_service_beside_what_was_expected_is_no_slowdown(executor: Executor, clock: Clock) -> None:
    for _ in range(30):
        served = executor.submit(lasting(clock, 3.0), unloaded_s=1.0, aside_s=lambda: 2.0).result(PATIENCE_S)
    assert served.load.service_s == pytest.approx(3.0)
    assert executor.load().slowdown == pytest.approx(1.0)


def test_a_job_of_which_nothing_is_known_counts_as_the_usual_one(executor: Executor, clock: Clock) -> None:
    executor.submit(lasting(clock, 2.0)).result(PATIENCE_S)
    blocker = Blocker()
    executor.submit(blocker)
    assert blocker.began.wait(PATIENCE_S)
    assert executor.load().queue_delay_s == pytest.approx(2.0)
    blocker.released.set()


def test_waiting_for_an_idle_moment_lasts_until_the_jobs_are_done(executor: Executor, blocker: Blocker) -> None:
    moments: list[bool] = []
    waiter = threading.Thread(target=lambda: moments.append(executor.wait_idle()))
    waiter.start()
    assert moments == []
    blocker.released.set()
    waiter.join(PATIENCE_S)
    assert moments == [True]


def test_waiting_for_an_idle_moment_ends_with_patience(executor: Executor, blocker: Blocker) -> None:
    assert executor.wait_idle(0.0)
    assert not executor.idle


def test_closing_refuses_what_waits_and_lets_the_running_job_finish(executor: Executor, blocker: Blocker) -> None:
    waiting = executor.submit(lambda: "waited")
    closer = threading.Thread(target=executor.close)
    closer.start()
    with pytest.raises(ModelUnavailable, match="shut down"):
        waiting.result(PATIENCE_S)
    blocker.released.set()
    closer.join(PATIENCE_S)
    with pytest.raises(ModelUnavailable, match="shutting down"):
        executor.submit(lambda: "late")
    assert not executor.wait_idle()


def test_closing_gives_up_on_a_job_that_does_not_end(executor: Executor, blocker: Blocker) -> None:
    executor.close(timeout_s=0.0)
    assert not blocker.released.is_set()


def test_a_brief_job_runs_on_the_callers_own_thread_where_nobody_is_before_it(executor: Executor, clock: Clock) -> None:
    future = executor.submit(threading.get_ident, brief=True, lead_s=0.25, arrived_s=clock() - 0.5)
    assert future.done()
    assert future.result().value == threading.get_ident()
    assert (future.result().load.service_s, future.result().load.queue_s) == (0.25, 0.25)
    assert executor.idle
    assert executor.started == 1


def test_a_brief_job_waits_for_its_turn_like_any_other(executor: Executor, blocker: Blocker) -> None:
    future = executor.submit(threading.get_ident, brief=True)
    assert not future.done()
    blocker.released.set()
    assert result(future) != threading.get_ident()


def test_a_brief_job_that_fails_says_so_through_its_future_and_leaves_the_executor_idle(executor: Executor) -> None:
    def fail() -> None:
        raise EngineError("no")

    future = executor.submit(fail, brief=True)
    with pytest.raises(EngineError, match="no"):
        future.result()
    assert executor.wait_idle(0.0)
    assert executor.idle


def test_brief_jobs_are_refused_like_others(executor: Executor, clock: Clock) -> None:
    with pytest.raises(RequestExpired):
        executor.submit(threading.get_ident, brief=True, deadline_s=clock())
    executor.close()
    with pytest.raises(ModelUnavailable):
        executor.submit(threading.get_ident, brief=True)
