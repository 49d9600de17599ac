"""Seconds as a sum of amounts of work, each at a constant cost that is never negative.

Input: terms of many kernels of one variant, and their seconds. Output: what each term costs. A cost below zero would
make some unseen kernel take negative time, so there is none: non-negative least squares. Called by fitting, which
needs scipy; what was fitted needs numpy only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from partway.errors import InputError

FloatArray = npt.NDArray[np.float64]

LEAST_S = 2e-7
"""No kernel takes less: what it costs the runtime to call one at all."""

_TIMER_S = 1.5e-6  # errors below this are the profiler's, not the formula's
_ROUNDS = 6
_OUTLIER = 0.15  # of the logarithm; beyond it a sample pulls in proportion to its distance only
_RIDGE = 1e-4
_USUAL = 0.98  # share of kernels whose work in a second is not odd


class Physical(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted sum.

    Attributes:
        costs_s: seconds per unit of each term; those that cost nothing are left out.
    """

    costs_s: dict[str, Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]]

    def seconds(self, rows: Sequence[Mapping[str, float]]) -> FloatArray:
        """Predicted seconds of kernels, float64 (kernels,), at least `LEAST_S`.

        Args:
            rows: the terms of each.
        """
        totals = [sum(cost * row.get(name, 0.0) for name, cost in self.costs_s.items()) for row in rows]
        return np.maximum(np.array(totals, dtype=np.float64), LEAST_S)


def fit_physical(rows: Sequence[Mapping[str, float]], seconds: FloatArray) -> Physical:
    """The costs that come nearest to what was measured, errors counted by ratio.

    Weighted again and again so that it ends up near the least sum of squared logarithms, large ones capped: a
    plain relative fit prefers predictions that are too low, and one odd sample would bend it.

    Args:
        rows: terms of each kernel, at least one kernel.
        seconds: measured, > 0, float64 (kernels,).

    Raises:
        InputError: scipy is not installed.
    """
    nnls = load_nnls()
    names = sorted({name for row in rows for name, amount in row.items() if amount})
    amounts = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64)
    relative = 1.0 / np.maximum(seconds, _TIMER_S)
    scaled = amounts * relative[:, None]
    largest = np.maximum(scaled.max(axis=0), 1e-30)
    scaled /= largest
    targets = seconds * relative
    ridge = _RIDGE * np.eye(len(names))
    weights = _first_weights(scaled)
    costs = np.zeros(len(names))
    for _ in range(_ROUNDS):
        stacked = np.vstack((scaled * weights[:, None], ridge))
        costs, _ = nnls(stacked, np.concatenate((targets * weights, np.zeros(len(names)))), maxiter=100 * len(names))
        weights = _log_weights(np.maximum(scaled @ costs / targets, 1e-3))
    fitted = dict(zip(names, (costs / largest).tolist(), strict=True))
    return Physical(costs_s={name: cost for name, cost in fitted.items() if cost > 0.0})


def _first_weights(scaled: FloatArray) -> FloatArray:
    # One kernel timed a thousand times too fast outweighs all others, and would be what the rounds start from. No
    # cost explains more work in a second than nearly all kernels do, so rows beyond that count for as much less.
    usual = np.array([np.quantile(column[column > 0.0], _USUAL) for column in scaled.T])
    weights: FloatArray = 1.0 / np.maximum(1.0, (scaled / usual).max(axis=1, initial=0.0))
    return weights


def _log_weights(ratios: FloatArray) -> FloatArray:
    # Makes (ratio - 1)^2 count as log(ratio)^2, and as |log(ratio)| where that is large.
    logs = np.abs(np.log(ratios))
    distance = np.abs(ratios - 1.0)
    slopes = np.divide(logs, distance, out=np.ones_like(logs), where=distance > 1e-6)
    weights: FloatArray = slopes / np.sqrt(np.maximum(1.0, logs / _OUTLIER))
    return weights


def load_nnls() -> Callable[..., tuple[FloatArray, float]]:
    """Scipy's non-negative least squares.

    Raises:
        InputError: scipy is not installed.
    """
    try:
        from scipy.optimize import nnls  # noqa: PLC0415 - an optional extra: devices predict without it
    except ImportError as error:
        raise InputError("fitting a profile needs scipy: pip install 'partway[profile]'") from error
    found: Callable[..., tuple[FloatArray, float]] = nnls
    return found
