import pytest

from partway.engine.packing import packs
from partway.graph import Kernel, Operand

WEIGHT = Operand("float32", (8, 8), 1)


def kernel(op_type: str, rows: tuple[int, ...] | None, weight: Operand = WEIGHT) -> Kernel:
    shape = None if rows is None else (*rows, 8)
    return Kernel(op_type=op_type, inputs=(Operand("float32", shape), weight), outputs=(Operand("float32", shape),))


@pytest.mark.parametrize(
    ("found", "worth_it"),
    [
        (kernel("Gemm", (2,)), True),
        (kernel("MatMul", (1, 7)), True),
        (kernel("MatMul", (1, 1)), False),
        (kernel("MatMul", None), False),
        (kernel("MatMul", (7,), Operand("float32", (8, 8))), False),
        (kernel("MatMul", (1, 7, 1), Operand("float32", (7, 8, 8), 1)), False),
        (kernel("LSTM", (1,)), True),
        (kernel("Conv", (7,)), False),
    ],
)
def test_weights_are_packed_for_products_of_many_rows_and_recurrent_layers(found: Kernel, worth_it: bool) -> None:
    assert packs([found]) is worth_it
    assert packs([kernel("Conv", (1,)), found]) is worth_it


def test_a_graph_of_nothing_packs_nothing() -> None:
    assert not packs([])
