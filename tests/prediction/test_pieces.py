"""What cuts are expected to take, from the kernels that the runtime executes for them."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from tests.graph.support import RUNTIME, RandomGraph, canonical, law, random_graphs
from tests.models import chain_model, diamond_model, if_model, light_model, loop_model, multi_io_model
from tests.prediction.known_machine import measured
from tests.prediction.profiles import predictor
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import MACHINE

from partway.engine import PieceStore
from partway.errors import InputError
from partway.graph import Cut, candidate_cuts, device_only, prefix_cuts, server_only, single_tensor_cuts
from partway.prediction.features import features_of
from partway.prediction.fitting import fit_predictor
from partway.prediction.pieces import PieceEstimator, PiecePredictor
from partway.prediction.predictor import Prediction, Predictor

TINY = (chain_model, diamond_model, if_model, loop_model, multi_io_model)


@pytest.fixture(scope="module")
def fitted() -> Predictor:
    return fit_predictor(measured(zoo_graphs()), threads=1, machine=MACHINE)


def promoted(path: Path) -> PieceStore:
    store = PieceStore(canonical(path), RUNTIME)
    store.want_candidates()
    assert store.promote()
    return store


def assert_monotone(cuts: tuple[Cut, ...], store: PieceStore, fitted: Predictor) -> None:
    """A head that holds another costs no less, up to what leaving the graph and being far from the caches cost."""
    heads = [(cut, found.head) for cut, found in zip(cuts, PiecePredictor(fitted, store).cuts(cuts), strict=True)]
    known = [(cut, head) for cut, head in heads if cut.head is not None and head is not None]
    assert known
    for (shallow, before), (deep, after) in pairwise(known):
        if shallow.nodes & deep.nodes == shallow.nodes:
            assert after.seconds >= 0.8 * before.seconds - 1e-5, (shallow.crossing, deep.crossing)


@pytest.mark.parametrize("make", TINY)
def test_every_cut_of_a_tiny_model_is_predicted(
    tmp_path: Path, make: Callable[[Path], Path], fitted: Predictor
) -> None:
    store = PieceStore(canonical(make(tmp_path)), RUNTIME)
    for _ in range(2):  # as its author left it, then optimised
        model = store.model
        cuts = (*candidate_cuts(model), *single_tensor_cuts(model), *prefix_cuts(model), device_only(model))
        for cut, found in zip(cuts, PiecePredictor(fitted, store).cuts(cuts), strict=True):
            assert found.cut is cut
            assert (found.head is None, found.tail is None) == (cut.head is None, cut.tail is None)
            for estimate in (found.head, found.tail):
                assert estimate is None or estimate.seconds >= fitted.run_s > 0
        store.want_candidates()
        store.promote()


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_deeper_heads_of_a_light_model_take_longer(tmp_path: Path, name: str, fitted: Predictor) -> None:
    store = promoted(light_model(name, tmp_path))
    cuts = tuple(sorted(candidate_cuts(store.model), key=lambda cut: cut.depth))
    assert_monotone(cuts, store, fitted)
    whole, nothing = PiecePredictor(fitted, store).cuts((device_only(store.model), server_only(store.model)))
    assert whole.head is not None
    assert nothing.tail is not None
    assert whole.tail is None
    assert whole.head.seconds == pytest.approx(nothing.tail.seconds)


@law
@given(random_graphs())
def test_each_kernel_of_known_seconds_is_counted_once(tmp_path: Path, graph: RandomGraph) -> None:
    store = PieceStore(canonical(graph.save(tmp_path / "random.onnx")), RUNTIME)
    cuts = prefix_cuts(store.model)
    pieces = [piece for cut in cuts for piece in (cut.head, cut.tail) if piece is not None]
    variants = {features_of(kernel).variant for piece in pieces for kernel in store.kernels(piece).kernels}
    known = predictor(dict.fromkeys(variants, 1e-3))
    for cut, found in zip(cuts, PiecePredictor(known, store, strict=True).cuts(cuts), strict=True):
        for piece, estimate in ((cut.head, found.head), (cut.tail, found.tail)):
            if piece is not None and estimate is not None:
                assert estimate.seconds == pytest.approx(known.run_s + 1e-3 * len(store.kernels(piece).kernels))
                assert estimate.unsampled == ()


def test_strictly_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    store = promoted(chain_model(tmp_path))
    with pytest.raises(InputError, match="no samples of"):
        PiecePredictor(predictor(), store, strict=True).cuts(candidate_cuts(store.model))
    loose = PiecePredictor(predictor(), store).cuts((device_only(store.model),))[0].head
    assert loose is not None
    assert loose.unsampled
    assert loose.unsampled_share > 0.5


def test_pieces_are_predicted_alike_alone_and_among_others(tmp_path: Path, fitted: Predictor) -> None:
    store = promoted(diamond_model(tmp_path))
    pieces = [piece for cut in candidate_cuts(store.model) for piece in (cut.head, cut.tail) if piece is not None]
    kernels = [store.kernels(piece) for piece in pieces]
    together = PieceEstimator(Prediction(fitted)).estimate(kernels)
    for piece, expected in zip(kernels, together, strict=True):
        (alone,) = PieceEstimator(Prediction(fitted)).estimate([piece])
        assert alone.seconds == pytest.approx(expected.seconds)
        assert alone.spread == pytest.approx(expected.spread)
