"""Two machines side by side, from their profiles alone.

Kernels to compare on: every profile keeps five of the kernels that it sampled of each variant, at the 10th, 30th,
50th, 70th and 90th percentile of their seconds. Both predictors are asked for those of both profiles, and a variant
is as much faster as the geometric mean over them says. All variants together: the geometric mean over variants, each
counted once however often it was sampled.

Input: two profiles. Output: a `Comparison`, and rows of text for a table. Called by `partway profile --compare`.
"""

import math
from dataclasses import dataclass

import numpy as np

from partway.errors import InputError
from partway.prediction.features import Features
from partway.prediction.physical import FloatArray
from partway.prediction.predictor import Prediction, Predictor
from partway.prediction.profile import Profile
from partway.profiling.machine import Machine
from partway.units import format_duration, format_size

HEADINGS = ("kernels", "compared on", "first", "second", "second is")
"""Headings of `comparison_rows`."""

_SAME = 0.02  # ratios nearer to 1 are called equal


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantComparison:
    """One variant on both machines.

    Attributes:
        variant: its name.
        kernels: how many typical kernels were compared.
        first_s: geometric mean of their seconds on the first machine.
        second_s: the same on the second.
        spread: standard deviation of the logarithm of `ratio`, as far as the predictors know.
    """

    variant: str
    kernels: int
    first_s: float
    second_s: float
    spread: float

    @property
    def ratio(self) -> float:
        """How many times longer the second machine takes; below 1 it is faster."""
        return self.second_s / self.first_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is not the same about two machines.

    Attributes:
        what: of which kind.
        first: the first machine's, in words.
        second: the second's.
    """

    what: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two profiles, compared.

    Attributes:
        variants: those that both know, the ones that the second machine is best at first.
        only_first: variants that only the first profile knows.
        only_second: those that only the second knows.
        uncompared: variants that both know and of which neither kept a kernel to compare on.
        differences: of the machines and of how they were measured.
    """

    variants: tuple[VariantComparison, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    uncompared: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def ratio(self) -> float:
        """How many times longer the second machine takes, over all variants."""
        return math.exp(sum(math.log(item.ratio) for item in self.variants) / len(self.variants))


def compare_profiles(first: Profile, second: Profile, *, threads: int | None = None) -> Comparison:
    """How much faster or slower the second machine is, variant by variant.

    Args:
        first: a profile.
        second: another.
        threads: within an operator; None for the runtime's default, or for the only setting that a profile has.

    Raises:
        InputError: a profile has nothing for this number of threads, or there is nothing to compare on.
    """
    one, other = (profile.predictor(profile.settle_threads(threads)) for profile in (first, second))
    common = sorted(one.variants.keys() & other.variants.keys())
    compared = {variant: _compare_variant(variant, one, other) for variant in common}
    found = [item for item in compared.values() if item is not None]
    if not found:
        raise InputError(
            "the two profiles have no kernels to be compared on: fit one of them anew with "
            "`partway profile -o FILE --refit`, and profile both machines on the same kinds of kernels"
        )
    return Comparison(
        variants=tuple(sorted(found, key=lambda item: item.ratio)),
        only_first=tuple(sorted(one.variants.keys() - other.variants.keys())),
        only_second=tuple(sorted(other.variants.keys() - one.variants.keys())),
        uncompared=tuple(variant for variant, item in compared.items() if item is None),
        differences=_differences(first, second, one, other),
    )


def comparison_rows(comparison: Comparison) -> tuple[tuple[str, ...], ...]:
    """The comparison as cells of a table under `HEADINGS`, all kernels together in the last row."""
    rows = [
        (
            item.variant,
            str(item.kernels),
            format_duration(item.first_s),
            format_duration(item.second_s),
            describe_ratio(item.ratio),
        )
        for item in comparison.variants
    ]
    total = sum(item.kernels for item in comparison.variants)
    return (*rows, ("(all)", str(total), "", "", describe_ratio(comparison.ratio)))


def describe_ratio(ratio: float) -> str:
    """How the second machine compares, in words: `2.3x faster`, `1.4x slower`, `the same`.

    Args:
        ratio: its seconds over the first's, > 0.
    """
    if abs(math.log(ratio)) < _SAME:
        return "the same"
    return f"{ratio:.3g}x slower" if ratio > 1 else f"{1 / ratio:.3g}x faster"


def _compare_variant(variant: str, one: Predictor, other: Predictor) -> VariantComparison | None:
    kept = (*one.variants[variant].typical, *other.variants[variant].typical)
    if not kept:
        return None
    kernels = [
        (
            Features(variant=variant, terms=kernel.terms, sizes=kernel.sizes),
            kernel.setting,
        )
        for kernel in kept
    ]
    first_s, first_spreads = Prediction(one).kernels(kernels)
    second_s, second_spreads = Prediction(other).kernels(kernels)
    return VariantComparison(
        variant=variant,
        kernels=len(kernels),
        first_s=_geometric_mean(first_s),
        second_s=_geometric_mean(second_s),
        spread=float(np.sqrt(np.mean(first_spreads**2 + second_spreads**2))),
    )


def _geometric_mean(values: FloatArray) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _differences(first: Profile, second: Profile, one: Predictor, other: Predictor) -> tuple[Difference, ...]:
    facts, others = _facts(first, one), _facts(second, other)
    return tuple(
        Difference(what=what, first=text, second=others[what]) for what, text in facts.items() if others[what] != text
    )


def _facts(profile: Profile, predictor: Predictor) -> dict[str, str]:
    machine = profile.machine
    return {
        "board": machine.board or "unknown",
        "processor": machine.processor or "unknown",
        "architecture": machine.architecture,
        "instruction sets": ", ".join(machine.instructions) or "none known",
        "clock": _clock(machine),
        "cores": f"{machine.usable_cores} of {machine.logical_cores}",
        "core quota": "none" if machine.quota_cores is None else f"{machine.quota_cores:g}",
        "last cache": _last_cache(machine),
        "memory": "unknown" if machine.memory_bytes is None else format_size(machine.memory_bytes),
        "virtual": "yes" if machine.virtual else "no",
        "runtime": profile.runtime,
        "providers": ", ".join(profile.providers),
        "threads": str(predictor.threads) if predictor.threads else "default",
    }


def _clock(machine: Machine) -> str:
    groups = [f"{group.cores} at {group.fastest_hz / 1e9:.3g} GHz" for group in machine.core_groups]
    return " + ".join(groups) or "unknown"


def _last_cache(machine: Machine) -> str:
    last = max(machine.caches, key=lambda cache: cache.level, default=None)
    return "unknown" if last is None else f"level {last.level}, {format_size(last.size_bytes)}"
