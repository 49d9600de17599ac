"""A memory of calls knows a kind's mean, and no sizes."""

import numpy as np
import pytest
from tests.prediction.machines import machine

from partway.errors import InputError
from partway.prediction.layers import PastCalls, sample_layers


def test_every_layer_of_a_kind_is_expected_to_take_the_mean_of_the_kind() -> None:
    layers = sample_layers(5, np.random.default_rng(0), kinds=("fc", "relu"))
    memory = PastCalls.of(layers, [1.0, 2.0, 3.0, 4.0, 5.0, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert list(memory.layers_s(layers)) == pytest.approx([3.0] * 5 + [0.1] * 5)


def test_a_whole_network_takes_what_it_took_although_its_layers_do_not() -> None:
    layers = sample_layers(6, np.random.default_rng(1))
    true = machine().layers_s(layers)
    expected = PastCalls.of(layers, true).layers_s(layers)
    assert expected.sum() == pytest.approx(true.sum())
    assert np.abs(expected - true).max() > 0.1 * true.max()


def test_kinds_that_were_never_called_are_refused() -> None:
    relu, fc = (sample_layers(1, np.random.default_rng(0), kinds=(kind,)) for kind in ("relu", "fc"))
    with pytest.raises(InputError, match="no call of fc is remembered"):
        PastCalls.of(relu, [1.0]).layers_s((*relu, *fc))
