import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.graph.support import RUNTIME, canonical, open_source, save, value
from tests.graph.test_digest import change_a_weight, edited
from tests.models import (
    chain_model,
    dynamic_model,
    external_data_model,
    ir3_model,
    multi_io_model,
    optional_input_model,
    run_whole,
)

from partway.engine import PieceStore
from partway.errors import InputError, ModelError
from partway.graph import Cache, Source, canonicalise, single_tensor_cuts, whole
from partway.verification import check_model


def digest(path: Path) -> str:
    return open_source(path).digest


def test_a_source_tells_its_inputs_and_outputs(tmp_path: Path) -> None:
    source = open_source(multi_io_model(tmp_path))
    assert [tensor.describe() for tensor in source.inputs] == ["float32[1,4]", "float32[1,6]", "float32[1,3]"]
    assert [tensor.name for tensor in source.outputs] == ["early", "middle", "last"]
    assert {"a", "b", "late", "hidden", "joined", "deep"} < source.names
    assert source.digest.startswith("sha256:")


def test_open_dimensions_keep_their_symbols(tmp_path: Path) -> None:
    (image,) = open_source(dynamic_model(tmp_path)).inputs
    assert image.shape == ("batch", 3, None, "width")


def test_placeholders_for_unknown_dimensions_are_no_symbols(tmp_path: Path) -> None:
    path = save(
        tmp_path / "paddle.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [value("x", -1, 3, "?", "?", "h")],
        [value("y", None, 3, None, None, None)],
    )
    source = open_source(path)
    assert source.inputs[0].shape == (None, 3, None, None, "h")
    assert dict(source.bind({"x": (1, 3, 48, 192, 2)}).shapes) == {"x": (1, 3, 48, 192, 2)}


def test_weights_listed_as_inputs_by_old_files_are_no_inputs(tmp_path: Path) -> None:
    path = ir3_model(tmp_path)
    source = open_source(path)
    assert [tensor.name for tensor in source.inputs] == ["x"]
    assert source.optional_inputs == ()
    model = canonical(path)
    assert [tensor.name for tensor in model.inputs] == ["x"]
    feeds = {"x": np.ones((1, 4), np.float32)}
    answer = PieceStore(model, RUNTIME).session(whole(model)).run(feeds)
    np.testing.assert_allclose(answer["y"], run_whole(path, feeds)["y"], rtol=1e-6)


def test_an_optional_input_may_be_fed_or_left_out(tmp_path: Path) -> None:
    path = optional_input_model(tmp_path)
    source = open_source(path)
    assert [tensor.name for tensor in source.optional_inputs] == ["scale"]
    feeds = {"x": np.array([[1, 2, 3, 4]], np.float32)}
    for given in (feeds, {**feeds, "scale": np.full((1, 4), 0.1, np.float32)}):
        model = canonical(path, {name: array.shape for name, array in given.items()})
        assert {tensor.name for tensor in model.inputs} == given.keys()
        answer = PieceStore(model, RUNTIME).session(whole(model)).run(given)
        np.testing.assert_allclose(answer["y"], run_whole(path, given)["y"], rtol=1e-6)


def test_external_data_may_lie_in_a_sub_folder(tmp_path: Path) -> None:
    path = external_data_model(tmp_path, "weights/deep")
    feeds = {"image": np.ones((1, 3, 8, 8), np.float32)}
    model = canonical(path)
    answer = PieceStore(model, RUNTIME).session(whole(model)).run(feeds)
    np.testing.assert_allclose(answer["scores"], run_whole(path, feeds)["scores"], rtol=1e-5)


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    path = external_data_model(tmp_path)
    (tmp_path / "chain.weights").unlink()
    with pytest.raises(ModelError, match=r"external.onnx keeps '\w+' in 'chain.weights', which is not beside it"):
        open_source(path)


def test_external_data_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = external_data_model(tmp_path)
    os.truncate(tmp_path / "chain.weights", 100)
    with pytest.raises(ModelError, match=r"the weights of .*external.onnx cannot be read"):
        open_source(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret"])
@pytest.mark.parametrize("in_node", [False, True])
def test_external_data_outside_the_models_folder_is_refused(tmp_path: Path, location: str, in_node: bool) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "model" / "a").mkdir(parents=True)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    constant = [helper.make_node("Constant", [], ["w"], value=tensor)] if in_node else []
    path = save(
        tmp_path / "model" / "evil.onnx",
        [*constant, helper.make_node("Add", ["x", "w"], ["y"])],
        [value("x", 4)],
        [value("y", 4)],
        [] if in_node else [tensor],
    )
    with pytest.raises(ModelError, match=r"external data must lie in the model's own folder"):
        open_source(path, tmp_path / "cache")


