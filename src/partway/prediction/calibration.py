"""Correcting a profile by what was seen of one model, without forgetting the profile.

A profile may err alike for all kernels of a variant, on this model's odd shapes, or for all kernels together, since
the machine is hotter today. So there is one correction that all variants share and one of each variant's own:
logarithms that are zero before anything was seen, expected to stay within a tenth and within the variant's spread. A
timing of a piece tells something of each variant in it, most of those that take long and are uncertain: a Gaussian
posterior. While serving, timings count less and corrections fade, so a busy minute is not taken for a slow machine
for ever.

Input: estimates and measured seconds. Output: corrected estimates. Pure; called by `partway profile --model`, by
evaluation, and by client and server while they run.

Source: the extended Kalman filter, its covariance by Joseph's formula, which rounding cannot make negative (Gelb,
Applied Optimal Estimation (1974), equation 4.2-19).
"""

import math
from dataclasses import replace

import msgspec
import numpy as np

from partway.errors import InputError
from partway.prediction.physical import FloatArray
from partway.prediction.predictor import Estimate

_NOISE = 0.02  # of the logarithm of one timing
_BOUND = math.log(4.0)  # a profile that is further off than this is another machine's
_MOST_LOG = 2.01 * _BOUND  # what all share and a variant's own may be at opposite ends
_COMMON = 0.1  # how far all variants together may be off: the machine's clock, its memory


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """How far one model's variants are from the profile, and how sure that is.

    Attributes:
        variants: names of those that were seen.
        spreads: the profile's own, of each.
        logs: the correction that all share, then each variant's own: logarithms of true over predicted seconds.
        covariance: of these, row by row.
    """

    variants: tuple[str, ...] = ()
    spreads: tuple[float, ...] = ()
    logs: tuple[float, ...] = (0.0,)
    covariance: tuple[tuple[float, ...], ...] = ((_COMMON**2,),)

    def __post_init__(self) -> None:
        """Refuse lists that do not fit each other."""
        count = 1 + len(self.variants)
        if {len(self.logs), len(self.covariance), *map(len, self.covariance), 1 + len(self.spreads)} != {count}:
            raise InputError(
                f"a correction of {count - 1} variants has logs, spreads or a covariance of another length"
            )
        if max(map(abs, self.logs)) > _MOST_LOG:
            raise InputError(f"a correction of {max(map(abs, self.logs))}; expected logarithms within {_MOST_LOG:.3g}")

    def apply(self, estimate: Estimate) -> Estimate:
        """The estimate, each part corrected: by what was seen of its variant, else by what all share."""
        if not self.variants:
            return estimate
        places = {name: place for place, name in enumerate(self.variants, start=1)}
        shared, rows = self.logs[0], self.covariance
        parts = []
        for part in estimate.parts:
            place = places.get(part.variant)
            if place is None:
                own, variance = 0.0, rows[0][0] + part.spread**2
            else:
                own, variance = self.logs[place], rows[0][0] + 2.0 * rows[0][place] + rows[place][place]
            seconds = part.seconds * math.exp(shared + own)
            parts.append(replace(part, seconds=seconds, spread=math.sqrt(max(0.0, variance))))
        return replace(estimate, parts=tuple(parts))

    def spread(self, estimate: Estimate) -> float:
        """How sure the corrected estimate is: the standard deviation of the logarithm of true over corrected seconds.

        Unlike the corrected estimate's own spread it knows which errors cancel: once the whole model was timed, little
        is left to doubt in the sum, however uncertain each part is.

        Args:
            estimate: what the profile says of a piece, uncorrected.
        """
        wider = self._with(estimate)
        slopes = _slopes(wider, wider.apply(estimate))
        return math.sqrt(max(0.0, float(slopes @ np.array(wider.covariance) @ slopes)))

    def fade(self, share: float) -> "Correction":
        """What is believed once a share of what was learnt is given up.

        Args:
            share: in [0, 1]; 1 leaves the profile alone.
        """
        if share <= 0.0:
            return self
        matrix = np.array(self.covariance)
        matrix += share * (_prior(self.spreads) - matrix)
        return _learnt(self, (1.0 - share) * np.array(self.logs), matrix)

    def observe(
        self,
        estimate: Estimate,
        seconds: float,
        *,
        weight: float = 1.0,
        forgetting: float = 0.0,
        doubt: float = math.inf,
    ) -> "Correction":
        """What is believed after one more timing.

        Args:
            estimate: what the profile says of the piece, uncorrected; of more than 0 s.
            seconds: what it took, > 0.
            weight: how much the timing counts, in (0, 1]: a run beside others tells less.
            forgetting: share of what was learnt before that is given up first, in [0, 1).
            doubt: a timing that is further off than so many standard deviations is rather a mistake, and counts the
                less the further off it is; one after the other, such timings are believed all the same.
        """
        wider = self._with(estimate).fade(forgetting)
        corrected = wider.apply(estimate)
        matrix, slopes = np.array(wider.covariance), _slopes(wider, corrected)
        surprise = min(_BOUND, max(-_BOUND, math.log(seconds / corrected.seconds)))
        known = float(slopes @ matrix @ slopes)
        variance = known + _NOISE**2 / weight
        variance *= max(1.0, abs(surprise) / (doubt * math.sqrt(variance))) ** 2
        gain = matrix @ slopes / variance
        kept = np.eye(len(gain)) - np.outer(gain, slopes)
        matrix = kept @ matrix @ kept.T + (variance - known) * np.outer(gain, gain)
        return _learnt(wider, np.array(wider.logs) + gain * surprise, matrix)

    def _with(self, estimate: Estimate) -> "Correction":
        # Variants of the estimate that were not seen yet join as the profile has them. What all share is a correction
        # of its own, so newcomers depend on nobody.
        new = {part.variant: part.spread for part in estimate.parts if part.variant not in self.variants}
        if not new:
            return self
        spreads, old = (*self.spreads, *new.values()), len(self.logs)
        matrix = _prior(spreads)
        matrix[:old, :old] = np.array(self.covariance)
        return Correction(
            variants=(*self.variants, *new),
            spreads=spreads,
            logs=(*self.logs, *(0.0 for _ in new)),
            covariance=tuple(map(tuple, matrix.tolist())),
        )


def _slopes(correction: Correction, corrected: Estimate) -> FloatArray:
    # How much the logarithm of a piece's seconds moves with each logarithm of the correction.
    slopes = np.zeros(len(correction.logs))
    for part in corrected.parts:
        slopes[1 + correction.variants.index(part.variant)] += part.seconds / corrected.seconds
    slopes[0] = slopes.sum()
    return slopes


def _learnt(correction: Correction, logs: FloatArray, matrix: FloatArray) -> Correction:
    logs[0] = np.clip(logs[0], -_BOUND, _BOUND)
    logs[1:] = np.clip(logs[1:], -_BOUND - logs[0], _BOUND - logs[0])
    return msgspec.structs.replace(
        correction,
        logs=tuple(logs.tolist()),
        covariance=tuple(map(tuple, ((matrix + matrix.T) / 2.0).tolist())),
    )


def _prior(spreads: tuple[float, ...]) -> FloatArray:
    return np.diag(np.square(np.array((_COMMON, *spreads), dtype=np.float64)))
