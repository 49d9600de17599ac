"""What the cuts of a model cost on this machine, timed on their own so often that a busy moment does not matter.

Input: a model and the cuts and codecs that a session chooses from. Output: their costs. Called by the benchmarks of
changing and of steady links, to lay out what is played: the least of many runs, where a session has a few to go by.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from partway.engine import OrtRuntime, PieceStore, random_feeds
from partway.graph import Cut, Piece, Source, candidate_cuts, canonicalise
from partway.planning import CostTable, CutCost
from partway.profiling import Effort
from partway.profiling.measurement import time_runs
from partway.wire import RAW

_PASSES = 3
_EFFORT = Effort(warm_ups=1, least_runs=3, most_runs=12, budget_s=0.25)

Seconds = dict[tuple[str, ...], float]


def timed(path: Path, table: CostTable) -> CostTable:
    """The costs of a session's rows with seconds of our own; what codecs take is left as it is.

    Args:
        path: the model, of static shapes.
        table: what a session chooses from.
    """
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
        device_s=heads[cost.crossing] + cost.device_s - raw.device_s,
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
