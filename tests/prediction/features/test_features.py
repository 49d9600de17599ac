"""What every kernel's features promise to the fits."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import RUNTIME, canonical, law
from tests.models import light_model
from tests.prediction.zoo_kernels import zoo_graphs

from partway.engine import PieceStore
from partway.graph import Kernel, Operand, whole
from partway.prediction.features import features_of

OPERATORS = (
    *("Add", "Conv", "ConvTranspose", "Gemm", "MatMul", "Softmax", "LayerNormalization", "ReduceMean", "MaxPool"),
    *("GlobalAveragePool", "Transpose", "Concat", "Split", "Gather", "Slice", "Resize", "ReorderInput", "LSTM"),
    *("Reshape", "Fly", "QLinearConv", "QLinearMatMul"),
)


def assert_sound(kernels: Iterable[Kernel]) -> None:
    for kernel in kernels:
        features = features_of(kernel)
        assert features.variant, kernel
        assert features.terms["call"] == 1, kernel
        assert all(isfinite(amount) and amount >= 0 for amount in features.terms.values()), (kernel, features)
        assert all(isfinite(size) and size > 0 for size in features.sizes.values()), (kernel, features)


def test_those_of_random_graphs_are_sound() -> None:
    assert_sound(kernel for kernels in zoo_graphs() for kernel in kernels)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_those_of_light_models_are_sound(tmp_path: Path, name: str) -> None:
    model = canonical(light_model(name, tmp_path))
    store = PieceStore(model, RUNTIME)
    before = store.kernels(whole(model)).kernels
    store.want_candidates()
    assert store.promote()
    after = store.kernels(whole(model)).kernels
    assert any(kernel.domain.endswith("nchwc") for kernel in after)
    assert_sound((*before, *after))


@law
@given(st.sampled_from(OPERATORS), st.integers(0, 4), st.integers(0, 2), st.sampled_from(("", "com.microsoft.nchwc")))
def test_kernels_of_unknown_shapes_are_sound(op_type: str, inputs: int, outputs: int, domain: str) -> None:
    unknown = Operand("unknown", None)
    assert_sound([Kernel(op_type=op_type, domain=domain, inputs=(unknown,) * inputs, outputs=(unknown,) * outputs)])
    assert_sound([Kernel(op_type=op_type, domain=domain, inputs=(None,) * inputs, outputs=(unknown,) * outputs)])


@pytest.mark.parametrize(
    ("op_type", "shapes", "output"),
    [
        ("Add", ((0, 4), (0, 4)), (0, 4)),
        ("Relu", ((1, 0, 4),), (1, 0, 4)),
        ("MatMul", ((0, 4), (4, 5)), (0, 5)),
        ("MatMul", ((3, 0), (0, 5)), (3, 5)),
        ("Conv", ((0, 3, 8, 8), (4, 3, 3, 3)), (0, 4, 6, 6)),
        ("Concat", ((0, 4), (2, 4)), (2, 4)),
        ("Softmax", ((0, 4),), (0, 4)),
        ("Resize", ((0, 4, 2, 2),), (0, 4, 4, 4)),
        ("Transpose", ((0, 4),), (4, 0)),
        ("ReduceMean", ((0, 4),), (1, 4)),
        ("Gather", ((9, 4), (0,)), (0, 4)),
    ],
)
def test_kernels_of_empty_tensors_are_sound(
    op_type: str, shapes: tuple[tuple[int, ...], ...], output: tuple[int, ...]
) -> None:
    inputs = tuple(Operand("float32", shape) for shape in shapes)
    assert_sound([Kernel(op_type=op_type, inputs=inputs, outputs=(Operand("float32", output),))])


def test_types_and_attributes_that_matter_make_variants_and_those_that_do_not_make_none() -> None:
    def variant(dtype: str, **attributes: int) -> str:
        operand = Operand(dtype, (3, 4))
        return features_of(
            Kernel(op_type="Relu", inputs=(operand,), outputs=(operand,), attributes={**attributes})
        ).variant

    assert variant("float32") != variant("float16")
    assert variant("float32") == variant("float32", whatever=3)
