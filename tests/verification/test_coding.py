import math
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from tests.graph.support import RUNTIME, canonical, save, value
from tests.models import (
    ELEMENT_TYPES,
    chain_model,
    diamond_model,
    multi_io_model,
    random_feeds,
    typed_models,
)

from partway.codecs import known_codecs
from partway.engine import OrtSession, PieceStore, Stop
from partway.errors import InputError
from partway.graph import Piece, candidate_cuts
from partway.verification import (
    CodedCheck,
    check_codecs,
    run_coded,
    run_cut,
)


def opened(path: Path) -> tuple[PieceStore, dict[str, np.ndarray]]:
    model = canonical(path)
    feeds = random_feeds(path)
    return PieceStore(model, RUNTIME), {tensor.name: feeds[tensor.name] for tensor in model.inputs}


@pytest.mark.parametrize("element", ELEMENT_TYPES)
def test_lossless_codecs_are_bit_equal_for_every_element_type(tmp_path: Path, element: str) -> None:
    store, feeds = opened(typed_models(tmp_path)[element])
    for check in check_codecs(store, candidate_cuts(store.model), ("raw", "zstd"), (feeds,)):
        assert check.lossless
        assert check.deterministic
        assert check.bit_equal
        assert not check.broken
        assert check.error == 0.0


@pytest.mark.parametrize("make", [chain_model, diamond_model, multi_io_model])
def test_lossy_codecs_are_off_by_little_and_finer_ones_by_less(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    store, feeds = opened(make(tmp_path))
    told: list[tuple[int, int]] = []
    cuts = candidate_cuts(store.model)
    checks = check_codecs(
        store, cuts, known_codecs(), (feeds, feeds), progress=lambda done, total: told.append((done, total))
    )
    offloaded = [cut for cut in cuts if cut.offloaded]
    assert [(check.crossing, check.codec) for check in checks] == [
        (cut.crossing, codec) for cut in offloaded for codec in known_codecs()
    ]
    worst = {codec: max(check.error for check in checks if check.codec == codec) for codec in known_codecs()}
    assert worst["raw"] == worst["zstd"] == 0.0
    assert 0.0 < worst["float16"] < worst["int8"] < 0.1
    assert worst["int8+zstd"] == worst["int8"]
    assert told == [(done, len(offloaded)) for done in range(len(offloaded) + 1)]


def top_model(folder: Path) -> Path:
    nodes = [helper.make_node("Neg", ["x"], ["inner"]), helper.make_node("Neg", ["inner"], ["y"])]
    return save(folder / "top.onnx", nodes, [value("x", 1, 4)], [value("y", 1, 4)])


def test_a_top_that_moves_is_seen_and_the_worst_sample_counts(tmp_path: Path) -> None:
    store, _ = opened(top_model(tmp_path))
    near = {"x": np.array([[0.0, 100.0, 99.99, 0.0]], np.float32)}
    swapped = {"x": np.array([[0.0, 99.99, 100.0, 0.0]], np.float32)}
    clear = {"x": np.array([[0.0, 100.0, 50.0, 0.0]], np.float32)}
    cuts = candidate_cuts(store.model)[:1]
    tops = {}
    for name, samples in (("clear", (clear,)), ("near", (clear, swapped)), ("ties", (near,))):
        (check,) = check_codecs(store, cuts, ("int8",), samples)
        tops[name] = check.same_top
        assert check.error <= 0.5 / 255 * 1.01
    assert tops == {"clear": True, "near": False, "ties": True}


def test_outputs_without_a_top_say_nothing_of_it(tmp_path: Path) -> None:
    store, feeds = opened(typed_models(tmp_path)["INT32"])
    assert {check.same_top for check in check_codecs(store, candidate_cuts(store.model), ("zstd",), (feeds,))} == {None}


def test_no_samples_are_refused(tmp_path: Path) -> None:
    store, _ = opened(chain_model(tmp_path))
    with pytest.raises(InputError, match="no sample inputs"):
        check_codecs(store, candidate_cuts(store.model), ("raw",), ())


def test_a_cut_through_raw_answers_as_the_cut_itself(tmp_path: Path) -> None:
    store, feeds = opened(multi_io_model(tmp_path))
    for cut in candidate_cuts(store.model):
        plain, coded = run_cut(store, cut, feeds), run_coded(store, cut, feeds, "zstd")
        assert list(plain) == list(coded)
        assert all(np.array_equal(plain[name], coded[name]) for name in plain)


def test_a_runtime_that_does_not_repeat_itself_is_not_the_codecs_fault(tmp_path: Path) -> None:
    model = canonical(top_model(tmp_path))
    feeds = {"x": np.array([[1.0, 2.0, 3.0, 4.0]], np.float32)}
    turns = count()

    class Wavering(PieceStore):
        def session(self, piece: Piece) -> OrtSession:
            session = super().session(piece)
            if "y" not in session.outputs:
                return session

            class Off(OrtSession):
                def run(
                    self,
                    feeds: Mapping[str, np.ndarray],
                    outputs: tuple[str, ...] | None = None,
                    *,
                    stop: Stop | None = None,
                ) -> dict[str, np.ndarray]:
                    off = np.float32(1 + next(turns) * 1e-6)
                    return {name: array * off for name, array in session.run(feeds, outputs, stop=stop).items()}

            off = object.__new__(Off)
            off.inputs, off.outputs = session.inputs, session.outputs
            return off

    for check in check_codecs(Wavering(model, RUNTIME), candidate_cuts(model), ("zstd",), (feeds,)):
        assert (check.bit_equal, check.deterministic, check.broken) == (False, False, False)


def test_a_lossless_codec_that_loses_is_broken() -> None:
    check = CodedCheck(
        crossing=("x",), codec="zstd", lossless=True, error=0.0, bit_equal=False, deterministic=True, same_top=True
    )
    assert check.broken


def test_an_answer_without_a_number_proves_nothing_of_a_lossy_codec(tmp_path: Path) -> None:
    store, feeds = opened(chain_model(tmp_path))
    broken = {name: np.full_like(array, np.nan) for name, array in feeds.items()}
    cuts = candidate_cuts(store.model)
    for check in check_codecs(store, cuts, ("zstd", "float16"), (feeds, broken)):
        assert check.error == (0.0 if check.lossless else math.inf)


def test_a_top_is_looked_for_along_the_last_axis_that_has_one(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("GlobalAveragePool", ["a"], ["y"])]
    path = save(tmp_path / "scores.onnx", nodes, [value("x", 1, 8, 4, 4)], [value("y", 1, 8, 1, 1)])
    store, feeds = opened(path)
    (check,) = check_codecs(store, candidate_cuts(store.model)[:1], ("float16",), (feeds,))
    assert check.same_top is True
