from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.profiling.records import KERNEL, MACHINE

from partway.engine import Stop
from partway.errors import EngineError, PartwayError
from partway.graph import TensorInfo
from partway.profiling import Effort
from partway.profiling.machine import Cache
from partway.profiling.samples import Refusal, Sample
from partway.profiling.sampling import CacheSweep, Sampler, Turn, faster_half_s
from partway.testing import FakeClock

WARM_S, COLD_S = 0.010, 0.030
PROFILER_S = 0.002


class Machine:
    """A clock, caches that are warm after a run and cold after a sweep, and a counter of joules."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.busy_share = 1.0
        self.cold = True
        self.sweeps = 0

    def compute(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def sweep(self) -> None:
        self.cold = True
        self.sweeps += 1
        self.clock.advance(1.0)

    def cpu_clock(self) -> float:
        return self.busy_share * self.clock.now_s

    def energy_j(self) -> float:
        return 5.0 * self.clock.now_s


class Session:
    inputs = ("x",)
    outputs = ("y",)

    def __init__(self, machine: Machine, overhead_s: float = 0.0) -> None:
        self.machine = machine
        self.overhead_s = overhead_s
        self.kernels_s: list[float] = []

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        assert feeds["x"].shape == (2, 3)
        run_s = COLD_S if self.machine.cold else WARM_S
        self.machine.cold = False
        self.machine.compute(run_s + self.overhead_s)
        self.kernels_s.append(run_s)
        return {}

    def kernel_runs_s(self) -> tuple[tuple[float, ...], ...]:
        return (tuple(self.kernels_s), ())


class Graph:
    """A graph of two kernels, of which the profiler tells the first alone."""

    kernels = (KERNEL, KERNEL)
    inputs = (TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(2, 3)),)
    weight_bytes = 48
    activation_bytes = 56

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def plain(self) -> Session:
        return Session(self.machine)

    @contextmanager
    def profiled(self) -> Iterator[Session]:
        yield Session(self.machine, PROFILER_S)


def turn() -> Turn:
    return Turn(index=3, focus="conv", threads=2, generator=np.random.default_rng(0))


def sampler(machine: Machine) -> Sampler:
    return Sampler(sweep=machine.sweep, clock=machine.clock, cpu_clock=machine.cpu_clock)


def measured(machine: Machine, sampler_of: Callable[[Machine], Sampler] = sampler) -> Sample:
    found = sampler_of(machine).measure(lambda: Graph(machine), turn())
    assert isinstance(found, Sample)
    return found


def test_warm_and_cold_runs_are_timed_apart_with_and_without_the_profiler() -> None:
    machine = Machine()
    sample = measured(machine)
    assert (sample.index, sample.focus, sample.threads) == (3, "conv", 2)
    assert (sample.kernels, sample.weight_bytes, sample.activation_bytes) == (Graph.kernels, 48, 56)
    assert sample.cold is not None
    assert sample.warm.total_s == pytest.approx(WARM_S)
    assert sample.cold.total_s == pytest.approx(COLD_S)
    assert sample.warm.kernels_s == (WARM_S, None)
    assert sample.cold.kernels_s == (COLD_S, None)
    assert machine.sweeps == 2 * sample.cold.runs


@pytest.mark.parametrize(("budget_s", "runs"), [(1.0, 40), (0.0951, 10), (0.0, 4)])
def test_runs_are_repeated_until_the_budget_is_spent(budget_s: float, runs: int) -> None:
    warm = Effort(warm_ups=1, least_runs=4, most_runs=40, budget_s=budget_s)
    assert measured(Machine(), lambda machine: replace(sampler(machine), warm=warm)).warm.runs == runs


def test_a_core_that_others_use_shows() -> None:
    machine = Machine()
    assert not measured(machine).disturbed
    machine.busy_share = 0.6
    sample = measured(machine)
    assert sample.warm.busy_share == pytest.approx(0.6, abs=1e-3)
    assert sample.disturbed


def test_joules_are_those_of_one_warm_run() -> None:
    machine = Machine()
    sample = measured(machine, lambda machine: replace(sampler(machine), meter=machine))
    assert sample.cold is not None
    assert sample.warm.energy_j == pytest.approx(5.0 * WARM_S)
    assert sample.cold.energy_j is None
    assert measured(machine).warm.energy_j is None


def test_a_meter_that_fails_costs_its_joules_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def energy_j(self) -> float:
            raise PartwayError("unplugged")

    assert measured(Machine(), lambda machine: replace(sampler(machine), meter=Broken())).warm.energy_j is None
    assert "energy_not_measured reason=unplugged" in caplog.text


def test_a_graph_that_the_runtime_refuses_is_a_refusal_with_its_reason() -> None:
    def refuse() -> Graph:
        raise EngineError("no kernel for Fly" + "!" * 10_000)

    found = sampler(Machine()).measure(refuse, turn())
    assert isinstance(found, Refusal)
    assert (found.index, found.focus, found.threads) == (3, "conv", 2)
    assert found.reason.startswith("no kernel for Fly!")
    assert len(found.reason) <= 300


def test_inputs_that_cannot_be_made_up_are_a_refusal() -> None:
    class Odd(Graph):
        inputs = (TensorInfo(name="x", dtype=None, shape=None),)

    machine = Machine()
    assert isinstance(sampler(machine).measure(lambda: Odd(machine), turn()), Refusal)


@law
@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=50))
def test_what_counts_lies_between_the_fastest_and_the_middle_run(runs_s: list[float]) -> None:
    counted_s = faster_half_s(runs_s)
    assert counted_s is not None
    assert min(runs_s) - 1e-9 <= counted_s <= float(np.median(runs_s)) + 1e-9


def test_of_no_runs_nothing_counts() -> None:
    assert faster_half_s([]) is None


def test_sweeps_are_twice_as_large_as_the_largest_cache() -> None:
    caches = tuple(Cache(level=n, content="unified", size_bytes=n << 20, shared_by=1) for n in (1, 3, 2))
    known = msgspec.structs.replace(MACHINE, caches=caches)
    assert CacheSweep.of(known).size_bytes == 6 << 20
    assert CacheSweep.of(MACHINE).size_bytes == 64 << 20
    CacheSweep(1 << 16)()
