import logging
import threading

import pytest
from tests.serving.support import PATIENCE_S

from partway.serving.background import Background


def test_tasks_run_when_their_turn_comes() -> None:
    turn, ran = threading.Event(), threading.Event()
    background = Background(lambda: turn.wait(PATIENCE_S))
    background.submit("task", ran.set)
    assert not ran.is_set()
    turn.set()
    background.wait(PATIENCE_S)
    assert ran.is_set()
    background.close()


def test_a_task_waits_once_however_often_it_is_asked_for() -> None:
    turn = threading.Event()
    ran: list[int] = []
    background = Background(lambda: turn.wait(PATIENCE_S))
    for number in range(3):
        background.submit("task", lambda number=number: ran.append(number))  # type: ignore[misc] # mypy knows no type of the default
    turn.set()
    background.wait(PATIENCE_S)
    assert ran == [0]
    background.close()


def test_a_task_may_ask_for_itself_again_and_waiting_includes_it() -> None:
    ran: list[int] = []
    background = Background(lambda: True)

    def task() -> None:
        ran.append(len(ran))
        if len(ran) < 3:
            background.submit("task", task)

    background.submit("task", task)
    background.wait(PATIENCE_S)
    assert ran == [0, 1, 2]
    background.close()


def test_a_task_that_fails_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    ran = threading.Event()
    background = Background(lambda: True)

    def fail() -> None:
        raise ValueError("no luck")

    with caplog.at_level(logging.ERROR, logger="partway.serving.background"):
        background.submit("first", fail)
        background.submit("second", ran.set)
        background.wait(PATIENCE_S)
    assert ran.is_set()
    assert "background_task_failed" in caplog.text
    background.close()


def test_no_task_runs_once_there_are_no_more_turns() -> None:
    ran = threading.Event()
    background = Background(lambda: False)
    background.submit("task", ran.set)
    background.wait(PATIENCE_S)
    background.close()
    background.submit("after", ran.set)
    background.wait(PATIENCE_S)
    assert not ran.is_set()


def test_waiting_longer_than_allowed_is_an_error() -> None:
    turn = threading.Event()
    background = Background(lambda: turn.wait(PATIENCE_S))
    background.submit("task", lambda: None)
    with pytest.raises(TimeoutError, match="did not end"):
        background.wait(0.0)
    turn.set()
    background.wait(PATIENCE_S)
    background.close()
