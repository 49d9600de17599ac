"""The builder: what it says of a graph is what the runtime finds."""

from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from partway.engine import OrtRuntime, prepare_timing, random_feeds
from partway.graph.macs import count_macs
from partway.zoo import GraphBuilder, Tensor
from partway.zoo.activations import ACTIVATIONS

Layer = Callable[[GraphBuilder, Tensor], Tensor]
IMAGE = (2, 24, 12, 10)


def activate(kind: str, net: GraphBuilder, x: Tensor) -> Tensor:
    return net.activate(x, kind)


LAYERS: dict[str, Layer] = {
    "conv": lambda net, x: net.conv(x, 32, 3, stride=2, padding="upper", act="Relu"),
    "grouped conv": lambda net, x: net.conv(x, 36, (1, 5), groups=12, dilation=(1, 2), bias=False),
    "depthwise": lambda net, x: net.depthwise(x, 5, act="HardSwish"),
    "conv_transpose": lambda net, x: net.conv_transpose(x, 16, 4, stride=2, padding=1),
    "depthwise conv_transpose": lambda net, x: net.conv_transpose(x, 24, 2, stride=2, groups=24),
    "dense of a matrix": lambda net, x: net.dense(net.flatten(x), 40, act="Tanh"),
    "dense of a stack": lambda net, x: net.dense(x, 7),
    "matmul": lambda net, x: net.matmul(x, net.transpose(x, 0, 1, 3, 2)),
    "batch_norm": lambda net, x: net.batch_norm(x),
    "instance_norm": lambda net, x: net.instance_norm(x),
    "layer_norm": lambda net, x: net.layer_norm(x),
    "layer_norm in parts": lambda net, x: net.layer_norm(x, whole=False),
    "lrn": lambda net, x: net.lrn(x),
    "max pool": lambda net, x: net.pool(x, 3, 2, ceil=True),
    "average pool": lambda net, x: net.pool(x, 2, kind="Average", padding="same", count_padding=True),
    "global pool": lambda net, x: net.global_pool(x, kind="Max"),
    "mean": lambda net, x: net.reduce("ReduceMean", x, 2, 3, keep=False),
    "sum": lambda net, x: net.reduce("ReduceSum", x, -1),
    "softmax": lambda net, x: net.softmax(x, axis=1),
    "reshape": lambda net, x: net.reshape(x, 2, 12, -1),
    "concat": lambda net, x: net.concat(x, x, axis=-1),
    "split": lambda net, x: net.concat(*reversed(net.split(x, 2, 3, 5, axis=-1)), axis=-1),
    "slice": lambda net, x: net.slice(x, 1, 10, axis=2, step=2),
    "gather": lambda net, x: net.gather(x, net.constant([3, 1, 1]), axis=-1),
    "pad": lambda net, x: net.pad(x, (0, 0, 1, 2), (0, 0, 3, 0), mode="reflect"),
    "resize": lambda net, x: net.resize(x, 24, 25, mode="linear", place="half_pixel"),
    "squeeze_excite": lambda net, x: net.squeeze_excite(x, 6),
    "skip_layer_norm": lambda net, x: net.skip_layer_norm(net.reshape(x, 2, 24, -1), net.reshape(x, 2, 24, -1)),
    "dropout": lambda net, x: net.dropout(x),
    "cast": lambda net, x: net.cast(net.cast(x, "int32"), "float32"),
    "clip": lambda net, x: net.elementwise("Sub", 1.0, net.activate(x, "Relu6")),
    "comparison": lambda net, x: net.elementwise("Where", net.elementwise("Less", x, 0.0), 0.5, x),
    **{kind: partial(activate, kind) for kind in ACTIVATIONS},
}


@pytest.fixture(scope="module")
def runtime() -> OrtRuntime:
    return OrtRuntime(threads=1)


def builder(dtype: str = "float32") -> GraphBuilder:
    return GraphBuilder(np.random.default_rng(5), dtype=dtype)


