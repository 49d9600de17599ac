"""Features of matrix products, attention and recurrent layers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.graph import Kernel, Operand
from partway.graph.kernels import Attribute
from partway.prediction.features import Features, features_of

LENGTHS = st.integers(1, 70)


def floats(*shape: int, constant: bool = False) -> Operand:
    return Operand("float32", shape, 1 if constant else 0)


def product(
    left: Operand,
    right: Operand,
    output: tuple[int, ...],
    *,
    op_type: str = "MatMul",
    attributes: Mapping[str, Attribute] | None = None,
) -> Features:
    kernel = Kernel(
        op_type=op_type, inputs=(left, right), outputs=(floats(*output),), attributes=dict(attributes or {})
    )
    return features_of(kernel)


@law
@given(LENGTHS, LENGTHS, LENGTHS, st.booleans(), st.booleans())
def test_every_output_sums_over_the_depth_whichever_factor_is_transposed(
    rows: int, depth: int, columns: int, left: bool, right: bool
) -> None:
    found = product(
        floats(depth, rows) if left else floats(rows, depth),
        floats(columns, depth, constant=True) if right else floats(depth, columns, constant=True),
        (rows, columns),
        op_type="Gemm",
        attributes={"transA": int(left), "transB": int(right)},
    )
    assert found.terms["macs"] == rows * depth * columns
    assert found.terms["macs"] <= found.terms["tiled_macs"] < rows * depth * (columns + 32)
    assert found.terms["weight_bytes"] == 4 * depth * columns
    assert found.terms["input_bytes"] == 4 * rows * depth
    assert found.sizes == {"rows": rows, "columns": columns, "depth": depth, "batch": 1}


@law
@given(st.integers(1, 5), st.integers(1, 9), LENGTHS, LENGTHS)
def test_one_right_factor_for_a_batch_makes_one_product(batch: int, rows: int, depth: int, columns: int) -> None:
    weights = floats(depth, columns, constant=True)
    stacked = product(floats(batch, rows, depth), weights, (batch, rows, columns))
    flat = product(floats(batch * rows, depth), weights, (batch * rows, columns))
    assert stacked == flat


@law
@given(st.integers(2, 9), LENGTHS, LENGTHS, LENGTHS)
def test_twice_the_products_are_twice_the_work(rows: int, depth: int, columns: int, heads: int) -> None:
    one, two = (
        product(floats(n, rows, depth), floats(n, depth, columns), (n, rows, columns)) for n in (2 * heads, 4 * heads)
    )
    assert one.variant == two.variant == "Product.rows.activations"
    still = ("call", "weight_bytes")
    assert two.terms == {name: amount * (1 if name in still else 2) for name, amount in one.terms.items()}


def test_one_row_weights_and_types_run_different_code() -> None:
    def variant(rows: int, *, constant: bool, transposed: bool = False, dtype: str = "float32") -> str:
        right = (9, 8) if transposed else (8, 9)
        left = Operand(dtype, (rows, 8))
        attributes = {"transB": int(transposed)}
        return product(
            left, floats(*right, constant=constant), (rows, 9), op_type="Gemm", attributes=attributes
        ).variant

    assert variant(1, constant=True) == "Product.one_row.weights"
    assert variant(1, constant=True, transposed=True) == "Product.one_row.weights.transposed"
    assert variant(2, constant=True, transposed=True) == "Product.rows.weights"  # packed beforehand, either way
    assert variant(2, constant=False, transposed=True) == "Product.rows.activations.transposed"
    assert variant(2, constant=True, dtype="float16") == "Product.rows.weights.float16"


def test_a_vector_times_a_matrix_is_one_row() -> None:
    found = product(floats(8), floats(8, 9, constant=True), (9,))
    assert found.variant == "Product.one_row.weights"
    assert found.terms["macs"] == 72


def test_a_quantised_product_has_its_factors_elsewhere() -> None:
    scale, zero = floats(constant=True), Operand("uint8", (), 1)
    kernel = Kernel(
        op_type="QLinearMatMul",
        inputs=(Operand("uint8", (4, 8)), scale, zero, Operand("uint8", (8, 9), 1), scale, zero, scale, zero),
        outputs=(Operand("uint8", (4, 9)),),
    )
    assert features_of(kernel).terms["macs"] == 4 * 8 * 9
    assert features_of(kernel).variant == "QLinearMatMul.rows.weights.uint8"


def test_attention_projects_and_scores() -> None:
    kernel = Kernel(
        op_type="Attention",
        domain="com.microsoft",
        inputs=(floats(2, 10, 64), floats(64, 192, constant=True)),
        outputs=(floats(2, 10, 64),),
        attributes={"num_heads": 4},
    )
    terms = features_of(kernel).terms
    assert terms["macs"] == 2 * 10 * 64 * 192
    assert terms["score_macs"] == 2 * 2 * 10 * 10 * 64
    assert terms["scores"] == 2 * 4 * 10 * 10


def test_attention_across_looks_at_the_keys() -> None:
    kernel = Kernel(
        op_type="MultiHeadAttention",
        domain="com.microsoft",
        inputs=(floats(2, 10, 64), floats(2, 30, 64), floats(2, 30, 64)),
        outputs=(floats(2, 10, 64),),
        attributes={"num_heads": 4},
    )
    assert features_of(kernel).terms["score_macs"] == 2 * 2 * 10 * 30 * 64


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_recurrent_layers_take_a_product_a_step(op_type: str, gates: int, transposed: bool) -> None:
    steps, batch, features, hidden, directions = 7, 2, 24, 16, 2
    weight = (directions, features, gates * hidden) if transposed else (directions, gates * hidden, features)
    recurrence = (directions, hidden, gates * hidden) if transposed else (directions, gates * hidden, hidden)
    kernel = Kernel(
        op_type=op_type,
        inputs=(floats(steps, batch, features), floats(*weight, constant=True), floats(*recurrence, constant=True)),
        outputs=(floats(steps, directions, batch, hidden),),
        attributes={"hidden_size": hidden},
    )
    terms = features_of(kernel).terms
    assert terms["macs"] == steps * batch * directions * gates * hidden * features
    assert terms["recurrent_macs"] == steps * batch * directions * gates * hidden * hidden
    assert terms["steps"] == steps * directions
