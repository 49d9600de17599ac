"""From samples to a predictor, on a machine whose costs are known."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.prediction.known_machine import PROFILER_S, RUN_S, measured, true_s
from tests.prediction.zoo_kernels import zoo_graphs
from tests.profiling.records import MACHINE

from partway.errors import InputError
from partway.graph import Kernel, resident_bytes
from partway.prediction.features import features_of
from partway.prediction.fitting import Form, ProfilerCost, cache_sizes_bytes, fit_predictor, profiler_cost
from partway.prediction.predictor import Estimate, Prediction, combine
from partway.profiling.machine import Cache
from partway.profiling.samples import Sample


def estimate(prediction: Prediction, kernels: tuple[Kernel, ...]) -> Estimate:
    predictor = prediction.predictor
    setting = predictor.setting(resident_bytes(kernels))
    rows = [
        (features_of(kernel), msgspec.structs.replace(setting, returned=place == len(kernels) - 1))
        for place, kernel in enumerate(kernels)
    ]
    seconds, spreads = prediction.kernels(rows)
    names = [features.variant for features, _ in rows]
    return combine(zip(names, seconds.tolist(), spreads.tolist(), strict=True), predictor)


@pytest.fixture(scope="module")
def seen() -> tuple[Sample, ...]:
    return measured([kernels for place, kernels in enumerate(zoo_graphs()) if place % 4])


@pytest.mark.parametrize("form", list(Form))
def test_graphs_that_were_not_fitted_are_predicted_within_a_few_percent(seen: tuple[Sample, ...], form: Form) -> None:
    prediction = Prediction(fit_predictor(seen, threads=1, machine=MACHINE, form=form))
    errors = []
    for kernels in zoo_graphs()[::4]:
        found = estimate(prediction, kernels)
        if not found.unsampled:
            errors.append(abs(found.seconds / (sum(true_s(kernels)) + RUN_S) - 1))
    assert len(errors) > 15
    assert float(np.median(errors)) < 0.02
    # The runtime makes other kernels of a graph on another processor, and a few are hard: 7 % on one, 9 % on another.
    assert float(np.quantile(errors, 0.9)) < 0.12


def test_noise_of_the_profiler_is_averaged_out() -> None:
    prediction = Prediction(fit_predictor(measured(zoo_graphs(), noise=0.1), threads=1, machine=MACHINE))
    ratios = [estimate(prediction, kernels).seconds / (sum(true_s(kernels)) + RUN_S) for kernels in zoo_graphs()]
    assert abs(float(np.median(ratios)) - 1) < 0.03


def test_the_same_samples_give_the_same_predictor(seen: tuple[Sample, ...]) -> None:
    assert fit_predictor(seen, threads=1, machine=MACHINE) == fit_predictor(seen, threads=1, machine=MACHINE)


def test_each_variant_keeps_typical_kernels_and_how_often_it_was_sampled(seen: tuple[Sample, ...]) -> None:
    predictor = fit_predictor(seen, threads=1, machine=MACHINE, form=Form.PHYSICAL)
    kernels = [features_of(kernel).variant for sample in seen for kernel in sample.kernels]
    assert predictor.variants
    for variant, fit in predictor.variants.items():
        assert fit.samples >= 4
        assert fit.samples == kernels.count(variant)  # timed warm and cold, each counts once
        assert 1 <= len(fit.typical) <= 5
        assert fit.residual is None
    rare = {variant for variant in kernels if kernels.count(variant) == 1}
    assert rare
    assert rare.isdisjoint(predictor.variants)


def test_samples_of_other_threads_are_left_out(seen: tuple[Sample, ...]) -> None:
    slow = measured(zoo_graphs(20), threads=4, slower=100.0)
    form = Form.PHYSICAL
    assert fit_predictor((*seen, *slow), threads=1, machine=MACHINE, form=form) == fit_predictor(
        seen, threads=1, machine=MACHINE, form=form
    )
    with pytest.raises(InputError, match="hold none with 8 threads"):
        fit_predictor(seen, threads=8, machine=MACHINE)
    with pytest.raises(InputError, match="the default number of threads"):
        fit_predictor(seen, threads=0, machine=MACHINE)


@law
@given(st.floats(0, 1e-5), st.floats(0, 1e-4), st.integers(0, 2**16))
def test_what_the_profiler_costs_is_found(kernel_s: float, run_s: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = profiler_cost(short_graphs(generator, kernel_s, run_s))
    assert found.kernel_s == pytest.approx(kernel_s, abs=1e-8)
    assert found.run_s == pytest.approx(run_s, abs=1e-7)


def test_one_odd_graph_in_ten_does_not_change_what_the_profiler_costs() -> None:
    samples = short_graphs(np.random.default_rng(0), PROFILER_S, RUN_S)
    odd = [
        sample
        if place % 10
        else msgspec.structs.replace(
            sample, warm=msgspec.structs.replace(sample.warm, total_s=0.5 * sample.warm.total_s)
        )
        for place, sample in enumerate(samples)
    ]
    found = profiler_cost(odd)
    assert found.kernel_s == pytest.approx(PROFILER_S, rel=0.05)
    assert found.run_s == pytest.approx(RUN_S, rel=0.2)


def test_too_few_or_too_long_graphs_say_nothing_of_the_profiler() -> None:
    samples = short_graphs(np.random.default_rng(0), PROFILER_S, RUN_S)
    nothing = ProfilerCost(kernel_s=0.0, run_s=0.0)
    assert profiler_cost(samples[:3]) == nothing
    assert profiler_cost([]) == nothing
    long = [
        msgspec.structs.replace(sample, warm=msgspec.structs.replace(sample.warm, total_s=1.0)) for sample in samples
    ]
    assert profiler_cost(long) == nothing


def test_the_last_cache_is_the_largest_and_the_near_one_belongs_to_a_core() -> None:
    def caches(*sizes: tuple[int, str, int]) -> tuple[int, int]:
        listed = tuple(
            Cache(level=level, content=content, size_bytes=size_bytes, shared_by=1)
            for level, content, size_bytes in sizes
        )
        return cache_sizes_bytes(msgspec.structs.replace(MACHINE, caches=listed))

    first, code = (1, "data", 1 << 15), (1, "instruction", 1 << 30)
    assert caches(first, code, (2, "unified", 1 << 20), (3, "unified", 1 << 25)) == (1 << 20, 1 << 25)
    assert caches(first, code, (2, "unified", 1 << 20)) == (1 << 20, 1 << 20)
    near, last = caches()
    assert 0 < near < last


def short_graphs(generator: np.random.Generator, kernel_s: float, run_s: float) -> tuple[Sample, ...]:
    """Graphs of 1 to 12 kernels of a few microseconds each, under a profiler of known cost."""
    template = measured(zoo_graphs(1))[0]
    samples = []
    for index in range(50):
        seconds = generator.uniform(1e-6, 2e-5, generator.integers(1, 13))
        warm = msgspec.structs.replace(
            template.warm,
            total_s=float(seconds.sum()) + run_s,
            kernels_s=tuple((seconds + kernel_s).tolist()),
        )
        kernels = (template.kernels[0],) * len(seconds)
        samples.append(msgspec.structs.replace(template, index=index, kernels=kernels, warm=warm, cold=None))
    return tuple(samples)
