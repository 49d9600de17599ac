"""Measure one model: the whole, and head and tail of a dozen cuts, each in two passes.

    name -> file -> canonical graph -> cuts -> optimised graph -> first pass | second pass | kernels -> MeasuredModel

Every pass makes its sessions anew. A piece takes 0.3 s a pass, or ten runs where these take longer; five where the
whole model takes more than `LONG_S`. So a model of ten cuts takes 13 s, and one of half a second about a minute.
Called by `benchmarks.prediction`, in a process for each model.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.measured import MeasuredCut, MeasuredModel, MeasuredPiece
from benchmarks.model_lists import open_subject

from partway.engine import OrtRuntime, PieceStore
from partway.errors import EngineError, InputError
from partway.graph import (
    Cache,
    Cut,
    Kernel,
    Piece,
    Source,
    canonicalise,
    device_only,
)
from partway.prediction.trial import choose_cuts
from partway.profiling import Effort
from partway.profiling.comparison import PIECES, Stopwatch, Twice, time_kernels, time_twice

LONG_S = 0.08
"""Seconds of a whole model, above which its pieces run less often."""

LONG_PIECES = Effort(warm_ups=1, least_runs=5, most_runs=5000, budget_s=0.3)
"""How long each piece of such a model is timed in each pass."""


def measure_model(name: str, *, threads: int, cuts: int) -> MeasuredModel:
    """Measure a model and its pieces.

    Args:
        name: as in the lists.
        threads: within an operator; 0 for the runtime's default.
        cuts: inner cuts at most.

    Raises:
        PartwayError: the model is not there, or the runtime refuses it.
    """
    start_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="partway-") as folder:
        cache = Cache(Path(folder) / "cache")
        subject = open_subject(name, Path(folder))
        runtime = OrtRuntime(threads=threads or None)
        source = Source.open(subject.path, cache=cache)
        binding = source.bind_feeds(subject.feeds, subject.values)
        model = canonicalise(source, binding, runtime, cache=cache)
        feeds = {tensor.name: subject.feeds[tensor.name] for tensor in model.inputs}
        inner = choose_cuts(model, cuts)
        store = PieceStore(model, runtime, capacity=2)  # so that both passes make sessions of their own
        store.want(inner)
        optimised = store.promote()
        return _measure(name, store, inner, feeds, optimised=optimised, start_s=start_s)


def _measure(
    name: str,
    store: PieceStore,
    inner: Sequence[Cut],
    feeds: dict[str, np.ndarray],
    *,
    optimised: bool,
    start_s: float,
) -> MeasuredModel:
    model = store.model
    alone = device_only(model)
    if alone.head is None:
        raise InputError(f"{name} computes nothing; a model with at least one node was expected")
    stopwatch = Stopwatch(effort=_effort(store, alone.head, feeds))
    # The whole is timed amid the others, when what was written before is on the disk and the processor is warm.
    middle = len(inner) // 2
    ordered = (*inner[:middle], alone, *inner[middle:])
    timed = list(time_twice(store, ordered, feeds, stopwatch=stopwatch))
    whole = timed.pop(middle)
    table = _Kernels(store)
    pieces = [
        table.piece(piece, times)
        for cut in (whole, *timed)
        for piece, times in ((cut.cut.head, cut.head), (cut.cut.tail, cut.tail))
        if piece is not None and times is not None
    ]
    heads, tails = pieces[1::2], pieces[2::2]
    return MeasuredModel(
        model=name,
        macs=model.macs,
        weight_bytes=model.weight_bytes,
        input_bytes=sum(tensor.size_bytes or 0 for tensor in model.inputs),
        output_bytes=sum(tensor.size_bytes or 0 for tensor in model.outputs),
        optimised=optimised,
        kernels=tuple(table.kernels),
        kernels_s=_kernels_s(store, alone.head, feeds),
        whole=pieces[0],
        cuts=tuple(
            MeasuredCut(
                crossing=cut.crossing,
                depth=cut.depth,
                macs=cut.macs,
                up_bytes=cut.up_bytes,
                down_bytes=cut.down_bytes,
                head=head,
                tail=tail,
            )
            for cut, head, tail in zip(inner, heads, tails, strict=True)
        ),
        took_s=time.perf_counter() - start_s,
    )


class _Kernels:
    # Every kernel once; pieces of one graph share them as objects.
    def __init__(self, store: PieceStore) -> None:
        self.kernels: list[Kernel] = []
        self._store = store
        self._places: dict[int, int] = {}

    def piece(self, piece: Piece, times: Twice) -> MeasuredPiece:
        found = self._store.kernels(piece)
        for kernel in found.kernels:
            if id(kernel) not in self._places:
                self._places[id(kernel)] = len(self.kernels)
                self.kernels.append(kernel)
        return MeasuredPiece(
            kernels=tuple(self._places[id(kernel)] for kernel in found.kernels),
            returned=tuple(sorted(found.returned)),
            times=times,
        )


def _effort(store: PieceStore, whole: Piece, feeds: dict[str, np.ndarray]) -> Effort:
    session = store.session(whole)
    own = {name: feeds[name] for name in whole.inputs}
    session.run(own)
    start_s = time.perf_counter()
    session.run(own)
    return LONG_PIECES if time.perf_counter() - start_s > LONG_S else PIECES


def _kernels_s(store: PieceStore, whole: Piece, feeds: dict[str, np.ndarray]) -> tuple[float | None, ...] | None:
    own = {name: feeds[name] for name in whole.inputs}
    try:
        return time_kernels(store, whole, own)
    except EngineError:
        return None  # its pieces come from no optimised graph
