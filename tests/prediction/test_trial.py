from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import RUNTIME, RandomGraph, canonical, law, random_graphs
from tests.models import chain_model, diamond_model, dynamic_model
from tests.prediction.profiles import predictor

from partway.engine import PieceStore
from partway.errors import BindingError, EngineError, InputError
from partway.graph import Source, candidate_cuts
from partway.prediction import trial
from partway.prediction.features import features_of
from partway.prediction.model_evaluation import ModelEvaluation
from partway.prediction.trial import choose_cuts, evaluate_model, measure, prepare
from partway.profiling import Effort
from partway.profiling.comparison import Stopwatch

QUICK = Effort(warm_ups=1, least_runs=2, most_runs=2, budget_s=0.0)
BRIEFLY = Stopwatch(effort=QUICK, kernels=QUICK)


def test_a_model_is_predicted_and_measured_whole_and_in_pieces(tmp_path: Path) -> None:
    found = evaluate_model(chain_model(tmp_path), predictor({"Softmax": 1e-4}), RUNTIME, cuts=3, stopwatch=BRIEFLY)
    assert found.model == str(tmp_path / "chain.onnx")
    assert found.digest == Source.open(tmp_path / "chain.onnx").digest
    assert (found.threads, found.optimised) == (1, True)
    assert found.macs > 0
    assert len(found.cuts) == 3
    assert len(tuple(found.pieces)) == 6
    for figures in (found.whole, *found.pieces):
        assert min(figures.measured_s, figures.repeated_s, figures.predicted_s, figures.calibrated_s) > 0
    assert [cut.depth for cut in found.cuts] == sorted(cut.depth for cut in found.cuts)
    softmax = next(kind for kind in found.kinds if kind.variant.startswith("Softmax"))
    assert (softmax.kernels, softmax.predicted_s > 0) == (1, True)
    assert softmax.measured_s is not None
    assert msgspec.json.decode(msgspec.json.encode(found), type=ModelEvaluation) == found


def test_pieces_are_predicted_from_the_kernels_that_they_run(tmp_path: Path) -> None:
    source = Source.open(chain_model(tmp_path))
    tried = prepare(source, source.bind(), predictor(), RUNTIME, cuts=1)
    store = PieceStore(tried.model, RUNTIME)
    store.want(estimate.cut for estimate in tried.cuts)
    assert store.promote()
    for estimate in (tried.whole, *tried.cuts):
        for piece, found in ((estimate.cut.head, estimate.head), (estimate.cut.tail, estimate.tail)):
            if piece is not None and found is not None:
                kernels = store.kernels(piece).kernels
                assert {part.variant for part in found.parts} == {features_of(kernel).variant for kernel in kernels}


def test_one_timing_of_the_whole_model_calibrates_it(tmp_path: Path) -> None:
    found = evaluate_model(chain_model(tmp_path), predictor(), RUNTIME, cuts=0, stopwatch=BRIEFLY)
    assert found.cuts == ()
    before, after = (
        abs(np.log(seconds / found.whole.measured_s)) for seconds in (found.whole.predicted_s, found.whole.calibrated_s)
    )
    assert after < before
    assert found.whole.calibrated_spread < found.whole.spread


def test_open_shapes_are_bound_as_the_caller_says(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    found = evaluate_model(path, predictor(), RUNTIME, shapes={"image": (2, 3, 8, 8)}, cuts=1, stopwatch=BRIEFLY)
    assert '"image":[2,3,8,8]' in found.binding.replace(" ", "")
    with pytest.raises(BindingError):
        evaluate_model(path, predictor(), RUNTIME)


def test_strictly_a_kind_without_samples_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    source = Source.open(chain_model(tmp_path))
    with pytest.raises(InputError, match="no samples of"):
        prepare(source, source.bind(), predictor(), RUNTIME, strict=True)


def test_progress_is_told_for_both_passes(tmp_path: Path) -> None:
    source = Source.open(chain_model(tmp_path))
    tried = prepare(source, source.bind(), predictor(), RUNTIME, cuts=2)
    told: list[tuple[int, int]] = []
    measure(tried, RUNTIME, stopwatch=BRIEFLY, progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 6) for done in range(7)]


def test_without_the_seconds_of_kernels_the_kinds_have_none_and_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> tuple[float | None, ...]:
        raise EngineError("no profiler here")

    monkeypatch.setattr(trial, "time_kernels", refuse)
    found = evaluate_model(chain_model(tmp_path), predictor(), RUNTIME, cuts=1, stopwatch=BRIEFLY)
    assert found.kinds
    assert all(kind.measured_s is None for kind in found.kinds)


def test_candidates_of_planning_come_first(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    inner = [cut for cut in candidate_cuts(model) if cut.head is not None and cut.tail is not None]
    assert {cut.crossing for cut in choose_cuts(model, len(inner))} == {cut.crossing for cut in inner}
    assert len(choose_cuts(model, 1)) == 1
    assert choose_cuts(model, 0) == ()


def test_others_lie_between_them_and_leave_other_work(tmp_path: Path) -> None:
    for path in (chain_model(tmp_path), diamond_model(tmp_path)):
        model = canonical(path)
        candidates = {cut.crossing for cut in candidate_cuts(model)}
        work = [cut.macs for cut in choose_cuts(model, 40)]
        others = [cut.macs for cut in choose_cuts(model, 40) if cut.crossing not in candidates]
        assert all(0 < macs < model.macs and work.count(macs) == 1 for macs in others)


@law
@given(random_graphs(), st.integers(0, 6))
def test_cuts_have_work_on_both_sides_and_go_from_the_shallowest_to_the_deepest(
    tmp_path: Path, graph: RandomGraph, most: int
) -> None:
    model = canonical(graph.save(tmp_path / "random.onnx"))
    cuts = choose_cuts(model, most)
    assert len(cuts) <= most
    assert all(0 < cut.depth < len(model.nodes) for cut in cuts)
    assert [cut.depth for cut in cuts] == sorted(cut.depth for cut in cuts)
    assert len({cut.crossing for cut in cuts}) == len(cuts)
