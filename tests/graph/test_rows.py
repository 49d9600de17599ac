"""What the graph alone says of rows: kept apart, or not known to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.models import dynamic_model, if_model, loop_model, real_models

from partway.engine import OrtRuntime
from partway.graph import Piece, Source, canonicalise, row_independent, whole

ROWS = 4
Shape = Sequence[int | str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operator between `x` (and `z`) and `y`, with rows `n`."""

    op: str
    reads: str = "x"
    x: Shape = ("n", 6)
    z: Shape | None = None
    z_type: int = TensorProto.FLOAT
    constants: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)
    makes: str = "y"
    opset: int = 18
    name: str = ""

    def __str__(self) -> str:
        return " ".join((self.op, self.name or self.reads, *(f"{k}={v}" for k, v in self.attributes.items())))


IMAGE = ("n", 4, 6, 6)
HEADS = ("n", 2, 3, 5)


def weight(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


APART = (
    Case(op="Relu"),
    Case(op="Add", reads="x z", z=("n", 6)),
    Case(op="Add", reads="x z", z=("n", 1)),
    Case(op="Mul", reads="x w", constants={"w": weight(6)}),
    Case(op="Mul", reads="w x", constants={"w": weight(1, 6)}),
    Case(op="Add", reads="x w", constants={"w": np.ones((ROWS, 6), np.float32)}, name="equal rows"),
    Case(op="PRelu", reads="x w", constants={"w": weight(6)}),
    Case(op="Clip", reads="x a b", constants={"a": np.float32(-1), "b": np.float32(1)}),
    Case(op="Cast", attributes={"to": TensorProto.INT32}),
    Case(op="Conv", reads="x w", x=IMAGE, constants={"w": weight(2, 4, 3, 3)}),
    Case(op="ConvTranspose", reads="x w", x=IMAGE, constants={"w": weight(4, 2, 3, 3)}),
    Case(op="MaxPool", x=IMAGE, attributes={"kernel_shape": [2, 2]}),
    Case(op="AveragePool", x=IMAGE, attributes={"kernel_shape": [2, 2]}),
    Case(op="GlobalAveragePool", x=IMAGE),
    Case(op="LRN", x=IMAGE, attributes={"size": 3}),
    Case(op="InstanceNormalization", reads="x s b", x=IMAGE, constants={"s": weight(4), "b": weight(4)}),
    Case(
        op="BatchNormalization",
        reads="x s b m v",
        x=IMAGE,
        constants={"s": weight(4), "b": weight(4), "m": weight(4), "v": abs(weight(4))},
    ),
    Case(op="Gemm", reads="x w b", constants={"w": weight(6, 3), "b": weight(3)}),
    Case(op="Gemm", reads="x w z", z=("n", 3), constants={"w": weight(6, 3)}),
    Case(op="MatMul", reads="x w", constants={"w": weight(6, 3)}),
    Case(op="MatMul", reads="x w", x=HEADS, constants={"w": weight(5, 3)}),
    Case(op="MatMul", reads="x z", x=HEADS, z=("n", 2, 5, 3)),
    Case(op="MatMul", reads="w x", x=HEADS, constants={"w": weight(4, 3)}),
    Case(op="Softmax", attributes={"axis": -1}),
    Case(op="Softmax", attributes={"axis": 1}, opset=11),
    Case(op="LayerNormalization", reads="x s", constants={"s": weight(6)}),
    Case(op="ReduceMean", reads="x a", constants={"a": ints(-1)}),
    Case(op="ReduceSum", reads="x a", x=IMAGE, constants={"a": ints(1, -1)}, attributes={"keepdims": 0}),
    Case(op="ReduceMax", x=IMAGE, attributes={"axes": [2, 3]}, opset=17),
    Case(op="ArgMax", attributes={"axis": 1}),
    Case(op="TopK", reads="x k", constants={"k": ints(2)}, makes="y places"),
    Case(op="CumSum", reads="x a", constants={"a": np.int64(1)}),
    Case(op="Concat", reads="x z", z=("n", 2), attributes={"axis": 1}),
    Case(op="Concat", reads="x w", constants={"w": np.ones((ROWS, 2), np.float32)}, attributes={"axis": -1}),
    Case(op="Split", reads="x", attributes={"axis": 1, "num_outputs": 2}, makes="y rest"),
    Case(op="Slice", reads="x s e a", constants={"s": ints(1), "e": ints(4), "a": ints(1)}),
    Case(op="Slice", reads="x s e", constants={"s": ints(0, 1), "e": ints(2**40, 4)}),
    Case(op="Transpose", x=IMAGE, attributes={"perm": [0, 2, 3, 1]}),
    Case(op="Reshape", reads="x s", constants={"s": ints(-1, 3)}),
    Case(op="Reshape", reads="x s", x=IMAGE, constants={"s": ints(0, -1)}),
    Case(op="Flatten", x=IMAGE),
    Case(op="Unsqueeze", reads="x a", constants={"a": ints(1)}),
    Case(op="Squeeze", reads="x a", x=("n", 1, 6), constants={"a": ints(1)}),
    Case(op="Expand", reads="x s", x=("n", 1, 6), constants={"s": ints(1, 5, 6)}),
    Case(op="Tile", reads="x r", constants={"r": ints(1, 3)}),
    Case(op="Pad", reads="x p", constants={"p": ints(0, 1, 0, 2)}),
    Case(op="Pad", reads="x p  a", constants={"p": ints(1, 1), "a": ints(1)}, name="x p '' a"),
    Case(op="Resize", reads="x  s", x=IMAGE, constants={"s": np.array([1, 1, 2, 2], np.float32)}, name="scales"),
    Case(op="Gather", reads="w z", z=("n", 2), z_type=TensorProto.INT64, constants={"w": weight(9, 3)}),
    Case(op="Gather", reads="x i", constants={"i": ints(0, 3)}, attributes={"axis": 1}),
    Case(op="GatherElements", reads="x z", z=("n", 2), z_type=TensorProto.INT64, attributes={"axis": 1}),
    Case(op="DepthToSpace", x=IMAGE, attributes={"blocksize": 2}),
    Case(op="QuantizeLinear", reads="x s z0", constants={"s": np.float32(0.1), "z0": np.uint8(3)}),
    Case(op="Where", reads="c x z", z=("n", 6), constants={"c": np.array([True, False] * 3)}),
)

MIXED = (
    Case(op="ReduceMean", reads="x a", constants={"a": ints(0)}),
    Case(op="ReduceMean", reads="x"),
    Case(op="ReduceMax", attributes={"axes": [-2]}, opset=17),
    Case(op="ArgMax"),
    Case(op="Softmax", attributes={"axis": 0}),
    Case(op="CumSum", reads="x a", constants={"a": np.int64(0)}),
    Case(op="Gather", reads="x z", z=("n",), z_type=TensorProto.INT64),
    Case(op="Gather", reads="x i", constants={"i": ints(0, 0, 0, 0)}),
    Case(op="GatherElements", reads="x z", z=("n", 6), z_type=TensorProto.INT64),
    Case(op="Transpose", attributes={"perm": [1, 0]}),
    Case(op="Transpose"),
    Case(op="Reshape", reads="x s", constants={"s": ints(1, -1)}),
    Case(op="Reshape", reads="x s", constants={"s": ints(6, -1)}),
    Case(op="MatMul", reads="w x", constants={"w": weight(ROWS, ROWS)}),
    Case(op="MatMul", reads="x z", x=("n", 6), z=("n", 2, 6, 3)),
    Case(op="Gemm", reads="x z", x=("n", 6), z=("n", 6), attributes={"transA": 1}),
    Case(op="Gemm", reads="x z", x=("n", 6), z=("n", 6), attributes={"transB": 1}),
    Case(op="Add", reads="x z", x=("n", ROWS), z=("n",)),
    Case(op="Add", reads="x w", constants={"w": weight(ROWS, 1)}, name="unequal rows"),
    Case(op="Conv", reads="x z", x=IMAGE, z=("n", 4, 3, 3)),
    Case(op="MaxPool", x=IMAGE, attributes={"kernel_shape": [2, 2]}, makes="y places"),
    Case(op="MeanVarianceNormalization", x=IMAGE, opset=17),
    Case(op="Slice", reads="x s e a", constants={"s": ints(-1), "e": ints(-9), "a": ints(0)}, name="none"),
    Case(op="Slice", reads="x s e a t", constants={"s": ints(3), "e": ints(-9), "a": ints(0), "t": ints(-1)}),
    Case(op="Concat", reads="x z", z=("n", 6), attributes={"axis": 0}),
    Case(op="Tile", reads="x r", constants={"r": ints(2, 1)}),
    Case(op="Pad", reads="x p", constants={"p": ints(1, 0, 0, 0)}),
    Case(op="Resize", reads="x  s", constants={"s": np.array([1, 2], np.float32)}, attributes={"mode": "linear"}),
    Case(op="Resize", reads="x  s", x=IMAGE, constants={"s": np.array([1.2, 1, 1, 1], np.float32)}, name="rows"),
    Case(op="Einsum", reads="x z", z=("n", 6), attributes={"equation": "ni,nj->ij"}),
    Case(op="DynamicQuantizeLinear", makes="y scale zero"),
    Case(op="NonZero"),
)


def reason(case: Case, folder: Path) -> str | None:
    """What `row_independent` says of a model of one operator."""
    typed = {"x": (TensorProto.FLOAT, case.x)} | ({} if case.z is None else {"z": (case.z_type, case.z)})
    reads = case.reads.split(" ")
    inputs = [helper.make_tensor_value_info(n, t, s) for n, (t, s) in typed.items() if n in reads]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in case.constants.items()]
    node = helper.make_node(case.op, reads, case.makes.split())
    node.attribute.extend(helper.make_attribute(key, value) for key, value in case.attributes.items())
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "one", inputs, outputs, weights)
    path = folder / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=8), path)
    source = Source.open(path)
    shapes = {n: [d if isinstance(d, int) else ROWS for d in s] for n, (_, s) in typed.items() if n in reads}
    model = canonicalise(source, source.bind(shapes), OrtRuntime(threads=1))
    return row_independent(model, whole(model))


