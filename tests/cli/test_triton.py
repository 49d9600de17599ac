from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.models import (
    ELEMENT_TYPES,
    chain_model,
    diamond_model,
    if_model,
    multi_io_model,
    random_feeds,
    run_whole,
    typed_models,
)
from tests.serving.support import PATIENCE_S, Client, assert_close, outputs_of, request_of

from partway.cli.triton import parse_name, tail_name, write_config
from partway.documents import read_document
from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import TensorInfo, exporting
from partway.serving import ServerOptions, run_server
from partway.verification.manifest import SplitManifest


def info(name: str, *shape: int | str | None, dtype: type[np.generic] = np.float32) -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


def test_a_config_says_type_and_full_shape_of_everything() -> None:
    config = write_config("m", [info("a", 1, 3, "n")], [info("b", None, dtype=np.int64), info("c", 2, dtype=np.bool_)])
    assert config == (
        'name: "m"\nplatform: "onnxruntime_onnx"\nbackend: "onnxruntime"\nmax_batch_size: 0\n'
        'input {\n  name: "a"\n  data_type: TYPE_FP32\n  dims: [ 1, 3, -1 ]\n}\n'
        'output {\n  name: "b"\n  data_type: TYPE_INT64\n  dims: [ -1 ]\n}\n'
        'output {\n  name: "c"\n  data_type: TYPE_BOOL\n  dims: [ 2 ]\n}\n'
    )


def test_a_scalar_is_one_element_without_a_reshape() -> None:
    config = write_config("m", [info("x")], [])
    assert "dims: [ 1 ]" in config
    assert "reshape" not in config


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (info("x", 2, dtype=ml_dtypes.bfloat16), r"has no type for 'x', which is bfloat16\[2\]"),
        (info("x", 2, dtype=ml_dtypes.float8_e5m2), "has no type for 'x'"),
        (TensorInfo(name="x", dtype=None, shape=(2,)), "has no type for 'x'"),
        (info("x", 2, 0), "not empty"),
        (TensorInfo(name="x", dtype=np.dtype("f4"), shape=None), "dimensions are known"),
    ],
)
def test_what_triton_cannot_take_is_refused(tensor: TensorInfo, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        write_config("m", [tensor], [])


@pytest.mark.parametrize(
    ("stem", "name"),
    [("resnet50", "resnet50_tail"), ("v1.2/a b", "v1_2_a_b_tail"), ("...", "model_tail"), ("é-x", "-x_tail")],
)
def test_any_file_name_gives_a_name_that_is_safe(stem: str, name: str) -> None:
    assert tail_name(stem) == name
    assert parse_name(name) == name


@pytest.mark.parametrize("text", ["", "a/b", "..", "a.b", "é"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="use letters, digits, _ and -"):
        parse_name(text)


def parsed(config: str) -> Any:
    """The config as Triton's own protobuf messages hold it."""
    messages = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="tritonclient is not installed")
    return text_format.Parse(config, messages.ModelConfig())


@given(name=st.text(min_size=1))
def test_tritons_own_parser_reads_any_name(name: str) -> None:
    config = parsed(write_config("m", [info(name, 1, "n")], [info("y", dtype=np.float16)]))
    assert (config.name, config.backend, config.max_batch_size) == ("m", "onnxruntime", 0)
    assert (config.input[0].name, [*config.input[0].dims]) == (name, [1, -1])


@pytest.mark.parametrize("element", sorted(set(ELEMENT_TYPES) - {"BFLOAT16"}))
def test_tritons_own_parser_reads_every_type(element: str) -> None:
    dtype = (
        np.dtype(object)
        if element == "STRING"
        else np.dtype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(element)))
    )
    config = parsed(write_config("m", [TensorInfo(name="x", dtype=dtype, shape=(1,))], []))
    words = {"FLOAT": "FP32", "DOUBLE": "FP64", "FLOAT16": "FP16"}
    types = type(config).DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name
    assert config.input[0].data_type == types[f"TYPE_{words.get(element, element)}"].number


def lay_out(partway: Command, path: Path, cut: str) -> Path:
    """The repository that a split makes beside the model."""
    repository = path.parent / "repository"
    finished = partway("split", path, "--cut", cut, "-o", path.parent / "out", "--triton", repository)
    assert finished.status == 0, finished
    return repository


def test_the_layout_is_tritons_and_holds_the_very_tail_that_was_checked(partway: Command, tmp_path: Path) -> None:
    layout = lay_out(partway, multi_io_model(tmp_path), "hidden,b,late") / "multi_io_tail"
    files = {file.relative_to(layout).as_posix() for file in layout.rglob("*") if file.is_file()}
    assert files == {"1/model.onnx", "config.pbtxt", "manifest.json"}
    assert (layout / "1/model.onnx").read_bytes() == (tmp_path / "out/tail.onnx").read_bytes()
    manifest = read_document(layout / "manifest.json", SplitManifest)
    assert (manifest.tail.file, manifest.tail.data) == ("1/model.onnx", None)
    assert [file.name for file in manifest.files] == ["1/model.onnx", "config.pbtxt"]


