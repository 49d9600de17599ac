from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.graph.support import RUNTIME, canonical, open_source, save, value
from tests.models import chain_model, if_model, random_feeds

from partway.errors import EngineError
from partway.graph import cut_at, server_only
from partway.graph.exporting import export_piece
from partway.verification.export import ExportReport, check_export


def split(path: Path, crossing: tuple[str, ...]) -> tuple[Path, ...]:
    model = canonical(path)
    cut = cut_at(model, crossing)
    written = []
    for name, piece in (("head", cut.head), ("tail", cut.tail)):
        if piece is not None:
            file = path.with_name(f"{name}.onnx")
            written.append(export_piece(model, piece, file, about="", metadata={}).files[0])
    return tuple(written)


def check(path: Path, files: tuple[Path, ...], seed: int = 0) -> ExportReport:
    return check_export(open_source(path), RUNTIME, random_feeds(path, seed=seed), {}, files)


def test_files_that_answer_as_the_model_does_pass(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    report = check(path, split(path, ("pool1",)))
    assert report.passed
    assert [item.name for item in report.outputs] == ["scores"]
    assert report.outputs[0].found.absolute <= report.outputs[0].tolerance.absolute < 1e-3


def test_inputs_held_constant_are_given_to_the_model_alone(tmp_path: Path) -> None:
    path = if_model(tmp_path)
    values = {"flag": np.array(True)}
    model = canonical(path, values=values)
    cut = cut_at(model, ("early",))
    files = tuple(
        export_piece(model, piece, tmp_path / f"{index}.onnx", about="", metadata={}).files[0]
        for index, piece in enumerate((cut.head, cut.tail))
        if piece is not None
    )
    feeds = {"x": random_feeds(path)["x"]}
    assert check_export(open_source(path), RUNTIME, feeds, values, files).passed


def product(path: Path, factor: float) -> Path:
    nodes = [helper.make_node("Mul", ["x", "c"], ["y"])]
    weight = helper.make_tensor("c", 1, [], [factor])
    return save(path, nodes, [value("x", 2, 3)], [value("y", 2, 3)], [weight])


def test_files_of_another_model_fail(tmp_path: Path) -> None:
    report = check(product(tmp_path / "model.onnx", 2), (product(tmp_path / "tail.onnx", 3),))
    assert not report.passed
    assert not report.proved_nothing
    assert report.outputs[0].found.relative == pytest.approx(0.5)


def test_nothing_is_proved_by_what_is_not_finite(tmp_path: Path) -> None:
    model = product(tmp_path / "model.onnx", np.nan)
    report = check(model, (model,))
    assert (report.unproved, report.without_numbers) == (("y",), ("y",))
    assert report.outputs[0].passed
    assert not report.passed


def test_a_file_that_cannot_be_loaded_is_the_engine_s_failure(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    (tmp_path / "tail.onnx").write_bytes(b"nothing")
    with pytest.raises(EngineError, match=r"tail\.onnx was written and cannot be loaded"):
        check(path, (tmp_path / "tail.onnx",))


def test_a_tail_that_is_the_whole_model_needs_no_head(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = canonical(path)
    tail = server_only(model).tail
    assert tail is not None
    file = export_piece(model, tail, tmp_path / "tail.onnx", about="", metadata={}).files[0]
    assert check(path, (file,)).passed
