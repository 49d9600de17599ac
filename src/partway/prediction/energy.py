"""From joules that a meter read while samples ran to the joules of any piece.

    sample -> seconds of each variant in it, joules of the whole -> watts by variant -> joules of an estimate

Short kernels cannot be metered one by one, whole graphs can: each variant gets the watts that explain them best.
A variant that few graphs say anything of stays at the watts that all have in common.

Input: samples with joules; estimates. Output: a `FittedPower`, kept in the profile, and joules. Without a meter
there is none, and planning takes constants instead. Fitting needs scipy, the rest numpy only.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from partway.prediction.features import features_of
from partway.prediction.physical import FloatArray, load_nnls
from partway.prediction.predictor import Estimate
from partway.profiling.samples import Sample

_LEAST_SAMPLES = 8
_NOISE = 0.1  # of one graph's joules: meters are coarse
_PRIOR = 0.5  # how far a variant's watts may be expected from those in common, as a share


class FittedPower(msgspec.Struct, frozen=True, kw_only=True):
    """Watts of a machine while it computes, by what it computes.

    Attributes:
        threads: threads within an operator; 0 for the runtime's default.
        meter: what read the joules.
        common_w: watts of all together, for variants that are not among `watts`.
        watts: by variant, >= 0; all that the meter holds, whoever draws it.
        samples: graphs that were metered.
        spread: standard deviation of the logarithm of metered over fitted joules.
    """

    threads: int
    meter: str
    common_w: float
    watts: dict[str, float]
    samples: int
    spread: float

    def energy_j(self, estimate: Estimate) -> float:
        """Joules of a piece."""
        parts_j = sum(part.seconds * self.watts.get(part.variant, self.common_w) for part in estimate.parts)
        return parts_j + estimate.run_s * self.common_w


def fit_power(samples: Iterable[Sample], *, threads: int, meter: str) -> FittedPower | None:
    """The watts that explain the joules of samples; None where too few have any.

    Non-negative least squares of relative errors, every variant drawn towards the common watts.

    Args:
        samples: measured graphs; those of other numbers of threads and those without joules are left out.
        threads: which to fit; 0 for the runtime's default.
        meter: its name.

    Raises:
        InputError: scipy is missing.
    """
    metered = [sample for sample in samples if sample.threads == threads and sample.warm.energy_j]
    rows = [_seconds_by_variant(sample) for sample in metered]
    told = [index for index, row in enumerate(rows) if row]
    if len(told) < _LEAST_SAMPLES:
        return None
    rows = [rows[index] for index in told]
    joules = np.array([metered[index].warm.energy_j for index in told], dtype=np.float64)
    total_s = np.array([sum(row.values()) for row in rows])
    common_w = float(np.median(joules / total_s))
    names = sorted({name for row in rows for name in row})
    seconds = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    watts = common_w * _relative_watts(seconds * common_w / joules[:, None])
    errors = np.log(joules / np.maximum(seconds @ watts, 1e-3 * joules))
    return FittedPower(
        threads=threads,
        meter=meter,
        common_w=common_w,
        watts=dict(zip(names, watts.tolist(), strict=True)),
        samples=len(told),
        spread=float(np.sqrt(np.mean(errors**2))),
    )


def _relative_watts(shares: FloatArray) -> FloatArray:
    # Each column in units of the common watts; the rows added below say that one of them is expected.
    count = shares.shape[1]
    pull = _NOISE / _PRIOR
    stacked = np.vstack((shares, pull * np.eye(count)))
    targets = np.concatenate((np.ones(len(shares)), np.full(count, pull)))
    solution, _ = load_nnls()(stacked, targets, maxiter=100 * count)
    return solution


def _seconds_by_variant(sample: Sample) -> dict[str, float]:
    # Seconds as without the profiler, which stretches every kernel; each variant keeps its share of them.
    found: dict[str, float] = {}
    for kernel, seconds in zip(sample.kernels, _known(sample.warm.kernels_s), strict=True):
        if seconds:
            variant = features_of(kernel).variant
            found[variant] = found.get(variant, 0.0) + seconds
    stretch = sum(found.values()) / sample.warm.total_s if sample.warm.total_s else 0.0
    return {variant: seconds / stretch for variant, seconds in found.items()} if stretch else {}


def _known(kernels_s: Sequence[float | None]) -> list[float]:
    return [seconds or 0.0 for seconds in kernels_s]
