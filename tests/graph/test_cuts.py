"""Laws of cuts on random graphs, against brute force over every possible head."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.graph.support import (
    RUNTIME,
    RandomGraph,
    canonical,
    crossing_of,
    elementwise_feeds,
    head_of,
    heads_of,
    law,
    random_graphs,
    save,
    value,
)
from tests.models import chain_model, diamond_model, if_model, loop_model, multi_io_model, run_whole

from partway.engine import PieceStore
from partway.errors import CutError
from partway.graph import (
    Cut,
    Model,
    candidate_cuts,
    cut_at,
    cut_of,
    device_only,
    prefix_cuts,
    server_only,
    single_tensor_cuts,
    tail_piece,
    whole,
)
from partway.verification import run_cut

TENSOR_BYTES = 2 * 3 * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cuts")


def load(graph: RandomGraph, folder: Path) -> tuple[Path, Model]:
    path = graph.save(folder / "random.onnx")
    return path, canonical(path)


def every_cut(model: Model) -> tuple[Cut, ...]:
    return (*single_tensor_cuts(model), *prefix_cuts(model), *candidate_cuts(model), server_only(model))


@law
@given(graph=random_graphs())
def test_no_head_waits_for_its_tail(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    heads = set(heads_of(model))
    for cut in every_cut(model):
        assert head_of(cut) in heads
        assert cut.depth == len(head_of(cut))


@law
@given(graph=random_graphs())
def test_a_cut_counts_every_crossing_tensor_once(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    for cut in every_cut(model):
        assert frozenset(cut.crossing) == crossing_of(model, head_of(cut))
        assert len(set(cut.crossing)) == len(cut.crossing)
        assert cut.up_bytes == TENSOR_BYTES * len(cut.crossing)
        assert cut.down_bytes == TENSOR_BYTES * (len(cut.tail.outputs) if cut.tail else 0)
        assert cut.offloaded is bool(cut.crossing)


@law
@given(graph=random_graphs())
def test_brute_force_finds_the_same_single_tensor_cuts(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    expected = {crossing_of(model, head) for head in heads_of(model)}
    found = [cut.crossing for cut in single_tensor_cuts(model)]
    assert sorted(found) == sorted((name,) for crossing in expected if len(crossing) == 1 for name in crossing)


@law
@given(graph=random_graphs())
def test_what_crosses_names_the_cut(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    for cut in every_cut(model):
        assert cut_at(model, reversed(cut.crossing)) == cut


@law
@given(graph=random_graphs())
def test_a_set_of_tensors_is_a_cut_exactly_when_some_head_sends_it(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    possible = {crossing_of(model, head) for head in heads_of(model)}
    names = tuple(model.tensors)
    for bits in range(1, min(1 << len(names), 256)):
        chosen = frozenset(name for index, name in enumerate(names) if bits >> index & 1)
        if chosen in possible:
            cut = cut_at(model, chosen)
            assert frozenset(cut.crossing) == chosen
            assert head_of(cut) in set(heads_of(model))
        else:
            with pytest.raises(CutError, match=r"is no cut: .*{.+}"):
                cut_at(model, chosen)


@law
@given(graph=random_graphs())
def test_any_head_that_waits_for_nothing_names_the_cut_of_what_it_sends(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    for head in heads_of(model):
        crossing = crossing_of(model, head)
        cut = cut_of(model, sum(1 << index for index in head))
        assert cut == cut_at(model, crossing)
        assert head_of(cut) <= head or not crossing


@law
@given(graph=random_graphs(), data=st.data())
def test_head_then_tail_is_the_model(folder: Path, graph: RandomGraph, data: st.DataObject) -> None:
    path, model = load(graph, folder)
    feeds = elementwise_feeds(graph.inputs)
    expected = run_whole(path, feeds)
    store = PieceStore(model, RUNTIME)
    cuts = sorted({cut.crossing: cut for cut in every_cut(model)}.values(), key=lambda cut: cut.crossing)
    for cut in data.draw(st.lists(st.sampled_from(cuts), min_size=1, max_size=4, unique_by=lambda cut: cut.crossing)):
        answer = run_cut(store, cut, {tensor.name: feeds[tensor.name] for tensor in model.inputs})
        assert answer.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(answer[name], array, rtol=1e-5, atol=1e-6)


@law
@given(graph=random_graphs())
def test_candidates_send_less_the_deeper_they_are(folder: Path, graph: RandomGraph) -> None:
    _, model = load(graph, folder)
    candidates = candidate_cuts(model)
    assert candidates[-1] == device_only(model)
    depths, sent = [cut.depth for cut in candidates], [cut.up_bytes for cut in candidates]
    assert depths == sorted(depths)
    assert sent == sorted(sent, reverse=True)
    assert len(set(sent)) == len(sent)
    single = min((cut.up_bytes for cut in single_tensor_cuts(model)), default=sent[0])
    assert min(sent[:-1]) <= single


def test_a_chain_can_be_cut_after_every_node(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    cuts = single_tensor_cuts(model)
    assert [cut.crossing[0] for cut in cuts] == [
        "image", "conv1", "relu1", "pool1", "conv2", "relu2", "mean", "flat", "logits",
    ]  # fmt: skip
    assert [cut.up_bytes for cut in cuts[:4]] == [4 * 3 * 64, 4 * 8 * 64, 4 * 8 * 64, 4 * 8 * 16]
    assert {cut.down_bytes for cut in cuts} == {4 * 5}
    assert [cut.macs for cut in cuts][:2] == [0, 8 * 64 * 27]
    assert cuts[0] == server_only(model)
    assert cuts[0].head is None


def test_device_only_sends_nothing_and_has_no_tail(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    cut = device_only(model)
    assert (cut.crossing, cut.tail, cut.up_bytes, cut.down_bytes, cut.offloaded) == ((), None, 0, 0, False)
    assert cut.head == whole(model)
    assert cut.macs == model.macs
    assert cut_at(model, ()) == cut


def test_a_tensor_with_three_readers_crosses_once(tmp_path: Path) -> None:
    model = canonical(diamond_model(tmp_path))
    cut = cut_at(model, ["stem"])
    assert cut.up_bytes == 4 * 4 * 36
    assert cut_at(model, ["stem", "left2", "right2"]).up_bytes == 3 * 4 * 4 * 36


def test_bodies_stay_whole_and_what_they_capture_crosses(tmp_path: Path) -> None:
    model = canonical(if_model(tmp_path))
    (branch,) = (node for node in model.nodes if node.op_type == "If")
    assert set(branch.inputs) == {"flag", "scaled", "early"}
    assert cut_at(model, ["flag", "scaled", "early"]).depth == 2
    with pytest.raises(CutError, match=r"'If_chosen' reads \{flag, scaled\} and also needs \{early\}"):
        cut_at(model, ["flag", "scaled"])


@pytest.mark.parametrize("flag", [True, False])
def test_a_model_with_branches_answers_the_same_at_every_cut(tmp_path: Path, flag: bool) -> None:
    path = if_model(tmp_path)
    model = canonical(path)
    feeds = {"x": np.array([[1, -2, 3, 0.5]], np.float32), "flag": np.array(flag)}
    expected = run_whole(path, feeds)["y"]
    store = PieceStore(model, RUNTIME)
    for cut in every_cut(model):
        np.testing.assert_allclose(run_cut(store, cut, feeds)["y"], expected, rtol=1e-5)


def test_a_loop_answers_the_same_at_every_cut(tmp_path: Path) -> None:
    path = loop_model(tmp_path)
    model = canonical(path)
    (loop,) = (node for node in model.nodes if node.op_type == "Loop")
    assert {"step", "start"} <= set(loop.inputs)
    feeds = {"x": np.array([[1, -2, 3, 0.5]], np.float32)}
    expected = run_whole(path, feeds)["y"]
    store = PieceStore(model, RUNTIME)
    for cut in every_cut(model):
        np.testing.assert_allclose(run_cut(store, cut, feeds)["y"], expected, rtol=1e-5)


def test_outputs_of_the_head_stay_on_the_device(tmp_path: Path) -> None:
    model = canonical(multi_io_model(tmp_path))
    cut = cut_at(model, ["middle", "late"])
    assert cut.head is not None
    assert set(cut.head.outputs) == {"early", "middle"}
    assert cut.head.inputs == ("a", "b")
    assert cut.tail is not None
    assert cut.tail.outputs == ("last",)
    assert cut.down_bytes == 4 * 3


def test_outputs_that_are_constants_or_inputs_are_there_at_every_cut(tmp_path: Path) -> None:
    path = save(
        tmp_path / "constants.onnx",
        [helper.make_node("Tanh", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])],
        [value("x", 2)],
        [value("y", 2), value("prior", 3), value("x", 2)],
        [numpy_helper.from_array(np.arange(3, dtype=np.float32), "prior")],
    )
    model = canonical(path)
    feeds = {"x": np.ones(2, np.float32)}
    store = PieceStore(model, RUNTIME)
    for cut in every_cut(model):
        answer = run_cut(store, cut, feeds)
        np.testing.assert_array_equal(answer["prior"], [0, 1, 2])
        np.testing.assert_array_equal(answer["x"], feeds["x"])


def test_a_tail_needs_all_that_its_outputs_need(tmp_path: Path) -> None:
    model = canonical(multi_io_model(tmp_path))
    assert tail_piece(model, ["hidden"], ["early"]).outputs == ("early",)
    assert tail_piece(model, ["hidden"], None).outputs == ("early",)
    assert tail_piece(model, ["a", "b", "late"], None).outputs == ("early", "middle", "last")
    with pytest.raises(CutError, match=r"the outputs also need \{b, late\}"):
        tail_piece(model, ["hidden"], ["last"])


@pytest.mark.parametrize(
    ("fed", "requested", "message"),
    [
        (["nowhere"], None, "the graph has no tensor 'nowhere'"),
        (["hidden"], ["nowhere"], "'nowhere' is no output of the model; its outputs are early, middle, last"),
        (["late"], None, r"\{late\} is no cut: no output can be computed from it alone"),
        (["hidden", "b"], ["early"], r"nothing that remains to be run reads \{b\}"),
        (["hidden", "early"], ["early"], r"\{early\} was fed and requested"),
    ],
)
def test_a_tail_that_cannot_be_is_refused_by_name(
    tmp_path: Path, fed: list[str], requested: list[str] | None, message: str
) -> None:
    with pytest.raises(CutError, match=message):
        tail_piece(canonical(multi_io_model(tmp_path)), fed, requested)


def test_a_head_that_would_wait_for_the_server_is_named(tmp_path: Path) -> None:
    model = canonical(diamond_model(tmp_path))
    with pytest.raises(CutError, match=r"'Add_joined' reads \{left2\} and also needs \{right2\}"):
        cut_at(model, ["left1"])
    with pytest.raises(CutError, match=r"\{conv1, relu1\} is no cut: nothing that remains to be run reads \{conv1\}"):
        cut_at(canonical(chain_model(tmp_path)), ["conv1", "relu1"])


def test_only_tensors_that_the_author_named_may_cross(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    assert model.crossable <= set(model.tensors)
    with pytest.raises(CutError, match=r"the graph has no tensor 'w1'"):
        cut_at(model, ["w1"])
