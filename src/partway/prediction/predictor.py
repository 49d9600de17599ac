"""From kernels to seconds, with how sure that is.

    kernel -> features -> formula of its variant x exp(residual nearby) -> seconds, spread
                       -> no such variant was sampled: a roofline, said so

Input: a fitted `Predictor` document and the kernels of a piece. Output: an estimate for each. Needs numpy only, so
devices predict with what was fitted elsewhere. Called by planning, client and server through `pieces`.
"""

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Protocol

import msgspec
import numpy as np

from partway.errors import InputError
from partway.graph import Kernel
from partway.prediction.features import Features, features_of
from partway.prediction.physical import LEAST_S, FloatArray, Physical
from partway.prediction.residual import Residual, ResidualModel

NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]

_ROOM = 4.0
_MOST_LOG = 1.0  # a residual never changes a prediction by more than this factor, e


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a kernel runs.

    Attributes:
        far: share of its weights that come from beyond the core's own caches, 0 to 1.
        cold: share that come from memory: those of a small model stay in the caches from run to run.
        returned: whether its outputs leave the graph, in memory that was just asked for.
    """

    far: float = 0.0
    cold: float = 0.0
    returned: bool = False


class TypicalKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel that was sampled, kept so that two machines can be compared on it.

    Attributes:
        terms: its amounts of work, as `Features` has them.
        sizes: what these were made from.
        setting: where it ran.
    """

    terms: dict[str, float]
    sizes: dict[str, float]
    setting: Setting


class VariantFit(msgspec.Struct, frozen=True, kw_only=True):
    """What was fitted for one variant.

    Attributes:
        samples: how many kernels it was fitted on.
        physical: the formula.
        residual: what samples nearby say beyond it; None where the formula alone is used.
        spread: standard deviation of the logarithm of measured over predicted seconds, of the formula alone.
        typical: some of those kernels, from the fast ones to the slow ones.
    """

    samples: int
    physical: Physical
    residual: Residual | None
    spread: NotNegative
    typical: tuple[TypicalKernel, ...] = ()


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as two rates, for kinds of kernel that were never sampled.

    Attributes:
        mac_s: seconds per multiply-accumulate.
        element_s: seconds per element of a kernel without them.
        byte_s: seconds per byte.
        spread: standard deviation of its logarithm over all variants that were sampled.
    """

    mac_s: NotNegative
    element_s: NotNegative
    byte_s: NotNegative
    spread: NotNegative


class Predictor(msgspec.Struct, frozen=True, kw_only=True):
    """All that was fitted for one machine, runtime and number of threads.

    Attributes:
        threads: threads within an operator; 0 for the runtime's default.
        variants: by name.
        roofline: for the others.
        run_s: seconds of calling the runtime once, whatever it runs.
        near_bytes: of the last cache level that belongs to one core: weights beyond it come from farther away.
        cache_bytes: of the last cache level: weights beyond it come from memory.
    """

    threads: int
    variants: dict[str, VariantFit]
    roofline: Roofline
    run_s: NotNegative
    near_bytes: Annotated[int, msgspec.Meta(gt=0)]
    cache_bytes: Annotated[int, msgspec.Meta(gt=0)]

    def setting(self, resident_bytes: int) -> Setting:
        """Where the kernels of a piece find their weights.

        Args:
            resident_bytes: what the piece wants to find in the caches, see `graph.resident_bytes`.
        """
        return Setting(far=_beyond(resident_bytes, self.near_bytes), cold=_beyond(resident_bytes, self.cache_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All kernels of one variant within a piece.

    Attributes:
        variant: which.
        seconds: of all of them.
        spread: standard deviation of the logarithm of measured over predicted seconds.
        sampled: whether the profile knows the variant; else the seconds are a roofline's.
    """

    variant: str
    seconds: float
    spread: float
    sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a piece is expected to take.

    Attributes:
        parts: its kernels by variant.
        run_s: seconds of calling the runtime, beside them.
    """

    parts: tuple[Part, ...]
    run_s: float

    @property
    def seconds(self) -> float:
        """In all."""
        return self.run_s + sum(part.seconds for part in self.parts)

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm of measured over predicted seconds.

        Kernels of one variant are taken to err together, those of different variants each for themselves.
        """
        total_s = self.seconds
        deviation_s = math.sqrt(sum((part.seconds * part.spread) ** 2 for part in self.parts))
        return deviation_s / total_s if total_s else 0.0

    @property
    def unsampled(self) -> tuple[str, ...]:
        """Variants that were never sampled."""
        return tuple(part.variant for part in self.parts if not part.sampled)

    @property
    def unsampled_share(self) -> float:
        """Of the seconds, those by the roofline."""
        total_s = self.seconds
        return sum(part.seconds for part in self.parts if not part.sampled) / total_s if total_s else 0.0


def _beyond(size_bytes: float, cache_bytes: int) -> float:
    # None while they fill less than a quarter of a cache, all once they exceed it, in proportion to the logarithm
    # between: the activations, and others, want room too.
    if size_bytes <= 0:
        return 0.0
    return min(1.0, max(0.0, 1.0 + math.log(size_bytes / cache_bytes) / math.log(_ROOM)))


def terms_of(features: Features, setting: Setting, predictor: Predictor) -> dict[str, float]:
    """The amounts of work of a kernel where it runs.

    Tensors that do not fit beside each other in a cache come from beyond it too, whatever the model's size.
    """
    terms = dict(features.terms)
    traffic_bytes = terms.get("input_bytes", 0.0) + terms.get("output_bytes", 0.0)
    terms["far_traffic"] = traffic_bytes * _beyond(traffic_bytes, predictor.near_bytes)
    terms["cold_traffic"] = traffic_bytes * _beyond(traffic_bytes, predictor.cache_bytes)
    if weight_bytes := terms.get("weight_bytes"):
        terms["far_bytes"] = setting.far * weight_bytes
        terms["cold_bytes"] = setting.cold * weight_bytes
    if setting.returned:
        terms["returned_bytes"] = terms.get("output_bytes", 0.0)
    return terms


