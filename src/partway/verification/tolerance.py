"""How much two answers of one model may differ, and how much they do.

Input: arrays and the spread that ONNX Runtime itself shows between its optimisation levels. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from partway.graph import dtype_name

# Shares of an output's scale that rounding alone may move it by: a few hundred units in the last place.
# float32 is the mark that the project set itself; the narrower types scale it by their shorter mantissas.
_RELATIVE: Mapping[str, float] = {"float64": 1e-6, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
_ABSOLUTE = 1e-6
_SPREAD_FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What one output may differ by.

    Attributes:
        dtype: the output's element type.
        absolute: largest difference allowed, in the output's own unit; 0 for types that must be exact.
        scale: largest magnitude of the reference.
        spread: what ONNX Runtime's own levels differ by on the same input.
    """

    dtype: str
    absolute: float
    scale: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far an answer is from its reference.

    Attributes:
        absolute: largest difference; infinite where shapes, types or exact values disagree.
        relative: the same as a share of the reference's scale.
    """

    absolute: float
    relative: float


def is_inexact(array: np.ndarray) -> bool:
    """Whether an output is of a type that rounding may move; every other must be equal."""
    return dtype_name(array.dtype) in _RELATIVE


def tolerance_of(reference: np.ndarray, spread: float) -> Tolerance:
    """The tolerance for one output: 1e-4 of its scale (by type), 1e-6, or twice the runtime's own spread.

    Args:
        reference: the whole model's answer.
        spread: largest difference between the runtime's BASIC and ALL levels for this output.
    """
    name = dtype_name(reference.dtype)
    scale = _scale(reference)
    if name not in _RELATIVE:
        return Tolerance(dtype=name, absolute=0.0, scale=scale, spread=spread)
    allowed = max(_RELATIVE[name] * scale, _ABSOLUTE, _SPREAD_FACTOR * spread)
    return Tolerance(dtype=name, absolute=allowed, scale=scale, spread=spread)


def difference(reference: np.ndarray, answer: np.ndarray) -> Difference:
    """How far `answer` is from `reference`; equal infinities and NaNs count as equal."""
    if reference.shape != answer.shape or reference.dtype != answer.dtype:
        return Difference(absolute=np.inf, relative=np.inf)
    if dtype_name(reference.dtype) not in _RELATIVE:
        exact = bool(np.array_equal(reference, answer))
        return Difference(absolute=0.0, relative=0.0) if exact else Difference(absolute=np.inf, relative=np.inf)
    wide, other = reference.astype(np.float64), answer.astype(np.float64)
    same = (wide == other) | (np.isnan(wide) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(wide - other))
    absolute = float(np.max(np.nan_to_num(apart, nan=np.inf, posinf=np.inf), initial=0.0))
    scale = _scale(reference)
    return Difference(absolute=absolute, relative=absolute / scale if scale else absolute)


def _scale(array: np.ndarray) -> float:
    if dtype_name(array.dtype) not in _RELATIVE:
        return 0.0
    wide = np.abs(array.astype(np.float64))
    return float(np.max(wide, where=np.isfinite(wide), initial=0.0))


def tolerances_of(reference: Mapping[str, np.ndarray], again: Mapping[str, np.ndarray]) -> dict[str, Tolerance]:
    """How far each output may be off, by its scale and by what the runtime itself varies.

    Args:
        reference: the outputs of a plain session.
        again: those of the same model, optimised less.
    """
    spreads = {name: difference(array, again[name]).absolute for name, array in reference.items()}
    # Levels that disagree on an exact value say nothing of how far a cut may be off.
    return {
        name: tolerance_of(array, spreads[name] if np.isfinite(spreads[name]) else 0.0)
        for name, array in reference.items()
    }


def has_no_number(array: np.ndarray) -> bool:
    """Whether an array has elements and none of them is a finite number."""
    return bool(array.size) and not np.isfinite(array.astype(np.float64)).any()
