"""Shapes have the mean and the variation that they say, and scaling keeps the shape."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partway.errors import InputError
from partway.simulation.compound_distributions import Empirical, Mixture
from partway.simulation.distributions import (
    LEAST_VARIATION,
    MOST_VARIATION,
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Hyperexponential,
    LogNormal,
    of_variation,
    to_mean,
)

STEPS = Empirical(values_s=np.array([0.0, 1.0, 1.0, 4.0]), probabilities=np.array([0.0, 0.25, 0.5, 1.0]))
SHAPES: tuple[Distribution, ...] = (
    Constant(mean_s=2.0),
    Exponential(mean_s=0.1),
    Gamma(mean_s=3.0, variation=0.4),
    LogNormal(mean_s=0.02, variation=0.7),
    Hyperexponential(weights=(0.3, 0.7), means_s=(1.0, 0.1)),
    STEPS,
    Mixture(weights=(0.25, 0.75), parts=(Constant(mean_s=1.0), Exponential(mean_s=0.2))),
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_draws_have_the_mean_and_the_variation_that_the_shape_says(shape: Distribution) -> None:
    drawn_s = shape.sample(np.random.default_rng(1), 400_000)
    assert drawn_s.shape == (400_000,)
    assert drawn_s.min() >= 0
    # Five standard errors of the mean; the variation's own error is a few per cent for the widest shape.
    assert drawn_s.mean() == pytest.approx(
        shape.mean_s, abs=5 * shape.variation * shape.mean_s / math.sqrt(400_000) + 1e-12
    )
    assert drawn_s.std() / drawn_s.mean() == pytest.approx(shape.variation, rel=0.03, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_scaled_shape_draws_the_same_so_many_times_as_long(shape: Distribution) -> None:
    drawn_s = shape.sample(np.random.default_rng(2), 1000)
    scaled = shape.scaled(3.0)
    assert scaled.mean_s == pytest.approx(3.0 * shape.mean_s)
    assert scaled.variation == pytest.approx(shape.variation)
    assert scaled.sample(np.random.default_rng(2), 1000) == pytest.approx(3.0 * drawn_s)


@settings(max_examples=50, derandomize=True)
@given(st.floats(1e-6, 1e6), st.just(0.0) | st.floats(LEAST_VARIATION, 20))
def test_the_usual_shape_has_the_moments_asked_for(mean_s: float, variation: float) -> None:
    shape = of_variation(mean_s, variation)
    assert shape.mean_s == pytest.approx(mean_s)
    assert shape.variation == pytest.approx(variation, rel=1e-6, abs=1e-6)


def test_the_widest_and_the_narrowest_shape_have_the_moments_asked_for() -> None:
    for variation in (LEAST_VARIATION, MOST_VARIATION):
        shape = of_variation(2.0, variation)
        assert shape.mean_s == pytest.approx(2.0)
        assert shape.variation == pytest.approx(variation, rel=1e-6)
        assert np.isfinite(shape.sample(np.random.default_rng(0), 100)).all()


def test_the_usual_shapes_are_those_with_a_name() -> None:
    assert isinstance(of_variation(1.0, 0.0), Constant)
    assert isinstance(of_variation(1.0, 0.5), Gamma)
    assert isinstance(of_variation(1.0, 1.0), Exponential)
    assert isinstance(of_variation(1.0, 2.0), Hyperexponential)


def test_stretching_to_a_mean_keeps_the_variation() -> None:
    shape = to_mean(SHAPES[4], 5.0)
    assert shape.mean_s == pytest.approx(5.0)
    assert shape.variation == pytest.approx(SHAPES[4].variation)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_means_that_no_time_has_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="must be finite and above 0"):
        Constant(mean_s=value)
    with pytest.raises(InputError, match="must be finite and above 0"):
        Exponential(mean_s=value)
    with pytest.raises(InputError, match="must be finite and above 0"):
        to_mean(STEPS, value)


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(InputError, match="add up to 1"):
        Hyperexponential(weights=(0.5, 0.6), means_s=(1.0, 2.0))
    with pytest.raises(InputError, match="finite and above 1"):
        Hyperexponential.balanced(1.0, 1.0)
    for variation in (-0.5, 1e-200, 1e4, 1e200, math.inf, math.nan):
        with pytest.raises(InputError, match="from 1e-06 to 1,000"):
            of_variation(1.0, variation)
        with pytest.raises(InputError, match="from 1e-06 to 1,000"):
            LogNormal(mean_s=1.0, variation=variation)
