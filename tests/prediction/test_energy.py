import msgspec
import numpy as np
import pytest
from tests.profiling.records import sample

from partway.graph import Kernel, Operand
from partway.prediction.energy import FittedPower, fit_power
from partway.prediction.features import features_of
from partway.prediction.predictor import Estimate, Part
from partway.profiling.samples import Sample

PRODUCT = Kernel(
    op_type="Gemm",
    inputs=(Operand("float32", (8, 64)), Operand("float32", (64, 64), 1)),
    outputs=(Operand("float32", (8, 64)),),
)
RELU = Kernel(op_type="Relu", inputs=(Operand("float32", (8, 64)),), outputs=(Operand("float32", (8, 64)),))
TANH = Kernel(op_type="Tanh", inputs=(Operand("float32", (8, 64)),), outputs=(Operand("float32", (8, 64)),))
WATTS = {"Gemm": 9.0, "Relu": 3.0, "Tanh": 5.0}


def metered(index: int, kernels: tuple[Kernel, ...], seconds: tuple[float, ...], *, noise: float = 1.0) -> Sample:
    """A sample whose joules follow `WATTS`; the profiler made each kernel look half as long again."""
    joules = sum(WATTS[kernel.op_type] * took_s for kernel, took_s in zip(kernels, seconds, strict=True))
    warm = msgspec.structs.replace(
        sample(index).warm,
        total_s=sum(seconds),
        kernels_s=tuple(1.5 * took_s for took_s in seconds),
        energy_j=noise * joules,
    )
    return msgspec.structs.replace(sample(index), kernels=kernels, warm=warm)


def many(*, noise: float = 0.0) -> list[Sample]:
    generator = np.random.default_rng(3)
    return [
        metered(
            index,
            (PRODUCT, RELU),
            tuple(generator.uniform(1e-4, 1e-2, 2).tolist()),
            noise=float(np.exp(generator.normal(0.0, noise))),
        )
        for index in range(60)
    ]


def variant(kernel: Kernel) -> str:
    return features_of(kernel).variant


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_watts_of_each_kind_come_out_of_the_joules_of_whole_graphs(noise: float) -> None:
    fitted = fit_power(many(noise=noise), threads=1, meter="test")
    assert fitted is not None
    assert fitted.watts[variant(PRODUCT)] == pytest.approx(9.0, rel=0.05)
    assert fitted.watts[variant(RELU)] == pytest.approx(3.0, rel=0.1)
    assert fitted.spread == pytest.approx(noise, abs=0.03)
    assert (fitted.meter, fitted.threads, fitted.samples) == ("test", 1, 60)


def test_a_kind_that_hardly_ran_stays_at_the_watts_in_common() -> None:
    rare = metered(60, (PRODUCT, TANH), (1e-2, 1e-5))
    fitted = fit_power([*many(), rare], threads=1, meter="test")
    assert fitted is not None
    assert fitted.watts[variant(TANH)] == pytest.approx(fitted.common_w, rel=0.1)
    assert 3.0 < fitted.common_w < 9.0


def test_joules_of_an_estimate_are_watts_times_seconds_of_each_part() -> None:
    power = FittedPower(threads=1, meter="test", common_w=4.0, watts={"a": 2.0}, samples=9, spread=0.1)
    parts = tuple(Part(variant=name, seconds=0.5, spread=0.1, sampled=True) for name in ("a", "never metered"))
    assert power.energy_j(Estimate(parts=parts, run_s=0.25)) == 0.5 * 2.0 + 0.5 * 4.0 + 0.25 * 4.0


def test_watts_are_never_negative() -> None:
    # Joules that fall as a kind takes longer: no watts explain that.
    samples = [metered(i, (PRODUCT, RELU), (1e-3, 1e-4 * (i + 1)), noise=1.0 / (i + 1)) for i in range(20)]
    fitted = fit_power(samples, threads=1, meter="test")
    assert fitted is not None
    assert min(fitted.watts.values()) >= 0.0


def test_without_a_meter_there_are_no_watts() -> None:
    unmetered = [sample(index) for index in range(20)]
    assert fit_power(unmetered, threads=1, meter="test") is None
    assert fit_power(many()[:3], threads=1, meter="test") is None
    assert fit_power(many(), threads=4, meter="test") is None


def test_fitted_power_is_stored_and_read_back() -> None:
    fitted = fit_power(many(), threads=1, meter="test")
    assert msgspec.json.decode(msgspec.json.encode(fitted), type=FittedPower) == fitted
