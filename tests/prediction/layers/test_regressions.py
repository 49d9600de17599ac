"""The paper's regressions on layers: what they can say they learn, and what they cannot they get wrong."""

import numpy as np
import pytest
from tests.prediction.machines import machine

from partway.errors import InputError
from partway.prediction.layers import LayerPredictor, fit_layers, noisy_seconds, sample_layers
from partway.prediction.layers.regressions import features_of_layer, operations_of
from partway.zoo import Layer, LayerKind

BOARD = machine()
FLAT = machine(overhead_s=0.0)  # every activation takes the same a number


def layers_of(*kinds: LayerKind, count: int = 60, seed: int = 0) -> tuple[Layer, ...]:
    return sample_layers(count, np.random.default_rng(seed), kinds=kinds)


def test_features_are_those_of_the_paper() -> None:
    kinds: tuple[LayerKind, ...] = ("conv", "local", "fc", "pool", "norm", "relu", "softmax", "argmax")
    told = {layer.kind: set(features_of_layer(layer)) for layer in layers_of(*kinds, count=1)}
    sizes, neurons = {"input", "output"}, {"neurons"}
    assert told == {
        "conv": {"input", "filter_positions"},
        "local": sizes,
        "fc": sizes,
        "pool": sizes,
        "argmax": sizes,
        "norm": neurons,
        "relu": neurons,
        "softmax": neurons,
    }


def test_operations_are_two_a_multiply_accumulate_or_one_a_number() -> None:
    fc, relu = layers_of("fc", "relu", count=1)
    assert operations_of(fc) == 2 * fc.macs
    assert operations_of(relu) == relu.input_bytes / 4


def test_a_rate_that_does_not_change_is_learnt_exactly() -> None:
    samples, others = layers_of("relu", "norm"), layers_of("relu", "norm", seed=9)
    fitted: LayerPredictor = fit_layers(samples, FLAT.layers_s(samples))
    assert fitted.layers_s(others) == pytest.approx(FLAT.layers_s(others), rel=1e-6)


def test_forms_are_those_of_the_papers_authors() -> None:
    samples = layers_of("conv", "local", "fc", "pool", "argmax", "relu", "sigmoid", "htanh", "norm", "softmax")
    forms = {kind: fit.form for kind, fit in fit_layers(samples, BOARD.layers_s(samples)).fits.items()}
    logarithmic = {kind for kind, form in forms.items() if form == "logarithmic"}
    assert logarithmic == {"conv", "local", "fc", "pool", "argmax"}
    assert len(forms) == 10


def test_rates_that_level_off_are_beyond_a_line_and_never_below_what_was_seen() -> None:
    samples = layers_of("fc", count=200)
    fitted = fit_layers(samples, BOARD.layers_s(samples))
    others = layers_of("fc", count=200, seed=9)
    errors = np.abs(np.log(fitted.layers_s(others) / BOARD.layers_s(others)))
    assert 0.05 < np.median(errors) < 1.0
    rates = np.array([operations_of(layer) for layer in others]) / fitted.layers_s(others)
    assert rates.min() >= fitted.fits["fc"].least_per_s * (1 - 1e-9)


def test_noise_makes_predictions_worse_and_more_samples_make_them_better() -> None:
    others = layers_of("relu", count=100, seed=9)

    def error(sigma: float, count: int) -> float:
        samples = layers_of("relu", count=count)
        fitted = fit_layers(samples, noisy_seconds(FLAT, samples, sigma, np.random.default_rng(1)))
        return float(np.abs(np.log(fitted.layers_s(others) / FLAT.layers_s(others))).mean())

    assert error(0.0, 100) < error(0.1, 100) < error(0.8, 100)
    assert error(0.1, 2000) < error(0.1, 10)


def test_a_dropout_is_predicted_to_take_nothing() -> None:
    samples, dropouts = layers_of("relu"), layers_of("dropout")
    assert not fit_layers((*samples, *dropouts), BOARD.layers_s((*samples, *dropouts))).layers_s(dropouts).any()


def test_kinds_without_samples_are_refused() -> None:
    samples = layers_of("relu")
    with pytest.raises(InputError, match="no layer of kind fc was sampled"):
        fit_layers(samples, BOARD.layers_s(samples)).layers_s(layers_of("fc"))
    with pytest.raises(InputError, match="none were given"):
        fit_layers((), ())
