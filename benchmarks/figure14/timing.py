"""What the cuts of a model cost on this machine, before anything is played.

Pieces are timed on their own, the least of many runs, so that a busy moment does not matter; then all are corrected
by one factor for each end, since amid a request, after waiting and with cold caches, they take longer. Input: a stage
and a model. Output: costs with a device that is not slowed. Called by the benchmarks of changing and of steady links,
to lay out what is played.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.figure14.outcome import as_run
from benchmarks.figure14.playing import players
from benchmarks.figure14.scaling import slowed
from benchmarks.stage import Stage

from partway.engine import OrtRuntime, PieceStore, random_feeds
from partway.graph import Cut, Piece, Source, candidate_cuts, canonicalise
from partway.planning import CostTable, CutCost
from partway.profiling import Effort
from partway.profiling.measurement import time_runs
from partway.wire import RAW

_PASSES = 3
_TRIAL = 8.0  # as slow as devices will be, about: waiting is what cools caches
_REQUESTS = 9
_EFFORT = Effort(warm_ups=1, least_runs=3, most_runs=12, budget_s=0.25)

Seconds = dict[tuple[str, ...], float]


def costs_at_work(it: Stage, path: Path) -> CostTable:
    """The costs that requests meet.

    Args:
        it: the stage, whose server serves the model.
        path: the model, of static shapes.
    """
    with players(it, path, slowdown=_TRIAL) as who:
        table = _time_cuts(path, who.table)
        asks = [(who.device_only(), who.server_only()) for _ in range(_REQUESTS)]
    device, server = zip(*asks, strict=True)
    return slowed(as_run(slowed(table, _TRIAL), device, server), 1 / _TRIAL)


def _time_cuts(path: Path, table: CostTable) -> CostTable:
    # What codecs take is left as the session found it.
    runtime = OrtRuntime(threads=1)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    store = PieceStore(model, runtime)
    store.want_candidates()
    store.promote()
    cuts = candidate_cuts(model)
    feeds = random_feeds(model.inputs, np.random.default_rng(0))
    heads: Seconds = {}
    tails: Seconds = {}
    for _ in range(_PASSES):
        for cut in cuts:
            _time(store, cut, feeds, heads, tails)
    raw = {cost.crossing: cost for cost in table.costs if cost.codec == RAW}
    return CostTable.of([_retimed(cost, raw[cost.crossing], heads, tails) for cost in table.costs])


def _retimed(cost: CutCost, raw: CutCost, heads: Seconds, tails: Seconds) -> CutCost:
    return msgspec.structs.replace(
        cost,
        device_s=heads[cost.crossing] + (cost.device_s - raw.device_s) / _TRIAL,
        server_s=tails[cost.crossing] + cost.server_s - raw.server_s,
    )


def _time(store: PieceStore, cut: Cut, feeds: Mapping[str, np.ndarray], heads: Seconds, tails: Seconds) -> None:
    known = dict(feeds)
    for piece, found in ((cut.head, heads), (cut.tail, tails)):
        found.setdefault(cut.crossing, 0.0 if piece is None else np.inf)
        if piece is not None:
            least_s = _least_s(store, piece, known)
            found[cut.crossing] = min(least_s, found[cut.crossing])


def _least_s(store: PieceStore, piece: Piece, known: dict[str, np.ndarray]) -> float:
    session, own = store.session(piece), {name: known[name] for name in piece.inputs}
    known |= session.run(own)
    return min(time_runs(session, own, effort=_EFFORT))
