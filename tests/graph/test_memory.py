"""What a head keeps in memory, worked out by hand on small graphs."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tests.graph.support import canonical, save, value
from tests.models import diamond_model

from partway.graph import Model, cut_at, device_only, head_bytes, server_only, single_tensor_cuts


def two_products(folder: Path) -> Model:
    """x[1,4] -> a[1,8] -> y[1,2], each a product with weights of its own."""
    weights = [
        numpy_helper.from_array(np.ones((4, 8), np.float32), "w1"),
        numpy_helper.from_array(np.ones((8, 2), np.float32), "w2"),
    ]
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["a"]), helper.make_node("MatMul", ["a", "w2"], ["y"])]
    return canonical(save(folder / "two.onnx", nodes, [value("x", 1, 4)], [value("y", 1, 2)], weights))


def test_a_head_needs_its_weights_and_what_is_alive_at_once(tmp_path: Path) -> None:
    model = two_products(tmp_path)
    inputs, middle = 4 * 4, 8 * 4
    assert head_bytes(model, cut_at(model, ["a"])) == 4 * 8 * 4 + inputs + middle
    # The input is gone when the second product begins, and the result is smaller than it.
    assert head_bytes(model, device_only(model)) == (4 * 8 + 8 * 2) * 4 + inputs + middle


def test_sending_the_inputs_needs_no_more_than_the_inputs(tmp_path: Path) -> None:
    model = two_products(tmp_path)
    assert head_bytes(model, server_only(model)) == 4 * 4


def test_weights_that_two_nodes_read_count_once(tmp_path: Path) -> None:
    weights = [numpy_helper.from_array(np.ones((4, 4), np.float32), "w")]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"])]
    path = save(tmp_path / "shared.onnx", nodes, [value("x", 1, 4)], [value("y", 1, 4)], weights)
    model = canonical(path)
    assert head_bytes(model, device_only(model)) == 4 * 4 * 4 + 2 * 4 * 4


def test_deeper_heads_never_need_less(tmp_path: Path) -> None:
    model = canonical(diamond_model(tmp_path))
    needed = [head_bytes(model, cut) for cut in single_tensor_cuts(model)]
    assert needed == sorted(needed)


def test_strings_count_nothing(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["words"], ["same"]), helper.make_node("Identity", ["same"], ["out"])]
    text = TensorProto.STRING
    path = save(tmp_path / "text.onnx", nodes, [value("words", 3, element=text)], [value("out", 3, element=text)])
    model = canonical(path)
    assert head_bytes(model, device_only(model)) == 0
