"""Predictors and profiles that were never fitted, for tests of what is done with them."""

from collections.abc import Mapping

from tests.profiling.records import MACHINE

from partway.engine import CPU, OrtRuntime
from partway.prediction.physical import Physical
from partway.prediction.predictor import Predictor, Roofline, VariantFit
from partway.prediction.profile import Profile, Sampling
from partway.profiling.machine import Machine

ROOFLINE = Roofline(mac_s=1e-9, element_s=1e-9, byte_s=1e-10, spread=0.5)


def predictor(calls_s: Mapping[str, float] | None = None, *, threads: int = 1) -> Predictor:
    """Each kernel of these variants takes so many seconds, whatever its size; the others a roofline's."""
    return Predictor(
        threads=threads,
        variants={
            variant: VariantFit(samples=9, physical=Physical(costs_s={"call": seconds}), residual=None, spread=0.1)
            for variant, seconds in (calls_s or {}).items()
        },
        roofline=ROOFLINE,
        run_s=1e-6,
        near_bytes=1 << 20,
        cache_bytes=1 << 25,
    )


def profile(
    *predictors: Predictor, machine: Machine = MACHINE, providers: tuple[str, ...] = (CPU,), runtime: str | None = None
) -> Profile:
    """A profile of a machine with this runtime."""
    return Profile(
        machine=machine,
        runtime=runtime or OrtRuntime().version,
        providers=providers,
        sampling=Sampling(seed=0, graphs=1, kernels=1, refused=0, disturbed=0),
        predictors=predictors,
    )
