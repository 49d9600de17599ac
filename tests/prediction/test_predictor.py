"""From kernels to seconds: what was sampled, what was not, and how they add up."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.prediction.profiles import predictor
from tests.prediction.zoo_kernels import zoo_graphs

from partway.errors import InputError
from partway.graph import Kernel, Operand
from partway.prediction.features import Features, features_of
from partway.prediction.physical import LEAST_S, Physical
from partway.prediction.predictor import (
    Prediction,
    Predictor,
    Roofline,
    Setting,
    VariantFit,
    combine,
    roofline_s,
    sizes_of,
    terms_of,
    work_of,
)
from partway.prediction.residual import Residual

SETTINGS = st.builds(Setting, far=st.floats(0, 1), cold=st.floats(0, 1), returned=st.booleans())


def relu(elements: int) -> Features:
    operand = Operand("float32", (elements,))
    return features_of(Kernel(op_type="Relu", inputs=(operand,), outputs=(operand,)))


def product(depth: int = 64) -> Features:
    return features_of(
        Kernel(
            op_type="MatMul",
            inputs=(Operand("float32", (1, depth)), Operand("float32", (depth, 64), 1)),
            outputs=(Operand("float32", (1, 64)),),
        )
    )


def told(value: float) -> Residual:
    """One sample at 100 elements that took e^value times what the formula says."""
    return Residual(
        sizes=("elements",),
        centre=(math.log(100),),
        scale=(1.0,),
        length=1.0,
        amplitude=0.4,
        noise=0.01,
        points=((0.0,),),
        values=(value,),
        extra_noise=(0.0,),
    )


def test_a_variant_that_was_sampled_takes_what_its_formula_says() -> None:
    found = Prediction(predictor({"Relu": 3e-4}))
    seconds, spreads = found.kernels([(relu(10), Setting()), (relu(1000), Setting())])
    assert seconds.tolist() == [3e-4, 3e-4]
    assert spreads.tolist() == [0.1, 0.1]


def test_one_that_was_not_takes_a_roofline_and_says_so() -> None:
    fitted = predictor({"Relu": 3e-4})
    seconds, spreads = Prediction(fitted).kernels([(relu(10), Setting()), (product(), Setting())])
    assert seconds[1] == pytest.approx(roofline_s(product(), fitted.roofline))
    assert spreads[1] == fitted.roofline.spread
    names = ("Relu", product().variant)
    estimate = combine(zip(names, seconds.tolist(), spreads.tolist(), strict=True), fitted)
    assert estimate.unsampled == (product().variant,)
    assert estimate.unsampled_share == pytest.approx(seconds[1] / estimate.seconds)


def test_strictly_such_a_kernel_is_refused_by_name() -> None:
    strict = Prediction(predictor({"Relu": 3e-4}), strict=True)
    assert strict.kernels([(relu(10), Setting())])[0].tolist() == [3e-4]
    with pytest.raises(InputError, match=r"no samples of Product\.one_row\.weights; profile longer"):
        strict.kernels([(relu(10), Setting()), (product(), Setting())])


def test_no_kernel_of_any_random_graph_takes_nothing_or_for_ever() -> None:
    settings = (Setting(), Setting(far=1.0, cold=1.0, returned=True))
    rows = [(features_of(kernel), setting) for kernels in zoo_graphs() for kernel in kernels for setting in settings]
    for fitted in (predictor(), predictor(dict.fromkeys({features.variant for features, _ in rows[::2]}, 0.0))):
        seconds, spreads = Prediction(fitted).kernels(rows)
        assert np.isfinite(seconds).all()
        assert (seconds >= LEAST_S).all()
        assert (spreads > 0).all()


def test_nothing_to_predict_is_nothing() -> None:
    seconds, spreads = Prediction(predictor()).kernels([])
    assert (seconds.shape, spreads.shape) == ((0,), (0,))


@law
@given(st.lists(st.tuples(st.integers(1, 10**6), st.booleans(), SETTINGS), min_size=1, max_size=8))
def test_kernels_are_predicted_alike_alone_and_in_company(wanted: list[tuple[int, bool, Setting]]) -> None:
    found = Prediction(predictor({"Relu": 3e-4}))
    rows = [(relu(size) if is_relu else product(size), setting) for size, is_relu, setting in wanted]
    together, _ = found.kernels(rows)
    alone = [float(found.kernels([row])[0][0]) for row in rows]
    np.testing.assert_allclose(together, alone)


@pytest.mark.parametrize(("value", "factor"), [(0.2, math.exp(0.2)), (-0.2, math.exp(-0.2)), (5.0, math.e)])
def test_samples_nearby_stretch_the_formula_by_a_factor_of_e_at_most(value: float, factor: float) -> None:
    fit = VariantFit(samples=30, physical=Physical(costs_s={"elements": 1e-6}), residual=told(value), spread=0.3)
    found = Prediction(msgspec.structs.replace(predictor(), variants={"Relu": fit}))
    near, far = ((relu(100), Setting()), (relu(10**9), Setting()))
    seconds, spreads = found.kernels([near, far])
    assert seconds[0] == pytest.approx(1e-4 * factor, rel=1e-2)
    assert seconds[1] == pytest.approx(1e3, rel=1e-2)
    assert spreads[0] < spreads[1]


@law
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(1e-6, 1.0), st.floats(0.0, 1.0)), max_size=10))
def test_the_parts_of_an_estimate_add_up(kernels: list[tuple[str, float, float]]) -> None:
    fitted = predictor({"a": 1.0, "b": 1.0})
    estimate = combine(kernels, fitted)
    assert estimate.seconds == pytest.approx(fitted.run_s + sum(seconds for _, seconds, _ in kernels))
    assert len({part.variant for part in estimate.parts}) == len(estimate.parts)
    assert set(estimate.unsampled) == {name for name, *_ in kernels} - {"a", "b"}
    assert 0.0 <= estimate.unsampled_share <= 1.0
    assert 0.0 <= estimate.spread <= max((spread for *_, spread in kernels), default=0.0) + 1e-12


def test_kernels_of_one_variant_err_together_those_of_others_each_for_itself() -> None:
    fitted = msgspec.structs.replace(predictor(), run_s=0.0)
    together = combine([("a", 1.0, 0.2), ("a", 1.0, 0.2)], fitted)
    apart = combine([("a", 1.0, 0.2), ("b", 1.0, 0.2)], fitted)
    assert together.spread == pytest.approx(0.2)
    assert apart.spread == pytest.approx(0.2 / math.sqrt(2))


@law
@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=9))
def test_more_bytes_are_never_nearer(sizes: list[int]) -> None:
    settings = [predictor().setting(size) for size in sorted(sizes)]
    for shares in ([item.far for item in settings], [item.cold for item in settings]):
        assert shares == sorted(shares)
        assert 0.0 <= shares[0] <= shares[-1] <= 1.0
    assert all(item.cold <= item.far for item in settings)


def test_what_fits_easily_is_near_and_what_fills_a_cache_is_beyond_it() -> None:
    fitted = predictor()
    assert fitted.setting(0) == fitted.setting(fitted.near_bytes // 4) == Setting()
    assert fitted.setting(fitted.near_bytes) == Setting(far=1.0, cold=0.0)
    assert fitted.setting(fitted.cache_bytes) == Setting(far=1.0, cold=1.0)
    assert 0.0 < fitted.setting(fitted.near_bytes // 2).far < 1.0


@law
@given(SETTINGS)
def test_where_a_kernel_runs_adds_terms_and_changes_none(setting: Setting) -> None:
    features, fitted = product(), predictor()
    terms = terms_of(features, setting, fitted)
    assert {name: terms[name] for name in features.terms} == features.terms
    assert terms["far_bytes"] == pytest.approx(setting.far * features.terms["weight_bytes"])
    assert terms["cold_bytes"] == pytest.approx(setting.cold * features.terms["weight_bytes"])
    assert ("returned_bytes" in terms) is setting.returned
    assert all(size > 0 for size in sizes_of(features, setting).values())
    assert sizes_of(relu(10), setting) == relu(10).sizes


def test_work_is_told_by_macs_or_else_by_elements() -> None:
    macs, elements, size_bytes = work_of(product(8))
    assert (macs, elements, size_bytes) == (512, 0, 4 * (8 + 512 + 64))
    assert work_of(relu(10)) == (0, 10, 80)


@law
@given(st.floats(1e-12, 1e-6), st.floats(1e-12, 1e-6), st.floats(1e-12, 1e-6))
def test_a_roofline_is_the_slower_of_computing_and_moving(mac_s: float, element_s: float, byte_s: float) -> None:
    roofline = Roofline(mac_s=mac_s, element_s=element_s, byte_s=byte_s, spread=0.5)
    macs, _, size_bytes = work_of(product())
    assert roofline_s(product(), roofline) == max(macs * mac_s, size_bytes * byte_s)
    assert roofline_s(relu(7), roofline) == max(7 * element_s, 56 * byte_s)


def test_it_is_stored_and_read_back() -> None:
    found = predictor({"Relu": 1e-3})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Predictor) == found
