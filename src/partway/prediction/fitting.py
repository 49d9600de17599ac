"""From samples to a predictor.

    samples -> what the profiler itself costs -> each kernel's seconds -> by variant: formula, then residual

Input: the samples of one machine and number of threads. Output: a `Predictor`. Samples stay as they are, so any later
release can fit them anew. Called by `partway profile`; needs scipy.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec
import numpy as np

from partway.errors import InputError
from partway.graph import Kernel, resident_bytes
from partway.prediction.features import Features, features_of
from partway.prediction.physical import LEAST_S, FloatArray, fit_physical
from partway.prediction.predictor import (
    Predictor,
    Roofline,
    Setting,
    TypicalKernel,
    VariantFit,
    sizes_of,
    terms_of,
    work_of,
)
from partway.prediction.residual import fit_residual
from partway.profiling.machine import Machine
from partway.profiling.samples import Runs, Sample

_LEAST_SAMPLES = 4  # kernels of one variant, below which it counts as never sampled
_LEAST_FOR_RESIDUAL = 25
_TIMER_RESOLUTION_S = 4e-7
_TELLING_S = 5e-6  # shorter kernels are judged by the timer more than by the fit
_SMALL_RUN_S = 5e-4  # runs this short show what the profiler costs
_UNKNOWN_RATE_S = 1e-9
_SWEPT = Setting(far=1.0, cold=1.0)
_SHARED_LEVEL = 3  # this level and those above serve several cores
_MIDDLING_NEAR_BYTES, _MIDDLING_CACHE_BYTES = 1 << 19, 8 << 20
_FASTER, _SLOWER = 4.0, 1.5  # median deviations that a sample may be faster or slower than the bulk
_LEAST_FASTER, _LEAST_SLOWER = 0.1, 0.03  # the same as logarithms, where nearly all agree
_TYPICAL = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of seconds
_ROUGH = 0.5  # nobody should trust a roofline more than this
_UNKNOWN = Roofline(mac_s=_UNKNOWN_RATE_S, element_s=_UNKNOWN_RATE_S, byte_s=_UNKNOWN_RATE_S, spread=_ROUGH)


class Form(Enum):
    """How a variant is predicted."""

    PHYSICAL = "the formula alone"
    PHYSICAL_AND_RESIDUAL = "the formula, and what samples nearby say beyond it"


@dataclass(frozen=True, slots=True)
class _Points:
    # What was measured of one variant.
    features: list[Features] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    swept: list[bool] = field(default_factory=list)

    @property
    def kernels(self) -> int:
        # A kernel that was timed with warm and with swept caches counts once.
        return self.swept.count(False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilerCost:
    """What measuring with the profiler adds.

    Attributes:
        kernel_s: to every kernel.
        run_s: seconds that a run takes beside its kernels.
    """

    kernel_s: float
    run_s: float


def fit_predictor(
    samples: Iterable[Sample],
    *,
    threads: int,
    machine: Machine,
    form: Form = Form.PHYSICAL_AND_RESIDUAL,
    describe: Callable[[Kernel], Features] = features_of,
) -> Predictor:
    """A predictor from the samples of one number of threads.

    Args:
        samples: measured graphs; those of other numbers of threads are left out.
        threads: which to fit; 0 for the runtime's default.
        machine: where they were measured.
        form: how variants are predicted.
        describe: turns kernels into features; `Prediction` must be given the same.

    Raises:
        InputError: there are no such samples, or scipy is missing.
    """
    own = [sample for sample in samples if sample.threads == threads]
    if not own:
        raise InputError(f"the samples hold none with {threads or 'the default number of'} threads; profile them")
    cost = profiler_cost(own)
    near_bytes, cache_bytes = cache_sizes_bytes(machine)
    blank = Predictor(
        threads=threads,
        variants={},
        roofline=_UNKNOWN,
        run_s=cost.run_s,
        near_bytes=near_bytes,
        cache_bytes=cache_bytes,
    )
    points = _gather(own, cost, blank, describe)
    variants = {
        name: _fit(found, blank, form) for name, found in sorted(points.items()) if found.kernels >= _LEAST_SAMPLES
    }
    return msgspec.structs.replace(blank, variants=variants, roofline=_fit_roofline(points))


def cache_sizes_bytes(machine: Machine) -> tuple[int, int]:
    """Bytes of the last cache level that belongs to one core, and of the last level of all.

    Middling guesses where the machine does not say.
    """
    caches = [cache for cache in machine.caches if cache.content != "instruction"]
    last = max((cache.size_bytes for cache in caches), default=_MIDDLING_CACHE_BYTES)
    # A virtual machine may have one core of many, so who shares a cache does not tell.
    near = max((cache.size_bytes for cache in caches if cache.level < _SHARED_LEVEL), default=_MIDDLING_NEAR_BYTES)
    return min(near, last), last


def profiler_cost(samples: Sequence[Sample]) -> ProfilerCost:
    """What the profiler adds to each kernel: short graphs, summed with it and timed without.

    Robust: least absolute deviations by reweighting.
    """
    rows, extra = [], []
    for sample in samples:
        if None not in sample.warm.kernels_s and sample.warm.total_s < _SMALL_RUN_S:
            rows.append((len(sample.kernels), -1.0))
            extra.append(sum(seconds or 0.0 for seconds in sample.warm.kernels_s) - sample.warm.total_s)
    if len(rows) < _LEAST_SAMPLES:
        return ProfilerCost(kernel_s=0.0, run_s=0.0)
    counts, excess = np.array(rows), np.array(extra)
    weights: FloatArray = np.ones(len(excess))
    solution = np.zeros(2)
    for _ in range(8):
        solution = np.asarray(np.linalg.lstsq(counts * weights[:, None], excess * weights, rcond=None)[0])
        off = np.maximum(np.abs(counts @ solution - excess), _TIMER_RESOLUTION_S)
        weights = np.asarray(1.0 / np.sqrt(off), dtype=np.float64)
    return ProfilerCost(kernel_s=max(0.0, float(solution[0])), run_s=max(0.0, float(solution[1])))


def _gather(
    samples: Sequence[Sample], cost: ProfilerCost, predictor: Predictor, describe: Callable[[Kernel], Features]
) -> dict[str, _Points]:
    points: dict[str, _Points] = {}
    for sample in samples:
        described = [describe(kernel) for kernel in sample.kernels]
        _add(points, described, sample.warm, cost, predictor.setting(resident_bytes(sample.kernels)))
        if sample.cold is not None:
            _add(points, described, sample.cold, cost, _SWEPT)
    return points


def _add(
    points: dict[str, _Points], described: Sequence[Features], runs: Runs, cost: ProfilerCost, setting: Setting
) -> None:
    last = len(described) - 1
    for place, (features, seconds) in enumerate(zip(described, runs.kernels_s, strict=True)):
        if seconds is None or (setting is _SWEPT and not _tells_cold(place, features)):
            continue
        found = points.setdefault(features.variant, _Points())
        found.features.append(features)
        found.settings.append(msgspec.structs.replace(setting, returned=place == last))
        found.seconds.append(max(LEAST_S, seconds - cost.kernel_s))
        found.swept.append(setting is _SWEPT)


def _tells_cold(place: int, features: Features) -> bool:
    # Swept caches lack activations too, which a kernel within a model finds there: only where weights are most of what
    # is read does such a run tell of them.
    traffic_bytes = features.terms.get("input_bytes", 0.0) + features.terms.get("output_bytes", 0.0)
    return place > 0 and features.terms.get("weight_bytes", 0.0) > traffic_bytes


def _fit(points: _Points, blank: Predictor, form: Form) -> VariantFit:
    seconds = np.array(points.seconds)
    rows = [terms_of(*pair, blank) for pair in zip(points.features, points.settings, strict=True)]
    physical = fit_physical(rows, seconds)
    logs = np.log(seconds / physical.seconds(rows))
    spread = float(np.sqrt(np.mean(np.minimum(np.abs(logs), 1.0) ** 2)))
    residual = None
    sizes = [sizes_of(*pair) for pair in zip(points.features, points.settings, strict=True)]
    if form is Form.PHYSICAL_AND_RESIDUAL and len(seconds) >= _LEAST_FOR_RESIDUAL and any(sizes):
        residual = fit_residual(
            sizes,
            np.clip(logs, *_usual(logs)),
            _TIMER_RESOLUTION_S / np.maximum(seconds, _TIMER_RESOLUTION_S),
            importance=np.sqrt(seconds),
            generator=np.random.default_rng(0),
        )
    return VariantFit(
        samples=points.kernels, physical=physical, residual=residual, spread=spread, typical=_typical(points)
    )


def _usual(logs: FloatArray) -> tuple[float, float]:
    # What lies far beyond the bulk is pulled in: it says a little, and bends nothing. Above the bulk most of it is
    # disturbance, which only slows; below it is not.
    middle = float(np.median(logs))
    deviation = float(np.median(np.abs(logs - middle)))
    return middle - max(_LEAST_FASTER, _FASTER * deviation), middle + max(_LEAST_SLOWER, _SLOWER * deviation)


def _typical(points: _Points) -> tuple[TypicalKernel, ...]:
    order = np.argsort(points.seconds, kind="stable")
    chosen = dict.fromkeys(int(order[int(share * len(order))]) for share in _TYPICAL)
    return tuple(
        TypicalKernel(
            terms=dict(points.features[index].terms),
            sizes=dict(points.features[index].sizes),
            setting=points.settings[index],
        )
        for index in chosen
    )


def _fit_roofline(points: dict[str, _Points]) -> Roofline:
    # Typical rates of kernels that are long enough to show one; each variant counts once, however often sampled.
    rates: list[list[float]] = [[], [], []]
    works: list[tuple[float, float, float]] = []
    seconds: list[float] = []
    for found in points.values():
        pairs = [
            (work_of(features), took_s)
            for features, took_s in zip(found.features, found.seconds, strict=True)
            if took_s > _TELLING_S
        ]
        for place, rate in enumerate(rates):
            if own := [took_s / work[place] for work, took_s in pairs if work[place]]:
                rate.append(float(np.median(own)))
        works += [work for work, _ in pairs]
        seconds += [took_s for _, took_s in pairs]
    mac_s, element_s, byte_s = (float(np.median(rate)) if rate else _UNKNOWN_RATE_S for rate in rates)
    roofline = Roofline(mac_s=mac_s, element_s=element_s, byte_s=byte_s, spread=_ROUGH)
    if seconds:
        guessed = np.maximum(np.array(works) @ np.diag((mac_s, element_s, byte_s)), LEAST_S).max(axis=1)
        spread = float(np.std(np.log(np.array(seconds) / guessed)))
        roofline = Roofline(mac_s=mac_s, element_s=element_s, byte_s=byte_s, spread=max(_ROUGH, spread))
    return roofline