def test_weights_beside_the_tail_come_along(partway: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "INLINE_BYTES", 0)
    path = chain_model(tmp_path)
    layout = lay_out(partway, path, "pool1") / "chain_tail"
    manifest = read_document(layout / "manifest.json", SplitManifest)
    assert manifest.tail.data == "1/tail.onnx.data"
    sent = run_whole(tmp_path / "out/head.onnx", random_feeds(path))
    np.testing.assert_allclose(
        run_whole(layout / "1/model.onnx", sent)["scores"], run_whole(path, random_feeds(path))["scores"], rtol=1e-5
    )


def test_the_tail_runs_as_its_config_says(partway: Command, tmp_path: Path) -> None:
    layout = lay_out(partway, multi_io_model(tmp_path), "hidden,b,late") / "multi_io_tail"
    config = parsed((layout / "config.pbtxt").read_text())
    assert config.name == layout.name
    answers = run_whole(
        layout / "1/model.onnx", {item.name: np.ones([*item.dims], np.float32) for item in config.input}
    )
    assert {name: answer.shape for name, answer in answers.items()} == {
        item.name: tuple(item.dims) for item in config.output
    }


def test_a_scalar_that_crosses_is_one_element_to_triton(partway: Command, tmp_path: Path) -> None:
    layout = lay_out(partway, if_model(tmp_path), "early,flag") / "if_tail"
    assert 'name: "flag"\n  data_type: TYPE_BOOL\n  dims: [ 1 ]\n' in (layout / "config.pbtxt").read_text()


def test_our_own_server_serves_the_layout(partway: Command, tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    repository = lay_out(partway, path, "stem")
    sent = run_whole(tmp_path / "out/head.onnx", random_feeds(path))
    with run_server(repository, options=ServerOptions(runtime=OrtRuntime(threads=1))) as server:
        server.settle(PATIENCE_S)
        with Client(server.address) as client:
            answer = outputs_of(client.infer(request_of("diamond_tail", sent)))
    assert_close(answer, run_whole(path, random_feeds(path)))


def test_an_unmodified_tritonclient_gets_the_model_s_answer_from_the_tail(partway: Command, tmp_path: Path) -> None:
    tritonclient = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed")
    path = diamond_model(tmp_path)
    repository = lay_out(partway, path, "stem")
    sent = run_whole(tmp_path / "out/head.onnx", random_feeds(path))["stem"]
    tensor = tritonclient.InferInput("stem", list(sent.shape), "FP32")
    tensor.set_data_from_numpy(sent)
    with (
        run_server(repository, options=ServerOptions(runtime=OrtRuntime(threads=1))) as server,
        tritonclient.InferenceServerClient(server.address) as client,
    ):
        server.settle(PATIENCE_S)
        assert client.get_model_metadata("diamond_tail").inputs[0].name == "stem"
        answer = client.infer("diamond_tail", [tensor]).as_numpy("mean")
    assert_close({"mean": answer}, run_whole(path, random_feeds(path)))


def test_types_that_triton_lacks_are_refused_before_anything_is_written(partway: Command, tmp_path: Path) -> None:
    model = typed_models(tmp_path)["BFLOAT16"]
    words = ("split", model, "--cut", "inputs", "-o", tmp_path / "out")
    assert "leave --triton out" in complaint(partway, *words, "--triton", tmp_path / "repository")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "repository").exists()
    assert partway(*words).status == 0


def test_other_models_of_the_repository_stay(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    lay_out(partway, path, "pool1")
    other = tmp_path / "repository" / "other" / "1"
    other.mkdir(parents=True)
    finished = partway(
        "split", path, "--cut", "conv2", "-o", tmp_path / "out", "--triton", tmp_path / "repository", "--name", "mine"
    )
    assert finished.status == 0
    assert {entry.name for entry in (tmp_path / "repository").iterdir()} == {"chain_tail", "other", "mine"}
    assert 'name: "mine"' in (tmp_path / "repository/mine/config.pbtxt").read_text()


def test_a_name_needs_a_repository_and_both_folders_lie_apart(partway: Command, tmp_path: Path) -> None:
    words = ("split", chain_model(tmp_path), "--cut", "pool1", "-o", tmp_path / "out")
    assert "give that with --triton" in complaint(partway, *words, "--name", "mine")
    assert "use letters" in complaint(partway, *words, "--triton", tmp_path / "repository", "--name", "a/b")
    assert "name folders apart" in complaint(partway, *words, "--triton", tmp_path / "out")
    (tmp_path / "file").write_bytes(b"")
    assert "it is a file" in complaint(partway, *words, "--triton", tmp_path / "file")


def test_a_model_of_the_repository_that_is_no_split_is_not_replaced(partway: Command, tmp_path: Path) -> None:
    path, theirs = chain_model(tmp_path), tmp_path / "repository/chain_tail/1/model.onnx"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    words = ("split", path, "--cut", "pool1", "-o", tmp_path / "out", "--triton", tmp_path / "repository")
    assert "holds no earlier split" in complaint(partway, *words)
    assert theirs.read_bytes() == b"theirs"
    assert not (tmp_path / "out").exists()
