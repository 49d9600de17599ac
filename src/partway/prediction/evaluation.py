"""How good predictions are: what was predicted of models against what they took, and against how they repeat.

    ModelEvaluation, ...   one a model: whole, pieces, kinds of kernel
        -> Summary         typical errors, shares within 10 % and 20 % with their intervals, and whether the stated
                           uncertainty holds; all of it once more without what the machine itself did not repeat

Input: records of what was predicted and measured. Output: figures. Pure. Called by `partway evaluate` and by
benchmarks; `trial` makes the records.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from partway.prediction.model_evaluation import Figures, KindFigures, ModelEvaluation

_WILSON_Z = 1.959964  # 95 %
_TELLING_S = 5e-6  # kinds that take less of a model are judged by the timer more than by the fit


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share that was counted, and where the true one may lie.

    Attributes:
        count: how many.
        of: among how many.
        share: of them; None among none.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    count: int
    of: int
    share: float | None
    low: float
    high: float


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """How far off some predictions are.

    Attributes:
        count: how many.
        median_error: the middle one of |predicted / measured - 1|; None for none.
        within_10_percent: share of predictions so near.
        within_15_percent: the same.
        within_20_percent: the same.
        within_one_spread: share whose logarithm is within the stated standard deviation; 68 % if that is right.
        within_two_spreads: within two of them; 95 % if that is right.
        median_repeat_error: how far the machine's own two timings are apart, in the middle; None for none.
    """

    count: int
    median_error: float | None
    within_10_percent: Share
    within_15_percent: Share
    within_20_percent: Share
    within_one_spread: Share
    within_two_spreads: Share
    median_repeat_error: float | None


class KindSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One variant of kernels, over all models.

    Attributes:
        variant: which.
        sampled: whether the profile knows it.
        models: in how many it occurs.
        kernels: in all of them.
        share: of the predicted seconds of all models.
        largest_share: of those of one model.
        median_error: over models in which it takes long enough to tell; None where there is none.
        ratio: predicted over measured seconds in these together; None where there is none.
    """

    variant: str
    sampled: bool
    models: int
    kernels: int
    share: float
    largest_share: float
    median_error: float | None
    ratio: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How good the predictions of some models are.

    Whole models are held against their first timing, pieces against their second: the first timing of the whole model
    is what calibrates them.

    Attributes:
        models: whole models.
        steady_models: those that the machine repeats.
        pieces: heads and tails, by the profile alone.
        steady_pieces: those that the machine repeats, of models that it repeats.
        calibrated_pieces: all of them, once the whole model had been timed.
        steady_calibrated_pieces: the steady ones, once the whole model had been timed.
        kinds: kernels by variant, those that are expected to take longest first.
    """

    models: Errors
    steady_models: Errors
    pieces: Errors
    steady_pieces: Errors
    calibrated_pieces: Errors
    steady_calibrated_pieces: Errors
    kinds: tuple[KindSummary, ...]


def summarise(evaluations: Sequence[ModelEvaluation]) -> Summary:
    """The figures of some models together; a piece counts as much as any other, whichever model it is of."""
    wholes = [found.whole for found in evaluations]
    pieces = [piece for found in evaluations for piece in found.pieces]
    steady = [piece for found in evaluations if found.whole.steady for piece in found.pieces if piece.steady]
    return Summary(
        models=_errors((it, it.measured_s, it.predicted_s, it.spread) for it in wholes),
        steady_models=_errors((it, it.measured_s, it.predicted_s, it.spread) for it in wholes if it.steady),
        pieces=_errors((it, it.repeated_s, it.predicted_s, it.spread) for it in pieces),
        steady_pieces=_errors((it, it.repeated_s, it.predicted_s, it.spread) for it in steady),
        calibrated_pieces=_errors((it, it.repeated_s, it.calibrated_s, it.calibrated_spread) for it in pieces),
        steady_calibrated_pieces=_errors((it, it.repeated_s, it.calibrated_s, it.calibrated_spread) for it in steady),
        kinds=_kinds(evaluations),
    )


def share_of(hits: Iterable[bool]) -> Share:
    """The share of hits, with its Wilson interval: 10 of 10 do not prove 100 %.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    told = tuple(hits)
    count, of = sum(told), len(told)
    if not of:
        return Share(count=0, of=0, share=None, low=0.0, high=1.0)
    share, square = count / of, _WILSON_Z**2
    centre = (share + square / (2 * of)) / (1 + square / of)
    reach = _WILSON_Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of**2))
    # Rounding must not put the ends on the wrong side of the share itself.
    low, high = max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach))
    return Share(count=count, of=of, share=share, low=low, high=high)


def _errors(points: Iterable[tuple[Figures, float, float, float]]) -> Errors:
    # Each with what it took, what was predicted, and the spread that was stated.
    told = tuple(points)
    errors = [abs(predicted_s / took_s - 1.0) for _, took_s, predicted_s, _ in told]
    spreads = [(abs(math.log(predicted_s / took_s)), spread) for _, took_s, predicted_s, spread in told]
    return Errors(
        count=len(told),
        median_error=median(errors) if errors else None,
        within_10_percent=share_of(error <= 0.10 for error in errors),
        within_15_percent=share_of(error <= 0.15 for error in errors),
        within_20_percent=share_of(error <= 0.20 for error in errors),
        within_one_spread=share_of(off <= spread for off, spread in spreads),
        within_two_spreads=share_of(off <= 2 * spread for off, spread in spreads),
        median_repeat_error=median(it.repeat_error for it, *_ in told) if told else None,
    )


def _kinds(evaluations: Sequence[ModelEvaluation]) -> tuple[KindSummary, ...]:
    total_s = sum(found.whole.predicted_s for found in evaluations)
    found_in: dict[str, list[tuple[ModelEvaluation, KindFigures]]] = {}
    for evaluation in evaluations:
        for kind in evaluation.kinds:
            found_in.setdefault(kind.variant, []).append((evaluation, kind))
    summaries = []
    for variant, pairs in found_in.items():
        told = [
            (kind.predicted_s, kind.measured_s)
            for _, kind in pairs
            if kind.measured_s is not None and kind.measured_s >= _TELLING_S
        ]
        measured_s = sum(took_s for _, took_s in told)
        summaries.append(
            KindSummary(
                variant=variant,
                sampled=pairs[0][1].sampled,
                models=len(pairs),
                kernels=sum(kind.kernels for _, kind in pairs),
                share=sum(kind.predicted_s for _, kind in pairs) / total_s,
                largest_share=max(kind.predicted_s / evaluation.whole.predicted_s for evaluation, kind in pairs),
                median_error=median(abs(guess_s / took_s - 1.0) for guess_s, took_s in told) if told else None,
                ratio=sum(guess_s for guess_s, _ in told) / measured_s if told else None,
            )
        )
    return tuple(sorted(summaries, key=lambda kind: -kind.share))
