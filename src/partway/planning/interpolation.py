"""Costs of cuts that nobody measured, from measured neighbours.

In come the work done before every cut and the times of the measured ones; out come times for all. Timing a
head and a tail at every cut of a deep model takes minutes, and between two measured cuts the time follows the
multiply-accumulates closely enough to choose among them. Called by the planner and by a client that learns
costs in the background.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partway.errors import InputError
from partway.planning.costs import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceTimes:
    """Seconds of the two pieces of one cut.

    Attributes:
        device_s: the head on the device, >= 0.
        server_s: the tail on the server, >= 0.
        how: `measured` as given, or `interpolated`.
    """

    device_s: float
    server_s: float
    how: Literal["measured", "interpolated"]


def interpolate_costs(
    macs_done: Sequence[float], measured: Mapping[int, tuple[float, float]]
) -> tuple[PieceTimes, ...]:
    """Times of every cut: the measured ones as they are, the others from the two nearest measured cuts.

    Between two measured cuts both times are linear in the multiply-accumulates done before the cut. Beyond
    the first and the last measured cut they stay what they are there, so measure the extremes. Noise may have
    measured a deeper head as faster: interpolation then runs through the non-decreasing (for tails
    non-increasing) times nearest to the measured ones, so among interpolated cuts depth never lowers device_s
    and never raises server_s. Cuts measured at the same depth count with their mean.

    Args:
        macs_done: multiply-accumulates of each cut's head, >= 0, in any order.
        measured: index into `macs_done` -> (device_s, server_s).

    Returns:
        One record per entry of `macs_done`, in its order.

    Raises:
        InputError: nothing was measured, an index is out of range, or a number is negative or not finite.
    """
    _validate(macs_done, measured)
    depths = np.array([macs_done[index] for index in measured], dtype=np.float64)
    times = np.array(list(measured.values()), dtype=np.float64)
    knots, group, size = np.unique(depths, return_inverse=True, return_counts=True)
    sums = np.zeros((len(knots), 2))
    np.add.at(sums, group, times)
    weights = size.astype(np.float64)
    device = _non_decreasing(sums[:, 0] / weights, weights)
    server = -_non_decreasing(-sums[:, 1] / weights, weights)
    device_s = np.interp(macs_done, knots, device)
    server_s = np.interp(macs_done, knots, server)
    return tuple(
        PieceTimes(device_s=measured[index][0], server_s=measured[index][1], how="measured")
        if index in measured
        else PieceTimes(device_s=float(device_s[index]), server_s=float(server_s[index]), how="interpolated")
        for index in range(len(macs_done))
    )


def _validate(macs_done: Sequence[float], measured: Mapping[int, tuple[float, float]]) -> None:
    if not measured:
        raise InputError("no cut was measured; measure at least one, best the first and the last")
    for index, pair in measured.items():
        if not 0 <= index < len(macs_done):
            raise InputError(f"cut {index} was measured; expected an index below {len(macs_done)}")
        if not all(0 <= value < math.inf for value in pair):
            raise InputError(f"cut {index} was measured as {pair} s; both must be finite and not negative")
    for index, macs in enumerate(macs_done):
        if not 0 <= macs < math.inf:
            raise InputError(f"cut {index} has {macs} MACs before it; expected a finite count, not negative")


def _non_decreasing(values: FloatArray, weights: FloatArray) -> FloatArray:
    """The non-decreasing sequence nearest to `values` in weighted squares.

    Source: pool adjacent violators, Ayer et al., Annals of Mathematical Statistics 26 (1955).
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, length = value, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, its_weight, its_length = blocks.pop()
            mean = (before * its_weight + mean * total) / (its_weight + total)
            total += its_weight
            length += its_length
        blocks.append((mean, total, length))
    return np.repeat([mean for mean, _, _ in blocks], [length for _, _, length in blocks])
