from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.graph.support import RUNTIME, canonical, open_source, save, value
from tests.models import (
    ELEMENT_TYPES,
    chain_model,
    diamond_model,
    dynamic_model,
    external_data_model,
    if_model,
    ir3_model,
    light_model,
    loop_model,
    multi_io_model,
    optional_input_model,
    random_feeds,
    typed_models,
)

from partway.engine import OrtSession, PieceStore, Stop
from partway.graph import Piece, candidate_cuts, prefix_cuts, single_tensor_cuts
from partway.verification import CheckReport, check_model, run_cut


def check(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    *,
    sample: int = 16,
    seen: Callable[[int, int], None] = lambda _done, _total: None,
) -> CheckReport:
    model = canonical(path, shapes, values)
    feeds = random_feeds(path, shapes or {}, values or {})
    return check_model(
        open_source(path),
        model,
        RUNTIME,
        {tensor.name: feeds[tensor.name] for tensor in model.inputs},
        sample=sample,
        generator=np.random.default_rng(0),
        progress=seen,
    )


@pytest.mark.parametrize(
    "make", [chain_model, diamond_model, external_data_model, if_model, ir3_model, loop_model, multi_io_model]
)
def test_models_of_every_make_pass(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    report = check(make(tmp_path))
    assert report.passed
    assert report.cuts_checked >= 3
    assert report.worst.worst.relative < 1e-4


@pytest.mark.parametrize("element", ELEMENT_TYPES)
def test_every_element_type_passes(tmp_path: Path, element: str) -> None:
    report = check(typed_models(tmp_path)[element])
    assert report.passed
    floating = element in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
    assert (report.tolerances["y"].absolute > 0) is floating


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_light_models_pass_at_every_cut(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "light"
    report = check(light_model(name, folder), sample=4)
    assert report.passed
    assert report.cuttable_nodes > 30
    assert report.cuts_checked > report.cuttable_nodes


def test_dynamic_shapes_and_bound_values_pass(tmp_path: Path) -> None:
    assert check(dynamic_model(tmp_path), {"image": (2, 3, 10, 6)}).passed
    assert check(if_model(tmp_path), values={"flag": np.array(False)}).passed
    assert check(optional_input_model(tmp_path)).passed


def test_every_single_tensor_cut_a_sample_and_the_candidates_are_run(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    model = canonical(path)
    told: list[tuple[int, int]] = []
    report = check(path, sample=2, seen=lambda done, total: told.append((done, total)))
    plain = [item.crossing for item in report.checks if not item.optimised]
    single = {cut.crossing for cut in single_tensor_cuts(model)}
    several = {cut.crossing for cut in prefix_cuts(model) if len(cut.crossing) > 1}
    assert single < set(plain)
    assert len(several.intersection(plain)) == 2
    assert () in plain
    assert [item.crossing for item in report.checks if item.optimised] == [
        cut.crossing for cut in candidate_cuts(model)
    ]
    assert told == [(done + 1, len(report.checks)) for done in range(len(report.checks))]
    assert report.nodes == len(model.nodes)
    assert report.cuttable_nodes == sum(1 for cut in single_tensor_cuts(model) if cut.head is not None)


class Disturbed(PieceStore):
    """A store whose tails answer a little off."""

    def session(self, piece: Piece) -> OrtSession:
        session = super().session(piece)
        if "pool1" not in piece.inputs:
            return session

        class Off(OrtSession):
            def run(
                self,
                feeds: Mapping[str, np.ndarray],
                outputs: tuple[str, ...] | None = None,
                *,
                stop: Stop | None = None,
            ) -> dict[str, np.ndarray]:
                return {
                    name: array * np.float32(1.001) for name, array in session.run(feeds, outputs, stop=stop).items()
                }

        off = object.__new__(Off)
        off.inputs, off.outputs = session.inputs, session.outputs
        return off


def test_a_piece_that_answers_wrongly_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = chain_model(tmp_path)
    monkeypatch.setattr("partway.verification.check.PieceStore", Disturbed)
    report = check(path)
    assert not report.passed
    assert {item.crossing for item in report.checks if not item.passed} == {("pool1",)}
    assert report.worst.crossing == ("pool1",)
    assert report.worst.worst.relative == pytest.approx(1e-3, rel=0.01)


def test_a_cut_gives_every_output_by_name(tmp_path: Path) -> None:
    path = multi_io_model(tmp_path)
    model = canonical(path)
    store = PieceStore(model, RUNTIME)
    feeds = random_feeds(path)
    for cut in prefix_cuts(model):
        assert list(run_cut(store, cut, feeds)) == ["early", "middle", "last"]


@pytest.mark.parametrize(
    ("operator", "passed", "without_numbers"), [("Sqrt", False, ("y",)), ("Relu", True, ()), ("Neg", True, None)]
)
def test_outputs_without_numbers_prove_nothing(
    tmp_path: Path, operator: str, passed: bool, without_numbers: tuple[str, ...] | None
) -> None:
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["n"])]
    path = save(
        tmp_path / "nothing.onnx",
        [*nodes, helper.make_node(operator, ["n"], ["y"])],
        [value("x", 2, 3)],
        [value("y", 2, 3)],
    )
    report = check(path)
    assert report.passed is passed
    assert report.unproved == (() if without_numbers is None else ("y",))
    assert report.without_numbers == (without_numbers or ())
