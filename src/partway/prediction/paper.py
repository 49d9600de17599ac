"""The paper's own regressions, as a baseline beside ours.

    kernel -> type of layer, its sizes -> linear or logarithmic regression of that type -> seconds

One regression a type of layer, on the features that the paper names, by plain least squares; for each type the linear
or the logarithmic form, whichever fits its own samples better. The paper regresses rates (GFLOPS), for which many of
these kernels have no operations to count: here seconds are regressed; `layers.regressions` has its rates. What else
the paper leaves open is settled in its favour:

- It learns from the same kernels and seconds as ours: the profiler's own cost is taken off, and a call of the runtime
  is added to every sum. Caches are warm, as when layers are timed one by one; it does not tell warm from cold.
- A fused activation counts with its convolution or product, whose seconds hold it.
- Layouts are not told apart: blocked and plain convolutions are one type. Changes of layout, and all other operators
  that the paper does not know, are a type of their own each, by elements read and written, as its pools are.
- An operator without samples is predicted by one such regression over all kernels.
- Plain least squares can go below zero. Such predictions are raised to the least that a kernel takes, and each fit
  says how many of its own samples that befell.

It has no `local` layers: ONNX has no such operator. Input: samples, then kernels. Output: seconds through the same
calls as `Prediction`. Called by evaluation and benchmarks.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, section 5.1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from partway.errors import InputError
from partway.graph import Kernel, Operand
from partway.prediction.features import Features
from partway.prediction.features.record import numbers
from partway.prediction.fitting import profiler_cost
from partway.prediction.physical import LEAST_S, FloatArray
from partway.prediction.predictor import Setting
from partway.profiling.samples import Sample

_LEAST_SAMPLES = 4  # kernels of one type, below which it counts as never sampled
_ANY = "any"

_BY_TYPE = {
    "conv": "Conv FusedConv",
    "fc": "Gemm FusedGemm MatMul FusedMatMul",
    "pooling": "MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool",
    "activation": "Relu Sigmoid Tanh Clip LeakyRelu PRelu HardSigmoid HardSwish Elu Selu Celu Softplus Softsign Mish "
    "ThresholdedRelu Erf Gelu QuickGelu FastGelu",
    "normalisation": "LRN BatchNormalization LayerNormalization SimplifiedLayerNormalization SkipLayerNormalization "
    "InstanceNormalization GroupNormalization LpNormalization",
    "softmax": "Softmax LogSoftmax",
    "argmax": "ArgMax",
    "dropout": "Dropout",
}
_TYPES: Mapping[str, str] = {operator: name for name, operators in _BY_TYPE.items() for operator in operators.split()}
_BY_NEURONS = frozenset({"activation", "normalisation", "softmax", "argmax", "dropout"})


def layer_of(kernel: Kernel) -> Features:
    """The type of layer that a kernel is, and what the paper regresses its time on.

    A convolution's filter and stride are taken per dimension, so that (filter / stride)^2 holds for any shape.
    """
    name = _TYPES.get(kernel.op_type, kernel.op_type)
    inputs = [operand for operand in kernel.inputs if operand is not None and not operand.constant]
    sizes = {"input": _elements(inputs), "output": _elements(kernel.outputs)}
    terms = sizes
    if name in _BY_NEURONS:
        terms = {"neurons": sizes["output"]}
    elif name == "conv":
        terms = {"input": sizes["input"], "filter_positions": _filter_positions(kernel)}
    return Features(variant=name, terms=terms, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFit:
    """The regression of one type of layer.

    Attributes:
        form: `linear`: seconds are a sum of sizes; `logarithmic`: of their logarithms.
        slopes_s: seconds a size, or a unit of its logarithm.
        constant_s: added to it; may be negative, as any slope may.
        samples: how many kernels it was fitted on.
        floored: share of them whose prediction is below the least that a kernel takes, and is raised to that.
        spread: standard deviation of the logarithm of measured over predicted seconds.
    """

    form: Literal["linear", "logarithmic"]
    slopes_s: Mapping[str, float]
    constant_s: float
    samples: int
    floored: float
    spread: float

    def seconds(self, rows: Sequence[Mapping[str, float]]) -> FloatArray:
        """Predicted seconds of layers, float64 (layers,), at least `LEAST_S`.

        Args:
            rows: the sizes of each.
        """
        return np.maximum(self.unbounded_s(rows), LEAST_S)

    def unbounded_s(self, rows: Sequence[Mapping[str, float]]) -> FloatArray:
        """The same as the regression gives them, which may be negative."""
        sizes = _matrix(rows, tuple(self.slopes_s), self.form)
        predicted: FloatArray = sizes @ np.array(list(self.slopes_s.values())) + self.constant_s
        return predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFit:
    """All regressions of one machine and number of threads.

    Attributes:
        variants: by type of layer; `any` is over all kernels, for types without samples.
        run_s: seconds of calling the runtime once.
    """

    variants: Mapping[str, LayerFit]
    run_s: float

    def setting(self, resident_bytes: int) -> Setting:  # noqa: ARG002 - the paper takes all pieces alike
        """Where the kernels of a piece find their weights: nowhere in particular."""
        return Setting()


@dataclass(frozen=True, slots=True)
class PaperPrediction:
    """The paper's regressions through the calls of `Prediction`.

    Args:
        predictor: what was fitted.
    """

    predictor: PaperFit

    @property
    def describe(self) -> Callable[[Kernel], Features]:
        """What turns kernels into the rows of `kernels`."""
        return layer_of

    def kernels(self, kernels: Sequence[tuple[Features, Setting]]) -> tuple[FloatArray, FloatArray]:
        """Seconds of each kernel and the standard deviation of their logarithm; float64 (kernels,) each.

        Args:
            kernels: features of each, by `layer_of`; where it runs makes no difference.
        """
        seconds, spreads = np.zeros(len(kernels)), np.zeros(len(kernels))
        groups: dict[str, list[int]] = {}
        for index, (features, _) in enumerate(kernels):
            groups.setdefault(features.variant, []).append(index)
        for name, members in groups.items():
            layers = [kernels[index][0] for index in members]
            fit = self.predictor.variants.get(name)
            if fit is None:
                fit = self.predictor.variants[_ANY]
                rows = [layer.sizes for layer in layers]
            else:
                rows = [layer.terms for layer in layers]
            seconds[members], spreads[members] = fit.seconds(rows), fit.spread
        return seconds, spreads


def fit_paper(samples: Iterable[Sample], *, threads: int) -> PaperFit:
    """The paper's regressions on the samples of one number of threads.

    Args:
        samples: measured graphs; those of other numbers of threads are left out.
        threads: which to fit; 0 for the runtime's default.

    Raises:
        InputError: there are too few such samples.
    """
    own = [sample for sample in samples if sample.threads == threads]
    cost = profiler_cost(own)
    rows: dict[str, list[Mapping[str, float]]] = {_ANY: []}
    taken: dict[str, list[float]] = {_ANY: []}
    for sample in own:
        for kernel, timed_s in zip(sample.kernels, sample.warm.kernels_s, strict=True):
            if timed_s is None:
                continue
            layer = layer_of(kernel)
            for name, row in ((layer.variant, layer.terms), (_ANY, layer.sizes)):
                rows.setdefault(name, []).append(row)
                taken.setdefault(name, []).append(max(LEAST_S, timed_s - cost.kernel_s))
    if len(taken[_ANY]) < _LEAST_SAMPLES:
        raise InputError(
            f"the samples hold {len(taken[_ANY])} kernels with {threads or 'the default number of'} threads; the "
            f"paper's regressions need {_LEAST_SAMPLES} or more: profile them"
        )
    fits = {
        name: _fit(rows[name], np.array(seconds)) for name, seconds in taken.items() if len(seconds) >= _LEAST_SAMPLES
    }
    return PaperFit(variants=fits, run_s=cost.run_s)


def _fit(rows: Sequence[Mapping[str, float]], seconds: FloatArray) -> LayerFit:
    linear, logarithmic = _fit_form(rows, seconds, "linear"), _fit_form(rows, seconds, "logarithmic")
    return min((linear, logarithmic), key=lambda fit: float(np.sum((fit.unbounded_s(rows) - seconds) ** 2)))


def _fit_form(
    rows: Sequence[Mapping[str, float]], seconds: FloatArray, form: Literal["linear", "logarithmic"]
) -> LayerFit:
    names = tuple(rows[0])
    sizes = _matrix(rows, names, form)
    largest = np.maximum(np.abs(sizes).max(axis=0), 1.0)  # else sizes of millions hide the constant from the solver
    scaled = np.column_stack((sizes / largest, np.ones(len(rows))))
    solution = np.asarray(np.linalg.lstsq(scaled, seconds, rcond=None)[0], dtype=np.float64)
    predicted = scaled @ solution
    logs = np.log(seconds / np.maximum(predicted, LEAST_S))
    return LayerFit(
        form=form,
        slopes_s=dict(zip(names, (solution[:-1] / largest).tolist(), strict=True)),
        constant_s=float(solution[-1]),
        samples=len(rows),
        floored=float(np.mean(predicted < LEAST_S)),
        spread=float(np.sqrt(np.mean(np.minimum(np.abs(logs), 1.0) ** 2))),
    )


def _matrix(rows: Sequence[Mapping[str, float]], names: tuple[str, ...], form: str) -> FloatArray:
    sizes = np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))
    logs: FloatArray = np.log(np.maximum(sizes, 1.0))
    return sizes if form == "linear" else logs


def _filter_positions(kernel: Kernel) -> float:
    weight = kernel.inputs[1] if len(kernel.inputs) > 1 else None
    if weight is None or not weight.shape or len(weight.shape) < 3:
        return 0.0  # the shape is not known
    return weight.shape[0] * prod(weight.shape[2:]) / prod(numbers(kernel, "strides", (1,) * (len(weight.shape) - 2)))


def _elements(operands: Iterable[Operand]) -> float:
    return float(sum(operand.elements for operand in operands))
