"""Searching all cuts: how long it takes, how few cuts are enough, and where several tensors beat one.

    python -m benchmarks.search --profile this.json [--slowdown 1 8 60] [--model NAME ...] [--json]

For every model and device, which is the profiled machine so many times slower: the graph's size, the cuts that send one
tensor, those that the search proposes, the seconds that it takes, the frontier once pieces are priced by the profile,
and the microseconds of one decision on it. Then the links (uplinks from 0.1 Mbit/s to 1 Gbit/s, two round trips) on
which the best cut sends several tensors, and by what share it is faster there than every cut that sends one, the device
alone and the server alone among them. A made-up graph of 1,000 nodes with branches is searched beside them.
"""

import argparse
import json
import sys
import tempfile
import timeit
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.model_lists import open_subject
from tests.planning.graphs import branching, uneven_costs

from partway.documents import read_document
from partway.engine import OrtRuntime, PieceStore
from partway.graph import Cut, Model, Source, candidate_cuts, canonicalise, single_tensor_cuts
from partway.planning import (
    Conditions,
    CostTable,
    CutCost,
    NodeCosts,
    Proposal,
    SearchRecord,
    decide,
    frontier,
    latency_s,
    predicted_costs,
    propose_cuts,
)
from partway.planning.nodes import profiled_nodes
from partway.prediction.profile import Profile
from partway.reporting import Column, print_table
from partway.units import format_duration, format_rate

MODELS = (
    "light/densenet121",
    "light/inception_v2",
    "light/squeezenet",
    "real/ppocr-det",
    "real/minilm-int8",
    "family/gpt-0",
)
_UPLINKS_BYTES_PER_S = np.geomspace(0.1e6 / 8, 1e9 / 8, 81)
_ROUND_TRIPS_S = (0.005, 0.05)
_DECISIONS, _ROUNDS = 2000, 7
_SYNTHETIC_NODES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model on one device."""

    model: str
    device_slowdown: float
    search: SearchRecord
    proposed_of_several: int
    frontier: int | None = None
    decision_us: float | None = None
    largest_gain: float | None = None
    gain_from_bytes_per_s: float | None = None
    gain_to_bytes_per_s: float | None = None


def rows_of(name: str, profile: Profile, slowdowns: Sequence[float], folder: Path) -> Iterator[Row]:
    """One row a device for a model."""
    runtime = OrtRuntime(threads=1)
    subject = open_subject(name, folder)
    source = Source.open(subject.path)
    model = canonicalise(source, source.bind_feeds(subject.feeds, subject.values), runtime)
    seconds = profiled_nodes(model, profile, threads=1)
    for slowdown in slowdowns:
        proposal = propose_cuts(model, NodeCosts(device_s=seconds * slowdown, server_s=seconds))
        store = PieceStore(model, runtime)
        store.want_candidates()
        store.want(proposal.cuts)
        store.promote()
        cuts = every_cut(model, proposal)
        costs = predicted_costs(store, cuts, device=profile, server=profile, threads=1, device_slowdown=slowdown)
        kept = frontier(costs)
        table = CostTable.of([costs[row] for row in kept])
        link = Conditions(uplink_bytes_per_s=7.3e5, downlink_bytes_per_s=1.7e6, rtt_s=0.05)
        took_s = min(timeit.repeat(partial(decide, table, link), number=_DECISIONS, repeat=_ROUNDS))
        gains = list(gains_of(cuts, costs))
        yield Row(
            model=name,
            device_slowdown=slowdown,
            search=proposal.record,
            proposed_of_several=of_several(proposal),
            frontier=len(kept),
            decision_us=took_s / _DECISIONS * 1e6,
            largest_gain=max((gain for _, gain in gains), default=0.0),
            gain_from_bytes_per_s=min((rate for rate, _ in gains), default=None),
            gain_to_bytes_per_s=max((rate for rate, _ in gains), default=None),
        )


def every_cut(model: Model, proposal: Proposal) -> tuple[Cut, ...]:
    """What a plan prices: cuts of one tensor, candidates, and what the search proposed."""
    found = {cut.crossing: cut for cut in (*single_tensor_cuts(model), *candidate_cuts(model), *proposal.cuts)}
    return tuple(sorted(found.values(), key=lambda cut: (not cut.offloaded, cut.depth)))


def gains_of(cuts: Sequence[Cut], costs: Sequence[CutCost]) -> Iterator[tuple[float, float]]:
    """The uplinks on which several tensors are best, and by what share they beat all others, by predicted pieces."""
    several = np.array([len(cut.crossing) > 1 and cut.depth > 0 for cut in cuts])
    if not several.any():
        return
    table = CostTable.of(costs)
    for rtt_s in _ROUND_TRIPS_S:
        for uplink in _UPLINKS_BYTES_PER_S.tolist():
            seconds = latency_s(
                table, Conditions(uplink_bytes_per_s=uplink, downlink_bytes_per_s=3 * uplink, rtt_s=rtt_s)
            )
            gain = seconds[~several].min() / seconds[several].min() - 1.0
            if gain > 0:
                yield uplink, float(gain)


def of_several(proposal: Proposal) -> int:
    """How many of the proposed cuts send several tensors."""
    return sum(1 for cut in proposal.cuts if len(cut.crossing) > 1)


def print_rows(rows: Sequence[Row]) -> None:
    """The table."""
    columns = (
        Column(title="model", right=False),
        *(Column(title=title) for title in (
            "device", "nodes", "one tensor", "proposed", "of several", "searches", "build", "frontier", "decision",
        )),
        Column(title="several tensors win", right=False),
    )  # fmt: skip
    print_table("Searching all cuts", columns, (_cells(row) for row in rows))


def _cells(row: Row) -> tuple[str, ...]:
    gain = ""
    if row.largest_gain and row.gain_from_bytes_per_s and row.gain_to_bytes_per_s:
        ends = f"{format_rate(row.gain_from_bytes_per_s)} to {format_rate(row.gain_to_bytes_per_s)}"
        gain = f"by up to {row.largest_gain:.1%}, {ends}"
    return (
        row.model,
        f"{row.device_slowdown:g}x",
        str(row.search.nodes),
        str(row.search.single_tensor_cuts),
        str(row.search.proposed) if row.search.certified else f"{row.search.proposed} (not proven)",
        str(row.proposed_of_several),
        str(row.search.searches),
        format_duration(row.search.seconds),
        "" if row.frontier is None else str(row.frontier),
        "" if row.decision_us is None else f"{row.decision_us:.1f} µs",
        gain,
    )


def main() -> int:
    """Search, price, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, required=True, help="of `partway profile --threads 1`")
    parser.add_argument("--slowdown", type=float, nargs="+", default=[1.0, 8.0, 60.0])
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    profile = read_document(arguments.profile, Profile)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in arguments.model for row in rows_of(name, profile, arguments.slowdown, Path(folder))]
    made_up = branching(_SYNTHETIC_NODES, 0)
    proposal = propose_cuts(made_up, uneven_costs(made_up, 0))
    rows.append(
        Row(
            model="made up, branching",
            device_slowdown=1.0,
            search=proposal.record,
            proposed_of_several=of_several(proposal),
        )
    )
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(rows), indent=2))
    else:
        print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
