"""Layers of every kind over their configurable parameters, as the paper profiles a platform, and what they take.

Input: how many, and a generator. Output: layers of the zoo's form, drawn at random, and seconds on a machine with
noise on top. Called by studies, which fit regressions to them.

Sizes are drawn evenly over their logarithms, between limits that the layers of the eight networks keep within; the
sources do not say which ones the paper profiled.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, section 5.1, for profiling each type over its parameters.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np

from partway.errors import InputError
from partway.prediction.layers.predictor import LayerPredictor
from partway.prediction.physical import FloatArray
from partway.zoo import Layer, LayerKind

# The largest of the eight networks': VGG-19's second convolution reads 3.2 million numbers for 1.85 GMAC, its first
# fully connected layer has 103 million weights, and 548 frames of speech take 3.4 GMAC in one.
_MOST_NUMBERS = 4_000_000
_MOST_MACS = 4_000_000_000
_MOST_WEIGHTS = 110_000_000
_NUMBER_BYTES = 4  # float32
_PLACE_BYTES = 8  # int64, of an argmax


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    # A layer's shapes and what follows from them; items of a query come first.
    read: tuple[int, ...]
    made: tuple[int, ...]
    macs: int = 0
    weights: int = 0
    filter_positions: float = 0.0

    @property
    def fits(self) -> bool:
        numbers = max(math.prod(self.read), math.prod(self.made))
        within = numbers <= _MOST_NUMBERS and self.macs <= _MOST_MACS and self.weights <= _MOST_WEIGHTS
        return within and min(self.made) > 0


def sample_layers(
    count: int, rng: np.random.Generator, *, kinds: Sequence[LayerKind] = get_args(LayerKind)
) -> tuple[Layer, ...]:
    """Random layers, so many of each kind.

    Args:
        count: of each kind, > 0.
        rng: draws their sizes.
        kinds: all by default.
    """
    return tuple(_sample(kind, index, rng) for kind in kinds for index in range(count))


def noisy_seconds(
    machine: LayerPredictor, layers: Sequence[Layer], sigma: float, rng: np.random.Generator
) -> FloatArray:
    """What timing the layers on a machine says, float64 (layers,): its seconds times log-normal noise of median 1.

    Args:
        machine: the true one.
        layers: to be timed, each once.
        sigma: standard deviation of the noise's logarithm, >= 0.
        rng: draws it.

    Raises:
        InputError: sigma is negative or not finite.
    """
    if not 0 <= sigma < math.inf:
        raise InputError(
            f"noise of {sigma} cannot be; give a standard deviation of a logarithm, finite and not negative"
        )
    return machine.layers_s(layers) * np.exp(sigma * rng.standard_normal(len(layers)))


def _sample(kind: LayerKind, index: int, rng: np.random.Generator) -> Layer:
    draft = _DRAFTS[kind](rng)
    while not draft.fits:
        draft = _DRAFTS[kind](rng)
    made_bytes = _PLACE_BYTES if kind == "argmax" else _NUMBER_BYTES
    return Layer(
        name=f"{kind}{index}",
        kind=kind,
        output=f"{kind}{index}",
        input_shapes=(draft.read,),
        output_shape=draft.made,
        macs=draft.macs,
        weight_bytes=_NUMBER_BYTES * draft.weights,
        input_bytes=_NUMBER_BYTES * math.prod(draft.read),
        output_bytes=made_bytes * math.prod(draft.made),
        filter_positions=draft.filter_positions,
    )


def _between(rng: np.random.Generator, least: int, most: int) -> int:
    return round(math.exp(rng.uniform(math.log(least), math.log(most))))


def _conv(rng: np.random.Generator) -> _Draft:
    items, channels, side = _between(rng, 1, 100), _between(rng, 1, 512), _between(rng, 7, 227)
    kernel, stride = int(rng.choice((1, 3, 5, 7, 11))), int(rng.choice((1, 1, 2, 4)))
    filters, made = _between(rng, 16, 512), max(0, side - kernel) // stride + 1
    weights = filters * channels * kernel**2
    return _Draft(
        read=(items, channels, side, side),
        made=(items, filters, made, made),
        macs=items * made**2 * weights,
        weights=weights + filters,
        filter_positions=(kernel / stride) ** 2 * filters,
    )


def _local(rng: np.random.Generator) -> _Draft:
    channels, side = _between(rng, 8, 32), _between(rng, 15, 71)
    kernel, stride, filters = int(rng.choice((3, 5, 7, 9))), int(rng.choice((1, 2))), _between(rng, 8, 32)
    made = (side - kernel) // stride + 1
    weights = made**2 * filters * channels * kernel**2
    return _Draft(
        read=(1, channels, side, side),
        made=(1, filters, made, made),
        macs=weights,
        weights=weights + made**2 * filters,
    )


def _fc(rng: np.random.Generator) -> _Draft:
    items, read, made = _between(rng, 1, 600), _between(rng, 50, 26_000), _between(rng, 2, 8_200)
    return _Draft(read=(items, read), made=(items, made), macs=items * read * made, weights=read * made + made)


def _pool(rng: np.random.Generator) -> _Draft:
    items, channels, side = _between(rng, 1, 100), _between(rng, 16, 512), _between(rng, 6, 224)
    kernel = int(rng.choice((2, 3)))
    made = -(-(side - kernel) // 2) + 1
    return _Draft(read=(items, channels, side, side), made=(items, channels, made, made))


def _elementwise(rng: np.random.Generator) -> _Draft:
    shape = (1, _between(rng, 10, _MOST_NUMBERS))
    return _Draft(read=shape, made=shape)


def _softmax(rng: np.random.Generator) -> _Draft:
    shape = (_between(rng, 1, 600), _between(rng, 2, 8_200))
    return _Draft(read=shape, made=shape)


def _argmax(rng: np.random.Generator) -> _Draft:
    items = _between(rng, 1, 600)
    return _Draft(read=(items, _between(rng, 2, 8_200)), made=(items, 1))


_DRAFTS: Mapping[LayerKind, Callable[[np.random.Generator], _Draft]] = MappingProxyType(
    {
        "conv": _conv,
        "local": _local,
        "fc": _fc,
        "pool": _pool,
        "relu": _elementwise,
        "sigmoid": _elementwise,
        "htanh": _elementwise,
        "norm": _elementwise,
        "dropout": _elementwise,
        "softmax": _softmax,
        "argmax": _argmax,
    }
)
