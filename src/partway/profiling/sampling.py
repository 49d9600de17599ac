"""Measure one random graph: how long a run takes, and each kernel in it, with warm caches and with cold ones.

    plain session      run, run, run ...            sweep, run, sweep, run ...
    profiled session   run, run, run ...            sweep, run, sweep, run ...
                       warm: all that fits          cold: the caches are full of other things

Why both: weights of a small model stay in the caches from one request to the next, those of a large one are read from
memory each time, several times slower. The mean of the faster half of the runs counts, since what disturbs only slows.

Input: something that prepares a `KernelGraph`, a meter if there is one. Output: a `Sample`, or a `Refusal` where the
runtime does not run the graph. Called by profiling sessions.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

import numpy as np

from partway.engine import Clock, Session, random_feeds
from partway.errors import BindingError, EngineError, PartwayError
from partway.graph import Kernel, TensorInfo
from partway.profiling.machine import Machine
from partway.profiling.measurement import Effort, summarise
from partway.profiling.samples import Record, Refusal, Runs, Sample

logger = logging.getLogger(__name__)

_WARM = Effort(warm_ups=1, least_runs=4, most_runs=40, budget_s=0.05)
_COLD = Effort(warm_ups=0, least_runs=4, most_runs=6, budget_s=0.03)
_LONGEST_REASON = 300
_DECIMALS = 9  # nanoseconds: finer than any clock here, and a third of the file

_SWEPT_CACHES = 2
_UNKNOWN_CACHE_BYTES = 32 << 20
_CACHE_LINE_BYTES = 64


class ProfiledSession(Session, Protocol):
    """A session whose runtime times every kernel."""

    def kernel_runs_s(self) -> tuple[tuple[float, ...], ...]:
        """For each kernel its seconds in every run so far; none where the runtime does not tell. Ends profiling."""


class KernelGraph(Protocol):
    """A graph as the runtime executes it."""

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Its nodes, in order."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What a run is fed."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of its constants."""

    @property
    def activation_bytes(self) -> int:
        """Bytes of all its other tensors."""

    def plain(self) -> Session:
        """A session of it.

        Raises:
            EngineError: the runtime refuses it.
        """

    def profiled(self) -> AbstractContextManager[ProfiledSession]:
        """A session of it whose kernels are timed.

        Raises:
            EngineError: the runtime refuses it.
        """


class EnergyMeter(Protocol):
    """Joules so far."""

    def energy_j(self) -> float:
        """Joules since some moment; never falls."""


