"""Nodes as the runtime executes them, with all that their time depends on."""

from math import inf, prod

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.graph.support import law

from partway.graph import Kernel, Operand, TensorInfo, read_kernels, resident_bytes

SHAPES = st.lists(st.integers(0, 9), max_size=4).map(tuple)
OPERANDS = st.builds(
    Operand, st.sampled_from(("float32", "float16", "int64", "unknown")), st.none() | SHAPES, st.sampled_from((0, 1))
)
KERNELS = st.builds(
    Kernel,
    op_type=st.sampled_from(("Conv", "Add")),
    inputs=st.lists(st.none() | OPERANDS, max_size=4).map(tuple),
    outputs=st.lists(OPERANDS, max_size=3).map(tuple),
    attributes=st.dictionaries(
        st.sampled_from("abc"),
        st.integers(-9, 9) | st.text(max_size=4) | st.lists(st.integers(), max_size=3).map(tuple),
    ),
)


def floats(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(np.float32), shape=shape)


def kernels_of(
    *nodes: onnx.NodeProto, weights: tuple[onnx.TensorProto, ...] = (), tensors: tuple[TensorInfo, ...] = ()
) -> tuple[Kernel, ...]:
    graph = helper.make_graph(list(nodes), "g", [], [], list(weights))
    return read_kernels(helper.make_model(graph), {tensor.name: tensor for tensor in tensors})


def weight(name: str, *shape: int, dtype: type[np.generic] = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def test_a_node_is_told_with_its_operands_and_attributes() -> None:
    node = helper.make_node(
        "Conv", ["x", "w", ""], ["y"], domain="com.microsoft.nchwc", pads=[1, 1, 1, 1], activation="Relu", group=1
    )
    (kernel,) = kernels_of(
        node, weights=(weight("w", 8, 3, 3, 3),), tensors=(floats("x", 1, 3, 8, 8), floats("y", 1, 8, 8, 8))
    )
    assert kernel == Kernel(
        op_type="Conv",
        domain="com.microsoft.nchwc",
        inputs=(Operand("float32", (1, 3, 8, 8)), Operand("float32", (8, 3, 3, 3), 1), None),
        outputs=(Operand("float32", (1, 8, 8, 8)),),
        attributes={"pads": (1, 1, 1, 1), "activation": "Relu", "group": 1},
    )
    assert (kernel.weight_bytes, kernel.traffic_bytes) == (4 * 8 * 27, 4 * (192 + 512))


def test_the_order_is_that_of_the_nodes_and_two_names_of_onnx_are_one() -> None:
    nodes = [helper.make_node(kind, ["x"], [kind], domain="ai.onnx") for kind in ("Relu", "Abs", "Neg")]
    found = kernels_of(*nodes, tensors=(floats("x", 2),))
    assert [(kernel.op_type, kernel.domain) for kernel in found] == [("Relu", ""), ("Abs", ""), ("Neg", "")]


def test_what_the_runtime_does_not_say_is_unknown() -> None:
    (kernel,) = kernels_of(
        helper.make_node("Add", ["x", "open"], ["y"]),
        tensors=(TensorInfo(name="open", dtype=np.dtype(np.float32), shape=(2, None)),),
    )
    assert kernel.inputs == (Operand("unknown", None), Operand("float32", None))
    assert kernel.traffic_bytes == 0


def test_data_and_bodies_are_no_attributes() -> None:
    body = helper.make_graph([], "body", [], [])
    node = helper.make_node(
        "Odd", ["x"], ["y"], long=list(range(65)), list=list(range(64)), word="w" * 65, body=body, value=weight("v", 2),
        infinite=inf, wide=[1.0, inf], share=0.5,
    )  # fmt: skip
    (kernel,) = kernels_of(node, tensors=(floats("x", 1),))
    assert kernel.attributes == {"list": tuple(range(64)), "infinite": "inf", "share": 0.5}
    assert msgspec.json.decode(msgspec.json.encode(kernel), type=Kernel) == kernel


@pytest.mark.parametrize(
    ("op_type", "exponent", "attributes"),
    [("Pow", weight("e"), {"value": 1.0}), ("Pow", weight("e", 3), {}), ("Mul", weight("e"), {})],
)
def test_the_exponent_of_a_power_decides_what_runs(
    op_type: str, exponent: onnx.TensorProto, attributes: dict[str, float]
) -> None:
    (kernel,) = kernels_of(helper.make_node(op_type, ["x", "e"], ["y"]), weights=(exponent,))
    assert kernel.attributes == attributes


def test_an_exponent_in_a_side_file_or_computed_is_not_known() -> None:
    outside = weight("e")
    outside.data_location = TensorProto.EXTERNAL
    for weights in ((outside,), ()):
        (kernel,) = kernels_of(helper.make_node("Pow", ["x", "e"], ["y"]), weights=weights)
        assert kernel.attributes == {}


@law
@given(KERNELS)
def test_a_kernel_is_stored_and_read_back(kernel: Kernel) -> None:
    assert msgspec.json.decode(msgspec.json.encode(kernel), type=Kernel) == kernel


@law
@given(KERNELS)
def test_every_byte_is_a_weight_or_traffic(kernel: Kernel) -> None:
    operands = [*(operand for operand in kernel.inputs if operand is not None), *kernel.outputs]
    weights_among_outputs = sum(operand.size_bytes for operand in kernel.outputs)
    assert kernel.weight_bytes + kernel.traffic_bytes == sum(operand.size_bytes for operand in operands)
    assert kernel.traffic_bytes >= weights_among_outputs


@law
@given(OPERANDS)
def test_an_operand_has_its_elements_bytes(operand: Operand) -> None:
    item_bytes = {"float32": 4, "float16": 2, "int64": 8, "unknown": 0}[operand.dtype]
    assert operand.elements == (0 if operand.shape is None else prod(operand.shape))
    assert operand.size_bytes == item_bytes * operand.elements


def test_types_narrower_than_a_byte_and_strings_have_bytes_too() -> None:
    assert Operand("bool", (3,)).size_bytes == 3
    assert Operand("bfloat16", (3,)).size_bytes == 6
    assert Operand("string", (3,)).size_bytes == 0


@law
@given(st.lists(KERNELS, max_size=5), KERNELS)
def test_a_run_wants_all_its_weights_and_its_largest_tensors(kernels: list[Kernel], more: Kernel) -> None:
    wanted = resident_bytes(kernels)
    assert wanted <= sum(kernel.weight_bytes + kernel.traffic_bytes for kernel in kernels)
    assert all(wanted >= kernel.weight_bytes + kernel.traffic_bytes for kernel in kernels)
    assert resident_bytes([*kernels, more]) >= wanted + more.weight_bytes
    assert resident_bytes(kernels) == resident_bytes(reversed(kernels))
