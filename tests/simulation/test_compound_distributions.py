"""Curves are drawn as they were measured, and mixtures are of all their parts."""

import numpy as np
import pytest

from partway.errors import InputError
from partway.simulation.compound_distributions import Empirical, Mixture
from partway.simulation.distributions import Constant

STEPS = Empirical(values_s=np.array([0.0, 1.0, 1.0, 4.0]), probabilities=np.array([0.0, 0.25, 0.5, 1.0]))


def test_a_measured_curve_is_drawn_along_straight_lines() -> None:
    drawn_s = STEPS.sample(np.random.default_rng(3), 100_000)
    assert (drawn_s == 1.0).mean() == pytest.approx(0.25, abs=0.01)
    assert (drawn_s < 1.0).mean() == pytest.approx(0.25, abs=0.01)
    above_s = drawn_s[drawn_s > 1.0]
    assert above_s.mean() == pytest.approx(2.5, abs=0.02)
    assert STEPS.mean_s == pytest.approx(0.25 * 0.5 + 0.25 * 1.0 + 0.5 * 2.5)


def test_a_mixture_varies_within_its_parts_and_between_them() -> None:
    mixed = Mixture(weights=(0.5, 0.5), parts=(Constant(mean_s=1.0), Constant(mean_s=3.0)))
    assert mixed.mean_s == 2.0
    assert mixed.variation == pytest.approx(0.5)
    assert set(mixed.sample(np.random.default_rng(0), 100)) == {1.0, 3.0}


def test_what_is_no_curve_and_no_mixture_is_refused() -> None:
    with pytest.raises(InputError, match="one for each"):
        Mixture(weights=(0.5, 0.5), parts=(Constant(mean_s=1.0),))
    for values_s, shares, complaint in (
        ([0.0], [0.0], "at least two"),
        ([0.0, -1.0], [0.0, 1.0], "not go down"),
        ([0.0, 1.0], [0.0, 0.9], "from 0 to 1"),
        ([0.0, 1.0, 2.0], [0.0, 0.8, 0.7], "from 0 to 1"),
        ([0.0, 1.0, 2.0], [0.0, 1.2, 1.0], "from 0 to 1"),
    ):
        with pytest.raises(InputError, match=complaint):
            Empirical(values_s=np.array(values_s), probabilities=np.array(shares))
