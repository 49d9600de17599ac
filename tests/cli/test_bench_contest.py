import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model, random_feeds, run_whole

from partway.cli.bench_contest import Contest, Feeds, Judge, Reply, Way, cuts_used, fallbacks, summarise
from partway.errors import ServerUnavailable
from partway.testing import FakeClock


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return chain_model(tmp_path)


def answering(model: Path, *, off_by: float = 0.0, **how: object) -> Callable[[Feeds], Reply]:
    def answer(feeds: Feeds) -> Reply:
        outputs = {name: array + np.float32(off_by) for name, array in run_whole(model, dict(feeds)).items()}
        return Reply(outputs=outputs, **{"crossing": (), "offloaded": False, **how})  # type: ignore[arg-type] # by name

    return answer


def losing(_feeds: Feeds) -> Reply:
    raise ServerUnavailable("gone")


def test_a_round_asks_every_way_once_and_another_goes_first_the_next_time(model: Path) -> None:
    contest = Contest(dict.fromkeys(Way, answering(model)), Judge(model, values={}))
    feeds = random_feeds(model)
    first, second = contest.round(feeds), contest.round(feeds)
    assert set(first) == set(second) == set(Way)
    assert next(iter(first)) != next(iter(second))


def test_an_answer_that_differs_is_wrong_and_one_that_does_not_come_is_lost(model: Path) -> None:
    answers = {
        Way.PARTWAY: answering(model),
        Way.DEVICE_ONLY: answering(model, off_by=1.0),
        Way.SERVER_ONLY: losing,
    }
    attempts = Contest(answers, Judge(model, values={})).round(random_feeds(model))
    assert {way: attempt.wrong for way, attempt in attempts.items()} == {
        Way.PARTWAY: False,
        Way.DEVICE_ONLY: True,
        Way.SERVER_ONLY: False,
    }
    assert attempts[Way.SERVER_ONLY].lost == "gone"
    assert attempts[Way.SERVER_ONLY].reply is None
    summary = summarise([attempts[Way.SERVER_ONLY]])
    assert (summary.requests, summary.lost) == (1, 1)
    assert math.isnan(summary.mean_s)


def test_what_goes_on_behind_partways_request_is_waited_for_untimed(model: Path) -> None:
    clock = FakeClock()
    contest = Contest(
        dict.fromkeys(Way, answering(model)), Judge(model, values={}), settle=lambda: clock.advance(5.0), clock=clock
    )
    attempts = contest.round(random_feeds(model))
    assert [attempt.total_s for attempt in attempts.values()] == [0.0, 0.0, 0.0]
    assert clock() == 5.0


def test_cuts_and_fallbacks_are_counted(model: Path) -> None:
    feeds = random_feeds(model)
    judge = Judge(model, values={})
    replies = (
        answering(model, crossing=("a",), offloaded=True),
        answering(model, crossing=("a",), fell_back=True),
        answering(model),
    )
    attempts = [Contest({Way.PARTWAY: reply}, judge).request(Way.PARTWAY, feeds) for reply in replies]
    assert cuts_used(attempts) == {(("a",), "raw"): 1, ((), "raw"): 2}
    assert fallbacks(attempts) == 1


def test_an_error_that_a_plan_accepts_is_not_wrong_under_a_lossy_codec_alone(tmp_path: Path) -> None:
    model = chain_model(tmp_path)
    feeds = random_feeds(model)
    judge = Judge(model, values={}, max_error=0.02)
    right = judge.reference(feeds)
    scale = max(float(np.abs(array).max()) for array in right.values())
    off = {name: array + np.float32(0.01 * scale) for name, array in right.items()}
    assert [judge.compare(feeds, off, codec=codec)[1] for codec in ("raw", "zstd", "int8")] == [True, True, False]
    far = {name: array + np.float32(0.05 * scale) for name, array in right.items()}
    assert judge.compare(feeds, far, codec="int8")[1]
