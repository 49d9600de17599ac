"""A model whose best cut is inside and packs well: what tests of codecs and plans offload."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CHANNELS, WIDER, CONVOLUTIONS = 64, 2, 32, 16


def sparse_model(folder: Path) -> Path:
    """A light convolution whose ReLU leaves next to nothing, and then many heavy ones."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "w0", "b0"], ["conv0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv0"], ["sparse"]),
    ]
    weights = {
        "w0": rng.standard_normal((CHANNELS, 3, 3, 3)) * np.sqrt(2 / 27),
        "b0": np.full(CHANNELS, -3.0),
    }
    before, width = "sparse", CHANNELS
    for index in range(1, CONVOLUTIONS + 1):
        nodes.append(helper.make_node("Conv", [before, f"w{index}"], [f"conv{index}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Sigmoid", [f"conv{index}"], [f"dense{index}"]))
        weights[f"w{index}"] = rng.standard_normal((WIDER, width, 3, 3)) * np.sqrt(1 / (9 * width))
        before, width = f"dense{index}", WIDER
    nodes.append(helper.make_node("GlobalAveragePool", [before], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "sparse",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, width, 1, 1])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sparse.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path
