"""How sure a ratio of means is: where it lies when what it was measured from is drawn anew.

Input: seconds. Output: the bounds of 95 % of the ratios. Called by the benchmarks that hold partway against other ways.
"""

from collections.abc import Sequence

import numpy as np

_SAMPLES = 2000


def spread_of_means(
    above: Sequence[float] | np.ndarray, below: Sequence[float] | np.ndarray, *, paired: bool, seed: int = 0
) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile of mean over mean, over bootstrap samples; NaN where nothing was measured.

    Args:
        above: seconds of the numerator.
        below: seconds of the denominator.
        paired: whether the two belong together one by one, and so are drawn together.
        seed: of the draws.
    """
    over, under = np.asarray(above, float), np.asarray(below, float)
    if not len(over) or not len(under):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(over), size=(_SAMPLES, len(over)))
    others = drawn if paired else rng.integers(len(under), size=(_SAMPLES, len(under)))
    low, high = np.percentile(over[drawn].mean(axis=1) / under[others].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
