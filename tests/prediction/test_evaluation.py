from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.prediction.evaluation import share_of, summarise
from partway.prediction.model_evaluation import CutFigures, Figures, KindFigures, ModelEvaluation


def figures(
    predicted_s: float,
    measured_s: float = 1.0,
    repeated_s: float | None = None,
    *,
    spread: float = 0.1,
    calibrated_s: float | None = None,
) -> Figures:
    return Figures(
        measured_s=measured_s,
        repeated_s=measured_s if repeated_s is None else repeated_s,
        busy_share=1.0,
        predicted_s=predicted_s,
        spread=spread,
        calibrated_s=predicted_s if calibrated_s is None else calibrated_s,
        calibrated_spread=spread,
    )


def evaluation(whole: Figures, pieces: Sequence[Figures] = (), kinds: Sequence[KindFigures] = ()) -> ModelEvaluation:
    cuts = tuple(
        CutFigures(crossing=("x",), depth=1, macs=1, up_bytes=4, down_bytes=4, head=piece, tail=None)
        for piece in pieces
    )
    return ModelEvaluation(
        model="some.onnx",
        digest="sha256:0",
        binding="{}",
        threads=1,
        macs=1,
        weight_bytes=1,
        optimised=True,
        whole=whole,
        cuts=cuts,
        kinds=tuple(kinds),
    )


def kind(variant: str, predicted_s: float, measured_s: float | None, *, sampled: bool = True) -> KindFigures:
    return KindFigures(
        variant=variant, sampled=sampled, kernels=2, predicted_s=predicted_s, spread=0.1, measured_s=measured_s
    )


@pytest.mark.parametrize(
    # Source: Brown, Cai and DasGupta, Interval estimation for a binomial proportion (2001), equation 4.
    ("hits", "of", "low", "high"),
    [(9, 10, 0.596, 0.982), (0, 10, 0.0, 0.278), (40, 40, 0.912, 1.0), (5, 10, 0.237, 0.763)],
)
def test_a_share_has_the_interval_of_wilson(hits: int, of: int, low: float, high: float) -> None:
    share = share_of([True] * hits + [False] * (of - hits))
    assert (share.count, share.of, share.share) == (hits, of, hits / of)
    assert share.low == pytest.approx(low, abs=1e-3)
    assert share.high == pytest.approx(high, abs=1e-3)


@given(st.lists(st.booleans(), min_size=1))
def test_a_share_lies_within_its_interval_which_narrows_the_more_there_are(hits: list[bool]) -> None:
    one, four = share_of(hits), share_of(hits * 4)
    assert one.share is not None
    assert 0 <= one.low <= one.share <= one.high <= 1
    assert four.high - four.low < one.high - one.low


def test_a_share_of_none_says_nothing() -> None:
    share = share_of([])
    assert (share.share, share.low, share.high) == (None, 0, 1)


def test_models_are_counted_with_and_without_those_that_the_machine_does_not_repeat() -> None:
    found = [
        evaluation(figures(1.05)),
        evaluation(figures(0.86)),
        evaluation(figures(1.4, repeated_s=1.1)),
    ]
    summary = summarise(found)
    assert summary.models.count == 3
    assert summary.models.within_10_percent.count == 1
    assert summary.models.within_15_percent.count == 2
    assert summary.models.within_20_percent.share == pytest.approx(2 / 3)
    assert summary.models.median_error == pytest.approx(0.14)
    assert summary.steady_models.count == 2
    assert summary.steady_models.within_20_percent.share == 1
    assert summary.steady_models.median_repeat_error == 0


def test_pieces_are_held_against_their_second_timing_before_and_after_calibration() -> None:
    pieces = [figures(0.5, 0.5, 0.52, calibrated_s=0.52), figures(1.0, 1.0, 1.0, calibrated_s=0.9)]
    summary = summarise([evaluation(figures(1.0), pieces)])
    assert summary.pieces.count == 2
    assert summary.pieces.median_error == pytest.approx((1 - 0.5 / 0.52) / 2)
    assert summary.calibrated_pieces.median_error == pytest.approx(0.05)
    assert summary.pieces.median_repeat_error == pytest.approx(0.02)


def test_only_pieces_that_repeat_in_models_that_repeat_are_steady() -> None:
    pieces = [figures(1.0, 1.0, 2.0, calibrated_s=2.0), figures(1.0)]
    summary = summarise([evaluation(figures(1.0), pieces), evaluation(figures(1.0, repeated_s=2.0), pieces)])
    assert (summary.pieces.count, summary.steady_pieces.count) == (4, 1)
    assert (summary.calibrated_pieces.count, summary.steady_calibrated_pieces.count) == (4, 1)
    assert summary.steady_pieces.median_error == 0


def test_the_stated_uncertainty_is_held_against_the_logarithm_of_the_error() -> None:
    wholes = [figures(1.09), figures(1 / 1.09), figures(1.15), figures(1 / 1.3)]
    summary = summarise([evaluation(whole) for whole in wholes])
    assert summary.models.within_one_spread.count == 2
    assert summary.models.within_two_spreads.count == 3


def test_nothing_is_known_of_no_models() -> None:
    summary = summarise([])
    assert (summary.models.count, summary.models.median_error, summary.models.within_10_percent.share) == (
        0,
        None,
        None,
    )
    assert summary.kinds == ()


def test_kinds_are_summed_over_models_the_longest_first() -> None:
    found = [
        evaluation(figures(4.0), kinds=[kind("Conv", 3.0, 2.0), kind("Odd", 1.0, None, sampled=False)]),
        evaluation(figures(6.0), kinds=[kind("Conv", 3.0, 4.0), kind("Relu", 1e-6, 2e-6)]),
    ]
    conv, odd, relu = summarise(found).kinds
    assert (conv.variant, conv.models, conv.kernels, conv.share) == ("Conv", 2, 4, 0.6)
    assert conv.largest_share == 0.75
    assert conv.median_error == pytest.approx((0.5 + 0.25) / 2)
    assert conv.ratio == 1.0
    assert (odd.variant, odd.sampled, odd.share, odd.median_error) == ("Odd", False, 0.1, None)
    # Too short to be told from the timer.
    assert (relu.variant, relu.median_error, relu.ratio) == ("Relu", None, None)
