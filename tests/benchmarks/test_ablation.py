"""Each choice is undone by what the fit is given."""

import msgspec
from benchmarks.ablation import CHOICES, Describer, endless, textbook_terms, without_cold, without_profiler_cost
from tests.profiling.records import MACHINE, sample

from partway.graph import Kernel, Operand
from partway.prediction.features import features_of
from partway.prediction.fitting import cache_sizes_bytes, profiler_cost

CONVOLUTION = Kernel(
    op_type="Conv",
    domain="com.microsoft.nchwc",
    inputs=(Operand("float32", (1, 16, 8, 8)), Operand("float32", (32, 16, 3, 3), 1)),
    outputs=(Operand("float32", (1, 32, 8, 8)),),
    attributes={"pads": (1, 1, 1, 1), "strides": (1, 1)},
)


def test_with_every_choice_features_are_ours() -> None:
    assert Describer(choices=frozenset(CHOICES))(CONVOLUTION) == features_of(CONVOLUTION)


def test_without_variants_an_operator_has_one_formula() -> None:
    plain = msgspec.structs.replace(CONVOLUTION, domain="")
    describe = Describer(choices=frozenset({"amounts"}))
    assert describe(CONVOLUTION).variant == describe(plain).variant == "Conv"
    assert features_of(CONVOLUTION).variant != features_of(plain).variant


def test_textbook_amounts_count_padding_and_know_no_loops() -> None:
    terms = textbook_terms(CONVOLUTION, features_of(CONVOLUTION))
    assert terms["macs"] == 32 * 8 * 8 * 16 * 3 * 3
    assert set(terms) == {"call", "input_bytes", "output_bytes", "weight_bytes", "macs"}


def test_without_cold_samples_nothing_is_far() -> None:
    assert without_cold([sample(0)])[0].cold is None
    assert min(cache_sizes_bytes(endless(MACHINE))) > 2**50


def test_without_its_cost_the_profiler_seems_to_cost_nothing() -> None:
    runs = msgspec.structs.replace(sample(0).warm, total_s=1e-4, kernels_s=(8e-5, 6e-5))
    samples = [msgspec.structs.replace(sample(index), warm=runs) for index in range(9)]
    assert profiler_cost(samples).kernel_s > 0
    assert profiler_cost(without_profiler_cost(samples)).kernel_s == 0
