"""Stored measurements held against any form of prediction.

    MeasuredModel -> kernels of each piece -> prediction -> estimates -> calibrated by one timing, or by three
                                                                      -> ModelEvaluation, as `partway evaluate` has it

Input: measured models, a profile, the samples beside it. Output: estimates, and evaluations that
`partway.prediction.evaluation` summarises. Called by `benchmarks.prediction`, `benchmarks.ablation` and
`benchmarks.regret`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import MeasuredModel, MeasuredPiece

from partway.cli.profile import samples_beside
from partway.documents import read_document
from partway.errors import InputError
from partway.prediction.calibration import Correction
from partway.prediction.model_evaluation import CutFigures, Figures, ModelEvaluation, kinds_of
from partway.prediction.paper import PaperPrediction, fit_paper
from partway.prediction.pieces import PieceEstimator
from partway.prediction.predictor import Estimate, KernelPrediction, Prediction
from partway.prediction.profile import Profile
from partway.profiling.samples import Sample, read_samples

OURS, PAPER = "ours", "the paper's"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A form of prediction.

    Attributes:
        name: in tables.
        prediction: of kernels.
    """

    name: str
    prediction: KernelPrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """All pieces of a model as one contestant expects them.

    Attributes:
        model: as it was measured.
        pieces: by the profile alone, in the order of `MeasuredModel.pieces`.
        after_one: corrected by one timing of the whole model.
        after_three: corrected by one timing of the head and of the tail in the middle too.
    """

    model: MeasuredModel
    pieces: tuple[Estimate, ...]
    after_one: tuple[Estimate, ...]
    after_three: tuple[Estimate, ...]


def contestants(profile_path: Path, threads: int) -> tuple[Contestant, ...]:
    """Ours from a profile, and the paper's fitted to the samples beside it.

    Args:
        profile_path: of the profile document.
        threads: within an operator; 0 for the runtime's default.

    Raises:
        DocumentError: the profile or the samples cannot be read.
        InputError: they say nothing of so many threads.
    """
    profile = read_document(profile_path, Profile)
    ours = Prediction(profile.predictor(threads or None))
    paper = PaperPrediction(fit_paper(undisturbed(samples_beside(profile_path)), threads=threads))
    return Contestant(OURS, ours), Contestant(PAPER, paper)


def undisturbed(samples: Path) -> tuple[Sample, ...]:
    """The samples that predictors are fitted to.

    Raises:
        DocumentError: the file cannot be read.
        InputError: there are none.
    """
    found = tuple(it for it in read_samples(samples) if isinstance(it, Sample) and not it.disturbed)
    if not found:
        raise InputError(f"{samples} holds no undisturbed samples; measure some with `partway profile`")
    return found


def estimate(model: MeasuredModel, prediction: KernelPrediction, *, number: int = 0) -> Estimated:
    """What all pieces of a model are expected to take, before and after it was timed.

    Args:
        model: as it was measured.
        prediction: of kernels.
        number: the pass whose timings calibrate, 0 or 1; the other's are not looked at.
    """
    pieces = PieceEstimator(prediction).estimate(model.piece_kernels())
    timed_s = model.seconds(number)
    one = Correction().observe(pieces[0], timed_s[0])
    three = one
    for place in observed(model):
        three = three.observe(pieces[place], timed_s[place])
    return Estimated(
        model=model,
        pieces=pieces,
        after_one=tuple(map(one.apply, pieces)),
        after_three=tuple(map(three.apply, pieces)),
    )


def observed(model: MeasuredModel) -> tuple[int, ...]:
    """Which pieces are timed beside the whole model for the calibration by three timings."""
    middle = len(model.cuts) // 2
    return (1 + 2 * middle, 2 + 2 * middle) if model.cuts else ()


def evaluation(found: Estimated, *, threads: int, prediction: KernelPrediction, three: bool = False) -> ModelEvaluation:
    """The record that `partway evaluate` would have made.

    Args:
        found: estimates of a model.
        threads: that it was measured with.
        prediction: that made them.
        three: whether it is calibrated by three timings; the cut that these were of is then left out.
    """
    model = found.model
    calibrated = found.after_three if three else found.after_one
    left_out = observed(model) if three else ()

    def figures(place: int, piece: MeasuredPiece) -> Figures:
        return Figures.of(piece.times, found.pieces[place], calibrated[place])

    whole = model.piece_kernels()[0]
    variants = [prediction.describe(kernel).variant for kernel in whole.kernels]
    return ModelEvaluation(
        model=model.model,
        digest="",
        binding="",
        threads=threads,
        macs=model.macs,
        weight_bytes=model.weight_bytes,
        optimised=model.optimised,
        whole=figures(0, model.whole),
        cuts=tuple(
            CutFigures(
                crossing=cut.crossing,
                depth=cut.depth,
                macs=cut.macs,
                up_bytes=cut.up_bytes,
                down_bytes=cut.down_bytes,
                head=figures(1 + 2 * row, cut.head),
                tail=figures(2 + 2 * row, cut.tail),
            )
            for row, cut in enumerate(model.cuts)
            if 1 + 2 * row not in left_out
        ),
        kinds=kinds_of(found.pieces[0], variants, model.kernels_s, model.whole.times.repeated_s),
    )


def evaluations(
    models: Iterable[MeasuredModel], prediction: KernelPrediction, *, threads: int, three: bool = False
) -> tuple[ModelEvaluation, ...]:
    """One record a model; see `evaluation`."""
    return tuple(
        evaluation(estimate(model, prediction), threads=threads, prediction=prediction, three=three) for model in models
    )


def chosen(models: Sequence[MeasuredModel], names: Sequence[str]) -> tuple[MeasuredModel, ...]:
    """The measured models of some names, in the order of the names.

    Raises:
        InputError: none of them was measured.
    """
    there = {model.model: model for model in models}
    found = tuple(there[name] for name in names if name in there)
    if not found:
        raise InputError(f"none of the {len(names)} models asked for was measured; run benchmarks.prediction first")
    return found
