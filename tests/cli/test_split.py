import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.graph.support import save, value
from tests.models import (
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    if_model,
    loop_model,
    multi_io_model,
    random_feeds,
    run_whole,
)

from partway.cli import split
from partway.documents import read_document
from partway.graph import Source, exporting
from partway.verification.export import ExportReport, OutputCheck
from partway.verification.manifest import SplitManifest
from partway.verification.tolerance import Difference, Tolerance


def wire(folder: Path, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model's outputs from the files and the manifest alone, in plain sessions."""
    manifest = read_document(folder / "manifest.json", SplitManifest)
    head: dict[str, np.ndarray] = {}
    if manifest.head is not None:
        head = run_whole(
            folder / manifest.head.file, {tensor.name: feeds[tensor.name] for tensor in manifest.head.inputs}
        )
    known = {"model": feeds, "head": head}
    tail = run_whole(
        folder / manifest.tail.file, {name: known[maker][name] for name, maker in manifest.tail_inputs.items()}
    )
    known["tail"] = tail
    return {name: known[maker][name] for name, maker in manifest.outputs.items()}


def assert_is_model(folder: Path, path: Path, feeds: dict[str, np.ndarray]) -> None:
    expected, found = run_whole(path, feeds), wire(folder, feeds)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "cut"),
    [
        (chain_model, "pool1"),
        (chain_model, "inputs"),
        (diamond_model, "stem, left2"),
        (external_data_model, "relu2"),
        (if_model, "chosen"),
        (if_model, "early,flag"),
        (loop_model, "step,start"),
        (multi_io_model, "hidden,b,late"),
        (multi_io_model, "deep,late"),
    ],
)
def test_the_manifest_is_enough_to_wire_the_files(partway: Command, tmp_path: Path, make: Any, cut: str) -> None:
    path = make(tmp_path)
    finished = partway("split", path, "--cut", cut, "-o", tmp_path / "out")
    assert finished.status == 0, finished
    assert "passed: the files answer as the model does" in finished.out
    assert finished.err == ""
    assert_is_model(tmp_path / "out", path, random_feeds(path, seed=1))


def test_the_manifest_says_what_a_stranger_needs(partway: Command, tmp_path: Path) -> None:
    path = multi_io_model(tmp_path)
    assert partway("split", path, "--cut", "middle,late", "-o", tmp_path / "out", "--seed", 7).status == 0
    manifest = read_document(tmp_path / "out/manifest.json", SplitManifest)
    assert (manifest.source, manifest.digest) == ("multi_io.onnx", Source.open(path).digest)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in manifest.crossing] == [
        ("late", "float32", (1, 3)),
        ("middle", "float32", (1, 6)),
    ]
    assert (manifest.up_bytes, manifest.down_bytes) == (36, 12)
    assert manifest.tail_inputs == {"middle": "head", "late": "model"}
    assert manifest.outputs == {"early": "head", "middle": "head", "last": "tail"}
    assert (manifest.sample_inputs, manifest.seed, manifest.passed) == ("random", 7, True)
    assert {check.output for check in manifest.checks} == {"early", "middle", "last"}
    assert {file.name: file.size_bytes for file in manifest.files} == {
        name: (tmp_path / "out" / name).stat().st_size for name in ("head.onnx", "tail.onnx")
    }
    metadata = {item.key: item.value for item in onnx.load(tmp_path / "out/tail.onnx").metadata_props}
    assert metadata["partway.digest"] == manifest.digest
    assert metadata["partway.binding"] == manifest.binding
    assert metadata["partway.crossing"] == '["late","middle"]'


def test_a_tail_that_is_the_whole_model_has_no_head(partway: Command, tmp_path: Path) -> None:
    finished = partway("split", chain_model(tmp_path), "--cut", "inputs", "-o", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"tail.onnx", "manifest.json"}
    assert "note: the head is empty: the inputs themselves cross" in finished.out
    assert read_document(tmp_path / "out/manifest.json", SplitManifest).head is None


def test_shapes_and_constants_are_those_of_the_binding(partway: Command, tmp_path: Path) -> None:
    path, shape = dynamic_model(tmp_path), (2, 3, 8, 6)
    words = ("--cut", "pool1", "-o", tmp_path / "out", "--shape", "image=2,3,8,6")
    assert partway("split", path, *words).status == 0
    assert_is_model(tmp_path / "out", path, random_feeds(path, {"image": shape}))


def test_inputs_held_constant_are_inside(partway: Command, tmp_path: Path) -> None:
    path = if_model(tmp_path)
    assert partway("split", path, "--cut", "early", "-o", tmp_path / "out", "--bind", "flag=true").status == 0
    manifest = read_document(tmp_path / "out/manifest.json", SplitManifest)
    assert manifest.tail_inputs == {"early": "head"}
    feeds = random_feeds(path)
    expected = run_whole(path, {**feeds, "flag": np.array(True)})
    np.testing.assert_allclose(wire(tmp_path / "out", feeds)["y"], expected["y"], rtol=1e-5)


def test_given_inputs_are_what_is_checked(partway: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((1, 3, 8, 8), np.float32))
    words = ("--cut", "pool1", "-o", tmp_path / "out", "--input", tmp_path / "image.npy")
    assert partway("split", chain_model(tmp_path), *words).status == 0
    manifest = read_document(tmp_path / "out/manifest.json", SplitManifest)
    assert (manifest.sample_inputs, manifest.seed) == ("given", None)