def test_constants_inside_nodes_may_lie_outside_the_file(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    nodes = [helper.make_node("Constant", [], ["w"], value=tensor), helper.make_node("Add", ["x", "w"], ["y"])]
    path = save(tmp_path / "node.onnx", nodes, [value("x", 4)], [value("y", 4)])
    first = digest(path)
    model = canonical(path)
    answer = PieceStore(model, RUNTIME).session(whole(model)).run({"x": np.ones(4, np.float32)})
    np.testing.assert_array_equal(answer["y"], [1, 2, 3, 4])
    (tmp_path / "w.bin").write_bytes(np.arange(1, 5, dtype=np.float32).tobytes())
    assert digest(path) != first


def as_a_hub_lays_it_out(folder: Path, *, nested: str = "") -> Path:
    """A snapshot folder of links to files elsewhere that are named by their contents."""
    original = external_data_model(folder / "made", nested)
    blobs, snapshot = folder / "blobs", folder / "snapshots" / "main"
    blobs.mkdir()
    (snapshot / nested).mkdir(parents=True)
    for file, blob in ((original.name, "abc"), (str(Path(nested, "chain.weights")), "def")):
        (folder / "made" / file).rename(blobs / blob)
        link = snapshot / file
        link.symlink_to(os.path.relpath(blobs / blob, link.parent))
    return snapshot / original.name


@pytest.mark.parametrize("nested", ["", "weights"])
def test_a_model_of_links_is_read_checked_and_cut(tmp_path: Path, nested: str) -> None:
    path = as_a_hub_lays_it_out(tmp_path, nested=nested)
    source = open_source(path, tmp_path / "cache")
    assert source.digest == digest(chain_model(tmp_path))
    model = canonical(path, cache_folder=tmp_path / "cache")
    assert len(single_tensor_cuts(model)) == 9
    feeds = {"image": np.ones((1, 3, 8, 8), np.float32)}
    report = check_model(source, model, RUNTIME, feeds, generator=np.random.default_rng(0))
    assert report.passed


def test_a_link_to_a_model_finds_the_data_beside_what_it_links_to(tmp_path: Path) -> None:
    external_data_model(tmp_path / "real")
    link = tmp_path / "link.onnx"
    link.symlink_to(tmp_path / "real" / "external.onnx")
    assert digest(link) == digest(chain_model(tmp_path))
    assert canonical(link).macs > 0


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    first = digest(path)
    edited(path, path, change_a_weight)
    second = digest(path)
    assert second != first


def test_external_data_that_changed_is_read_again(tmp_path: Path) -> None:
    path = external_data_model(tmp_path)
    first = digest(path)
    weights = tmp_path / "chain.weights"
    content = bytearray(weights.read_bytes())
    content[10] ^= 1
    status = weights.stat()
    weights.write_bytes(content)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert digest(path) != first


def test_a_link_that_points_elsewhere_is_read_again(tmp_path: Path) -> None:
    path = as_a_hub_lays_it_out(tmp_path)
    first = open_source(path, tmp_path / "cache").digest
    content = bytearray((tmp_path / "blobs" / "def").read_bytes())
    content[10] ^= 1
    (tmp_path / "blobs" / "xyz").write_bytes(content)
    link = path.parent / "chain.weights"
    link.unlink()
    link.symlink_to("../../blobs/xyz")
    assert open_source(path, tmp_path / "cache").digest != first


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external_data_model(tmp_path)
    first = open_source(path)
    monkeypatch.setattr("partway.graph.source.digest_model", lambda _model: pytest.fail("read again"))
    assert open_source(path) == first


def test_a_damaged_memo_is_made_anew(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    source = open_source(path)
    (memo,) = (tmp_path / "cache" / "sources").iterdir()
    for content in (b"", b"{", b'{"kind":"partway.plan","version":1}', memo.read_bytes()[:-20]):
        memo.write_bytes(content)
        assert open_source(path) == source


def test_a_source_that_changed_after_it_was_opened_is_not_canonicalised_under_its_old_digest(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    source = open_source(path)
    edited(path, path, change_a_weight)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(ModelError, match=r"has changed since .* was opened; open it again"):
        canonicalise(source, source.bind(), RUNTIME, cache=cache)
    assert canonical(path).source_digest == digest(path) != source.digest


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04 not a model", b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"no.onnx"):
        open_source(path)


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError, match=r"there is no model file at"):
            open_source(path)


def test_a_graph_of_two_gigabytes_in_one_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.touch()
    os.truncate(path, 2**31)
    with pytest.raises(ModelError, match=r"over 2 GiB, .* store its weights as external data"):
        open_source(path)


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written .* set PARTWAY_CACHE to one that can"):
        Source.open(path, cache=Cache(tmp_path / "file" / "cache"))