@pytest.mark.parametrize("case", APART, ids=str)
def test_operators_that_keep_rows_apart_are_known(case: Case, tmp_path: Path) -> None:
    assert reason(case, tmp_path) is None


@pytest.mark.parametrize("case", MIXED, ids=str)
def test_operators_that_may_mix_rows_are_refused_by_name(case: Case, tmp_path: Path) -> None:
    found = reason(case, tmp_path)
    assert found is not None
    assert "y" in found


def test_what_is_fed_has_to_share_its_rows(tmp_path: Path) -> None:
    source = Source.open(dynamic_model(tmp_path))
    model = canonicalise(source, source.bind({"image": (1, 3, 8, 8)}), OrtRuntime(threads=1))
    assert row_independent(model, whole(model)) is not None  # of one row, any shape looks like rows


@pytest.mark.parametrize("build", [if_model, loop_model])
def test_bodies_are_not_looked_into(build: object, tmp_path: Path) -> None:
    assert callable(build)
    source = Source.open(build(tmp_path))
    model = canonicalise(source, source.bind(), OrtRuntime(threads=1))
    assert row_independent(model, whole(model)) is not None


def test_rows_of_every_tail_of_a_plain_network_are_kept_apart(tmp_path: Path) -> None:
    source = Source.open(dynamic_model(tmp_path))
    model = canonicalise(source, source.bind({"image": (ROWS, 3, 8, 8)}), OrtRuntime(threads=1))
    for name in model.tensors:
        if name != "scores":
            assert row_independent(model, Piece(inputs=(name,), outputs=("scores",))) is None


@pytest.mark.parametrize("name", ["ppocr-cls", "ppocr-det", "magika", "opennsfw"])
def test_real_networks_that_are_said_to_keep_rows_apart_do(name: str) -> None:
    real = next((model for model in real_models() if model.name == name), None)
    if real is None:
        pytest.skip(f"{name} is not installed")
    runtime = OrtRuntime(threads=1)
    source = Source.open(real.path)
    one = real.feeds()
    bound = {tensor: (2, *array.shape[1:]) for tensor, array in one.items()}
    model = canonicalise(source, source.bind(bound), runtime)
    assert row_independent(model, whole(model)) is None
    session = runtime.open(real.path)
    first, *others = (real.feeds(seed) for seed in range(3))
    runs = [session.run({t: np.concatenate([first[t], other[t]]) for t in first}) for other in others]
    for output, array in runs[0].items():
        np.testing.assert_array_equal(array[0], runs[1][output][0])
        assert not np.array_equal(array[1], runs[1][output][1])
