"""Regret is nothing for who is right, is charged by a pass that did not pick, and counts the same for everybody."""

import numpy as np
import pytest
from benchmarks.regret import GRID, compare, measured_table, scenarios_of
from tests.benchmarks.measured_models import chain, prediction, repeated

from partway.errors import InputError
from partway.planning.costs import latency_s


def test_a_right_prediction_regrets_nothing() -> None:
    ours, *_ = compare([chain()], {"ours": prediction()})
    assert ours.mean == ours.largest == 0
    assert ours.same == 1


def test_the_two_ends_alone_lose_where_the_best_cut_is_inside() -> None:
    ends = next(it for it in compare([chain()], {"ours": prediction()}) if it.name == "the better end, measured")
    assert ends.mean > 0.01
    assert ends.same < 0.7


def test_a_wrong_prediction_loses() -> None:
    ours, *_ = compare([chain()], {"ours": prediction(element_s=0.0, constant_s=1.0)})
    assert ours.largest > 0.1


def test_a_third_of_the_scenarios_or_more_has_its_best_cut_inside() -> None:
    model = chain(up_bytes=(500_000, 100_000))
    found = scenarios_of(model, 0)
    assert found is not None
    assert 1 / 3 <= found.inside.mean() < 0.4
    best = np.array([latency_s(measured_table(model, 0), conditions).argmin() for conditions in GRID])
    assert found.inside.sum() == ((best > 0) & (best < found.last)).sum()


def test_one_pass_picks_and_the_other_charges() -> None:
    model = repeated(chain(), 3.0, 1)
    found = scenarios_of(model, 0)
    assert found is not None
    here = [latency_s(measured_table(model, 0), conditions).argmin() for conditions in found.conditions]
    np.testing.assert_array_equal(found.reference, here)
    charged = [latency_s(measured_table(model, 1), conditions) for conditions in found.conditions]
    np.testing.assert_allclose(found.charged_s, charged)


def test_luck_of_the_reference_makes_regret_negative_and_shows_as_what_the_machine_does_not_repeat() -> None:
    models = [repeated(chain(), 3.0, 1)]
    ours, *_, repeat = compare(models, {"ours": prediction()})
    assert repeat.name == "repeat"
    assert repeat.mean > 0
    assert ours.losses >= ours.mean


def test_scenarios_do_not_depend_on_the_contestants() -> None:
    one, two = (compare([chain()], {"it": prediction(element_s=s)})[0] for s in (1e-6, 1e-9))
    assert (one.scenarios, one.inside) == (two.scenarios, two.inside)


def test_a_model_that_is_never_cut_inside_gives_no_scenarios() -> None:
    alone = chain(elements=(100,), up_bytes=())
    assert scenarios_of(alone, 0) is None
    with pytest.raises(InputError, match="none has a best cut inside"):
        compare([alone], {"ours": prediction()})
