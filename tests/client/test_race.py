"""Server and device race, and whoever comes first gives the answer; nothing makes it wrong, or lost."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from partway.client.exchange import Exchange
from partway.client.race import Arrays, Finish, race
from partway.engine import Stop
from partway.errors import EngineError, PartwayError, RunStopped, ServerRefused, ServerUnavailable, WireError
from partway.testing import FakeCall
from partway.wire import InferResponse

PATIENCE_S = 60.0
OURS = {"y": np.zeros(1)}
THEIRS = {"y": np.ones(1)}


class Sent:
    """A request whose answer the test gives."""

    def __init__(self, *, turned_away: bool = False) -> None:
        self.call = FakeCall()
        self._away = turned_away

    def read(self, timeout_s: float | None = None) -> Exchange:
        self.call.result(timeout_s)
        outputs = {} if self._away else THEIRS
        return Exchange(outputs=outputs, up_bytes=1, down_bytes=1, round_trip_s=0.1, load=None, turned_away=self._away)

    def on_done(self, callback: Callable[[], object]) -> None:
        self.call.on_done(callback)

    def cancel(self, *, overdue: bool = False) -> None:
        self.call.cancel(overdue=overdue)

    def answer(self) -> None:
        self.call.give(InferResponse(model_name="model"))


def quick(stop: Stop) -> Arrays:
    stop.check()
    return OURS


def never(_stop: Stop) -> Arrays:
    raise AssertionError("nobody asked the device")


class Held:
    """A local tail that lasts until it is stopped or let go; `begun` tells that it runs."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.stopped = False

    def __call__(self, stop: Stop) -> Arrays:
        stop.on_stop(self.go_on.set)
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        self.stopped = stop.stopped
        stop.check()
        return OURS


def after(event: threading.Event, do: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        assert event.wait(PATIENCE_S)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_an_answer_in_time_is_the_servers_and_the_device_does_nothing() -> None:
    sent = Sent()
    sent.answer()
    finish = race(sent, wait_s=PATIENCE_S, finish=never, stop=Stop())
    assert finish.outputs is THEIRS
    assert finish.by_server
    assert not finish.hedged


@pytest.mark.parametrize(
    "error",
    [ServerUnavailable("gone"), ServerRefused("RESOURCE_EXHAUSTED", "full"), WireError("damaged")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_server_says_instead_the_device_finishes_at_once(error: PartwayError) -> None:
    sent = Sent()
    sent.call.fail(error)
    finish = race(sent, wait_s=PATIENCE_S, finish=quick, stop=Stop())
    assert finish == Finish(outputs=OURS, error=error)


def test_a_device_that_finishes_first_withdraws_the_request() -> None:
    sent = Sent()
    finish = race(sent, wait_s=0.0, finish=quick, stop=Stop())
    assert finish == Finish(outputs=OURS, hedged=True)
    assert sent.call.cancelled


def test_an_answer_that_comes_while_the_device_runs_stops_it() -> None:
    sent, held = Sent(), Held()
    thread = after(held.begun, sent.answer)
    finish = race(sent, wait_s=0.0, finish=held, stop=Stop())
    thread.join()
    assert held.stopped
    assert finish.outputs is THEIRS
    assert finish.hedged
    assert finish.by_server


def test_an_answer_that_comes_damaged_while_the_device_runs_stops_nothing() -> None:
    sent, held, error = Sent(), Held(), WireError("damaged")

    def fail() -> None:
        sent.call.fail(error)
        held.go_on.set()

    thread = after(held.begun, fail)
    finish = race(sent, wait_s=0.0, finish=held, stop=Stop())
    thread.join()
    assert not held.stopped
    assert finish == Finish(outputs=OURS, error=error, hedged=True)


def test_a_device_that_cannot_finish_waits_for_the_answer_after_all() -> None:
    sent, begun = Sent(), threading.Event()

    def fail(_stop: Stop) -> Arrays:
        begun.set()
        raise EngineError("out of memory")

    thread = after(begun, sent.answer)
    finish = race(sent, wait_s=0.0, finish=fail, stop=Stop())
    thread.join()
    assert finish.outputs is THEIRS
    assert finish.by_server


def test_when_both_sides_fail_the_devices_error_says_why() -> None:
    sent = Sent()

    def fail(_stop: Stop) -> Arrays:
        sent.call.fail(ServerUnavailable("gone"))
        raise EngineError("out of memory")

    with pytest.raises(EngineError, match="out of memory"):
        race(sent, wait_s=0.0, finish=fail, stop=Stop())


@pytest.mark.parametrize("wait_s", [PATIENCE_S, 0.0], ids=["waiting", "running"])
def test_whoever_wants_no_answer_any_more_ends_both_sides(wait_s: float) -> None:
    sent, held, stop = Sent(), Held(), Stop()
    begun = held.begun
    if wait_s:
        begun.set()
    thread = after(begun, stop.stop)
    with pytest.raises(RunStopped):
        race(sent, wait_s=wait_s, finish=held, stop=stop)
    thread.join()
    assert sent.call.cancelled


def test_a_caller_who_is_interrupted_leaves_no_request_behind() -> None:
    sent = Sent()

    def interrupt(_stop: Stop) -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(sent, wait_s=0.0, finish=interrupt, stop=Stop())
    assert sent.call.cancelled


def test_who_is_turned_away_finishes_alone_at_once_and_keeps_what_was_told() -> None:
    sent = Sent(turned_away=True)
    sent.answer()
    finish = race(sent, wait_s=PATIENCE_S, finish=quick, stop=Stop())
    assert finish.outputs is OURS
    assert not finish.by_server
    assert not finish.hedged
    assert finish.exchange is not None


def test_being_turned_away_late_stops_no_device_that_has_begun() -> None:
    sent, held = Sent(turned_away=True), Held()

    def turn_away() -> None:
        sent.answer()
        held.go_on.set()

    thread = after(held.begun, turn_away)
    finish = race(sent, wait_s=0.0, finish=held, stop=Stop())
    thread.join(PATIENCE_S)
    assert finish.outputs is OURS
    assert finish.hedged
    assert not held.stopped
    assert finish.exchange is not None
    assert finish.exchange.turned_away


def test_who_is_turned_away_and_cannot_finish_says_why() -> None:
    sent = Sent(turned_away=True)

    def fail(_stop: Stop) -> Arrays:
        sent.answer()
        raise EngineError("no memory")

    with pytest.raises(EngineError, match="no memory"):
        race(sent, wait_s=0.0, finish=fail, stop=Stop())
