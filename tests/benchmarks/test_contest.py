"""Stored measurements become the records of an evaluation."""

import pytest
from benchmarks.contest import Contestant, chosen, estimate, evaluation, observed
from benchmarks.prediction import print_results, score
from tests.benchmarks.measured_models import ELEMENT_S, chain, prediction

from partway.errors import InputError


def test_a_right_prediction_has_no_error() -> None:
    found = evaluation(estimate(chain(), prediction()), threads=1, prediction=prediction())
    for piece in (found.whole, *found.pieces):
        assert piece.predicted_s == pytest.approx(piece.measured_s)
        assert piece.calibrated_s == pytest.approx(piece.measured_s)


def test_a_machine_that_is_slower_throughout_is_learnt_from_one_timing() -> None:
    found = evaluation(estimate(chain(), prediction(ELEMENT_S / 1.1)), threads=1, prediction=prediction())
    for piece in found.pieces:
        assert abs(piece.predicted_s / piece.measured_s - 1) > 0.08
        assert abs(piece.calibrated_s / piece.measured_s - 1) < 0.02


def test_only_the_pass_that_calibrates_is_looked_at() -> None:
    model = chain(second=2.0)
    first, second = (estimate(model, prediction(), number=number) for number in (0, 1))
    assert first.pieces == second.pieces
    assert first.after_one[0].seconds == pytest.approx(model.whole.times.measured_s)
    assert second.after_one[0].seconds > 1.5 * model.whole.times.measured_s


def test_pieces_that_calibrated_are_not_judged_after_three_timings() -> None:
    model = chain(elements=(1000,) * 6, up_bytes=(4000,) * 5)
    found = evaluation(estimate(model, prediction()), threads=1, prediction=prediction(), three=True)
    left_out = {model.pieces[place] for place in observed(model)}
    middle = next(cut for cut in model.cuts if {cut.head, cut.tail} == left_out)
    assert [cut.crossing for cut in found.cuts] == [cut.crossing for cut in model.cuts if cut is not middle]


def test_a_model_without_cuts_is_judged_as_a_whole() -> None:
    model = chain(elements=(1000,), up_bytes=())
    found = evaluation(estimate(model, prediction()), threads=1, prediction=prediction(), three=True)
    assert found.cuts == ()
    assert found.whole.predicted_s == pytest.approx(model.whole.times.measured_s)


def test_models_come_in_the_order_asked_for_and_those_not_measured_are_left_out() -> None:
    models = [chain("a"), chain("b")]
    assert [model.model for model in chosen(models, ("b", "c", "a"))] == ["b", "a"]
    with pytest.raises(InputError, match="none of the 1 models"):
        chosen(models, ("c",))


def test_the_tables_name_every_contestant_and_list_models_that_do_not_repeat_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = [chain("calm"), chain("restless", second=1.2)]
    print_results([score(Contestant(name, prediction()), models, 1) for name in ("ours", "theirs")])
    steady, _, rest = capsys.readouterr().out.partition("did not repeat")
    assert "calm" in steady
    assert "restless" in rest
    assert "theirs, after three timings" in rest
