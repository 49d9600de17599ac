"""Fits the shape of arrivals that ships with the simulator to a measured curve, and says how far it is from it.

    python -m benchmarks.arrival_shape FILE [--branches 4]

FILE is a cumulative curve in BigHouse's two columns, seconds and probability. A hyperexponential is fitted by
expectation and maximisation over the curve's bins, each bin's probability at its middle, and then stretched to the
curve's mean. How far: the largest distance of the two curves (Kolmogorov's), the coefficients of variation, and a few
quantiles.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np

from partway.simulation import Empirical, Hyperexponential, read_curve, to_mean

_STEPS = 5_000
_SHARES = (0.1, 0.5, 0.9, 0.95, 0.99)


def fit(curve: Empirical, branches: int, *, steps: int = _STEPS) -> Hyperexponential:
    """The likeliest hyperexponential of so many branches, stretched to the curve's mean.

    Source: Asmussen, Nerman and Olsson, Scandinavian Journal of Statistics 23 (1996), for the exponential phases alone.
    """
    middle_s = (curve.values_s[1:] + curve.values_s[:-1]) / 2
    share = np.diff(curve.probabilities)
    weights = np.full(branches, 1.0 / branches)
    means_s = curve.mean_s * np.geomspace(0.1, 3.0, branches)
    for _ in range(steps):
        density = weights * np.exp(-middle_s[:, None] / means_s) / means_s
        belongs = share[:, None] * density / density.sum(axis=1, keepdims=True)
        weights = belongs.sum(axis=0)
        means_s = (belongs * middle_s[:, None]).sum(axis=0) / weights
    weights = weights / weights.sum()
    fitted = to_mean(Hyperexponential(weights=tuple(weights), means_s=tuple(means_s)), curve.mean_s)
    if not isinstance(fitted, Hyperexponential):
        raise TypeError("stretching a hyperexponential gives one")
    return fitted


def distance(curve: Empirical, shape: Hyperexponential) -> float:
    """The largest distance of the two cumulative curves, at the measured one's points."""
    below = sum(
        weight * -np.expm1(-curve.values_s / mean_s)
        for weight, mean_s in zip(shape.weights, shape.means_s, strict=True)
    )
    return float(np.abs(below - curve.probabilities).max())


def main() -> int:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curve", type=Path, metavar="FILE")
    parser.add_argument("--branches", type=int, default=4)
    arguments = parser.parse_args()
    curve = read_curve(arguments.curve)
    shape = fit(curve, arguments.branches)
    print(f"measured: mean {curve.mean_s:.6g} s, variation {curve.variation:.4f}")
    print(f"fitted:   mean {shape.mean_s:.6g} s, variation {shape.variation:.4f}")
    print(f"largest distance {distance(curve, shape):.4f}")
    for weight, mean_s in zip(shape.weights, shape.means_s, strict=True):
        print(f"  weight {weight:.6f}, mean {mean_s:.6e} s")
    drawn_s = np.sort(shape.sample(np.random.default_rng(0), 1_000_000))
    for share in _SHARES:
        measured_s = float(np.interp(share, curve.probabilities, curve.values_s))
        print(
            f"  {share:.0%}: measured {measured_s:.4g} s, fitted {drawn_s[math.ceil(share * drawn_s.size) - 1]:.4g} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
