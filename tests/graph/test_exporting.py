from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from onnx import TensorProto, helper, numpy_helper
from tests.graph.support import RandomGraph, canonical, elementwise_feeds, heads_of, law, random_graphs, save, value
from tests.models import (
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    if_model,
    ir3_model,
    loop_model,
    multi_io_model,
    optional_input_model,
    random_feeds,
    run_whole,
)

from partway.errors import CutError
from partway.graph import Cut, Model, cut_at, cut_of, server_only, single_tensor_cuts
from partway.graph.exporting import INLINE_BYTES, ExportedPiece, export_piece


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exporting")


def export(model: Model, cut: Cut, folder: Path, *, inline_bytes: int = INLINE_BYTES) -> list[ExportedPiece]:
    folder.mkdir(exist_ok=True)
    pieces = (("head", cut.head), ("tail", cut.tail))
    return [
        export_piece(model, piece, folder / f"{name}.onnx", about=name, metadata={"k": "v"}, inline_bytes=inline_bytes)
        for name, piece in pieces
        if piece is not None
    ]


def run_files(written: list[ExportedPiece], feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Head, then tail, each in a plain session."""
    known = dict(feeds)
    for piece in written:
        inputs = [value.name for value in onnx.load(piece.files[0], load_external_data=False).graph.input]
        known |= run_whole(piece.files[0], {name: known[name] for name in inputs})
    return known


def assert_equals_model(found: Mapping[str, np.ndarray], path: Path, feeds: Mapping[str, np.ndarray]) -> None:
    for name, array in run_whole(path, dict(feeds)).items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)


@law
@given(graph=random_graphs())
def test_head_then_tail_from_their_files_is_the_model_at_every_cut(folder: Path, graph: RandomGraph) -> None:
    path = graph.save(folder / "random.onnx")
    model = canonical(path)
    feeds = elementwise_feeds(graph.inputs)
    cuts = {cut_of(model, sum(1 << index for index in head)) for head in heads_of(model)}
    for cut in cuts:
        if cut.offloaded:
            assert_equals_model(run_files(export(model, cut, folder / "files"), feeds), path, feeds)


@pytest.mark.parametrize("inline_bytes", [INLINE_BYTES, 0], ids=["inside", "beside"])
@pytest.mark.parametrize(
    "make",
    [
        chain_model,
        diamond_model,
        external_data_model,
        if_model,
        ir3_model,
        loop_model,
        multi_io_model,
        optional_input_model,
    ],
)
def test_files_of_models_of_every_make_are_valid_and_right(
    tmp_path: Path, make: Callable[[Path], Path], inline_bytes: int
) -> None:
    path = make(tmp_path)
    model = canonical(path)
    feeds = random_feeds(path)
    for cut in single_tensor_cuts(model):
        if not cut.offloaded:
            continue
        written = export(model, cut, tmp_path / "files", inline_bytes=inline_bytes)
        assert_equals_model(run_files(written, feeds), path, feeds)
        for piece in written:
            onnx.checker.check_model(str(piece.files[0]), full_check=True)
            assert (piece.complaint, piece.foreign_domains) == (None, ())


def test_two_tensors_may_cross(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    model = canonical(path)
    written = export(model, cut_at(model, ("stem", "left2")), tmp_path / "files")
    feeds = random_feeds(path)
    assert_equals_model(run_files(written, feeds), path, feeds)


def test_open_dimensions_are_those_of_the_binding(tmp_path: Path) -> None:
    path, shape = dynamic_model(tmp_path), (2, 3, 8, 6)
    model = canonical(path, {"image": shape})
    written = export(model, cut_at(model, ("pool1",)), tmp_path / "files")
    head = onnx.load(written[0].files[0]).graph
    assert [dim.dim_value for dim in head.input[0].type.tensor_type.shape.dim] == [*shape]
    feeds = random_feeds(path, {"image": shape})
    assert_equals_model(run_files(written, feeds), path, feeds)


def wide_loop(path: Path) -> Path:
    """A loop whose body has weights of its own, too many to stay in the graph, and one more in front."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((32, 32), dtype=np.float32) / 8, "w")
    flag, count = value("going", element=TensorProto.BOOL), value("round", element=TensorProto.INT64)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("MatMul", ["state", "w"], ["next"]),
        ],
        "body",
        [count, flag, value("state", 1, 32)],
        [value("still", element=TensorProto.BOOL), value("next", 1, 32)],
        [weight],
    )
    before = numpy_helper.from_array(rng.standard_normal((32, 32), dtype=np.float32) / 8, "before")
    rounds = [numpy_helper.from_array(np.array(3), "rounds"), numpy_helper.from_array(np.array(True), "forever")]
    nodes = [
        helper.make_node("MatMul", ["x", "before"], ["start"]),
        helper.make_node("Loop", ["rounds", "forever", "start"], ["y"], body=body),
    ]
    return save(path, nodes, [value("x", 1, 32)], [value("y", 1, 32)], [before, *rounds])