def sizes_of(features: Features, setting: Setting) -> dict[str, float]:
    """The sizes of a kernel, with where its weights come from as one of them."""
    sizes = dict(features.sizes)
    if features.terms.get("weight_bytes"):
        sizes["far"], sizes["cold"] = math.exp(setting.far), math.exp(setting.cold)
    return sizes


class Fitted(Protocol):
    """What adding up kernels asks of whatever was fitted."""

    @property
    def variants(self) -> Container[str]:
        """Names of those that were sampled."""

    @property
    def run_s(self) -> float:
        """Seconds of calling the runtime once, whatever it runs."""

    def setting(self, resident_bytes: int) -> Setting:
        """Where the kernels of a piece that wants so many bytes in the caches find their weights."""


class KernelPrediction(Protocol):
    """Anything that predicts kernels one by one: ours, or a baseline."""

    @property
    def predictor(self) -> Fitted:
        """What was fitted."""

    @property
    def describe(self) -> Callable[[Kernel], Features]:
        """What turns kernels into the rows of `kernels`."""

    def kernels(self, kernels: Sequence[tuple[Features, Setting]]) -> tuple[FloatArray, FloatArray]:
        """Seconds of each kernel and the standard deviation of their logarithm; float64 (kernels,) each."""


@dataclass(frozen=True)
class Prediction:
    """A predictor made ready: residuals are solved once, when their variant first comes.

    Args:
        predictor: what was fitted.
        strict: refuse kernels of kinds that were never sampled instead of taking the roofline.
        describe: turns kernels into features, the same way as when it was fitted.
    """

    predictor: Predictor
    strict: bool = False
    describe: Callable[[Kernel], Features] = features_of

    @cached_property
    def _residuals(self) -> Mapping[str, ResidualModel]:
        variants = self.predictor.variants
        return {name: ResidualModel(fit.residual) for name, fit in variants.items() if fit.residual is not None}

    def kernels(self, kernels: Sequence[tuple[Features, Setting]]) -> tuple[FloatArray, FloatArray]:
        """Seconds of each kernel and the standard deviation of their logarithm; float64 (kernels,) each.

        Args:
            kernels: features of each, and where it runs.

        Raises:
            InputError: strict, and a variant was never sampled.
        """
        seconds, spreads = np.zeros(len(kernels)), np.zeros(len(kernels))
        groups: dict[str, list[int]] = {}
        for index, (features, _) in enumerate(kernels):
            groups.setdefault(features.variant, []).append(index)
        for variant, members in groups.items():
            rows = [kernels[index] for index in members]
            seconds[members], spreads[members] = self._of_variant(variant, rows)
        return seconds, spreads

    def _of_variant(self, variant: str, rows: Sequence[tuple[Features, Setting]]) -> tuple[FloatArray, FloatArray]:
        fit = self.predictor.variants.get(variant)
        if fit is None:
            if self.strict:
                raise InputError(
                    f"the profile has no samples of {variant}; profile longer, or leave --strict out to take a roofline"
                )
            return self._by_roofline(rows)
        seconds = fit.physical.seconds([terms_of(*row, self.predictor) for row in rows])
        residual = self._residuals.get(variant)
        if residual is None:
            return seconds, np.full(len(rows), fit.spread)
        logs, spreads = residual.predict([sizes_of(*row) for row in rows])
        return np.maximum(seconds * np.exp(np.clip(logs, -_MOST_LOG, _MOST_LOG)), LEAST_S), spreads

    def _by_roofline(self, rows: Sequence[tuple[Features, Setting]]) -> tuple[FloatArray, FloatArray]:
        roofline = self.predictor.roofline
        seconds = np.array([max(LEAST_S, roofline_s(features, roofline)) for features, _ in rows])
        return seconds, np.full(len(rows), roofline.spread)


def combine(kernels: Iterable[tuple[str, float, float]], predictor: Fitted) -> Estimate:
    """What all kernels of one run take together.

    Args:
        kernels: variant, seconds and spread of each.
        predictor: tells what a run costs beside them, and which variants were sampled.
    """
    by_variant: dict[str, tuple[float, float]] = {}
    for variant, seconds, spread in kernels:
        before_s, deviation_s = by_variant.get(variant, (0.0, 0.0))
        by_variant[variant] = (before_s + seconds, deviation_s + seconds * spread)
    parts = tuple(
        Part(
            variant=variant,
            seconds=seconds,
            spread=deviation_s / seconds if seconds else 0.0,
            sampled=variant in predictor.variants,
        )
        for variant, (seconds, deviation_s) in by_variant.items()
    )
    return Estimate(parts=parts, run_s=predictor.run_s)


def roofline_s(features: Features, roofline: Roofline) -> float:
    """Seconds of a kernel by its work or its bytes, whichever takes longer."""
    macs, elements, size_bytes = work_of(features)
    return max(macs * roofline.mac_s, elements * roofline.element_s, size_bytes * roofline.byte_s)


def work_of(features: Features) -> tuple[float, float, float]:
    """Multiply-accumulates of a kernel, elements where it has none, and bytes read and written."""
    macs = features.terms.get("macs") or sum(amount for name, amount in features.terms.items() if "_macs" in name)
    elements = 0.0 if macs else features.terms.get("elements", 0.0)
    return macs, elements, sum(amount for name, amount in features.terms.items() if name in _TRAFFIC)


_TRAFFIC = frozenset({"input_bytes", "output_bytes", "weight_bytes"})
