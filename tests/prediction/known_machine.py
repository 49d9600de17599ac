"""A machine whose every cost is known, and what profiling would have measured on it."""

from collections.abc import Iterable, Sequence

import numpy as np
from tests.profiling.records import MACHINE

from partway.graph import Kernel, resident_bytes
from partway.prediction.features import features_of
from partway.prediction.fitting import cache_sizes_bytes
from partway.prediction.predictor import Predictor, Roofline, Setting, terms_of
from partway.profiling.samples import Runs, Sample

PROFILER_S = 1.6e-6
RUN_S = 4e-6

_COSTS_S = {
    "call": 1.5e-6, "calls": 2e-8, "input_bytes": 2e-11, "output_bytes": 3e-11, "weight_bytes": 4e-11,
    "far_bytes": 6e-11, "cold_bytes": 2e-10, "returned_bytes": 1e-10, "elements": 5e-10, "runs": 1e-9, "columns": 2e-10,
}  # fmt: skip
_MACS_S = 3e-11
_NEAR_BYTES, _CACHE_BYTES = cache_sizes_bytes(MACHINE)
_BLANK = Predictor(
    threads=1,
    variants={},
    roofline=Roofline(mac_s=1.0, element_s=1.0, byte_s=1.0, spread=1.0),
    run_s=RUN_S,
    near_bytes=_NEAR_BYTES,
    cache_bytes=_CACHE_BYTES,
)


def true_s(kernels: Sequence[Kernel], *, cold: bool = False) -> tuple[float, ...]:
    """What each kernel of a graph takes on that machine."""
    setting = Setting(far=1.0, cold=1.0) if cold else _BLANK.setting(resident_bytes(kernels))
    return tuple(
        sum(
            amount * _COSTS_S.get(name, _MACS_S if "macs" in name else 0.0)
            for name, amount in terms_of(
                features_of(kernel),
                Setting(far=setting.far, cold=setting.cold, returned=place == len(kernels) - 1),
                _BLANK,
            ).items()
        )
        for place, kernel in enumerate(kernels)
    )


def measured(
    graphs: Iterable[Sequence[Kernel]],
    *,
    noise: float = 0.0,
    threads: int = 1,
    busy_share: float = 1.0,
    slower: float = 1.0,
) -> tuple[Sample, ...]:
    """The samples of graphs.

    Args:
        graphs: kernels of each.
        noise: standard deviation of the logarithm of what the profiler says of a kernel.
        threads: what they claim to have run with.
        busy_share: how much of its core each claims to have had.
        slower: how many times longer everything took.
    """
    generator = np.random.default_rng(0)

    def runs(kernels: Sequence[Kernel], *, cold: bool = False) -> Runs:
        seconds = [slower * own for own in true_s(kernels, cold=cold)]
        noisy = np.array(seconds) * np.exp(generator.normal(0.0, noise, len(seconds)))
        return Runs(
            total_s=sum(seconds) + RUN_S,
            kernels_s=tuple((noisy + PROFILER_S).tolist()),
            runs=40,
            spread=0.0,
            busy_share=busy_share,
        )

    return tuple(
        Sample(
            index=index,
            threads=threads,
            focus="",
            kernels=tuple(kernels),
            weight_bytes=sum(kernel.weight_bytes for kernel in kernels),
            activation_bytes=sum(kernel.traffic_bytes for kernel in kernels),
            warm=runs(kernels),
            cold=runs(kernels, cold=True),
        )
        for index, kernels in enumerate(graphs)
    )
