import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.prediction.model_evaluation import Figures, kinds_of
from partway.prediction.predictor import Estimate, Part
from partway.profiling.comparison import Twice

SECONDS = st.floats(1e-6, 1.0)


def estimate(**seconds: float) -> Estimate:
    parts = tuple(
        Part(variant=name, seconds=took_s, spread=0.1, sampled=name != "odd") for name, took_s in seconds.items()
    )
    return Estimate(parts=parts, run_s=1e-5)


def test_figures_put_both_timings_beside_both_predictions() -> None:
    times = Twice(measured_s=1.0, repeated_s=1.04, busy_share=0.98)
    figures = Figures.of(times, estimate(conv=0.5), estimate(conv=1.0))
    assert (figures.measured_s, figures.repeated_s, figures.busy_share) == (1.0, 1.04, 0.98)
    assert (figures.predicted_s, figures.calibrated_s) == (0.50001, 1.00001)
    assert figures.spread == pytest.approx(0.1, rel=1e-3)
    assert msgspec.json.decode(msgspec.json.encode(figures), type=Figures) == figures


@pytest.mark.parametrize(
    ("repeated_s", "steady"), [(1.0, True), (1.04, True), (0.96, True), (1.06, False), (0.94, False)]
)
def test_a_piece_is_steady_when_the_machine_repeats_it_within_5_percent(repeated_s: float, steady: bool) -> None:
    times = Twice(measured_s=1.0, repeated_s=repeated_s, busy_share=1.0)
    assert Figures.of(times, estimate(), estimate()).steady is steady


def test_which_timing_came_first_does_not_matter_to_their_distance() -> None:
    pair = (Twice(measured_s=a, repeated_s=b, busy_share=1.0) for a, b in ((1.0, 1.2), (1.2, 1.0)))
    first, second = (Figures.of(times, estimate(), estimate()).repeat_error for times in pair)
    assert first == second == pytest.approx(0.2)


@given(st.lists(SECONDS, min_size=1, max_size=9), st.lists(SECONDS, min_size=1, max_size=9), st.floats(0, 5e-6))
def test_what_the_profiler_adds_is_taken_off_again(conv: list[float], pool: list[float], profiler_s: float) -> None:
    whole = estimate(conv=2.0, pool=1.0)
    kernels_s = [seconds + profiler_s for seconds in (*conv, *pool)]
    variants = ["conv"] * len(conv) + ["pool"] * len(pool)
    kinds = kinds_of(whole, variants, kernels_s, sum(conv) + sum(pool) + whole.run_s)
    assert [(kind.variant, kind.kernels) for kind in kinds] == [("conv", len(conv)), ("pool", len(pool))]
    assert [kind.measured_s for kind in kinds] == [pytest.approx(sum(conv)), pytest.approx(sum(pool))]


@given(st.lists(SECONDS, min_size=1, max_size=9), SECONDS)
def test_no_kind_takes_less_than_nothing(kernels_s: list[float], whole_s: float) -> None:
    (kind,) = kinds_of(estimate(conv=1.0), ["conv"] * len(kernels_s), kernels_s, whole_s)
    assert kind.measured_s is not None
    assert -1e-12 <= kind.measured_s <= sum(kernels_s) + 1e-12


def test_kinds_come_in_the_order_of_their_predicted_seconds_and_say_whether_they_were_sampled() -> None:
    kinds = kinds_of(estimate(conv=1.0, odd=3.0), ["conv", "odd", "conv"], None, 4.0)
    assert [(kind.variant, kind.sampled, kind.predicted_s) for kind in kinds] == [
        ("odd", False, 3.0),
        ("conv", True, 1.0),
    ]
    assert [kind.measured_s for kind in kinds] == [None, None]


def test_a_kind_with_a_kernel_that_was_not_timed_was_not_measured() -> None:
    kinds = kinds_of(estimate(conv=2.0, pool=1.0), ["conv", "pool", "conv"], [1.0, 1.0, None], 2.0)
    assert [kind.measured_s for kind in kinds] == [None, pytest.approx(1.0, rel=1e-4)]
