"""The paper's regressions on layers as it counts them, for networks that only exist on analytic machines.

    layers and their seconds ─> operations a second, by type ─> linear or logarithmic in the paper's features ─> seconds

What is regressed is the rate, not the time: where work grows, rates level off at what the hardware can do, and that is
what the logarithm is for. Convolutions, local and fully connected layers, pools and argmax are logarithmic;
activations, normalisation and softmax are linear in their neurons. `paper` has the same for the kernels of a runtime,
and there regresses seconds.

Input: samples of layers. Output: a predictor of layers. Called by studies.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, section 5.1, whose metric is GFLOPS; forms by type and the rate
as in the files of its authors (claritylab/djinn at 360938d, graph-gen/offloading/model-fit and prediction_model).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from partway.errors import InputError
from partway.prediction.physical import LEAST_S, FloatArray
from partway.zoo import Layer

Form = Literal["linear", "logarithmic"]

_BY_SIZES = frozenset({"local", "fc", "pool", "argmax"})
_LOGARITHMIC = _BY_SIZES | {"conv"}


def features_of_layer(layer: Layer) -> Mapping[str, float]:
    """What the paper regresses a layer's rate on: counts of numbers, all items of a query together."""
    read = float(sum(prod(shape) for shape in layer.input_shapes))
    if layer.kind == "conv":
        return {"input": read, "filter_positions": layer.filter_positions}
    if layer.kind in _BY_SIZES:
        return {"input": read, "output": float(prod(layer.output_shape))}
    return {"neurons": read}


def operations_of(layer: Layer) -> float:
    """Floating-point operations: two a multiply-accumulate, and where there are none, one a number that is read."""
    return 2.0 * layer.macs or float(sum(prod(shape) for shape in layer.input_shapes))


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFit:
    """The regression of one type of layer.

    Attributes:
        form: `linear`: the rate is a sum of sizes; `logarithmic`: of their logarithms.
        slopes: operations a second for a size, or for a unit of its logarithm.
        constant_per_s: operations a second, added to it; may be negative, as any slope may.
        least_per_s: the lowest rate that was sampled, to which lower predictions are raised.
        samples: how many layers it was fitted on.
    """

    form: Form
    slopes: Mapping[str, float]
    constant_per_s: float
    least_per_s: float
    samples: int

    def per_s(self, rows: Sequence[Mapping[str, float]]) -> FloatArray:
        """Operations a second of layers, float64 (layers,), > 0.

        Args:
            rows: features of each.
        """
        rates: FloatArray = _matrix(rows, tuple(self.slopes), self.form) @ np.array(list(self.slopes.values()))
        return np.maximum(rates + self.constant_per_s, self.least_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRegressions:
    """One regression a kind of layer; make it with `fit_layers`.

    Attributes:
        fits: by kind.
    """

    fits: Mapping[str, RateFit]

    def layers_s(self, layers: Sequence[Layer]) -> FloatArray:
        """Seconds of each layer, float64 (layers,); 0 for a dropout, which the paper does not predict either.

        Raises:
            InputError: a kind was never sampled.
        """
        seconds = np.zeros(len(layers))
        for kind, members in _by_kind(layers).items():
            if kind not in self.fits:
                raise InputError(f"no layer of kind {kind} was sampled; sample some, and fit again")
            chosen = [layers[index] for index in members]
            operations = np.array([operations_of(layer) for layer in chosen])
            seconds[members] = operations / self.fits[kind].per_s([features_of_layer(layer) for layer in chosen])
        return seconds


def fit_layers(layers: Sequence[Layer], seconds: Sequence[float] | FloatArray) -> LayerRegressions:
    """The regressions that explain some layers best, by plain least squares of their rates.

    Args:
        layers: samples of every kind that is to be predicted.
        seconds: that each took; less than `LEAST_S` counts as that.

    Raises:
        InputError: there are no samples.
    """
    taken = np.maximum(np.asarray(seconds, dtype=np.float64), LEAST_S)
    groups = _by_kind(layers)
    if not groups:
        raise InputError("regressions are fitted to samples of layers, and none were given")
    return LayerRegressions(
        fits={kind: _fit([layers[index] for index in members], taken[members]) for kind, members in groups.items()}
    )


def _fit(layers: Sequence[Layer], seconds: FloatArray) -> RateFit:
    form: Form = "logarithmic" if layers[0].kind in _LOGARITHMIC else "linear"
    rows = [features_of_layer(layer) for layer in layers]
    names = tuple(rows[0])
    sizes = _matrix(rows, names, form)
    rates = np.array([operations_of(layer) for layer in layers]) / seconds
    largest = np.maximum(np.abs(sizes).max(axis=0), 1.0)  # else sizes of millions hide the constant from the solver
    scaled = np.column_stack((sizes / largest, np.ones(len(rows))))
    solution = np.asarray(np.linalg.lstsq(scaled, rates, rcond=None)[0], dtype=np.float64)
    return RateFit(
        form=form,
        slopes=dict(zip(names, (solution[:-1] / largest).tolist(), strict=True)),
        constant_per_s=float(solution[-1]),
        least_per_s=float(rates.min()),
        samples=len(rows),
    )


def _matrix(rows: Sequence[Mapping[str, float]], names: tuple[str, ...], form: Form) -> FloatArray:
    sizes = np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))
    return sizes if form == "linear" else np.log(np.maximum(sizes, 1.0))


def _by_kind(layers: Sequence[Layer]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        if layer.kind != "dropout":
            groups.setdefault(layer.kind, []).append(index)
    return groups
