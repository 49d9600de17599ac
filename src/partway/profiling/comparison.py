"""Time pieces of one model twice, so that what is predicted can be held against what the machine itself repeats.

    first pass    every head, every tail, one after the other
    second pass   all of them again

Two timings of a piece are as far apart as the pass is long, so they differ by all that the machine does in between.
The mean of the faster half of the runs counts, as in samples.

Input: a piece store and cuts. Output: two timings of each piece; the seconds of each kernel of one. Called by
evaluation.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from partway.engine import Clock, PieceStore
from partway.graph import Cut, Piece
from partway.profiling.measurement import Effort, time_runs
from partway.profiling.sampling import faster_half_s

Progress = Callable[[int, int], None]

PASSES = 2

PIECES = Effort(warm_ups=2, least_runs=10, most_runs=5000, budget_s=0.3)
"""How long each piece is timed in each pass."""

KERNELS = Effort(warm_ups=2, least_runs=6, most_runs=200, budget_s=0.3)
"""How long a piece runs under the profiler, which keeps every kernel of every run in memory."""


class Twice(msgspec.Struct, frozen=True, kw_only=True):
    """One piece, timed in two passes.

    Attributes:
        measured_s: in the first, > 0.
        repeated_s: in the second, > 0.
        busy_share: processor seconds of the calling thread per second, in the worse of the two; less than 1 says that
            something else had its core.
    """

    measured_s: float
    repeated_s: float
    busy_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTimes:
    """A cut's two pieces.

    Attributes:
        cut: the cut.
        head: None when the head is empty.
        tail: None for device-only.
    """

    cut: Cut
    head: Twice | None
    tail: Twice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """How pieces are timed.

    Attributes:
        effort: how long each.
        kernels: how long the whole model runs under the profiler.
        clock: seconds, monotonic.
        cpu_clock: processor seconds of the thread that runs the sessions.
    """

    effort: Effort = PIECES
    kernels: Effort = KERNELS
    clock: Clock = time.perf_counter
    cpu_clock: Clock = time.thread_time


STOPWATCH = Stopwatch()
"""As models are evaluated."""


def time_twice(
    store: PieceStore,
    cuts: Sequence[Cut],
    feeds: Mapping[str, np.ndarray],
    *,
    stopwatch: Stopwatch = STOPWATCH,
    progress: Progress = lambda _done, _total: None,
) -> tuple[CutTimes, ...]:
    """Time head and tail of every cut in two passes.

    Args:
        store: the pieces, promoted if they are to run at full speed.
        cuts: what to time.
        feeds: the model's inputs.
        stopwatch: how.
        progress: told how many of how many cuts are done, both passes counted.

    Raises:
        EngineError: the runtime fails on a piece.
    """
    passes: list[list[tuple[_Once | None, _Once | None]]] = []
    for number in range(PASSES):
        rows = []
        for place, cut in enumerate(cuts):
            progress(number * len(cuts) + place, PASSES * len(cuts))
            rows.append(_time_cut(store, cut, feeds, stopwatch))
        passes.append(rows)
    progress(PASSES * len(cuts), PASSES * len(cuts))
    return tuple(
        CutTimes(cut=cut, head=_twice(first[0], second[0]), tail=_twice(first[1], second[1]))
        for cut, first, second in zip(cuts, *passes, strict=True)
    )


def time_kernels(
    store: PieceStore, piece: Piece, feeds: Mapping[str, np.ndarray], *, effort: Effort = KERNELS
) -> tuple[float | None, ...]:
    """Seconds of each kernel of a piece, what the profiler adds to them included.

    Args:
        store: the pieces, promoted.
        piece: what to run.
        feeds: its inputs.
        effort: how long.

    Returns:
        One for each kernel that `PieceStore.kernels` tells of; None where the runtime does not tell.

    Raises:
        EngineError: the runtime fails, or the piece does not come from an optimised graph.
    """
    with store.profiled(piece) as session:
        time_runs(session, feeds, effort=effort)
        return tuple(faster_half_s(runs_s[effort.warm_ups :]) for runs_s in session.kernel_runs_s())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Once:
    seconds: float
    busy_share: float


def _time_cut(
    store: PieceStore, cut: Cut, feeds: Mapping[str, np.ndarray], stopwatch: Stopwatch
) -> tuple[_Once | None, _Once | None]:
    known = dict(feeds)
    head = tail = None
    if cut.head is not None:
        if cut.tail is not None:
            known |= store.session(cut.head).run({name: feeds[name] for name in cut.head.inputs})
        head = _time_piece(store, cut.head, feeds, stopwatch)
    if cut.tail is not None:
        tail = _time_piece(store, cut.tail, known, stopwatch)
    return head, tail


def _time_piece(store: PieceStore, piece: Piece, known: Mapping[str, np.ndarray], stopwatch: Stopwatch) -> _Once:
    session = store.session(piece)
    own = {name: known[name] for name in piece.inputs}
    own_s, start_s = stopwatch.cpu_clock(), stopwatch.clock()
    runs_s = time_runs(session, own, clock=stopwatch.clock, effort=stopwatch.effort)
    own_s, elapsed_s = stopwatch.cpu_clock() - own_s, stopwatch.clock() - start_s
    return _Once(seconds=faster_half_s(runs_s) or 0.0, busy_share=own_s / elapsed_s if elapsed_s > 0 else 1.0)


def _twice(first: _Once | None, second: _Once | None) -> Twice | None:
    if first is None or second is None:
        return None
    return Twice(
        measured_s=first.seconds,
        repeated_s=second.seconds,
        busy_share=min(first.busy_share, second.busy_share),
    )
