"""The kernels of pieces, held against what sessions of these pieces really execute."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from tests.graph.support import RUNTIME, RandomGraph, canonical, law, random_graphs
from tests.models import chain_model, diamond_model, if_model, light_model, loop_model, multi_io_model

from partway.engine import PieceKernels, PieceStore, random_feeds
from partway.errors import CutError
from partway.graph import Kernel, Piece, candidate_cuts, prefix_cuts, resident_bytes, whole

TINY = (chain_model, diamond_model, if_model, loop_model, multi_io_model)
ADAPTERS = frozenset({"ReorderInput", "ReorderOutput"})


def counted(*pieces: PieceKernels) -> Counter[str]:
    """How often each operator runs, changes of layout left out: those at a cut run on both of its sides."""
    return Counter(kernel.op_type for piece in pieces for kernel in piece.kernels if kernel.op_type not in ADAPTERS)


def promoted(path: Path) -> PieceStore:
    store = PieceStore(canonical(path), RUNTIME)
    store.want_candidates()
    assert store.promote()
    return store


def pairs_of(store: PieceStore) -> Sequence[tuple[Piece, Piece]]:
    cuts = candidate_cuts(store.model)
    return [(cut.head, cut.tail) for cut in cuts if cut.head is not None and cut.tail is not None]


@pytest.mark.parametrize("make", TINY)
def test_head_and_tail_of_a_tiny_model_run_all_of_it_between_them(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    store = promoted(make(tmp_path))
    every = store.kernels(whole(store.model))
    assert every.kernels
    for head, tail in pairs_of(store):
        assert counted(store.kernels(head), store.kernels(tail)) == counted(every)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_head_and_tail_of_a_light_model_run_all_of_it_between_them(tmp_path: Path, name: str) -> None:
    store = promoted(light_model(name, tmp_path))
    every = store.kernels(whole(store.model))
    assert any(kernel.domain.endswith("nchwc") for kernel in every.kernels)
    pairs = pairs_of(store)
    assert pairs
    for head, tail in pairs:
        assert counted(store.kernels(head), store.kernels(tail)) == counted(every)


@law
@given(random_graphs())
def test_kernels_of_a_graph_are_shared_and_none_is_lost(tmp_path: Path, graph: RandomGraph) -> None:
    store = PieceStore(canonical(graph.save(tmp_path / "random.onnx")), RUNTIME)
    every = {id(kernel) for kernel in store.kernels(whole(store.model)).kernels}
    for cut in prefix_cuts(store.model):
        found = [store.kernels(piece).kernels for piece in (cut.head, cut.tail) if piece is not None]
        ids = [id(kernel) for kernels in found for kernel in kernels]
        assert len(set(ids)) == len(ids)
        assert set(ids) == every


def test_what_leaves_a_piece_and_what_it_wants_resident_are_told(tmp_path: Path) -> None:
    store = promoted(multi_io_model(tmp_path))
    every = store.kernels(whole(store.model))
    assert len(every.returned) == 3  # one kernel for each output
    for head, tail in pairs_of(store):
        for piece in (head, tail):
            found = store.kernels(piece)
            assert found.resident_bytes == resident_bytes(found.kernels)
            assert found.returned <= set(range(len(found.kernels)))
            assert 1 <= len(found.returned) <= len(piece.outputs)


def executed(store: PieceStore, piece: Piece) -> list[str]:
    """The operators that the runtime says it ran, in the order of the piece's kernels, in one run."""
    feeds = random_feeds([store.model.tensors[name] for name in piece.inputs], np.random.default_rng(0))
    with store.profiled(piece) as session:
        session.run(feeds)
        assert {len(seconds) for seconds in session.kernel_runs_s()} == {1}
        session._file.seek(0)
        events = {event["name"]: event for event in msgspec.json.decode(session._file.read())}
        names = [f"partway_kernel_{index}_kernel_time" for index in range(len(session.kernel_runs_s()))]
        return [events[name]["args"]["op_name"] for name in names]


@pytest.mark.parametrize("make", [chain_model, diamond_model, if_model, multi_io_model])
def test_a_session_runs_just_these_kernels_in_this_order(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    store = promoted(make(tmp_path))
    for piece in (whole(store.model), *(piece for pair in pairs_of(store) for piece in pair)):
        assert executed(store, piece) == [kernel.op_type for kernel in store.kernels(piece).kernels]


def test_a_piece_that_cannot_be_computed_is_refused(tmp_path: Path) -> None:
    store = promoted(chain_model(tmp_path))
    with pytest.raises(CutError):
        store.kernels(Piece(inputs=(), outputs=("scores",)))


def test_kernels_are_known_before_and_after_optimisation(tmp_path: Path) -> None:
    store = PieceStore(canonical(chain_model(tmp_path)), RUNTIME)
    before: tuple[Kernel, ...] = store.kernels(whole(store.model)).kernels
    assert store.promote()
    after = store.kernels(whole(store.model)).kernels
    assert len(after) <= len(before)
    assert "Softmax" in {kernel.op_type for kernel in before} & {kernel.op_type for kernel in after}