@pytest.mark.parametrize("inline_bytes", [INLINE_BYTES, 0], ids=["inside", "beside"])
def test_weights_within_bodies_come_along(tmp_path: Path, inline_bytes: int) -> None:
    path = wide_loop(tmp_path / "wide.onnx")
    model = canonical(path)
    feeds = random_feeds(path)
    for crossing in ("x", "start"):
        written = export(model, cut_at(model, (crossing,)), tmp_path / crossing, inline_bytes=inline_bytes)
        assert_equals_model(run_files(written, feeds), path, feeds)


def big_product(path: Path) -> Path:
    weights = [
        numpy_helper.from_array(np.full((32, 32), 1 / 32, np.float32), "w1"),
        numpy_helper.from_array(np.full((32, 33), 1 / 32, np.float32), "w2"),
    ]
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["h"]), helper.make_node("MatMul", ["h", "w2"], ["y"])]
    return save(path, nodes, [value("x", 1, 32)], [value("y", 1, 33)], weights)


def test_weights_too_many_for_one_message_lie_beside_it_on_pages(tmp_path: Path) -> None:
    path = big_product(tmp_path / "big.onnx")
    model = canonical(path)
    (whole,) = export(model, server_only(model), tmp_path / "inside")
    assert [file.name for file in whole.files] == ["tail.onnx"]
    (parted,) = export(model, server_only(model), tmp_path / "beside", inline_bytes=8000)
    assert [file.name for file in parted.files] == ["tail.onnx", "tail.onnx.data"]
    stored = onnx.load(parted.files[0], load_external_data=False).graph.initializer
    places = [{item.key: item.value for item in tensor.external_data} for tensor in stored]
    assert [(place["location"], place["offset"]) for place in places] == [
        ("tail.onnx.data", "0"),
        ("tail.onnx.data", "4096"),
    ]
    assert parted.files[1].stat().st_size == 4096 + 32 * 33 * 4
    feeds = random_feeds(path)
    assert_equals_model(run_files([parted], feeds), path, feeds)


def test_a_file_says_what_it_is_and_imports_what_it_uses(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = canonical(path)
    tail = onnx.load(export(model, cut_at(model, ("pool1",)), tmp_path / "files")[1].files[0])
    assert (tail.producer_name, tail.doc_string, tail.graph.name) == ("partway", "tail", "tail")
    assert {item.key: item.value for item in tail.metadata_props} == {"k": "v"}
    assert [(entry.domain, entry.version) for entry in tail.opset_import] == [("", 17)]
    assert [value.name for value in tail.graph.input] == ["pool1"]
    assert [value.name for value in tail.graph.output] == ["scores"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    model = canonical(diamond_model(tmp_path))
    first, second = (export(model, cut_at(model, ("stem",)), tmp_path / name) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        assert one.files[0].read_bytes() == other.files[0].read_bytes()


def test_operators_that_are_not_onnx_s_own_are_passed_on_and_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Gelu", ["t"], ["y"], domain="com.microsoft")]
    graph = helper.make_graph(nodes, "foreign", [value("x", 2, 3)], [value("y", 2, 3)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "foreign.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
    model = canonical(path)
    head, tail = export(model, cut_at(model, ("t",)), tmp_path / "files")
    assert (head.foreign_domains, tail.foreign_domains) == ((), ("com.microsoft",))
    assert {entry.domain for entry in onnx.load(tail.files[0]).opset_import} == {"", "com.microsoft"}


def test_what_the_checker_says_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str) -> None:
        raise onnx.checker.ValidationError("two\nlines")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    model = canonical(chain_model(tmp_path))
    (tail,) = export(model, server_only(model), tmp_path / "files")
    assert tail.complaint == "two lines"


def test_a_piece_that_cannot_be_computed_is_refused(tmp_path: Path) -> None:
    model = canonical(multi_io_model(tmp_path))
    cut = cut_at(model, ("hidden", "b", "late"))
    assert cut.tail is not None
    lacking = type(cut.tail)(inputs=("hidden",), outputs=cut.tail.outputs)
    with pytest.raises(CutError, match="also needs"):
        export_piece(model, lacking, tmp_path / "tail.onnx", about="", metadata={})


def test_weights_that_are_cut_short_are_an_error(tmp_path: Path) -> None:
    model = canonical(big_product(tmp_path / "big.onnx"))
    (model.entry.directory / "weights.bin").write_bytes(b"short")
    with pytest.raises(OSError, match="ends within"):
        export(model, server_only(model), tmp_path / "files")
