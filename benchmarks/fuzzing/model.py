"""The model that hostile requests are sent to: small, so that the faces and not the runtime take the time."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = "victim"
FEEDS = {"x": np.linspace(-1.0, 1.0, 4, dtype=np.float32).reshape(1, 4)}
_WEIGHT = np.arange(16, dtype=np.float32).reshape(4, 4)


def write_model(folder: Path) -> None:
    """Write the model into a new folder: `y = relu(x @ w)`, with a tensor in between that may cross."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        MODEL,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(_WEIGHT, "w")],
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, folder / f"{MODEL}.onnx")


def expected() -> np.ndarray:
    """What it answers to `FEEDS`."""
    answer: np.ndarray = np.maximum(FEEDS["x"] @ _WEIGHT, 0.0)
    return answer
