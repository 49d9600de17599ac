"""Features of what is no product: elements, bytes, and how long the runs are over which memory is read in order."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.graph import Kernel, Operand
from partway.graph.kernels import Attribute
from partway.prediction.features import Features, features_of

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple)


def floats(*shape: int, constant: bool = False) -> Operand:
    return Operand("float32", shape, 1 if constant else 0)


def found(op_type: str, inputs: tuple[Operand, ...], *outputs: tuple[int, ...], **attributes: Attribute) -> Features:
    made = tuple(floats(*shape) for shape in outputs)
    return features_of(Kernel(op_type=op_type, inputs=inputs, outputs=made, attributes=attributes))


@law
@given(SHAPES)
def test_bytes_and_elements_are_those_of_the_operands(shape: tuple[int, ...]) -> None:
    one, two = found("Relu", (floats(*shape),), shape), found("Add", (floats(*shape), floats(*shape)), shape)
    assert one.terms == {
        "call": 1,
        "input_bytes": 4 * prod(shape),
        "output_bytes": 4 * prod(shape),
        "elements": prod(shape),
    }
    assert two.terms == {**one.terms, "input_bytes": 8 * prod(shape), "spans": 1}
    assert (one.variant, two.variant) == ("Relu", "Add.same")


@pytest.mark.parametrize(
    ("smaller", "kind", "spans"),
    [
        ((), "scalar", 1),
        ((1, 1, 1), "scalar", 1),
        ((5,), "rows", 2 * 3 * 4),  # its whole row is read again and again
        ((4, 5), "rows", 2 * 3),
        ((3, 1, 1), "columns", 2 * 3),  # one value for a whole plane
        ((2, 3, 4, 1), "columns", 2 * 3 * 4),
        ((2, 3, 4, 5), "same", 1),
    ],
)
def test_a_broadcast_repeats_its_loop(smaller: tuple[int, ...], kind: str, spans: int) -> None:
    whole = floats(2, 3, 4, 5)
    for inputs in ((whole, floats(*smaller)), (floats(*smaller), whole)):
        features = found("Mul", inputs, (2, 3, 4, 5))
        assert features.variant == f"Mul.{kind}"
        assert features.terms["spans"] == spans
        assert features.sizes["span"] == 120 / spans


def test_powers_that_are_multiplications_run_code_of_their_own() -> None:
    inputs = (floats(3, 4), floats(constant=True))
    assert found("Pow", inputs, (3, 4), value=2.0).variant == "Pow.2.scalar"
    assert found("Pow", inputs, (3, 4), value=0.5).variant == "Pow.scalar"


def test_other_types_are_other_variants() -> None:
    kernel = Kernel(op_type="Cast", inputs=(Operand("int64", (3,)),), outputs=(Operand("float16", (3,)),))
    assert features_of(kernel).variant == "Cast.int64.float16"


@law
@given(SHAPES, st.data())
def test_a_transposition_is_free_runs_or_single_elements(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    made = tuple(shape[axis] for axis in order)
    features = found("Transpose", (floats(*shape),), made, perm=order)
    kept = [axis for axis in order if shape[axis] > 1]
    if kept == sorted(kept):
        assert features.variant == "Transpose.kept"
        return
    run = int(features.sizes["run"])
    assert features.terms["runs"] == prod(shape) / run
    assert (features.variant == "Transpose.runs") is (kept[-1] == max(kept))
    assert run == 1 or features.variant == "Transpose.runs"


@pytest.mark.parametrize(
    ("op_type", "data", "output", "attributes", "runs"),
    [
        ("Gather", (100, 8), (3, 8), {"axis": 0}, 3),
        ("Gather", (4, 100, 8), (4, 3, 8), {"axis": -2}, 12),
        ("Slice", (2, 10, 8), (2, 5, 8), {}, 2),
        ("Slice", (2, 10, 8), (2, 10, 3), {}, 60),
        ("Pad", (2, 10, 8), (2, 12, 8), {}, 192 / 80),
        ("Expand", (1, 8), (5, 8), {}, 5),
    ],
)
def test_copying_goes_by_runs(
    op_type: str, data: tuple[int, ...], output: tuple[int, ...], attributes: dict[str, Attribute], runs: float
) -> None:
    features = found(op_type, (floats(*data),), output, **attributes)
    assert features.terms["runs"] == pytest.approx(runs)


def test_joining_and_splitting_copy_the_shortest_run() -> None:
    joined = found("Concat", (floats(2, 3, 8), floats(2, 5, 8)), (2, 8, 8), axis=1)
    parted = found("Split", (floats(2, 8, 8),), (2, 3, 8), (2, 5, 8), axis=1)
    assert joined.sizes["run"] == parted.sizes["run"] == 24
    assert joined.sizes["parts"] == parted.sizes["parts"] == 2


@law
@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 5))
def test_a_pool_reads_a_window_for_every_output(channels: int, size: int, wide: int) -> None:
    side = size + wide - 1
    pooled = found("MaxPool", (floats(1, channels, side, side),), (1, channels, size, size), kernel_shape=(wide, wide))
    assert pooled.terms["window_elements"] == channels * size * size * wide * wide
    assert pooled.terms["windows"] == channels * size * size
    whole = found("GlobalAveragePool", (floats(1, channels, size, size),), (1, channels, 1, 1))
    assert whole.terms["window_elements"] == channels * size * size


def test_reductions_over_the_last_dimension_run_other_code_than_those_over_others() -> None:
    data = floats(2, 3, 4)
    assert found("ReduceMean", (data,), (2, 3, 1)).variant == "ReduceMean.last"
    assert found("ReduceMean", (data,), (2, 1, 4)).variant == "ReduceMean.inner"
    assert found("ReduceMean", (data,), (2, 3)).terms["outputs"] == 6


def test_normalisations_go_row_by_row() -> None:
    data = floats(2, 3, 4)
    assert found("Softmax", (data,), (2, 3, 4), axis=-1).terms["rows"] == 6
    assert found("Softmax", (data,), (2, 3, 4), axis=2) == found("Softmax", (data,), (2, 3, 4))
    inner = found("Softmax", (data,), (2, 3, 4), axis=1)
    assert (inner.variant, inner.sizes["row"]) == ("Softmax.inner", 3)
    layer = found("LayerNormalization", (data, floats(12)), (2, 3, 4), axis=1)
    assert (layer.terms["rows"], layer.sizes["row"]) == (2, 12)
    instance = found("InstanceNormalization", (floats(2, 3, 4, 5), floats(3), floats(3)), (2, 3, 4, 5))
    assert instance.terms["rows"] == 6


def test_resizes_differ_by_mode_and_reorders_by_side() -> None:
    data = (floats(1, 16, 4, 4),)
    assert found("Resize", data, (1, 16, 8, 8), mode="linear").variant == "Resize.linear"
    assert found("ReorderOutput", data, (1, 16, 4, 4)).variant == "ReorderOutput"
    last = found("ReorderOutput", data, (1, 4, 4, 16), channels_last=1)
    assert (last.variant, last.sizes["channels"], last.sizes["places"]) == ("ReorderOutput.last", 16, 16)


def test_what_only_says_how_memory_is_seen_is_one_variant() -> None:
    for op_type in ("Reshape", "Flatten", "Squeeze", "Identity"):
        assert found(op_type, (floats(3, 4),), (12,)).variant == "Free"


def test_an_unknown_operator_is_told_by_bytes_and_elements() -> None:
    features = found("Fly", (floats(3, 4),), (24,))
    assert (features.variant, features.terms["elements"]) == ("Fly", 24)
