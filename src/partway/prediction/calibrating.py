"""A few timings of one model, and what follow from them for all of its pieces.

Input: a trial of the model: predicted, and ready to run. Output: a `Calibration`, which profiles keep. Called by
`partway profile --model`.
"""

from dataclasses import dataclass

from partway.engine import OrtRuntime
from partway.errors import EngineError
from partway.prediction.calibration import Correction
from partway.prediction.profile import Calibration
from partway.prediction.trial import Trial, measure
from partway.profiling.comparison import STOPWATCH, Progress, Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPiece:
    """One piece of the model, as it was predicted and timed.

    Attributes:
        crossing: the tensors that leave it; none for the whole model.
        predicted_s: by the profile alone.
        measured_s: the mean of two timings.
        corrected_s: by the profile, with all timings taken into account.
    """

    crossing: tuple[str, ...]
    predicted_s: float
    measured_s: float
    corrected_s: float


def calibrate(
    trial: Trial,
    runtime: OrtRuntime,
    *,
    stopwatch: Stopwatch = STOPWATCH,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Calibration, tuple[TimedPiece, ...]]:
    """Time the whole model and the heads of the trial's cuts, and correct the profile by that.

    Args:
        trial: the model, with as many cuts as are to be timed.
        runtime: the one that it was prepared with.
        stopwatch: how pieces are timed.
        progress: told how many of how many cuts are done.

    Raises:
        EngineError: the runtime fails on a piece.
    """
    timed = measure(trial, runtime, stopwatch=stopwatch, progress=progress)
    if trial.whole.head is None:
        raise EngineError(f"{trial.name} computes nothing: there is nothing to calibrate")
    pairs = [((), trial.whole.head, timed.whole)] + [
        (cut.crossing, estimate.head, cut.head)
        for estimate, cut in zip(trial.cuts, timed.cuts, strict=True)
        if estimate.head is not None and cut.head is not None
    ]
    correction = Correction()
    for _, estimate, figures in pairs:
        for seconds in (figures.measured_s, figures.repeated_s):
            correction = correction.observe(estimate, seconds)
    calibration = Calibration(
        model=timed.digest,
        binding=timed.binding,
        threads=timed.threads,
        predicted_s=timed.whole.predicted_s,
        measured_s=(timed.whole.measured_s + timed.whole.repeated_s) / 2,
        correction=correction,
    )
    pieces = tuple(
        TimedPiece(
            crossing=crossing,
            predicted_s=figures.predicted_s,
            measured_s=(figures.measured_s + figures.repeated_s) / 2,
            corrected_s=correction.apply(estimate).seconds,
        )
        for crossing, estimate, figures in pairs
    )
    return calibration, pieces
