import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.errors import EngineError
from partway.graph import Piece
from partway.prediction.calibration import Correction
from partway.prediction.live import Expected, LivePrediction, blend, ratios
from partway.prediction.predictor import Estimate, Part
from partway.testing import FakeClock

SHORT, LONG = (Piece(inputs=(name,), outputs=("y",)) for name in ("short", "long"))


def predict(pieces: Sequence[Piece]) -> Sequence[Estimate]:
    seconds = {SHORT: {"Relu": 0.2}, LONG: {"Relu": 0.2, "Conv": 0.8}}
    return [
        Estimate(
            parts=tuple(Part(variant=v, seconds=s, spread=0.05, sampled=True) for v, s in seconds[p].items()), run_s=0
        )
        for p in pieces
    ]


def live(clock: FakeClock | None = None, known: Correction | None = None) -> LivePrediction:
    made = LivePrediction(predict, clock=clock or FakeClock(), known=known)
    made.learn((SHORT, LONG))
    return made


def seconds_of(prediction: LivePrediction, piece: Piece) -> float:
    expected = prediction.expected(piece)
    assert expected is not None
    return expected.seconds


def test_a_piece_is_known_once_it_was_predicted() -> None:
    prediction = LivePrediction(predict, clock=FakeClock())
    assert prediction.expected(LONG) is None
    prediction.observe(LONG, 1.0)
    prediction.learn((LONG,))
    assert prediction.expected(SHORT) is None
    assert seconds_of(prediction, LONG) == 1.0


def test_runs_correct_other_pieces_too() -> None:
    prediction = live()
    for _ in range(30):
        prediction.observe(LONG, 1.3)
    assert seconds_of(prediction, LONG) == pytest.approx(1.3, rel=0.02)
    assert 0.2 < seconds_of(prediction, SHORT) < 0.3


@given(factors=st.lists(st.floats(1e-9, 1e9), max_size=60))
def test_corrections_stay_within_a_factor_of_four(factors: list[float]) -> None:
    prediction = live()
    for factor in factors:
        prediction.observe(LONG, factor)
    assert 0.249 < seconds_of(prediction, LONG) < 4.001


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_duration_tells_nothing(seconds: float) -> None:
    prediction = live()
    prediction.observe(LONG, seconds)
    assert seconds_of(prediction, LONG) == 1.0


def test_a_disturbed_run_tells_less() -> None:
    alone, beside = live(), live()
    alone.observe(LONG, 1.2)
    beside.observe(LONG, 1.2, runs=0.25)
    assert 1.0 < seconds_of(beside, LONG) < seconds_of(alone, LONG) < 1.2


def test_half_of_a_correction_is_gone_after_five_minutes_and_all_in_the_end() -> None:
    clock = FakeClock()
    prediction = live(clock)
    for _ in range(30):
        prediction.observe(LONG, 1.3)
    learnt, sure = math.log(seconds_of(prediction, LONG)), prediction.expected(LONG)
    clock.advance(300.0)
    assert math.log(seconds_of(prediction, LONG)) == pytest.approx(0.5 * learnt, rel=0.02)
    clock.advance(10_000.0)
    assert seconds_of(prediction, LONG) == pytest.approx(1.0)
    unsure = prediction.expected(LONG)
    assert sure is not None
    assert unsure is not None
    assert sure.spread < unsure.spread


@given(factor=st.floats(2.0, 50.0))
def test_a_busy_minute_passes(factor: float) -> None:
    clock = FakeClock()
    prediction = live(clock)
    for slow in [1.0] * 30 + [factor] * 60 + [1.0] * 120:
        prediction.observe(LONG, slow)
        clock.advance(1.0)
    assert seconds_of(prediction, LONG) == pytest.approx(1.0, rel=0.05)


def test_what_careful_timings_said_is_never_forgotten() -> None:
    clock = FakeClock()
    (whole,) = predict((LONG,))
    prediction = live(clock, known=Correction().observe(whole, 1.25))
    clock.advance(100_000.0)
    assert seconds_of(prediction, LONG) == pytest.approx(1.25, rel=0.03)


def test_a_changed_graph_is_predicted_anew_and_what_was_seen_of_the_old_one_forgotten() -> None:
    calls: list[int] = []

    def changing(pieces: Sequence[Piece]) -> Sequence[Estimate]:
        calls.append(len(pieces))
        return predict(pieces)

    prediction = LivePrediction(changing, clock=FakeClock())
    prediction.learn((LONG, LONG))
    prediction.learn((LONG, SHORT))
    prediction.observe(LONG, 1.3)
    prediction.renew()
    assert calls == [1, 1, 2]
    assert seconds_of(prediction, LONG) == 1.0


def test_a_graph_that_cannot_be_described_leaves_its_pieces_unknown(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Sequence[Piece]) -> Sequence[Estimate]:
        raise EngineError("no such kernel")

    prediction = LivePrediction(fail, clock=FakeClock())
    with caplog.at_level(logging.WARNING):
        prediction.learn((LONG,))
    assert prediction.expected(LONG) is None
    assert "pieces_not_predicted pieces=1 reason=no such kernel" in caplog.text


def test_many_threads_may_observe_at_once() -> None:
    prediction = live()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: prediction.observe((SHORT, LONG)[number % 2], 0.3 + number % 2), range(400)))
    assert seconds_of(prediction, LONG) == pytest.approx(1.3, rel=0.05)
    assert seconds_of(prediction, SHORT) == pytest.approx(0.3, rel=0.05)


expectations = st.builds(Expected, seconds=st.floats(1e-6, 10.0), spread=st.floats(0.0, 1.0))


@given(expected=expectations, measured_s=st.floats(1e-6, 10.0), runs=st.integers(0, 40))
def test_a_blend_lies_between_and_more_runs_bring_it_closer_to_them(
    expected: Expected, measured_s: float, runs: int
) -> None:
    fewer, more = blend(expected, measured_s, runs), blend(expected, measured_s, runs + 1)
    low, high = sorted((expected.seconds, measured_s))
    assert low * (1 - 1e-9) <= more <= high * (1 + 1e-9)
    assert abs(math.log(more / measured_s)) <= abs(math.log(fewer / measured_s)) + 1e-9


@given(expected=expectations, measured_s=st.floats(1e-9, 1e9))
def test_one_run_stretches_a_blend_by_half_at_most(expected: Expected, measured_s: float) -> None:
    assert 1 / 1.5001 < blend(expected, measured_s, 1) / expected.seconds < 1.5001


def test_a_sure_prediction_is_worth_more_runs_than_an_unsure_one() -> None:
    sure, unsure = (blend(Expected(seconds=1.0, spread=spread), 1.2, 3) for spread in (0.05, 0.3))
    assert 1.05 < sure < 1.15 < unsure < 1.2


def test_ratios_go_through_what_was_timed_and_lie_between_it_elsewhere() -> None:
    known = {1.0: 1.2, 3.0: 2.7}
    found = ratios((0.1, 1.0, 2.0, 3.0, 9.0), known)
    np.testing.assert_allclose(found, (1.2, 1.2, math.sqrt(1.2 * 0.9), 0.9, 0.9))
    np.testing.assert_array_equal(ratios((1.0, 2.0), {}), (1.0, 1.0))
