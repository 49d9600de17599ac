import hashlib
from pathlib import Path

from tests.graph.support import RUNTIME, canonical, open_source
from tests.models import multi_io_model, random_feeds

from partway.documents import decode_document, encode_document
from partway.graph import cut_at
from partway.graph.exporting import export_piece
from partway.verification.export import check_export
from partway.verification.manifest import SplitManifest, describe_files, describe_split


def describe(folder: Path, crossing: tuple[str, ...], seed: int | None = 0) -> SplitManifest:
    path = multi_io_model(folder)
    source, model = open_source(path), canonical(path)
    cut = cut_at(model, crossing)
    written = tuple(
        export_piece(model, piece, folder / f"{name}.onnx", about="", metadata={})
        for name, piece in (("head", cut.head), ("tail", cut.tail))
        if piece is not None
    )
    report = check_export(source, RUNTIME, random_feeds(path), {}, tuple(piece.files[0] for piece in written))
    return describe_split(folder, source, model, cut, written, report, seed=seed, runtime=RUNTIME)


def test_every_tensor_has_one_maker(tmp_path: Path) -> None:
    manifest = describe(tmp_path, ("hidden", "b", "late"))
    assert manifest.tail_inputs == {"b": "model", "late": "model", "hidden": "head"}
    assert manifest.outputs == {"early": "tail", "middle": "tail", "last": "tail"}
    assert manifest.head is not None
    assert [tensor.name for tensor in manifest.head.inputs] == ["a"]
    assert [tensor.name for tensor in manifest.tail.inputs] == [tensor.name for tensor in manifest.crossing]


def test_no_head_is_null_and_no_seed_means_given_inputs(tmp_path: Path) -> None:
    manifest = describe(tmp_path, ("a", "b", "late"), seed=None)
    assert (manifest.head, manifest.sample_inputs, manifest.seed) == (None, "given", None)
    assert set(manifest.tail_inputs.values()) == {"model"}


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = describe(tmp_path, ("middle", "late"))
    assert decode_document(encode_document(manifest), SplitManifest) == manifest


def test_files_are_told_by_size_and_content(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.onnx").write_bytes(b"model")
    (file,) = describe_files(tmp_path, [tmp_path / "1" / "model.onnx"])
    assert (file.name, file.size_bytes, file.sha256) == ("1/model.onnx", 5, hashlib.sha256(b"model").hexdigest())
