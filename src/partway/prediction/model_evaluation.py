"""One model, predicted and measured.

    two timings of each piece, its estimate, its estimate once the whole model had been timed -> Figures
    seconds of every kernel of the whole model -> by kind

Input: estimates and measured seconds. Output: a `ModelEvaluation`, which can be stored. Pure. Called by `trial`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from partway.prediction.predictor import Estimate
from partway.profiling.comparison import Twice

STEADY = 0.05
"""Two timings of one thing that differ by more than this say more of the machine than of the prediction."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One piece: measured twice, predicted, and predicted anew once the whole model had been timed.

    Attributes:
        measured_s: in the first pass, > 0.
        repeated_s: in the second, > 0.
        busy_share: of the time in which it ran, in the worse pass: less than 1 says that others had its core.
        predicted_s: by the profile alone.
        spread: stated standard deviation of the logarithm of measured over predicted seconds.
        calibrated_s: by the profile, corrected by the whole model's first timing.
        calibrated_spread: stated of that.
    """

    measured_s: float
    repeated_s: float
    busy_share: float
    predicted_s: float
    spread: float
    calibrated_s: float
    calibrated_spread: float

    @classmethod
    def of(cls, times: Twice, predicted: Estimate, calibrated: Estimate) -> "Figures":
        """Measured and predicted, side by side."""
        return cls(
            measured_s=times.measured_s,
            repeated_s=times.repeated_s,
            busy_share=times.busy_share,
            predicted_s=predicted.seconds,
            spread=predicted.spread,
            calibrated_s=calibrated.seconds,
            calibrated_spread=calibrated.spread,
        )

    @property
    def repeat_error(self) -> float:
        """How much longer the slower of the two timings is, as a share of the other."""
        return max(self.measured_s, self.repeated_s) / min(self.measured_s, self.repeated_s) - 1.0

    @property
    def steady(self) -> bool:
        """Whether the machine repeats it."""
        return self.repeat_error <= STEADY


class CutFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of one cut.

    Attributes:
        crossing: the tensors that cross.
        depth: nodes in the head.
        macs: multiply-accumulates of the head.
        up_bytes: raw bytes of the crossing tensors.
        down_bytes: raw bytes of the outputs that the tail computes.
        head: None when the head is empty.
        tail: None for device-only.
    """

    crossing: tuple[str, ...]
    depth: int
    macs: int
    up_bytes: int
    down_bytes: int
    head: Figures | None
    tail: Figures | None


class KindFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All kernels of one variant in a whole model.

    Attributes:
        variant: which.
        sampled: whether the profile knows it; else its prediction is a roofline's.
        kernels: how many.
        predicted_s: of all of them.
        spread: stated standard deviation of the logarithm.
        measured_s: of all of them; None where the runtime does not tell.
    """

    variant: str
    sampled: bool
    kernels: int
    predicted_s: float
    spread: float
    measured_s: float | None


class ModelEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One model, predicted and measured.

    Attributes:
        model: its name, usually the path.
        digest: of the source model.
        binding: encoded binding.
        threads: threads within an operator; 0 for the runtime's default.
        macs: multiply-accumulates.
        weight_bytes: of all constants.
        optimised: whether its pieces ran at full speed; else the runtime refused to optimise them together.
        whole: the whole model.
        cuts: from the shallowest to the deepest; neither server-only nor device-only, which are the whole model.
        kinds: its kernels by variant, those that are expected to take longest first.
    """

    model: str
    digest: str
    binding: str
    threads: int
    macs: int
    weight_bytes: int
    optimised: bool
    whole: Figures
    cuts: tuple[CutFigures, ...]
    kinds: tuple[KindFigures, ...]

    @property
    def pieces(self) -> Iterator[Figures]:
        """Every head and tail."""
        return (piece for cut in self.cuts for piece in (cut.head, cut.tail) if piece is not None)


def kinds_of(
    whole: Estimate, variants: Sequence[str], kernels_s: Sequence[float | None] | None, whole_s: float
) -> tuple[KindFigures, ...]:
    """A whole model by kinds of kernel.

    The profiler adds to every kernel. What it adds is what kernels take together beyond a run without it, spread
    evenly, but never more than the shortest of them takes.

    Args:
        whole: what is expected of it.
        variants: of each of its kernels.
        kernels_s: what each took under the profiler; None where that was not measured.
        whole_s: what a run takes without it.
    """
    told = [seconds for seconds in kernels_s or () if seconds is not None]
    excess_s = (sum(told) + whole.run_s - whole_s) / max(1, len(told))
    profiler_s = min(max(0.0, excess_s), min(told, default=0.0))
    kinds = []
    for part in sorted(whole.parts, key=lambda part: -part.seconds):
        own = [place for place, variant in enumerate(variants) if variant == part.variant]
        seconds = [kernels_s[place] for place in own] if kernels_s is not None else [None]
        known = [item - profiler_s for item in seconds if item is not None]
        kinds.append(
            KindFigures(
                variant=part.variant,
                sampled=part.sampled,
                kernels=len(own),
                predicted_s=part.seconds,
                spread=part.spread,
                measured_s=sum(known) if len(known) == len(own) else None,
            )
        )
    return tuple(kinds)
