"""The store of pieces: built once, kept few, the same answers before, during and after promotion."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from onnx import helper, numpy_helper
from tests.graph.support import (
    RUNTIME,
    RandomGraph,
    canonical,
    elementwise_feeds,
    law,
    random_graphs,
    save,
    value,
)
from tests.models import chain_model, diamond_model, if_model, loop_model, multi_io_model, run_whole

from partway.engine import Level, OrtRuntime, OrtSession, PieceStore
from partway.errors import CutError, EngineError, ModelError
from partway.graph import Model, Piece, candidate_cuts, cut_at, prefix_cuts, single_tensor_cuts, whole
from partway.verification import run_cut

THREADS = 16


class CountingRuntime(OrtRuntime):
    """Counts how many sessions it makes, at most one at a time if told so."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.loaded: list[Level] = []
        self.optimised = 0
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False

    def load(
        self,
        graph: onnx.ModelProto,
        directory: Path,
        *,
        level: Level,
        prepack: bool,
        profile: Path | None = None,
    ) -> OrtSession:
        self.gate.wait(timeout=30)
        self.loaded.append(level)
        if self.fail:
            raise EngineError("out of luck")
        return super().load(graph, directory, level=level, prepack=prepack, profile=profile)

    def optimise(self, graph: onnx.ModelProto, directory: Path, target: Path, weights_name: str) -> None:
        self.gate.wait(timeout=30)
        self.optimised += 1
        super().optimise(graph, directory, target, weights_name)


def chain(folder: Path) -> Model:
    return canonical(chain_model(folder))


def assert_same_at_every_cut(path: Path, feeds: dict[str, np.ndarray]) -> None:
    model = canonical(path)
    expected = run_whole(path, feeds)
    cuts = {cut.crossing: cut for cut in (*single_tensor_cuts(model), *prefix_cuts(model), *candidate_cuts(model))}
    plain, promoted = PieceStore(model, RUNTIME, capacity=99), PieceStore(model, RUNTIME, capacity=99)
    promoted.want(cuts.values())
    promoted.promote()
    assert promoted.unmarked == frozenset()
    for store in (plain, promoted):
        for cut in cuts.values():
            answer = run_cut(store, cut, feeds)
            for name, array in expected.items():
                np.testing.assert_allclose(answer[name], array, rtol=1e-4, atol=1e-5, err_msg=str(cut.crossing))


