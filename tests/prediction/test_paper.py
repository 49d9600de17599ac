"""The paper's regressions learn what their features can say, no more, and never predict less than a kernel takes."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiling.records import sample

from partway.engine import PieceKernels
from partway.errors import InputError
from partway.graph import Kernel, Operand
from partway.prediction.paper import PaperPrediction, fit_paper, layer_of
from partway.prediction.physical import LEAST_S
from partway.prediction.pieces import PieceEstimator
from partway.prediction.predictor import Setting
from partway.profiling.samples import Sample

NEURON_S, CALL_S = 2e-9, 1e-5


def operand(*shape: int, constant: bool = False) -> Operand:
    return Operand("float32", shape, 1 if constant else 0)


def unary(op_type: str, count: int) -> Kernel:
    return Kernel(op_type=op_type, inputs=(operand(1, count),), outputs=(operand(1, count),))


def convolution(filters: int, size: int = 3, stride: int = 1, **attributes: str) -> Kernel:
    return Kernel(
        op_type="Conv",
        inputs=(operand(1, 8, 16, 16), operand(filters, 8, size, size, constant=True)),
        outputs=(operand(1, filters, 16 // stride, 16 // stride),),
        attributes={"strides": (stride, stride), **attributes},
    )


def samples(kernels: Sequence[Kernel], seconds: Sequence[float], total_s: float = 1.0) -> tuple[Sample, ...]:
    # Long runs, so that nothing is said of what the profiler costs.
    runs = msgspec.structs.replace(sample(0).warm, total_s=total_s, kernels_s=tuple(seconds))
    return (msgspec.structs.replace(sample(0), kernels=tuple(kernels), warm=runs, cold=None),)


def predict(found: Sequence[Sample], *kernels: Kernel) -> list[float]:
    prediction = PaperPrediction(fit_paper(found, threads=1))
    return list(prediction.kernels([(layer_of(kernel), Setting()) for kernel in kernels])[0])


def test_a_convolution_is_its_input_and_its_filters_over_the_stride() -> None:
    layer = layer_of(convolution(filters=32, size=3, stride=2))
    assert layer.variant == "conv"
    assert layer.terms == {"input": 8 * 16 * 16, "filter_positions": 32 * (3 / 2) ** 2}


def test_a_fused_activation_counts_with_its_convolution() -> None:
    assert layer_of(convolution(32, activation="Relu")) == layer_of(convolution(32))


def test_layouts_are_one_type() -> None:
    blocked = msgspec.structs.replace(convolution(32), domain="com.microsoft.nchwc")
    assert layer_of(blocked) == layer_of(convolution(32))


def test_a_product_is_its_neurons_before_and_after() -> None:
    gemm = Kernel(op_type="Gemm", inputs=(operand(1, 256), operand(256, 10, constant=True)), outputs=(operand(1, 10),))
    assert layer_of(gemm).variant == "fc"
    assert layer_of(gemm).terms == {"input": 256, "output": 10}


@pytest.mark.parametrize(
    ("op_type", "name"),
    [
        ("Relu", "activation"),
        ("Softmax", "softmax"),
        ("ArgMax", "argmax"),
        ("LRN", "normalisation"),
        ("MaxPool", "pooling"),
        ("ReorderInput", "ReorderInput"),
    ],
)
def test_operators_have_the_type_that_the_paper_gives_them_or_one_of_their_own(op_type: str, name: str) -> None:
    assert layer_of(unary(op_type, 10)).variant == name


def test_what_is_linear_is_learnt_exactly() -> None:
    counts = (1_000, 10_000, 50_000, 200_000)
    found = samples([unary("Relu", count) for count in counts], [CALL_S + NEURON_S * count for count in counts])
    fit = fit_paper(found, threads=1).variants["activation"]
    assert fit.form == "linear"
    assert predict(found, unary("Relu", 1_000_000)) == pytest.approx([CALL_S + NEURON_S * 1_000_000])


def test_what_grows_with_the_logarithm_is_learnt_as_that() -> None:
    counts = (1_000, 10_000, 50_000, 200_000)
    found = samples([unary("Relu", count) for count in counts], [1e-5 * np.log(count) for count in counts])
    fit = fit_paper(found, threads=1).variants["activation"]
    assert fit.form == "logarithmic"
    assert predict(found, unary("Relu", 1_000_000)) == pytest.approx([1e-5 * np.log(1_000_000)])


def test_a_prediction_below_zero_is_raised_and_told() -> None:
    counts = (1_000, 10_000, 20_000, 40_000)
    found = samples([unary("Relu", count) for count in counts], [1e-6, 1e-6, 1e-6, 1e-3])
    fit = fit_paper(found, threads=1).variants["activation"]
    assert fit.unbounded_s([{"neurons": 1.0}])[0] < 0
    assert fit.floored > 0
    assert predict(found, unary("Relu", 1)) == [LEAST_S]


def test_an_operator_without_samples_is_predicted_by_all_kernels_together() -> None:
    counts = (1_000, 10_000, 50_000, 200_000)
    found = samples([unary("Relu", count) for count in counts], [CALL_S + NEURON_S * count for count in counts])
    assert predict(found, unary("Fly", 100_000)) == pytest.approx([CALL_S + NEURON_S * 100_000], rel=1e-6)


def test_a_kernel_that_the_profiler_does_not_tell_of_is_left_out() -> None:
    counts = (1_000, 10_000, 50_000, 200_000)
    (found,) = samples([unary("Relu", count) for count in (*counts, 7)], [NEURON_S * count for count in (*counts, 7)])
    hidden = msgspec.structs.replace(found.warm, kernels_s=(*found.warm.kernels_s[:-1], None))
    fit = fit_paper([msgspec.structs.replace(found, warm=hidden)], threads=1)
    assert fit.variants["activation"].samples == len(counts)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(InputError, match="hold 0 kernels with 2 threads"):
        fit_paper(samples([unary("Relu", 10)], [1e-5]), threads=2)


def test_pieces_are_summed_as_with_any_other_prediction() -> None:
    counts = (1_000, 10_000, 50_000, 200_000)
    found = samples([unary("Relu", count) for count in counts], [CALL_S + NEURON_S * count for count in counts])
    kernel = unary("Relu", 30_000)
    piece = PieceKernels(kernels=(kernel, kernel), returned=frozenset({1}), resident_bytes=10**9)
    (estimate,) = PieceEstimator(PaperPrediction(fit_paper(found, threads=1))).estimate([piece])
    assert estimate.seconds == pytest.approx(2 * (CALL_S + NEURON_S * 30_000))
    assert estimate.unsampled == ()


@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(1e-7, 1.0)), min_size=4, max_size=20))
def test_no_prediction_is_below_the_least_that_a_kernel_takes(points: list[tuple[int, float]]) -> None:
    found = samples([unary("Relu", count) for count, _ in points], [seconds for _, seconds in points])
    assert min(predict(found, unary("Relu", 1), unary("Relu", 10**7), unary("Fly", 5))) >= LEAST_S
