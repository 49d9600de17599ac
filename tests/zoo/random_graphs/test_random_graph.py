"""Random graphs: what they promise to profiling, block by block."""

import math

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tests.zoo.random_graphs.expected import expected_kernel

from partway.engine import OrtRuntime, prepare_timing, random_feeds
from partway.errors import InputError
from partway.graph.macs import count_macs
from partway.zoo import BLOCKS, random_graph

SEEDS = st.integers(0, 2**32 - 1)
ELEMENTS, WEIGHT_BYTES, MACS = 4 << 20, 64 << 20, 10**9


@pytest.fixture(scope="module")
def runtime() -> OrtRuntime:
    return OrtRuntime(threads=1)


def draw(seed: int, focus: str | None = None, dtype: str = "float32") -> onnx.ModelProto:
    model = random_graph(np.random.default_rng(seed), focus=focus, dtype=dtype)
    assert model is not None
    return model


def run(model: onnx.ModelProto, runtime: OrtRuntime) -> np.ndarray:
    timed = prepare_timing(model, runtime)
    (made,) = timed.plain().run(random_feeds(timed.inputs, np.random.default_rng(0))).values()
    return made


@pytest.mark.parametrize("focus", BLOCKS)
def test_a_focus_gives_the_kernel_that_it_is_there_for(focus: str, runtime: OrtRuntime) -> None:
    wanted = expected_kernel(focus)
    for seed in (1, 2):
        model = draw(seed, focus)
        onnx.checker.check_model(model)
        timed = prepare_timing(model, runtime)
        assert any(map(wanted, timed.kernels)), [kernel.op_type for kernel in timed.kernels]
        (made,) = timed.plain().run(random_feeds(timed.inputs, np.random.default_rng(seed))).values()
        assert np.isfinite(made).all()
        assert made.shape == shape(model.graph.output[0])


@pytest.mark.parametrize("focus", BLOCKS)
def test_every_block_comes_in_half_precision(focus: str) -> None:
    model = draw(3, focus, "float16")
    onnx.checker.check_model(model)
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16


@pytest.mark.parametrize("focus", ["conv.dense", "attention", "gemm", "lstm", "quantised.conv"])
def test_half_precision_runs(focus: str, runtime: OrtRuntime) -> None:
    made = run(draw(4, focus, "float16"), runtime)
    assert made.dtype == np.float16
    assert np.isfinite(made).all()


def shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(size.dim_value for size in value.type.tensor_type.shape.dim)


@settings(max_examples=30)
@given(seed=SEEDS, focus=st.sampled_from([None, *BLOCKS]))
def test_graphs_stay_within_their_limits(seed: int, focus: str | None) -> None:
    model = draw(seed, focus)
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert sum(weight.nbytes for weight in weights) <= WEIGHT_BYTES
    assert all(np.isfinite(weight).all() for weight in weights)
    shapes = inferred_shapes(model) | {
        tensor.name: weight.shape for tensor, weight in zip(model.graph.initializer, weights, strict=True)
    }
    macs = (
        count_macs(node.op_type, [shapes.get(name) for name in node.input], shapes.get(node.output[0]))
        for node in model.graph.node
    )
    assert sum(macs) <= MACS


def inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """What ONNX knows of inputs and of what nodes make, checked against the limit on elements."""
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {value.name: shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    assert all(math.prod(found) <= ELEMENTS for found in shapes.values())
    assert shapes[graph.output[0].name] == shape(model.graph.output[0])
    return shapes


@settings(max_examples=15)
@given(seed=SEEDS, focus=st.sampled_from([None, *BLOCKS]))
def test_the_same_state_of_the_generator_gives_the_same_bytes(seed: int, focus: str | None) -> None:
    assert draw(seed, focus).SerializeToString() == draw(seed, focus).SerializeToString()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_nothing_is_computed_in_vain(seed: int) -> None:
    model = draw(seed)
    read = {name for node in model.graph.node for name in node.input} | {model.graph.output[0].name}
    assert all(read & set(node.output) for node in model.graph.node)
    assert all(tensor.name in read for tensor in (*model.graph.initializer, *model.graph.input))


def test_convolutions_are_mostly_large_enough_to_be_timed(runtime: OrtRuntime) -> None:
    macs = [
        kernel.outputs[0].elements * math.prod((kernel.inputs[1].shape or ())[1:])
        for seed in range(12)
        for kernel in prepare_timing(draw(seed, "conv.dense"), runtime).kernels
        if kernel.op_type in ("Conv", "FusedConv") and kernel.inputs[1] is not None
    ]
    assert np.median(macs) >= 10**6


def test_an_unknown_focus_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"called 'conv.deep'; it is one of conv.dense"):
        random_graph(np.random.default_rng(0), focus="conv.deep")
