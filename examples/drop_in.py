"""The same request to onnxruntime and to Partway, with a server and after it has gone.

    python examples/drop_in.py

Makes a small model, serves it from this process on a free port of loopback, and compares answers.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import partway
from partway.serving import run_server


def write_model(path: Path) -> None:
    """A convolution, a rectifier, a mean and a softmax: (1, 3, 32, 32) to (1, 8)."""
    kernel = np.random.default_rng(0).normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["features"], ["rectified"]),
        helper.make_node("ReduceMean", ["rectified"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Softmax", ["means"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 32))]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 8))]
    graph = helper.make_graph(nodes, "example", inputs, outputs, [numpy_helper.from_array(kernel, "kernel")])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def main() -> None:
    """Ask three times and say whether the answers agree."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.onnx"
        write_model(path)
        feeds = {"image": np.random.default_rng(1).random((1, 3, 32, 32), dtype=np.float32)}
        (expected,) = onnxruntime.InferenceSession(path).run(None, feeds)
        with run_server(folder) as server:
            session = partway.InferenceSession(path, server=f"grpc://{server.address}")
            (early,) = session.run(None, feeds)
            session.wait_until_ready(feeds)
            (later,) = session.run(None, feeds)
        (alone,) = session.run(None, feeds)
        session.close()
    for when, scores in (("at once", early), ("once costs are known", later), ("without the server", alone)):
        print(f"{when}: the same answer: {np.allclose(scores, expected, rtol=1e-4)}")


if __name__ == "__main__":
    main()
