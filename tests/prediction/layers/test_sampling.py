"""Samples are layers as the zoo counts them, within what the eight networks have, and repeatable."""

import math

import numpy as np
import pytest
from tests.prediction.machines import machine

from partway.errors import InputError
from partway.prediction.layers import noisy_seconds, sample_layers

BOARD = machine()


def test_samples_are_of_every_kind_and_repeatable() -> None:
    layers = sample_layers(20, np.random.default_rng(1))
    assert layers == sample_layers(20, np.random.default_rng(1))
    counts: dict[str, int] = {}
    for layer in layers:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
    assert len(counts) == 11
    assert set(counts.values()) == {20}


def test_samples_count_what_they_read_make_and_multiply() -> None:
    for layer in sample_layers(40, np.random.default_rng(2)):
        (read,) = layer.input_shapes
        assert layer.input_bytes == 4 * math.prod(read)
        assert layer.output_bytes == (8 if layer.kind == "argmax" else 4) * math.prod(layer.output_shape)
        assert read[0] == layer.output_shape[0]
        assert bool(layer.macs) == bool(layer.weight_bytes) == (layer.kind in ("conv", "local", "fc"))
        assert (layer.filter_positions > 0) == (layer.kind == "conv")
        if layer.kind in ("fc", "conv"):
            used = math.prod(layer.output_shape) // layer.output_shape[1]
            weights = layer.weight_bytes // 4 - layer.output_shape[1]
            assert layer.macs == used * weights


def test_sizes_spread_over_orders_of_magnitude() -> None:
    fc = sample_layers(200, np.random.default_rng(3), kinds=("fc",))
    macs = sorted(layer.macs for layer in fc)
    assert macs[180] / macs[20] > 1000


def test_noise_is_around_what_the_machine_takes() -> None:
    layers = sample_layers(300, np.random.default_rng(4), kinds=("fc",))
    true = BOARD.layers_s(layers)
    assert list(noisy_seconds(BOARD, layers, 0.0, np.random.default_rng(5))) == list(true)
    logs = np.log(noisy_seconds(BOARD, layers, 0.2, np.random.default_rng(5)) / true)
    assert abs(logs.mean()) < 0.05
    assert logs.std() == pytest.approx(0.2, rel=0.2)
    with pytest.raises(InputError, match=r"noise of -1.0 cannot be"):
        noisy_seconds(BOARD, layers, -1.0, np.random.default_rng(5))
