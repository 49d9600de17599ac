import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.graph.support import RUNTIME, canonical, open_source, save, value
from tests.models import chain_model, dynamic_model, if_model, run_whole, typed_models

from partway.engine import PieceStore
from partway.errors import BindingError, ModelError
from partway.graph import Cache, Entry, candidate_cuts, canonicalise, single_tensor_cuts, whole
from partway.verification import run_cut


def test_every_tensor_has_the_shape_of_the_binding(tmp_path: Path) -> None:
    model = canonical(dynamic_model(tmp_path), {"image": (2, 3, 10, 12)})
    assert model.tensors["relu1"].describe() == "float32[2,8,10,12]"
    assert model.tensors["scores"].static_shape == (2, 5)
    assert model.inputs[0].static_shape == (2, 3, 10, 12)


def test_two_bindings_share_one_file_of_weights(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    models = [canonical(path, {"image": (1, 3, size, size)}) for size in (8, 10)]
    weights = [model.entry.directory / "weights.bin" for model in models]
    assert weights[0] != weights[1]
    assert weights[0].stat().st_ino == weights[1].stat().st_ino


def test_the_same_binding_is_made_once(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    first, second = canonical(path), canonical(path)
    assert first.entry.directory == second.entry.directory
    assert first.nodes == second.nodes
    assert not list((tmp_path / "cache" / "graphs").glob("tmp.*"))
    assert {file.name for file in first.entry.directory.iterdir()} == {"entry.json", "model.onnx", "weights.bin"}


def test_the_same_model_packed_otherwise_shares_its_canonical_graph(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    assert canonical(copy).entry.directory == canonical(path).entry.directory


def test_shapes_that_the_graph_cannot_have_are_a_binding_error(tmp_path: Path) -> None:
    path = save(
        tmp_path / "fixed.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", "N", "K")],
        [value("y", "N", 2)],
        [numpy_helper.from_array(np.ones((4, 2), np.float32), "w")],
    )
    with pytest.raises(BindingError, match=r"ONNX Runtime refuses .*fixed.onnx with the shapes {'x': \[1, 5\]}"):
        canonical(path, {"x": (1, 5)})
    assert not list((tmp_path / "cache" / "graphs").glob("tmp.*"))


def test_a_bound_value_leaves_only_the_branch_it_chooses(tmp_path: Path) -> None:
    path = if_model(tmp_path)
    x = np.array([[1, -2, 3, 0.5]], np.float32)
    for flag in (True, False):
        model = canonical(path, values={"flag": np.array(flag)})
        assert "If" not in {node.op_type for node in model.nodes}
        assert [tensor.name for tensor in model.inputs] == ["x"]
        expected = run_whole(path, {"x": x, "flag": np.array(flag)})["y"]
        store = PieceStore(model, RUNTIME)
        for cut in (*single_tensor_cuts(model), *candidate_cuts(model)):
            np.testing.assert_allclose(run_cut(store, cut, {"x": x})["y"], expected, rtol=1e-5)


def test_a_branch_that_fits_no_shape_does_not_matter_once_a_value_rules_it_out(tmp_path: Path) -> None:
    # As in silero-vad: each branch suits one sample rate, and squeezes a dimension whose length decides its rank.
    def branch(name: str, size: int) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Conv", ["x", f"{name}_w"], [f"{name}_c"]),
            helper.make_node("Squeeze", [f"{name}_c", f"{name}_axes"], [f"{name}_s"]),
            helper.make_node("Relu", [f"{name}_s"], [f"{name}_y"]),
        ]
        weights = [
            numpy_helper.from_array(np.ones((3, 1, size), np.float32), f"{name}_w"),
            numpy_helper.from_array(np.array([2]), f"{name}_axes"),
        ]
        return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=f"{name}_y")], weights)

    path = save(
        tmp_path / "rates.onnx",
        [
            helper.make_node("Equal", ["sr", "fast"], ["is_fast"]),
            helper.make_node("If", ["is_fast"], ["y"], then_branch=branch("a", 16), else_branch=branch("b", 8)),
        ],
        [value("x", None, 1, "T"), value("sr", element=TensorProto.INT64)],
        [value("y", None, 3)],
        [numpy_helper.from_array(np.array(16000), "fast")],
    )
    feeds = {"x": np.ones((1, 1, 8), np.float32)}
    model = canonical(path, {"x": (1, 1, 8)}, {"sr": np.array(8000)})
    assert {node.op_type for node in model.nodes} == {"Conv", "Squeeze", "Relu"}
    answer = PieceStore(model, RUNTIME).session(whole(model)).run(feeds)
    np.testing.assert_array_equal(answer["y"], [[8, 8, 8]])


def test_a_tensor_of_unknown_rank_is_no_scalar_and_may_not_cross(tmp_path: Path) -> None:
    then = helper.make_graph([helper.make_node("Add", ["x", "x"], ["a"])], "then", [], [value("a", 2, 3)])
    total = helper.make_graph([helper.make_node("ReduceSum", ["x"], ["b"], keepdims=0)], "else", [], [value("b")])
    path = save(
        tmp_path / "rank.onnx",
        [
            helper.make_node("If", ["flag"], ["either"], then_branch=then, else_branch=total),
            helper.make_node("Tanh", ["either"], ["y"]),
            helper.make_node("ReduceMax", ["y"], ["top"], keepdims=0),
        ],
        [value("x", 2, 3), value("flag", element=TensorProto.BOOL)],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, None), value("top")],
    )
    model = canonical(path)
    assert model.tensors["either"].shape is None
    assert model.tensors["either"].size_bytes is None
    assert "either" not in model.crossable
    assert model.tensors["top"].static_shape == ()
    feeds = {"x": np.ones((2, 3), np.float32), "flag": np.array(True)}
    store = PieceStore(model, RUNTIME)
    for cut in candidate_cuts(model):
        np.testing.assert_allclose(run_cut(store, cut, feeds)["y"], np.tanh(np.full((2, 3), 2.0)), rtol=1e-6)