def run(model: onnx.ModelProto, runtime: OrtRuntime) -> np.ndarray:
    onnx.checker.check_model(model)
    timed = prepare_timing(model, runtime)
    (made,) = timed.plain().run(random_feeds(timed.inputs, np.random.default_rng(0))).values()
    return made


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_the_shape_and_type_that_the_runtime_gives_it(name: str, runtime: OrtRuntime) -> None:
    net = builder()
    made = LAYERS[name](net, net.input(*IMAGE))
    answer = run(net.build(made), runtime)
    assert answer.shape == made.shape
    assert answer.dtype == made.dtype
    assert np.isfinite(answer).all()


@pytest.mark.parametrize("name", [name for name in LAYERS if "conv" in name or "dense" in name or name == "matmul"])
def test_work_is_counted_as_everywhere_else(name: str) -> None:
    net = builder()
    made = LAYERS[name](net, net.input(*IMAGE))
    inferred = onnx.shape_inference.infer_shapes(net.build(made), strict_mode=True)
    values = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
    shapes = {value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in values}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer}
    counted = (
        count_macs(node.op_type, [shapes[read] for read in node.input], shapes[node.output[0]])
        for node in inferred.graph.node
    )
    assert net.macs == sum(counted) > 0


def test_alexnet_is_a_few_lines(runtime: OrtRuntime) -> None:
    net = builder()
    x = net.input(1, 3, 227, 227)
    x = net.pool(net.lrn(net.conv(x, 96, 11, stride=4, padding=0, act="Relu")), 3, 2)
    x = net.pool(net.lrn(net.conv(x, 256, 5, groups=2, act="Relu")), 3, 2)
    x = net.conv(net.conv(x, 384, 3, act="Relu"), 384, 3, groups=2, act="Relu")
    x = net.pool(net.conv(x, 256, 3, groups=2, act="Relu"), 3, 2)
    assert x.shape == (1, 256, 6, 6)
    assert net.macs == 665_784_864  # Krizhevsky et al., NIPS 2012
    probabilities = run(net.build(net.softmax(net.dense(net.flatten(x), 10))), runtime)
    assert probabilities.sum() == pytest.approx(1.0)


def test_weights_differ_from_one_another_and_have_the_spread_asked_for() -> None:
    net = builder()
    net.weights(64, 64, deviation=0.5, mean=2.0)
    net.weights(64, 64, deviation=0.5, mean=2.0)
    net.weights(50, 50, deviation=40, dtype="int8")
    model = net.build(net.input(1))
    one, other, integers = (onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer)
    assert not np.array_equal(one, other)
    assert one.std() == pytest.approx(0.5, rel=0.05)
    assert one.mean() == pytest.approx(2.0, rel=0.05)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() > 100
    assert net.weight_bytes == one.nbytes + other.nbytes + integers.nbytes


def test_going_back_forgets_what_was_added() -> None:
    net = builder()
    x = net.input(1, 8, 8, 8)
    before, mark = net.build(x).SerializeToString(), net.mark()
    net.conv(x, 16, 3)
    assert net.macs > 0
    net.rewind(mark)
    assert net.build(x).SerializeToString() == before
    assert net.macs == net.weight_bytes == 0


def test_half_precision_is_of_weights_and_inputs(runtime: OrtRuntime) -> None:
    net = builder("float16")
    made = net.dense(net.layer_norm(net.input(1, 6, 32)), 8, act="Gelu")
    assert made.dtype == np.float16
    assert run(net.build(made), runtime).dtype == np.float16


@example(before=5, after=7)
@given(before=st.integers(1, 400), after=st.integers(1, 400))
def test_a_resized_image_has_the_length_asked_for_whatever_its_scale_rounds_to(before: int, after: int) -> None:
    net = builder()
    made = net.resize(net.input(1, 1, before, 1), after, 1)
    onnx.shape_inference.infer_shapes(net.build(made), strict_mode=True)
