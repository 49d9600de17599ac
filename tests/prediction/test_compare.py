import msgspec
import pytest
from tests.prediction.profiles import predictor, profile
from tests.profiling.records import MACHINE, sample

from partway.errors import InputError
from partway.prediction.compare import (
    HEADINGS,
    Difference,
    compare_profiles,
    comparison_rows,
    describe_ratio,
)
from partway.prediction.fitting import fit_predictor
from partway.prediction.predictor import Predictor, Setting, TypicalKernel
from partway.prediction.profile import Profile

KERNEL = TypicalKernel(terms={"call": 1.0}, sizes={}, setting=Setting())


def remembering(known: Predictor, *, kernels: int = 1) -> Predictor:
    """The predictor with kernels to compare on."""
    variants = {name: msgspec.structs.replace(fit, typical=(KERNEL,) * kernels) for name, fit in known.variants.items()}
    return msgspec.structs.replace(known, variants=variants)


FIRST = remembering(predictor({"Relu": 1e-3, "Tanh": 4e-3, "Conv": 1e-3}), kernels=2)
SECOND = remembering(predictor({"Relu": 2e-3, "Tanh": 1e-3, "Gelu": 1e-3}))


def test_variants_are_compared_on_the_kernels_of_both() -> None:
    comparison = compare_profiles(profile(FIRST), profile(SECOND))
    tanh, relu = comparison.variants
    assert (tanh.variant, tanh.kernels, relu.variant) == ("Tanh", 3, "Relu")
    assert (tanh.ratio, relu.first_s, relu.second_s) == pytest.approx((0.25, 1e-3, 2e-3))
    assert relu.spread == pytest.approx(0.1 * 2**0.5)
    assert comparison.ratio == pytest.approx((0.25 * 2.0) ** 0.5)
    assert (comparison.only_first, comparison.only_second) == (("Conv",), ("Gelu",))


def test_a_machine_is_as_fast_as_itself_and_the_other_way_round_ratios_turn_over() -> None:
    same = compare_profiles(profile(FIRST), profile(FIRST))
    assert {item.ratio for item in same.variants} == {1.0}
    assert same.differences == ()
    there, back = compare_profiles(profile(FIRST), profile(SECOND)), compare_profiles(profile(SECOND), profile(FIRST))
    assert {item.variant: item.ratio for item in there.variants} == pytest.approx(
        {item.variant: 1.0 / item.ratio for item in back.variants}
    )


def test_what_differs_about_the_machines_is_listed() -> None:
    other = msgspec.structs.replace(MACHINE, processor="Biro", instructions=(), usable_cores=1)
    comparison = compare_profiles(profile(FIRST), profile(SECOND, machine=other, runtime="onnxruntime 9.9"))
    assert Difference(what="processor", first="Pencil", second="Biro") in comparison.differences
    assert {item.what for item in comparison.differences} == {"processor", "instruction sets", "cores", "runtime"}


def test_settings_of_threads_that_only_one_of_two_has_are_compared_and_named() -> None:
    four = msgspec.structs.replace(SECOND, threads=4)
    comparison = compare_profiles(profile(FIRST), profile(four))
    assert Difference(what="threads", first="1", second="4") in comparison.differences
    with pytest.raises(InputError, match="no samples with 4 threads"):
        compare_profiles(profile(FIRST), profile(four), threads=4)


def test_profiles_that_remember_no_kernels_cannot_be_compared() -> None:
    bare = profile(predictor({"Relu": 1e-3}))
    with pytest.raises(InputError, match="--refit"):
        compare_profiles(bare, bare)


def test_variants_that_nobody_remembers_are_named() -> None:
    mixed = msgspec.structs.replace(FIRST, variants={**FIRST.variants, **predictor({"Elu": 1e-3}).variants})
    assert compare_profiles(profile(mixed), profile(mixed)).uncompared == ("Elu",)


def test_rows_end_with_all_kernels_together() -> None:
    rows = comparison_rows(compare_profiles(profile(FIRST), profile(SECOND)))
    assert all(len(row) == len(HEADINGS) for row in rows)
    assert rows[0] == ("Tanh", "3", "4 ms", "1 ms", "4x faster")
    assert rows[-1] == ("(all)", "6", "", "", "1.41x faster")


@pytest.mark.parametrize(("ratio", "text"), [(2.0, "2x slower"), (0.4, "2.5x faster"), (1.01, "the same")])
def test_ratios_are_put_in_words(ratio: float, text: str) -> None:
    assert describe_ratio(ratio) == text


def test_fitting_remembers_kernels_from_the_fast_to_the_slow() -> None:
    samples = []
    for index in range(10):
        one = sample(index)
        warm = msgspec.structs.replace(one.warm, kernels_s=(1e-3 * (index + 1), None))
        samples.append(msgspec.structs.replace(one, warm=warm, cold=None))
    fitted = fit_predictor(samples, threads=1, machine=MACHINE)
    (fit,) = fitted.variants.values()
    assert len(fit.typical) == 5
    stored = msgspec.json.decode(msgspec.json.encode(profile(fitted)), type=Profile)
    assert stored.predictors[0].variants == fitted.variants
