"""Time the pieces of one model on this machine.

    warm up | run until the budget is spent, at least a few times | median, spread

Input: a piece store and cuts. Output: a `Measurement` document with the seconds of every head and tail, which
planning turns into costs; two machines' documents make one plan. Called by `partway plan` and, in small
portions, by client and server while they are idle.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import ClassVar

import msgspec
import numpy as np

from partway.documents import Document
from partway.engine import Clock, PieceStore, Session
from partway.graph import Cut

Progress = Callable[[int, int], None]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one piece.

    Attributes:
        median_s: the middle run.
        spread: distance of the quartiles as a share of the median.
        runs: how many were timed.
    """

    median_s: float
    spread: float
    runs: int


class CutTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a cut's two pieces on one machine.

    Attributes:
        crossing: the tensors that cross; none for device-only.
        head: the head's timing; None when the head is empty.
        tail: the tail's; None for device-only.
    """

    crossing: tuple[str, ...]
    head: Timing | None
    tail: Timing | None


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement depends on beside the model.

    Attributes:
        host: the machine's name.
        processor: its architecture.
        cores: logical processors.
        runtime: name and version.
        threads: threads within an operator; 0 for the runtime's default.
        emulated_slowdown: 1 for a real machine, else the factor that a `SlowSession` stretched every run by.
    """

    host: str
    processor: str
    cores: int
    runtime: str
    threads: int
    emulated_slowdown: float = 1.0


class Measurement(Document, frozen=True, kw_only=True):
    """What was measured of one model on one machine.

    Attributes:
        model: the source's digest.
        binding: the encoded binding.
        environment: where it was measured.
        cuts: timings, shallowest first, device-only last.
        busy_share: processor seconds per core-second of the runs beyond the process's own; high means that
            other programs disturbed the measurement.
    """

    kind: ClassVar[str] = "partway.measurement"
    version: ClassVar[int] = 1

    model: str
    binding: str
    environment: Environment
    cuts: tuple[CutTiming, ...]
    busy_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure a piece.

    Attributes:
        warm_ups: runs that are not timed.
        least_runs: timed runs at least.
        most_runs: timed runs at most.
        budget_s: stop after these seconds once there are enough runs.
    """

    warm_ups: int = 2
    least_runs: int = 5
    most_runs: int = 50
    budget_s: float = 0.5


def time_session(
    session: Session, feeds: Mapping[str, np.ndarray], *, clock: Clock = time.perf_counter, effort: Effort = Effort()
) -> Timing:
    """Run a session over and over and say how long a run takes.

    Args:
        session: what to run.
        feeds: its inputs, the same for every run.
        clock: seconds, monotonic.
        effort: when to stop.
    """
    return summarise(time_runs(session, feeds, clock=clock, effort=effort))


def time_runs(
    session: Session, feeds: Mapping[str, np.ndarray], *, clock: Clock = time.perf_counter, effort: Effort = Effort()
) -> tuple[float, ...]:
    """Run a session over and over: the seconds of each run after the warm-ups, in order; see `time_session`."""
    for _ in range(effort.warm_ups):
        session.run(feeds)
    runs_s: list[float] = []
    start_s = clock()
    while len(runs_s) < effort.most_runs:
        before_s = clock()
        session.run(feeds)
        runs_s.append(clock() - before_s)
        if len(runs_s) >= effort.least_runs and clock() - start_s >= effort.budget_s:
            break
    return tuple(runs_s)


def summarise(runs_s: Sequence[float]) -> Timing:
    """The median of some runs and how far its quartiles lie apart.

    Args:
        runs_s: seconds of each run, at least one.
    """
    if len(runs_s) == 1:
        return Timing(median_s=runs_s[0], spread=0.0, runs=1)
    low_s, median_s, high_s = quantiles(runs_s, n=4, method="inclusive")
    return Timing(median_s=median_s, spread=(high_s - low_s) / median_s if median_s else 0.0, runs=len(runs_s))


def measure_cuts(
    store: PieceStore,
    cuts: Sequence[Cut],
    feeds: Mapping[str, np.ndarray],
    *,
    environment: Environment,
    emulate: Callable[[Session], Session] = lambda session: session,
    clock: Clock = time.perf_counter,
    effort: Effort = Effort(),
    progress: Progress = lambda _done, _total: None,
) -> Measurement:
    """Time head and tail of every cut on this machine.

    Args:
        store: the pieces, promoted if they are to run at full speed.
        cuts: what to measure.
        feeds: the model's inputs.
        environment: what to record of this machine.
        emulate: wraps each session, to time an emulated machine.
        clock: seconds, monotonic.
        effort: how long for each piece.
        progress: told how many of how many cuts are done.
    """
    before = _machine_busy_s(), clock(), time.process_time()
    timings: list[CutTiming] = []
    for done, cut in enumerate(cuts):
        progress(done, len(cuts))
        known = dict(feeds)
        head = tail = None
        if cut.head is not None:
            session = emulate(store.session(cut.head))
            head_feeds = {name: known[name] for name in cut.head.inputs}
            known |= session.run(head_feeds)
            head = time_session(session, head_feeds, clock=clock, effort=effort)
        if cut.tail is not None:
            tail_feeds = {name: known[name] for name in cut.tail.inputs}
            tail = time_session(emulate(store.session(cut.tail)), tail_feeds, clock=clock, effort=effort)
        timings.append(CutTiming(crossing=cut.crossing, head=head, tail=tail))
    progress(len(cuts), len(cuts))
    elapsed_s = clock() - before[1]
    others_s = _machine_busy_s() - before[0] - (time.process_time() - before[2])
    cores = os.cpu_count() or 1
    return Measurement(
        model=store.model.source_digest,
        binding=store.model.binding.encode(),
        environment=environment,
        cuts=tuple(timings),
        busy_share=max(0.0, others_s / (elapsed_s * cores)) if elapsed_s > 0 else 0.0,
    )


def describe_machine(runtime: str, threads: int | None, *, emulated_slowdown: float = 1.0) -> Environment:
    """This machine, as measurements record it."""
    return Environment(
        host=platform.node(),
        processor=platform.machine(),
        cores=os.cpu_count() or 1,
        runtime=runtime,
        threads=threads or 0,
        emulated_slowdown=emulated_slowdown,
    )


def _machine_busy_s() -> float:
    # Processor seconds spent by everybody since boot; 0 where the system does not say.
    try:
        with Path("/proc/stat").open(encoding="ascii") as file:
            words = file.readline().split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq = map(int, words[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
