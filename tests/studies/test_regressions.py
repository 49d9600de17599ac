import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.prediction.layers import LayerPredictor
from partway.studies import Setup
from partway.studies.regressions import crossing, sweep


def test_some_of_the_optimum_is_reached_and_no_more(setup: Setup) -> None:
    found = sweep(setup, samples=20, noises=(0.0, 0.5), draws=2)
    assert found.share.shape == (2, 2)
    assert np.all((found.share > 0) & (found.share <= 1))
    for counts in (found.optimal, found.optimal_energy):
        assert np.all((counts >= 0) & (counts <= 48))


def test_who_fits_perfectly_is_optimal(setup: Setup) -> None:
    machines: list[LayerPredictor] = [*(device.machine for device in setup.devices), setup.server]
    calls = iter(machines)
    found = sweep(setup, samples=1, noises=(0.0,), draws=1, fit=lambda _layers, _seconds: next(calls))
    assert found.share == pytest.approx(1.0)
    assert found.optimal == found.optimal_energy == 48


def test_the_same_seed_gives_the_same_sweep(setup: Setup) -> None:
    one, other = (sweep(setup, samples=5, noises=(0.3,), draws=1) for _ in range(2))
    assert np.array_equal(one.share, other.share)


@given(target=st.floats(0.1, 0.9))
def test_the_noise_at_which_a_line_falls_to_a_target_lies_on_it(target: float) -> None:
    noises, values = (0.0, 0.5, 2.0), np.array([1.0, 0.5, 0.0])
    at = crossing(noises, values, target)
    assert at is not None
    assert np.interp(at, noises, values) == pytest.approx(target)


def test_what_never_falls_so_far_has_no_such_noise_and_what_begins_below_needs_none() -> None:
    assert crossing((0.0, 1.0), np.array([1.0, 0.9]), 0.5) is None
    assert crossing((0.0, 1.0), np.array([0.4, 0.3]), 0.5) == 0.0