def test_a_piece_is_built_once_however_many_ask(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    runtime.gate.clear()
    barrier = threading.Barrier(THREADS + 1)

    def ask() -> OrtSession:
        barrier.wait(timeout=30)
        return store.session(whole(model))

    with ThreadPoolExecutor(THREADS) as pool:
        sessions = [pool.submit(ask) for _ in range(THREADS)]
        barrier.wait(timeout=30)
        runtime.gate.set()
        assert len({id(session.result()) for session in sessions}) == 1
    assert len(runtime.loaded) == 1


def test_whoever_waits_for_a_piece_that_fails_gets_its_error_and_the_next_tries_again(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    runtime.fail = True
    for _ in range(2):
        with pytest.raises(EngineError, match="out of luck"):
            store.session(whole(model))
    assert store.sessions == 0
    runtime.fail = False
    assert store.session(whole(model)).inputs == ("image",)


def test_the_least_recently_used_session_goes_first(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime, capacity=2)
    first, second, third = (cut.tail for cut in single_tensor_cuts(model)[:3])
    assert first is not None
    assert second is not None
    assert third is not None
    kept = store.session(first)
    store.session(second)
    store.session(first)
    store.session(third)  # second goes
    assert store.sessions == 2
    assert store.session(first) is kept
    assert len(runtime.loaded) == 3
    store.session(second)
    assert len(runtime.loaded) == 4


def test_a_store_keeps_at_least_one_session(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps 1 session or more, not 0"):
        PieceStore(chain(tmp_path), RUNTIME, capacity=0)
    store = PieceStore(chain(tmp_path), RUNTIME, capacity=1)
    for cut in single_tensor_cuts(store.model):
        if cut.tail is not None:
            assert store.session(cut.tail).outputs == ("scores",)
    assert store.sessions == 1


def test_a_piece_that_cannot_be_computed_is_refused(tmp_path: Path) -> None:
    store = PieceStore(chain(tmp_path), RUNTIME)
    with pytest.raises(CutError, match="the piece from relu2 also needs 'image'"):
        store.session(Piece(inputs=("relu2",), outputs=("conv1",)))


def test_pieces_are_optimised_once_they_are_promoted(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    cut = cut_at(model, ["relu1"])
    feeds = {"image": np.ones((1, 3, 8, 8), np.float32)}
    before = run_cut(store, cut, feeds)
    assert store.unmarked == {"relu1"}
    assert set(runtime.loaded) == {Level.EXTENDED}
    runtime.loaded.clear()
    store.promote()
    assert store.sessions == 0
    assert store.unmarked == frozenset()
    after = run_cut(store, cut, feeds)
    assert set(runtime.loaded) == {Level.AS_IS}
    np.testing.assert_allclose(after["scores"], before["scores"], rtol=1e-5)


def test_promoting_twice_optimises_once(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    for _ in range(2):
        store = PieceStore(model, runtime)
        store.want_candidates()
        store.promote()
        session = store.session(whole(model))
        store.promote()
        assert store.session(whole(model)) is session
    assert runtime.optimised == 1


def test_a_tensor_that_nobody_marked_is_never_taken_from_the_optimised_graph(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    store.want([cut_at(model, ["relu1"])])
    store.promote()
    runtime.loaded.clear()
    run_cut(store, cut_at(model, ["pool1"]), {"image": np.ones((1, 3, 8, 8), np.float32)})
    assert set(runtime.loaded) == {Level.EXTENDED}
    assert store.unmarked == {"pool1"}


def test_answers_go_on_while_a_store_is_promoted(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model, runtime = canonical(path), CountingRuntime()
    feeds = {"image": np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)}
    expected = run_whole(path, feeds)["scores"]
    store = PieceStore(model, runtime)
    cuts = [*single_tensor_cuts(model), *candidate_cuts(model)]
    store.want(cuts)
    runs = 0
    promoted = threading.Thread(target=store.promote)
    promoted.start()
    while promoted.is_alive() or runs < 2 * len(cuts):
        np.testing.assert_allclose(run_cut(store, cuts[runs % len(cuts)], feeds)["scores"], expected, rtol=1e-4)
        runs += 1
    promoted.join()
    assert store.unmarked == frozenset()


def convolutions(folder: Path, channels: tuple[int, ...], *, joined: bool = False) -> Path:
    """Convolutions in a row, which ONNX Runtime runs in blocks of channels; `joined` adds a skip and a transpose."""
    nodes, weights = [], []
    for index, (fan_in, fan_out) in enumerate(pairwise(channels)):
        rng = np.random.default_rng(index)
        array = rng.standard_normal((fan_out, fan_in, 3, 3), dtype=np.float32) / np.float32(np.sqrt(9 * fan_in))
        weights.append(numpy_helper.from_array(array, f"w{index}"))
        nodes.append(helper.make_node("Conv", [f"h{index}", f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"h{index + 1}"]))
    last = f"h{len(channels) - 1}"
    outputs = [value(last, 1, channels[-1], 7, 5)]
    if joined:
        nodes.append(helper.make_node("Transpose", ["c0"], ["turned"], perm=[0, 2, 3, 1]))
        nodes.append(helper.make_node("Tanh", ["turned"], ["side"]))
        nodes.append(helper.make_node("ReduceMean", [last], ["mean"], axes=[1]))
        nodes.append(helper.make_node("MaxPool", [last], ["pooled"], kernel_shape=[2, 2]))
        outputs = [value("side", 1, 7, 5, channels[1]), value("mean", 1, 1, 7, 5), value("pooled", *[None] * 4)]
    return save(folder / "convolutions.onnx", nodes, [value("h0", 1, channels[0], 7, 5)], outputs, weights)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    "channels", [(3, 16, 32, 16), (3, 8, 24, 40), (4, 12, 20, 36), (3, 6, 10, 5), (16, 16, 1, 16), (1, 33, 17, 2)]
)
def test_blocks_of_channels_are_entered_from_any_number_of_them(
    tmp_path: Path, channels: tuple[int, ...], joined: bool
) -> None:
    rng = np.random.default_rng(1)
    path = convolutions(tmp_path, channels, joined=joined)
    assert_same_at_every_cut(path, {"h0": rng.standard_normal((1, channels[0], 7, 5), dtype=np.float32)})


def test_a_channels_last_tensor_is_entered_as_such(tmp_path: Path) -> None:
    # The transposed output and the next convolution share one tensor in blocks, in two plain layouts.
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((16, 16, 3, 3), dtype=np.float32) / 12, name) for name in ("w", "v")
    ]
    path = save(
        tmp_path / "last.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Transpose", ["c"], ["last"], perm=[0, 2, 3, 1]),
            helper.make_node("Conv", ["c", "v"], ["d"], pads=[1, 1, 1, 1]),
            helper.make_node("Softmax", ["last"], ["p"], axis=3),
            helper.make_node("Relu", ["d"], ["y"]),
        ],
        [value("x", 1, 16, 16, 16)],
        [value("p", 1, 16, 16, 16), value("y", 1, 16, 16, 16)],
        weights,
    )
    assert_same_at_every_cut(path, {"x": rng.standard_normal((1, 16, 16, 16), dtype=np.float32)})
    model, runtime = canonical(path), CountingRuntime()
    store = PieceStore(model, runtime)
    store.want(prefix_cuts(model))
    store.promote()
    for names in (["c"], ["c", "last"]):
        tail = cut_at(model, names).tail
        assert tail is not None
        store.session(tail)
    assert set(runtime.loaded) == {Level.AS_IS}


@pytest.mark.parametrize("make", [diamond_model, multi_io_model, if_model, loop_model])
def test_promoted_pieces_answer_as_the_model(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    rng = np.random.default_rng(0)
    feeds = {
        tensor.name: np.array(True) if tensor.name == "flag" else rng.standard_normal(tensor.static_shape or ())
        for tensor in canonical(path).inputs
    }
    assert_same_at_every_cut(
        path, {name: array if array.dtype == bool else array.astype(np.float32) for name, array in feeds.items()}
    )


@law
@given(graph=random_graphs())
def test_promotion_changes_no_answer_of_a_random_graph(
    tmp_path_factory: pytest.TempPathFactory, graph: RandomGraph
) -> None:
    path = graph.save(tmp_path_factory.mktemp("random") / "random.onnx")
    model = canonical(path)
    feeds = elementwise_feeds(graph.inputs)
    expected = run_whole(path, feeds)
    store = PieceStore(model, RUNTIME)
    store.want(prefix_cuts(model))
    store.promote()
    known = {tensor.name: feeds[tensor.name] for tensor in model.inputs}
    for cut in prefix_cuts(model):
        for name, array in run_cut(store, cut, known).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["optimised.onnx", "optimised.bin"])
def test_a_damaged_optimised_graph_is_made_anew(tmp_path: Path, name: str) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    first = PieceStore(model, runtime)
    first.want_candidates()
    assert first.promote()
    (file,) = model.entry.directory.glob(f"optimised-*/{name}")
    os.truncate(file, 10)
    second = PieceStore(model, runtime)
    second.want_candidates()
    assert second.promote()
    assert runtime.optimised == 2
    runtime.loaded.clear()
    second.session(whole(model))
    assert runtime.loaded == [Level.AS_IS]


@pytest.mark.parametrize("error", [OSError("disk full"), ModelError("damaged")])
def test_pieces_stay_canonical_when_the_optimised_graph_cannot_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    store.want_candidates()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(runtime, "optimise", fail)
    assert not store.promote()
    store.session(whole(model))
    assert runtime.loaded == [Level.EXTENDED]


def test_the_optimised_graphs_used_last_are_kept(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    cuts = [cut for cut in single_tensor_cuts(model) if set(cut.crossing) <= set(model.producers)]

    def promote(index: int) -> set[str]:
        store = PieceStore(model, runtime)
        store.want([cuts[index]])
        assert store.promote()
        return {folder.name for folder in model.entry.directory.glob("optimised-*")}

    (first,) = promote(0)
    for age, folder in enumerate(model.entry.directory.glob("optimised-*")):
        os.utime(folder, (age, age))
    second = promote(1) - {first}
    promote(2)
    promote(0)  # used again
    for folder in model.entry.directory.glob("optimised-*"):
        if folder.name in second:
            os.utime(folder, (9, 9))
    left = promote(3)
    assert len(left) == 3
    assert first in left
    assert not second & left


def test_an_optimised_graph_that_another_process_forgot_is_given_up(tmp_path: Path) -> None:
    model, runtime = chain(tmp_path), CountingRuntime()
    store = PieceStore(model, runtime)
    store.want_candidates()
    assert store.promote()
    for folder in model.entry.directory.glob("optimised-*"):
        model.entry.discard(folder)
    store.session(whole(model))
    assert runtime.loaded[-1] is Level.EXTENDED
    assert store.unmarked
    assert store.promote()
    assert runtime.optimised == 2
