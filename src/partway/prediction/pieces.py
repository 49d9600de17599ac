"""From pieces to seconds: what every cut of a model costs on the machine that was profiled, without running it.

    cut -> head, tail -> the kernels that the runtime really executes for each -> one estimate a piece

Input: a predictor and a piece store, which knows the optimised graph. Output: an `Estimate` for each piece. A kernel is
predicted once however many pieces share it, so all cuts of a model take a fraction of a second. Called by planning's
front ends, client and server.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from partway.engine import PieceKernels, PieceStore
from partway.graph import Cut, Kernel
from partway.prediction.features import Features
from partway.prediction.predictor import (
    Estimate,
    KernelPrediction,
    Prediction,
    Predictor,
    Setting,
    combine,
)

_STEPS = 8  # how finely shares of weights are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class CutEstimate:
    """What the two pieces of a cut are expected to take.

    Attributes:
        cut: the cut.
        head: on the machine that was profiled; None when the head is empty.
        tail: the same; None for device-only.
    """

    cut: Cut
    head: Estimate | None
    tail: Estimate | None


class PiecePredictor:
    """Predicts the pieces of one model.

    Args:
        predictor: of the machine that they would run on.
        store: knows their kernels; promoted, if they are to run at full speed.
        strict: refuse kinds of kernels that were never sampled.
    """

    def __init__(self, predictor: Predictor, store: PieceStore, *, strict: bool = False) -> None:
        self._estimator = PieceEstimator(Prediction(predictor, strict=strict))
        self._store = store

    def cuts(self, cuts: Sequence[Cut]) -> tuple[CutEstimate, ...]:
        """What the pieces of cuts take.

        Raises:
            CutError: a piece cannot be computed from its inputs.
            EngineError: the runtime refuses to describe the graph.
            InputError: strict, and a kind of kernel was never sampled.
        """
        pieces = dict.fromkeys(piece for cut in cuts for piece in (cut.head, cut.tail) if piece is not None)
        found = self._estimator.estimate([self._store.kernels(piece) for piece in pieces])
        estimates = dict(zip(pieces, found, strict=True))
        return tuple(
            CutEstimate(
                cut=cut,
                head=None if cut.head is None else estimates[cut.head],
                tail=None if cut.tail is None else estimates[cut.tail],
            )
            for cut in cuts
        )


class PieceEstimator:
    """Adds up the kernels of one model's pieces.

    Args:
        prediction: of kernels.
    """

    def __init__(self, prediction: KernelPrediction) -> None:
        self._prediction = prediction
        self._features: dict[int, tuple[Kernel, Features]] = {}
        self._known: dict[tuple[int, Setting], tuple[float, float]] = {}

    def estimate(self, pieces: Sequence[PieceKernels]) -> tuple[Estimate, ...]:
        """What pieces take.

        Args:
            pieces: kernels that they share are the same objects.

        Raises:
            InputError: the prediction is strict, and a kind of kernel was never sampled.
        """
        self._learn(pieces)
        return tuple(self._estimate(piece) for piece in pieces)

    def _settings(self, piece: PieceKernels) -> Iterable[tuple[int, Setting]]:
        exact = self._prediction.predictor.setting(piece.resident_bytes)
        heavy = Setting(far=_rounded(exact.far), cold=_rounded(exact.cold))
        for place, kernel in enumerate(piece.kernels):
            if id(kernel) not in self._features:
                # The kernel is kept with its features, so that its identity stays its own.
                self._features[id(kernel)] = (kernel, self._prediction.describe(kernel))
            setting = heavy if self._features[id(kernel)][1].terms.get("weight_bytes") else Setting()
            yield id(kernel), msgspec.structs.replace(setting, returned=place in piece.returned)

    def _learn(self, pieces: Iterable[PieceKernels]) -> None:
        wanted = {key for piece in pieces for key in self._settings(piece)} - self._known.keys()
        keys = list(wanted)
        seconds, spreads = self._prediction.kernels([(self._features[key[0]][1], key[1]) for key in keys])
        self._known.update(zip(keys, zip(seconds.tolist(), spreads.tolist(), strict=True), strict=True))

    def _estimate(self, piece: PieceKernels) -> Estimate:
        parts = [(self._features[key[0]][1].variant, *self._known[key]) for key in self._settings(piece)]
        return combine(parts, self._prediction.predictor)


def _rounded(share: float) -> float:
    return round(share * _STEPS) / _STEPS