class CacheSweep:
    """Fills the caches with other things.

    Other cores keep their own small caches; what they share is swept.

    Args:
        size_bytes: how much to read.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._lines = np.ones((size_bytes // _CACHE_LINE_BYTES, _CACHE_LINE_BYTES // 8), np.int64)

    @classmethod
    def of(cls, machine: Machine) -> "CacheSweep":
        """One that is twice as large as the machine's largest cache."""
        largest = max((cache.size_bytes for cache in machine.caches), default=0)
        return cls(_SWEPT_CACHES * (largest or _UNKNOWN_CACHE_BYTES))

    def __call__(self) -> None:
        """Read a word of every cache line."""
        self._lines[:, 0].sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Which graph is to be measured, and how.

    Attributes:
        index: which of the file.
        focus: the block that it is made for; empty for none in particular.
        threads: threads within an operator; 0 for the runtime's default.
        generator: where everything random about it comes from.
    """

    index: int
    focus: str
    threads: int
    generator: np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """How graphs are measured.

    Attributes:
        sweep: fills the caches with other things.
        meter: counts joules; None without one.
        clock: seconds, monotonic.
        cpu_clock: processor seconds of the thread that runs the sessions.
        warm: how many runs with warm caches.
        cold: how many runs with cold ones.
    """

    sweep: Callable[[], None]
    meter: EnergyMeter | None = None
    clock: Clock = time.perf_counter
    cpu_clock: Clock = time.thread_time
    warm: Effort = _WARM
    cold: Effort = _COLD

    def measure(self, prepare: Callable[[], KernelGraph], turn: Turn) -> Record:
        """Measure one graph.

        Args:
            prepare: optimises the graph.
            turn: which graph it is.
        """
        try:
            return self._sample(prepare(), turn)
        except (EngineError, BindingError) as error:
            return refuse(turn, str(error))

    def _sample(self, graph: KernelGraph, turn: Turn) -> Sample:
        feeds = random_feeds(graph.inputs, turn.generator)
        session: Session = graph.plain()
        warm, cold = self._warm(session, feeds), self._cold(session, feeds)
        del session  # its weights go before those of the next are there
        with graph.profiled() as profiled:
            warm_runs, cold_runs = len(self._warm(profiled, feeds).runs_s), len(self._cold(profiled, feeds).runs_s)
            kernel_runs_s = profiled.kernel_runs_s()
        first, last = self.warm.warm_ups + warm_runs, self.cold.warm_ups + cold_runs
        told = [runs_s if len(runs_s) == first + last else () for runs_s in kernel_runs_s]
        return Sample(
            index=turn.index,
            threads=turn.threads,
            focus=turn.focus,
            kernels=graph.kernels,
            weight_bytes=graph.weight_bytes,
            activation_bytes=graph.activation_bytes,
            warm=warm.record([runs_s[self.warm.warm_ups : first] for runs_s in told]),
            cold=cold.record([runs_s[first + self.cold.warm_ups :] for runs_s in told]),
        )

    def _warm(self, session: Session, feeds: Mapping[str, np.ndarray]) -> "_Timed":
        for _ in range(self.warm.warm_ups):
            session.run(feeds)
        before_j = self._energy_j()
        timed = self._time(session, feeds, self.warm, lambda: None)
        after_j = self._energy_j()
        if before_j is None or after_j is None:
            return timed
        return replace(timed, energy_j=(after_j - before_j) / len(timed.runs_s))

    def _cold(self, session: Session, feeds: Mapping[str, np.ndarray]) -> "_Timed":
        for _ in range(self.cold.warm_ups):
            session.run(feeds)
        return self._time(session, feeds, self.cold, self.sweep)

    def _time(
        self, session: Session, feeds: Mapping[str, np.ndarray], effort: Effort, before: Callable[[], None]
    ) -> "_Timed":
        runs_s: list[float] = []
        busy_s = 0.0
        start_s = self.clock()
        while len(runs_s) < effort.most_runs:
            before()
            own_s, now_s = self.cpu_clock(), self.clock()
            session.run(feeds)
            end_s = self.clock()
            busy_s += self.cpu_clock() - own_s
            runs_s.append(end_s - now_s)
            if len(runs_s) >= effort.least_runs and end_s - start_s >= effort.budget_s:
                break
        return _Timed(runs_s=tuple(runs_s), busy_s=busy_s)

    def _energy_j(self) -> float | None:
        if self.meter is None:
            return None
        try:
            return self.meter.energy_j()
        except PartwayError as error:
            logger.warning("energy_not_measured reason=%s", error)
            return None


def refuse(turn: Turn, reason: str) -> Refusal:
    """The record of a graph that there is nothing to measure of.

    Args:
        turn: which graph it is.
        reason: what was wrong with it.
    """
    return Refusal(index=turn.index, threads=turn.threads, focus=turn.focus, reason=reason[:_LONGEST_REASON])


def faster_half_s(runs_s: Sequence[float]) -> float | None:
    """The mean of the faster half of some runs; None where there are none.

    Args:
        runs_s: seconds of each.
    """
    if not runs_s:
        return None
    return round(fmean(sorted(runs_s)[: max(1, len(runs_s) // 2)]), _DECIMALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    runs_s: tuple[float, ...]
    busy_s: float
    energy_j: float | None = None

    def record(self, kernels: Sequence[Sequence[float]]) -> Runs:
        total_s = sum(self.runs_s)
        return Runs(
            total_s=faster_half_s(self.runs_s) or 0.0,
            kernels_s=tuple(faster_half_s(runs_s) for runs_s in kernels),
            runs=len(self.runs_s),
            spread=round(summarise(self.runs_s).spread, 4),
            busy_share=round(self.busy_s / total_s, 4) if total_s > 0 else 1.0,
            energy_j=self.energy_j,
        )