def test_names_that_the_runtime_invents_may_not_cross_nor_clash_when_it_runs_again(tmp_path: Path) -> None:
    # Three-dimensional products with a bias become Gemm between reshapes, whose shapes ONNX Runtime names itself.
    layers, weights = [], []
    for index in range(3):
        reads = f"h{index}"
        layers += [
            helper.make_node("MatMul", [reads, f"w{index}"], [f"m{index}"]),
            helper.make_node("Add", [f"m{index}", f"b{index}"], [f"h{index + 1}"]),
        ]
        weights += [
            numpy_helper.from_array(np.full((16, 16), 0.1, np.float32), f"w{index}"),
            numpy_helper.from_array(np.ones(16, np.float32), f"b{index}"),
        ]
    path = save(tmp_path / "products.onnx", layers, [value("h0", 1, 5, 16)], [value("h3", 1, 5, 16)], weights)
    model = canonical(path)
    assert model.crossable <= {"h0", "m0", "h1", "m1", "h2", "m2", "h3"}
    invented = {tensor.name for tensor in model.graph.graph.initializer} - {tensor.name for tensor in weights}
    assert all(name.startswith("partway.") for name in invented)
    feeds = {"h0": np.ones((1, 5, 16), np.float32)}
    expected = run_whole(path, feeds)["h3"]
    store = PieceStore(model, RUNTIME)
    store.want(single_tensor_cuts(model))
    store.promote()
    for cut in single_tensor_cuts(model):
        np.testing.assert_allclose(run_cut(store, cut, feeds)["h3"], expected, rtol=1e-5)


@pytest.mark.parametrize("element", ["BFLOAT16", "FLOAT16", "STRING", "BOOL", "INT8", "DOUBLE"])
def test_element_types_are_known_of_every_tensor(tmp_path: Path, element: str) -> None:
    model = canonical(typed_models(tmp_path)[element])
    assert model.inputs[0].dtype == model.outputs[0].dtype
    size_bytes = {"BFLOAT16": 12, "FLOAT16": 12, "BOOL": 6, "INT8": 6, "DOUBLE": 48, "STRING": None}
    assert model.inputs[0].size_bytes == size_bytes[element]


def test_a_canonical_graph_says_what_it_was_made_from(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    source, cache = open_source(path), Cache(tmp_path / "cache")
    model = canonicalise(source, source.bind(), RUNTIME, cache=cache)
    assert model.source_digest == source.digest
    assert model.binding == source.bind()
    assert model.weight_bytes == 4 * (8 * 27 + 16 * 72 + 80)


@pytest.mark.parametrize("name", ["model.onnx", "weights.bin", "entry.json"])
@pytest.mark.parametrize("size_bytes", [0, 40, None])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, name: str, size_bytes: int | None) -> None:
    path = chain_model(tmp_path)
    first = canonical(path)
    file = first.entry.directory / name
    whole_bytes = file.stat().st_size
    if size_bytes is None:
        file.unlink()
    else:
        os.truncate(file, size_bytes)
    second = canonical(path)  # while the first is still held
    assert second.nodes == first.nodes
    assert file.stat().st_size == whole_bytes
    feeds = {"image": np.ones((1, 3, 8, 8), np.float32)}
    answer = PieceStore(second, RUNTIME).session(whole(second)).run(feeds)["scores"]
    np.testing.assert_allclose(answer, run_whole(path, feeds)["scores"], rtol=1e-5)


def test_an_entry_that_stays_damaged_is_a_model_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = chain_model(tmp_path)
    os.truncate(canonical(path).entry.directory / "entry.json", 3)
    monkeypatch.setattr(Entry, "refill", lambda *_: None)
    with pytest.raises(ModelError, match="made just now cannot be read"):
        canonical(path)


def test_large_constants_in_the_body_that_a_value_chooses_are_kept(tmp_path: Path) -> None:
    # ONNX Runtime 1.24 refuses these unless they are lifted out; both bodies use the same names.
    def branch(name: str, number: float) -> onnx.GraphProto:
        many = numpy_helper.from_array(np.full((1, 64), number, np.float32))
        nodes = [
            helper.make_node("Constant", [], ["many"], value=many),
            helper.make_node("Add", ["x", "many"], [f"{name}_y"]),
        ]
        return helper.make_graph(nodes, name, [], [value(f"{name}_y", 1, 64)])

    path = save(
        tmp_path / "bodies.onnx",
        [helper.make_node("If", ["flag"], ["y"], then_branch=branch("a", 1), else_branch=branch("b", 2))],
        [value("x", 1, 64), value("flag", element=TensorProto.BOOL)],
        [value("y", 1, 64)],
    )
    for flag, expected in ((True, 1), (False, 2)):
        model = canonical(path, values={"flag": np.array(flag)})
        answer = PieceStore(model, RUNTIME).session(whole(model)).run({"x": np.zeros((1, 64), np.float32)})["y"]
        np.testing.assert_array_equal(answer, np.full((1, 64), expected, np.float32))