def test_weights_over_the_limit_lie_beside(partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "INLINE_BYTES", 0)
    path = chain_model(tmp_path)
    finished = partway("split", path, "--cut", "pool1", "-o", tmp_path / "out")
    assert "tail.onnx.data" in finished.out
    manifest = read_document(tmp_path / "out/manifest.json", SplitManifest)
    assert (manifest.tail.file, manifest.tail.data) == ("tail.onnx", "tail.onnx.data")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert_is_model(tmp_path / "elsewhere", path, random_feeds(path))


def test_outputs_that_no_node_makes_come_from_the_head_or_the_model(partway: Command, tmp_path: Path) -> None:
    constant = numpy_helper.from_array(np.array([1.0, 2.0], np.float32), "fixed")
    path = save(
        tmp_path / "odd.onnx",
        [helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Tanh", ["t"], ["y"])],
        [value("x", 2)],
        [value("y", 2), value("fixed", 2)],
        [constant],
    )
    for cut in ("t", "inputs"):
        assert partway("split", path, "--cut", cut, "-o", tmp_path / cut).status == 0
        assert_is_model(tmp_path / cut, path, random_feeds(path))


def test_a_tensor_with_a_comma_in_its_name_may_cross(partway: Command, tmp_path: Path) -> None:
    path = save(
        tmp_path / "names.onnx",
        [helper.make_node("Tanh", ["x"], ["a,b"]), helper.make_node("Tanh", ["a,b"], ["y"])],
        [value("x", 2)],
        [value("y", 2)],
    )
    assert partway("split", path, "--cut", "a,b", "-o", tmp_path / "out").status == 0
    assert_is_model(tmp_path / "out", path, random_feeds(path))


def test_json_is_the_manifest_and_where_it_went(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    finished = partway("split", path, "--cut", "pool1", "-o", tmp_path / "out", "--json")
    document = finished.document
    assert (document["model"], document["folder"], document["triton"]) == (str(path), str(tmp_path / "out"), None)
    assert document["passed"] is True
    assert document["crossing"][0]["name"] == "pool1"
    assert finished.err == ""


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        ("nothing", "the graph has no tensor 'nothing'"),
        ("left1", "is no cut"),
        ("", "leaves nothing to a tail"),
        (",", "leaves nothing to a tail"),
        ("mean", "is no cut"),
    ],
)
def test_what_is_no_cut_is_refused(partway: Command, tmp_path: Path, cut: str, reason: str) -> None:
    path = diamond_model(tmp_path)
    assert reason in complaint(partway, "split", path, "--cut", cut, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def differing(infinite: bool) -> ExportReport:
    apart = np.inf if infinite else 0.25
    return ExportReport(
        outputs=(
            OutputCheck(
                name="scores",
                found=Difference(absolute=apart, relative=apart),
                tolerance=Tolerance(dtype="float32", absolute=1e-4, scale=1.0, spread=0.0),
            ),
        ),
        unproved=(),
        without_numbers=(),
    )


def test_files_that_differ_are_not_kept_and_an_earlier_split_stays(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out, repository = chain_model(tmp_path), tmp_path / "out", tmp_path / "repository"
    assert partway("split", path, "--cut", "pool1", "-o", out).status == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    monkeypatch.setattr(split, "check_export", lambda *_: differing(infinite=False))
    finished = partway("split", path, "--cut", "conv2", "-o", out, "--triton", repository)
    assert finished.status == 1
    assert "FAILED: the files do not answer as the model does" in finished.out
    assert "written nothing" in finished.text
    monkeypatch.setattr(split, "check_export", lambda *_: differing(infinite=True))
    finished = partway("split", path, "--cut", "conv2", "-o", tmp_path / "other", "--json")
    document = finished.document
    assert (finished.status, document["passed"], document["folder"]) == (1, False, None)
    assert document["checks"][0]["absolute_error"] is None
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"chain.onnx", "out", "cache"}


def test_a_model_without_a_finite_answer_proves_nothing(partway: Command, tmp_path: Path) -> None:
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["n"])]
    path = save(tmp_path / "m.onnx", [*nodes, helper.make_node("Sqrt", ["n"], ["y"])], [value("x", 2)], [value("y", 2)])
    finished = partway("split", path, "--cut", "a", "-o", tmp_path / "out")
    assert finished.status == 1
    assert "FAILED: no output has a finite number" in finished.out
    assert "note: output y is nothing but zeros, NaN or infinity" in finished.out
    assert not (tmp_path / "out").exists()


def test_foreign_operators_and_the_checkers_words_are_noted(
    partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Gelu", ["t"], ["y"], domain="com.microsoft")]
    graph = helper.make_graph(nodes, "foreign", [value("x", 2, 3)], [value("y", 2, 3)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "foreign.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)

    def refuse(_path: str) -> None:
        raise onnx.checker.ValidationError("not to its taste")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    finished = partway("split", path, "--cut", "t", "-o", tmp_path / "out")
    assert finished.status == 0
    assert "note: tail.onnx needs operators of com.microsoft, which not every runtime has" in finished.out
    assert "note: ONNX's checker does not take head.onnx: not to its taste" in finished.out


def test_an_interrupted_split_leaves_nothing(partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        sys.exit(signal.SIGTERM)

    monkeypatch.setattr(split, "check_export", end)
    path = chain_model(tmp_path)
    assert partway("split", path, "--cut", "pool1", "-o", tmp_path / "out").status != 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"chain.onnx", "cache"}


def test_the_root_of_all_folders_is_refused_unseen(partway: Command, tmp_path: Path) -> None:
    told = complaint(partway, "split", chain_model(tmp_path), "--cut", "relu1", "-o", "/")
    assert "names no folder of its own" in told
