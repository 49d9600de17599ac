"""A few timings of one model, and what follows from them."""

from pathlib import Path

import pytest
from tests.graph.support import RUNTIME
from tests.model_profiles import profile_of
from tests.models import chain_model

from partway.graph import Source
from partway.prediction.calibrating import calibrate
from partway.prediction.trial import Trial, prepare
from partway.profiling import Effort
from partway.profiling.comparison import Stopwatch

QUICK = Effort(warm_ups=1, least_runs=2, most_runs=2, budget_s=0.0)


class Steady:
    """A clock on which every run takes a second."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def steady() -> Stopwatch:
    return Stopwatch(effort=QUICK, kernels=QUICK, clock=Steady(), cpu_clock=lambda: 0.0)


def trial(folder: Path, *, whole_s: float, cuts: int = 0, spread: float = 0.3) -> Trial:
    """The chain, predicted to take so long."""
    path = chain_model(folder)
    source = Source.open(path)
    tried = prepare(source, source.bind(), profile_of(path).predictor(1), RUNTIME)
    assert tried.whole.head is not None
    kernel_s = whole_s / (tried.whole.head.seconds / 1e-3)
    fitted = profile_of(path, kernel_s=kernel_s, spread=spread).predictor(1)
    return prepare(source, source.bind(), fitted, RUNTIME, cuts=cuts)


@pytest.mark.parametrize("whole_s", [0.6, 1.0, 1.8])
def test_the_whole_model_is_corrected_to_what_it_took(tmp_path: Path, whole_s: float) -> None:
    calibration, (piece,) = calibrate(trial(tmp_path, whole_s=whole_s), RUNTIME, stopwatch=steady())
    assert (calibration.measured_s, piece.measured_s) == (1.0, 1.0)
    assert calibration.predicted_s == piece.predicted_s == pytest.approx(whole_s, rel=1e-3)
    assert piece.corrected_s == pytest.approx(1.0, rel=0.1)


def test_what_was_right_stays_as_it_was(tmp_path: Path) -> None:
    _, (piece,) = calibrate(trial(tmp_path, whole_s=1.0), RUNTIME, stopwatch=steady())
    assert piece.corrected_s == pytest.approx(piece.predicted_s, rel=0.01)


def test_heads_are_timed_beside_it(tmp_path: Path) -> None:
    tried = trial(tmp_path, whole_s=1.0, cuts=3)
    told: list[tuple[int, int]] = []
    calibration, (whole, *heads) = calibrate(
        tried, RUNTIME, stopwatch=steady(), progress=lambda done, of: told.append((done, of))
    )
    assert calibration.model == Source.open(tmp_path / "chain.onnx").digest
    assert calibration.threads == 1
    assert whole.crossing == ()
    assert [head.crossing for head in heads] == [estimate.cut.crossing for estimate in tried.cuts]
    assert told[-1] == (8, 8)
    for head in heads:  # each took a second too, more than was predicted: corrections go there, and not beyond
        assert head.predicted_s < head.corrected_s


def test_a_calibration_applies_to_pieces_that_were_not_timed(tmp_path: Path) -> None:
    calibration, _ = calibrate(trial(tmp_path, whole_s=0.5), RUNTIME, stopwatch=steady())
    for cut in trial(tmp_path, whole_s=0.5, cuts=3).cuts:
        for estimate in (cut.head, cut.tail):
            assert estimate is not None
            assert calibration.correction.apply(estimate).seconds == pytest.approx(2 * estimate.seconds, rel=0.2)
