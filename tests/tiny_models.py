"""Tiny models of one trait each, and the seeded weights that all test models are made of.

In comes a folder to write to; out comes the path of an ONNX file that the checker accepts and ONNX Runtime
runs in microseconds. Tests reach them through `tests.models`.
"""

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for one named tensor."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def random_weight(role: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A weight for its role: `kernel`, `scale`, `variance`, `bias` or `mean`."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    if role == "kernel":
        return noise * np.float32(np.sqrt(2 / np.prod(shape[1:])))  # He et al., ICCV 2015, equation 10
    if role in ("scale", "variance"):
        return 1 + np.float32(0.1) * noise
    return np.float32(0.1) * noise


def store(model: onnx.ModelProto, path: Path) -> Path:
    """Write the model so that other processes see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    return temporary.replace(path)


def _value(name: str, shape: Sequence[int | str | None], element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def _weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(random_weight("kernel", shape, generator(0, name)), name)


def _constant(name: str, value: object, dtype: type[np.generic] = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def _graph(
    name: str,
    nodes: Iterable[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(weights))


def _model(graph: onnx.GraphProto, *, ir_version: int = 8, opset: int = 17) -> onnx.ModelProto:
    return helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])


def _node(op_type: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    node = helper.make_node(op_type, inputs.split(), outputs.split(), name=f"{op_type}_{outputs}")
    node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
    return node


def _chain_graph(shape: Sequence[int | str | None]) -> onnx.GraphProto:
    return _graph(
        "chain",
        (
            _node("Conv", "image w1", "conv1", pads=[1, 1, 1, 1]),
            _node("Relu", "conv1", "relu1"),
            _node("MaxPool", "relu1", "pool1", kernel_shape=[2, 2], strides=[2, 2]),
            _node("Conv", "pool1 w2", "conv2", pads=[1, 1, 1, 1]),
            _node("Relu", "conv2", "relu2"),
            _node("GlobalAveragePool", "relu2", "mean"),
            _node("Flatten", "mean", "flat"),
            _node("Gemm", "flat w3", "logits", transB=1),
            _node("Softmax", "logits", "scores"),
        ),
        [_value("image", shape)],
        [_value("scores", [shape[0], 5])],
        [_weight("w1", 8, 3, 3, 3), _weight("w2", 16, 8, 3, 3), _weight("w3", 5, 16)],
    )


def chain_model(folder: Path) -> Path:
    """A small chain: image (1, 3, 8, 8) to scores (1, 5), two convolutions and a product on the way."""
    return store(_model(_chain_graph([1, 3, 8, 8])), folder / "chain.onnx")


def dynamic_model(folder: Path) -> Path:
    """The chain with dimensions left open: `batch` named, height unnamed, `width` named."""
    return store(_model(_chain_graph(["batch", 3, None, "width"])), folder / "dynamic.onnx")


def diamond_model(folder: Path) -> Path:
    """A tensor with three consumers (`stem`), two branches that only a two-tensor cut divides, and a skip."""
    graph = _graph(
        "diamond",
        (
            _node("Conv", "image w1", "stem", pads=[1, 1, 1, 1]),
            _node("Relu", "stem", "left1"),
            _node("Conv", "left1 w2", "left2", pads=[1, 1, 1, 1]),
            _node("Sigmoid", "stem", "right1"),
            _node("Conv", "right1 w3", "right2", pads=[1, 1, 1, 1]),
            _node("Add", "left2 right2", "joined"),
            _node("Add", "joined stem", "skipped"),
            _node("GlobalAveragePool", "skipped", "mean"),
        ),
        [_value("image", [1, 3, 6, 6])],
        [_value("mean", [1, 4, 1, 1])],
        [_weight("w1", 4, 3, 3, 3), _weight("w2", 4, 4, 3, 3), _weight("w3", 4, 4, 3, 3)],
    )
    return store(_model(graph), folder / "diamond.onnx")


def if_model(folder: Path) -> Path:
    """An `If` between two layers; its bodies capture `scaled` (both) and `early` (one) from outside."""
    doubled = _graph("then", [_node("Add", "scaled early", "doubled")], [], [_value("doubled", [1, 4])])
    negated = _graph("else", [_node("Neg", "scaled", "negated")], [], [_value("negated", [1, 4])])
    graph = _graph(
        "branches",
        (
            _node("Tanh", "x", "early"),
            _node("Mul", "early gain", "scaled"),
            _node("If", "flag", "chosen", then_branch=doubled, else_branch=negated),
            _node("MatMul", "chosen w1", "mixed"),
            _node("Sigmoid", "mixed", "y"),
        ),
        [_value("x", [1, 4]), _value("flag", [], TensorProto.BOOL)],
        [_value("y", [1, 3])],
        [_constant("gain", [2, 3, 4, 5]), _weight("w1", 4, 3)],
    )
    return store(_model(graph), folder / "if.onnx")


def loop_model(folder: Path) -> Path:
    """A `Loop` of three rounds whose body captures `step` from outside and carries one state."""
    body = _graph(
        "body",
        (
            _node("Identity", "going", "still"),
            _node("Add", "state step", "moved"),
            _node("Tanh", "moved", "next"),
        ),
        [
            _value("round", [], TensorProto.INT64),
            _value("going", [], TensorProto.BOOL),
            _value("state", [1, 4]),
        ],
        [_value("still", [], TensorProto.BOOL), _value("next", [1, 4])],
    )
    graph = _graph(
        "rounds",
        (
            _node("MatMul", "x w1", "step"),
            _node("Relu", "x", "start"),
            _node("Loop", "rounds forever start", "end", body=body),
            _node("MatMul", "end w2", "y"),
        ),
        [_value("x", [1, 4])],
        [_value("y", [1, 3])],
        [
            _constant("rounds", 3, np.int64),
            _constant("forever", True, np.bool_),
            _weight("w1", 4, 4),
            _weight("w2", 4, 3),
        ],
    )
    return store(_model(graph), folder / "loop.onnx")


def multi_io_model(folder: Path) -> Path:
    """Inputs a, b and late; outputs `early` (a side branch), `middle` (consumed further) and `last`."""
    graph = _graph(
        "ports",
        (
            _node("MatMul", "a w1", "hidden"),
            _node("Sigmoid", "hidden", "early"),
            _node("Add", "hidden b", "joined"),
            _node("Relu", "joined", "middle"),
            _node("MatMul", "middle w2", "deep"),
            _node("Mul", "deep late", "last"),
        ),
        [_value("a", [1, 4]), _value("b", [1, 6]), _value("late", [1, 3])],
        [_value("early", [1, 6]), _value("middle", [1, 6]), _value("last", [1, 3])],
        [_weight("w1", 4, 6), _weight("w2", 6, 3)],
    )
    return store(_model(graph), folder / "multi_io.onnx")


def _scaled_graph(*, defaults: Sequence[str]) -> onnx.GraphProto:
    listed = {"scale": [1, 4], "w1": [4, 3]}
    return _graph(
        "scaled",
        (
            _node("Mul", "x scale", "scaled"),
            _node("Tanh", "scaled", "bent"),
            _node("MatMul", "bent w1", "y"),
        ),
        [_value("x", [1, 4])] + [_value(name, listed[name]) for name in defaults],
        [_value("y", [1, 3])],
        [_constant("scale", [[1, 2, 3, 4]]), _weight("w1", 4, 3)],
    )


def optional_input_model(folder: Path) -> Path:
    """An optional input: `scale` is both an input and an initializer, its default (IR 8)."""
    return store(_model(_scaled_graph(defaults=["scale"])), folder / "optional.onnx")


def ir3_model(folder: Path) -> Path:
    """IR 3, where every initializer must be among the inputs although it is a constant."""
    return store(_model(_scaled_graph(defaults=["scale", "w1"]), ir_version=3, opset=8), folder / "ir3.onnx")


def external_data_model(folder: Path, data_folder: str = "") -> Path:
    """The chain with its weights in a side file, `chain.weights`, below `data_folder` if one is given."""
    path = folder / "external.onnx"
    location = str(Path(data_folder, "chain.weights"))
    (folder / data_folder).mkdir(parents=True, exist_ok=True)
    (folder / location).unlink(missing_ok=True)  # onnx appends to a file that is there
    onnx.save(
        _model(_chain_graph([1, 3, 8, 8])),
        path,
        save_as_external_data=True,
        location=location,
        size_threshold=0,
    )
    return path


ELEMENT_TYPES = (
    "FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT16", "INT32", "INT64",
    "UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "STRING",
)  # fmt: skip


def typed_models(folder: Path) -> dict[str, Path]:
    """One model per element type: twice the input, with tensors of that type before and after the product."""
    return {name: _typed_model(name, folder / f"typed_{name.lower()}.onnx") for name in ELEMENT_TYPES}


def _typed_model(name: str, path: Path) -> Path:
    element: int = getattr(TensorProto, name)
    graph = _graph(
        f"typed_{name.lower()}",
        (
            _node("Concat", "x x", "stacked", axis=0),
            _node("Cast", "stacked", "wide", to=TensorProto.FLOAT),
            _node("Mul", "wide two", "product"),
            _node("Cast", "product", "narrow", to=element),
            _node("Concat", "narrow narrow", "y", axis=1),
        ),
        [_value("x", [2, 3], element)],
        [_value("y", [4, 6], element)],
        [_constant("two", 2)],
    )
    return store(_model(graph), path)
