"""How far off a fit is on graphs that it has not seen, and what to measure next.

    four fifths of the graphs -> a predictor -> the other fifth: predicted against measured, whole graphs and kernels

Input: samples. Output: a `Judgement`; what each block of random graphs needs; whether it is enough. Called by `partway
profile` every minute, so that it stops on the error and not on a count.
"""

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from partway.graph import resident_bytes
from partway.prediction.features import Features, features_of
from partway.prediction.fitting import ProfilerCost, fit_predictor, profiler_cost
from partway.prediction.predictor import Prediction, Predictor, Setting, combine
from partway.profiling.machine import Machine
from partway.profiling.samples import Sample

_EVERY = 5
_TELLING_S = 5e-6  # shorter kernels are judged by the timer more than by the fit
_LEAST_TELLING = 3

# A block whose kernels take most of most models' time is worth more samples.
_HEAVY = ("conv.", "gemm", "matmul.", "attention", "feed_forward", "lstm", "gru")
_HEAVY_WEIGHT = 4.0

GOOD_MEDIAN = 0.03
GOOD_NINETIETH = 0.15
_LEAST_HELD_OUT = 200  # graphs, before anything counts as good


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Predicted against measured on graphs that were not fitted.

    Attributes:
        graphs: how many.
        median_error: of whole graphs, relative.
        ninetieth_error: nine graphs of ten are nearer.
        within_one_spread: share of graphs whose logarithm of the error is within the stated standard deviation.
        variants: median relative error of each variant's kernels, where enough were long enough to tell.
    """

    graphs: int
    median_error: float
    ninetieth_error: float
    within_one_spread: float
    variants: dict[str, float]

    @property
    def good(self) -> bool:
        """Whether more samples are not worth their time."""
        precise = self.median_error <= GOOD_MEDIAN and self.ninetieth_error <= GOOD_NINETIETH
        return precise and self.graphs >= _LEAST_HELD_OUT


def judge(samples: Sequence[Sample], *, threads: int, machine: Machine) -> Judgement | None:
    """Fit to four fifths of the graphs and predict the rest; None where there are too few.

    Args:
        samples: measured graphs; those of other numbers of threads are left out.
        threads: which to judge; 0 for the runtime's default.
        machine: where they were measured.

    Raises:
        InputError: scipy is missing.
    """
    own = [sample for sample in samples if sample.threads == threads and sample.warm.total_s > 0.0]
    held = [sample for place, sample in enumerate(own) if place % _EVERY == 0]
    seen = [sample for place, sample in enumerate(own) if place % _EVERY]
    if not held or not seen:
        return None
    predictor = fit_predictor(seen, threads=threads, machine=machine)
    return _compare(predictor, held, profiler_cost(own))


def needs_of_blocks(samples: Sequence[Sample], judgement: Judgement) -> dict[str, float]:
    """How much each block needs more samples: the typical error of its kernels, more where they weigh heavily.

    Args:
        samples: measured graphs.
        judgement: on some of them.
    """
    errors: dict[str, list[float]] = {}
    for sample in samples:
        if sample.focus:
            found = errors.setdefault(sample.focus, [])
            found.extend(judgement.variants.get(features_of(kernel).variant, 0.0) for kernel in sample.kernels)
    return {
        block: (_HEAVY_WEIGHT if block.startswith(_HEAVY) else 1.0) * (0.05 + sum(found) / max(1, len(found)))
        for block, found in errors.items()
    }


def _compare(predictor: Predictor, held: Sequence[Sample], cost: ProfilerCost) -> Judgement:
    prediction = Prediction(predictor)
    ratios: list[float] = []
    inside: list[bool] = []
    kernels: dict[str, list[float]] = {}
    for sample in held:
        setting = predictor.setting(resident_bytes(sample.kernels))
        last = len(sample.kernels) - 1
        rows = [
            (features_of(kernel), msgspec.structs.replace(setting, returned=place == last))
            for place, kernel in enumerate(sample.kernels)
        ]
        seconds, spreads = prediction.kernels(rows)
        names = [features.variant for features, _ in rows]
        estimate = combine(zip(names, seconds.tolist(), spreads.tolist(), strict=True), predictor)
        ratio = estimate.seconds / sample.warm.total_s
        ratios.append(abs(ratio - 1.0))
        inside.append(abs(math.log(ratio)) <= estimate.spread)
        _collect(kernels, rows, seconds.tolist(), sample, cost)
    ratios.sort()
    return Judgement(
        graphs=len(held),
        median_error=median(ratios),
        ninetieth_error=ratios[math.ceil(0.9 * len(ratios)) - 1],
        within_one_spread=sum(inside) / len(inside),
        variants={name: median(found) for name, found in sorted(kernels.items()) if len(found) >= _LEAST_TELLING},
    )


def _collect(
    kernels: dict[str, list[float]],
    rows: Sequence[tuple[Features, Setting]],
    predicted: Sequence[float],
    sample: Sample,
    cost: ProfilerCost,
) -> None:
    for (features, _), guess_s, timed_s in zip(rows, predicted, sample.warm.kernels_s, strict=True):
        if timed_s is not None and timed_s - cost.kernel_s > _TELLING_S:
            own_s = timed_s - cost.kernel_s
            kernels.setdefault(features.variant, []).append(abs(guess_s / own_s - 1.0))
