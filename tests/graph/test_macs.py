"""Counts worked out by hand: (outputs) x (products summed for each)."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.graph.support import canonical, save, value

from partway.graph import Node

Shape = tuple[int, ...]


def node_of(
    folder: Path, op_type: str, data: Shape, weights: tuple[Shape, ...], attributes: dict[str, int | list[int]]
) -> Node:
    names = [f"w{index}" for index in range(len(weights))]
    node = helper.make_node(op_type, ["x", *names], ["y"])
    node.attribute.extend(helper.make_attribute(key, item) for key, item in attributes.items())
    path = save(
        folder / "node.onnx",
        [node],
        [value("x", *data)],
        [value("y", *([None] * {"LSTM": 4, "GRU": 4, "RNN": 4}.get(op_type, len(data))))],
        [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in zip(names, weights, strict=True)],
    )
    if op_type == "MatMul":
        model = onnx.load(path)
        model.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="y"))
        model = onnx.shape_inference.infer_shapes(model)
        onnx.save(model, path)
    (found,) = canonical(path).nodes
    assert found.op_type == op_type
    return found


@pytest.mark.parametrize(
    ("op_type", "data", "weights", "attributes", "macs"),
    [
        # 8 channels of 6 x 6 outputs, each over 3 channels of 3 x 3
        ("Conv", (1, 3, 8, 8), ((8, 3, 3, 3),), {}, 8 * 36 * 27),
        ("Conv", (2, 3, 8, 8), ((8, 3, 3, 3),), {"strides": [2, 2]}, 2 * 8 * 9 * 27),
        # depthwise: each of 6 channels sees only itself
        ("Conv", (1, 6, 8, 8), ((6, 1, 3, 3),), {"group": 6}, 6 * 36 * 9),
        ("Conv", (1, 4, 10), ((5, 4, 3),), {}, 5 * 8 * 12),
        # every one of 4 x 5 x 5 inputs reaches 2 channels of 3 x 3 outputs
        ("ConvTranspose", (1, 4, 5, 5), ((4, 2, 3, 3),), {}, 100 * 18),
        ("ConvTranspose", (1, 4, 5, 5), ((4, 3, 2, 2),), {"group": 2, "strides": [2, 2]}, 100 * 12),
        ("Gemm", (2, 7), ((7, 5),), {}, 2 * 7 * 5),
        ("Gemm", (2, 7), ((5, 7),), {"transB": 1}, 2 * 7 * 5),
        ("Gemm", (7, 2), ((7, 5),), {"transA": 1}, 2 * 7 * 5),
        ("Gemm", (7, 2), ((5, 7),), {"transA": 1, "transB": 1}, 2 * 7 * 5),
        ("MatMul", (2, 7), ((7, 5),), {}, 2 * 7 * 5),
        ("MatMul", (3, 4, 2, 7), ((7, 5),), {}, 12 * 2 * 7 * 5),
        ("MatMul", (4, 2, 7), ((4, 7, 5),), {}, 4 * 2 * 7 * 5),
        ("MatMul", (2, 7), ((4, 7, 5),), {}, 4 * 2 * 7 * 5),
        ("MatMul", (2, 7), ((7,),), {}, 2 * 7),
        ("MatMul", (4, 2, 7), ((7,),), {}, 4 * 2 * 7),
        ("MatMul", (7,), ((7, 5),), {}, 7 * 5),
        ("MatMul", (7,), ((4, 7, 5),), {}, 4 * 7 * 5),
        # 4 gates of 6 hidden, over 5 features and 6 hidden, in 3 steps of a batch of 2
        ("LSTM", (3, 2, 5), ((1, 24, 5), (1, 24, 6)), {"hidden_size": 6}, 3 * 2 * 4 * 6 * 11),
        ("GRU", (3, 2, 5), ((1, 18, 5), (1, 18, 6)), {"hidden_size": 6}, 3 * 2 * 3 * 6 * 11),
        ("RNN", (3, 2, 5), ((1, 6, 5), (1, 6, 6)), {"hidden_size": 6}, 3 * 2 * 6 * 11),
    ],
)
def test_multiply_accumulates_are_those_of_the_textbook(
    tmp_path: Path,
    op_type: str,
    data: Shape,
    weights: tuple[Shape, ...],
    attributes: dict[str, int | list[int]],
    macs: int,
) -> None:
    node = node_of(tmp_path, op_type, data, weights, attributes)
    assert node.macs == macs
    assert node.weight_bytes == 4 * sum(int(np.prod(shape)) for shape in weights)


def test_both_directions_of_a_recurrence_count(tmp_path: Path) -> None:
    path = save(
        tmp_path / "both.onnx",
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=6, direction="bidirectional")],
        [value("x", 3, 2, 5)],
        [value("y", 3, 2, 2, 6)],
        [
            numpy_helper.from_array(np.ones((2, 24, 5), np.float32), "w"),
            numpy_helper.from_array(np.ones((2, 24, 6), np.float32), "r"),
        ],
    )
    assert canonical(path).macs == 2 * 3 * 2 * 4 * 6 * 11


def test_element_wise_operators_count_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "relu.onnx", [helper.make_node("Relu", ["x"], ["y"])], [value("x", 4)], [value("y", 4)])
    assert canonical(path).macs == 0
