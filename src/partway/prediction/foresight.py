"""A profile put to use in this process.

Input: a profile or its path, and the runtime that runs the pieces. Output: live predictions for any model; an error
where the profile says nothing of such a runtime, a warning where it is another machine's. Called by client and server
when they are made.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from partway.engine import Clock, OrtRuntime, PieceStore
from partway.errors import InputError
from partway.graph import Piece
from partway.prediction.live import LivePrediction
from partway.prediction.pieces import PieceEstimator
from partway.prediction.predictor import Estimate, Prediction
from partway.prediction.profile import Profile, read_profile
from partway.profiling.machine import Machine, read_machine

logger = logging.getLogger(__name__)

Adjust = Callable[[Piece, Estimate], Estimate]


def _as_it_is(_piece: Piece, estimate: Estimate) -> Estimate:
    return estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """Predicts what models take in this process; make it with `Foresight.of`.

    Attributes:
        profile: what is known.
        threads: within an operator; None for the runtime's default.
        prediction: of kernels; all models share it.
    """

    profile: Profile
    threads: int | None
    prediction: Prediction

    @classmethod
    def of(cls, profile: Profile | str | Path, runtime: OrtRuntime, *, machine: Machine | None = None) -> "Foresight":
        """A profile, made ready for a runtime.

        Args:
            profile: the profile or the path of its document.
            runtime: what will run the pieces.
            machine: where; this one by default.

        Raises:
            DocumentError: there is no such document.
            InputError: it is an analytic machine; or the profile knows nothing of the runtime's number of threads or
                its providers.
        """
        known = profile if isinstance(profile, Profile) else read_profile(Path(profile))
        if known.providers != runtime.providers:
            raise InputError(
                f"the profile was measured with {', '.join(known.providers)}, but {', '.join(runtime.providers)} is "
                "to run; choose the same providers, or profile with these"
            )
        predictor = known.predictor(runtime.threads)
        for what, there, here in _differences(known, runtime, machine or read_machine()):
            logger.warning("profile_of_another what=%s profile=%r here=%r", what, there, here)
        return cls(profile=known, threads=runtime.threads, prediction=Prediction(predictor))

    def of_model(self, store: PieceStore, *, clock: Clock, adjust: Adjust = _as_it_is) -> LivePrediction:
        """Live predictions of one model's pieces.

        Args:
            store: knows their kernels.
            clock: seconds, monotonic.
            adjust: what else a piece takes beside its kernels.
        """
        estimator = PieceEstimator(self.prediction)

        def predict(pieces: Sequence[Piece]) -> Sequence[Estimate]:
            found = estimator.estimate([store.kernels(piece) for piece in pieces])
            return tuple(adjust(piece, estimate) for piece, estimate in zip(pieces, found, strict=True))

        model = store.model
        calibration = self.profile.calibration(model.source_digest, model.binding.encode(), self.threads)
        known = None if calibration is None else calibration.correction
        return LivePrediction(predict, clock=clock, known=known)


def _differences(profile: Profile, runtime: OrtRuntime, here: Machine) -> list[tuple[str, object, object]]:
    there = profile.machine
    pairs = (
        ("runtime", profile.runtime, runtime.version),
        ("board", there.board, here.board),
        ("processor", there.processor, here.processor),
        ("architecture", there.architecture, here.architecture),
        ("instructions", there.instructions, here.instructions),
        ("cores", there.logical_cores, here.logical_cores),
    )
    return [pair for pair in pairs if pair[1] != pair[2]]
