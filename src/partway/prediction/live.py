"""What the pieces of one model take here and now: predicted from the profile, corrected by what was seen.

    predict -> x correction of the model (from the profile, stays) -> x correction seen lately (slow, bounded, fades)

Every run that is observed moves the second correction, which stays within a factor of four. One that is far off, beyond
three standard deviations, moves it the less the further off it is: rather a mistake than news, unless others say the
same. All the while it fades, by half in five minutes: without news, what is left in the end is the profile. Where a
piece itself was timed, `blend` weighs that against the prediction, and `ratios` passes on what is left to its
neighbours.

Input: pieces, and the seconds of those that ran. Output: what any piece is expected to take, and how sure that is.
Called by client (heads) and server (tails); safe to call from several threads.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.engine import Clock
from partway.errors import CutError, EngineError
from partway.graph import Piece
from partway.prediction.calibration import Correction
from partway.prediction.physical import FloatArray
from partway.prediction.predictor import Estimate

logger = logging.getLogger(__name__)

Predict = Callable[[Sequence[Piece]], Sequence[Estimate]]

_HALF_S = 300.0  # so long a busy moment is remembered; runs that come more often outweigh it
_FADE_EVERY_S = 1.0
_RUN_NOISE = 0.1  # of the logarithm of one run: five times a careful timing's
_RUN_WEIGHT = 0.04
_DOUBT = 3.0
_LEAST_SPREAD = 0.03  # no prediction is surer than that, as far as a piece's own timings are concerned
_STEP = math.log(1.5)
_MOST_PIECES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a piece is expected to take.

    Attributes:
        seconds: corrected, > 0.
        spread: standard deviation of the logarithm of true over expected seconds.
    """

    seconds: float
    spread: float


class LivePrediction:
    """Predicts the pieces of one model and learns from their runs.

    Args:
        predict: what the profile says of pieces; may take a while.
        clock: seconds, monotonic.
        known: what careful timings said of this model; never forgotten.
    """

    def __init__(self, predict: Predict, *, clock: Clock, known: Correction | None = None) -> None:
        self._predict = predict
        self._clock = clock
        self._known = known or Correction()
        self._estimates: dict[Piece, Estimate] = {}
        self._correction = Correction()
        self._faded_s = clock()
        self._lock = threading.Lock()
        self._predicting = threading.Lock()

    def learn(self, pieces: Iterable[Piece]) -> None:
        """Predict pieces, so that `expected` knows them; those that it knows already cost nothing.

        Where the runtime refuses to describe the graph they stay unknown, and the log says why.
        """
        with self._predicting:
            room = _MOST_PIECES - len(self._estimates)
            new = [piece for piece in dict.fromkeys(pieces) if piece not in self._estimates][:room]
            found = self._ask(new)
            with self._lock:
                self._estimates |= found

    def renew(self) -> None:
        """Predict everything anew and forget what was seen: the graph that pieces come from has changed."""
        with self._predicting:
            found = self._ask(tuple(self._estimates))
            with self._lock:
                self._estimates = found
                self._correction = Correction()

    def expected(self, piece: Piece) -> Expected | None:
        """What a piece takes; None where it was not predicted."""
        with self._lock:
            estimate = self._estimates.get(piece)
            correction = self._fade()
        if estimate is None:
            return None
        seconds = correction.apply(estimate).seconds
        return Expected(seconds=seconds, spread=correction.spread(estimate)) if seconds > 0.0 else None

    def observe(self, piece: Piece, seconds: float, *, runs: float = 1.0) -> None:
        """Take in that a piece ran.

        Args:
            piece: one that was predicted; others tell nothing.
            seconds: how long it took; what is not above 0 and finite tells nothing.
            runs: how many runs the seconds stand for, > 0; less than 1 for a run that others may have disturbed.
        """
        if not 0.0 < seconds < math.inf:
            return
        with self._lock:
            estimate = self._estimates.get(piece)
            if estimate is None or not estimate.seconds > 0.0:
                return
            weight = min(1.0, _RUN_WEIGHT * runs)
            self._correction = self._fade().observe(estimate, seconds, weight=weight, doubt=_DOUBT)

    def _ask(self, pieces: Sequence[Piece]) -> dict[Piece, Estimate]:
        try:
            estimates = self._predict(pieces) if pieces else ()
        except (CutError, EngineError) as error:
            logger.warning("pieces_not_predicted pieces=%d reason=%s", len(pieces), error)
            return {}
        return {piece: self._known.apply(found) for piece, found in zip(pieces, estimates, strict=True)}

    def _fade(self) -> Correction:
        # In steps, since what is asked a thousand times a second does not fade noticeably in between.
        now_s = self._clock()
        if now_s - self._faded_s >= _FADE_EVERY_S:
            self._correction = self._correction.fade(1.0 - 0.5 ** ((now_s - self._faded_s) / _HALF_S))
            self._faded_s = now_s
        return self._correction


def blend(expected: Expected, measured_s: float, runs: float) -> float:
    """Seconds of a piece by prediction and its own timings: the more runs, the more these count.

    By precision, as of two independent measurements of one logarithm: a prediction with a spread of 10 % is worth one
    run, one with 5 % four. Each run stretches the prediction by a factor of 1.5 at most, so a single absurd one
    does little.

    Args:
        expected: the prediction.
        measured_s: what its runs took, > 0.
        runs: how many, >= 0.
    """
    bound = runs * _STEP
    shift = min(bound, max(-bound, math.log(measured_s / expected.seconds)))
    worth = (_RUN_NOISE / max(expected.spread, _LEAST_SPREAD)) ** 2
    return expected.seconds * math.exp(shift * runs / (runs + worth))


def ratios(wanted_s: Sequence[float], known: Mapping[float, float]) -> FloatArray:
    """How far off predictions are between pieces that were timed; float64 (pieces,).

    Pieces that take about as long have most of their kernels in common, if all are heads or all tails of one model.

    Args:
        wanted_s: predicted seconds of each piece, > 0.
        known: predicted seconds of pieces that were timed, and what they take after all.
    """
    if not known:
        return np.ones(len(wanted_s))
    knots = np.array(sorted(known.items()))
    between: FloatArray = np.exp(np.interp(wanted_s, knots[:, 0], np.log(knots[:, 1] / knots[:, 0])))
    return between
