"""What a formula leaves unexplained, learnt from samples nearby.

Input: sizes of many kernels of one variant, and the logarithm of measured over predicted seconds. Output: the expected
logarithm at any sizes, and how sure that is. A Gaussian process: near samples it follows them, far from all it returns
to zero, so the formula alone extrapolates, and its spread says which of the two it is. Fitting and predicting need
numpy only.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1 and equation 4.17.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated

import msgspec
import numpy as np

from partway.errors import InputError
from partway.prediction.physical import FloatArray

Positive = Annotated[float, msgspec.Meta(gt=0.0)]

_MOST_SAMPLES = 400
_MOST_FOR_SHAPE = 160  # samples that choose reach, size and noise: they need few, and try many
_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_AMPLITUDES = (0.1, 0.2, 0.4)
_NOISES = (0.1, 0.2, 0.3)  # less would be believed of samples taken minutes apart, and bends to each of them
_LEAST_SPREAD = 0.3  # of a logarithm: sizes that hardly differ among samples are not stretched


class Residual(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted residual: the samples it remembers and how far each reaches.

    Attributes:
        sizes: names of the sizes, in the order of `points`.
        centre: mean logarithm of each size.
        scale: what one unit of distance is in each.
        length: how far a sample reaches.
        amplitude: standard deviation of the logarithm far from all samples.
        noise: the same of one sample.
        points: scaled logarithms of the sizes of each sample.
        values: the logarithm of measured over predicted seconds at each.
        extra_noise: what the timer's resolution adds to the noise at each.
    """

    sizes: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[Positive, ...]
    length: Positive
    amplitude: Positive
    noise: Positive
    points: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]
    extra_noise: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse lists that do not fit each other."""
        count, width = len(self.values), len(self.sizes)
        if {len(self.centre), len(self.scale), *map(len, self.points)} != {width} or not count:
            raise InputError(f"a residual of {width} sizes has points, centre or scale of another length, or no points")
        if {len(self.points), len(self.extra_noise)} != {count}:
            raise InputError(f"a residual has {len(self.points)} points and {count} values; expected as many")


@dataclass(frozen=True)
class ResidualModel:
    """A residual ready to predict with."""

    fitted: Residual

    def predict(self, rows: Sequence[Mapping[str, float]]) -> tuple[FloatArray, FloatArray]:
        """Expected logarithm of measured over predicted seconds, and its standard deviation; float64 (kernels,) each.

        Args:
            rows: the sizes of each kernel.
        """
        fitted = self.fitted
        points, inverse, weights = self._solved
        wanted = (_logs(rows, fitted.sizes) - np.array(fitted.centre)) / np.array(fitted.scale)
        near = fitted.amplitude**2 * _reach(_distances(wanted, points), fitted.length)
        variances = fitted.amplitude**2 - np.einsum("ij,ij->i", near @ inverse, near)
        return near @ weights, np.sqrt(np.maximum(variances, 0.0) + fitted.noise**2)

    @cached_property
    def _solved(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        fitted = self.fitted
        points = np.array(fitted.points, dtype=np.float64).reshape(len(fitted.values), len(fitted.sizes))
        matrix = _covariance(points, fitted.length, fitted.amplitude, fitted.noise, fitted.extra_noise)
        inverse: FloatArray = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
        weights: FloatArray = inverse @ np.array(fitted.values)
        return points, inverse, weights


def fit_residual(
    rows: Sequence[Mapping[str, float]],
    logs: FloatArray,
    timer_noise: FloatArray,
    *,
    importance: FloatArray,
    generator: np.random.Generator,
) -> Residual:
    """The residual whose reach, size and noise make the samples most likely.

    Args:
        rows: sizes of each sample, all > 0.
        logs: logarithm of measured over predicted seconds.
        timer_noise: relative error of each measurement by the timer's resolution, >= 0.
        importance: where there are too many samples, they are kept with chances in proportion to this.
        generator: draws them.
    """
    names = tuple(sorted({name for row in rows for name in row}))
    every = _logs(rows, names)
    if len(logs) > _MOST_SAMPLES:
        kept = generator.choice(len(logs), _MOST_SAMPLES, replace=False, p=importance / importance.sum())
        every, logs, timer_noise = every[kept], logs[kept], timer_noise[kept]
    centre, scale = every.mean(axis=0), np.maximum(every.std(axis=0), _LEAST_SPREAD)
    points = (every - centre) / scale
    few = slice(0, None, max(1, -(-len(logs) // _MOST_FOR_SHAPE)))
    best = max(
        product(_LENGTHS, _AMPLITUDES, _NOISES),
        key=lambda choice: _log_likelihood(points[few], logs[few], timer_noise[few], *choice),
    )
    return Residual(
        sizes=names,
        centre=_floats(centre),
        scale=_floats(scale),
        length=best[0],
        amplitude=best[1],
        noise=best[2],
        points=tuple(_floats(point) for point in points),
        values=_floats(logs),
        extra_noise=_floats(timer_noise),
    )


def _log_likelihood(
    points: FloatArray, logs: FloatArray, timer_noise: FloatArray, length: float, amplitude: float, noise: float
) -> float:
    lower = np.linalg.cholesky(_covariance(points, length, amplitude, noise, timer_noise))
    half = np.linalg.solve(lower, logs)
    return float(-0.5 * half @ half - np.log(np.diag(lower)).sum())


def _covariance(
    points: FloatArray, length: float, amplitude: float, noise: float, timer_noise: FloatArray | Sequence[float]
) -> FloatArray:
    alone = noise**2 + np.square(timer_noise)
    matrix: FloatArray = amplitude**2 * _reach(_distances(points, points), length) + np.diag(alone)
    return matrix


def _reach(distances: FloatArray, length: float) -> FloatArray:
    # Matern 3/2: continuous with its slope, which suits times that bend at cache sizes and tile borders.
    scaled = np.sqrt(3.0) * distances / length
    reach: FloatArray = (1.0 + scaled) * np.exp(-scaled)
    return reach


def _distances(left: FloatArray, right: FloatArray) -> FloatArray:
    squared = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2.0 * left @ right.T
    distances: FloatArray = np.sqrt(np.maximum(squared, 0.0))
    return distances


def _logs(rows: Sequence[Mapping[str, float]], names: tuple[str, ...]) -> FloatArray:
    sizes = np.array([[row.get(name, 1.0) for name in names] for row in rows], dtype=np.float64)
    logs: FloatArray = np.log(sizes.reshape(len(rows), len(names)))
    return logs


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
