"""Queues whose answers are known, and the simulator's, with intervals; and the same queue in Ciw.

    python -m benchmarks.simulation_truth [--runs 32] [--jobs 1000000] [--curve FILE] [--json]

    M/M/1, M/M/4, M/M/16     mean wait by Erlang's formula, 95th percentile of the response by its distribution
    M/D/1, M/G/1             mean wait by Pollaczek's and Khinchine's, with coefficients of variation 0, 0.5 and 2

Each at loads from 0.3 to 0.95: so many runs of so many requests, warm-up removed. An interval of 95 % misses one time
in twenty, so with so many of them some would by chance: the mark is that all hold at once, each at a confidence that
makes 95 % for all together (Bonferroni), and that those are narrow: at most 5 % of the response, service included,
since where next to nobody waits the wait itself is known to no per cent. How many single intervals of 95 % hold is told
beside it. Ciw plays M/M/4 at 0.7, fewer requests, since it is slow: the mark is
that the two intervals' difference holds 0. `--curve` plays gaps of a measured curve (BigHouse's of Google's web search)
beside those of the shape that ships with the package: 4 workers, exponential service, load 0.7.

Exit status 1 when a mark is missed.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ciw
from benchmarks.verdicts import Verdict, print_verdicts, status_of

from partway.reporting import Column, print_table
from partway.simulation import (
    GOOGLE_SEARCH,
    Crew,
    Estimate,
    Precision,
    Queue,
    QueueRun,
    QueueTask,
    Renewal,
    Replicated,
    of_variation,
    poisson,
    read_curve,
    replicate,
)
from partway.simulation.statistics import estimate
from partway.simulation.theory import quantile_mmk_s, wait_mg1_s, wait_mmk_s

LOADS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
WORKERS = (1, 4, 16)
VARIATIONS = (0.0, 0.5, 2.0)
WAIT, LATE = "mean wait", "95 %"
_TOGETHER, _WIDEST = 0.95, 0.05
_PEER_LOAD, _PEER_WORKERS, _PEER_JOBS = 0.7, 4, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of one queue.

    Attributes:
        queue: which, in words.
        load: arrivals over capacity.
        quantity: what is compared.
        known_s: by the formula.
        found_s: by the simulator.
        half_width_s: of its interval of 95 %.
        wide_s: of the interval that makes 95 % for all rows together.
    """

    queue: str
    load: float
    quantity: str
    known_s: float
    found_s: float
    half_width_s: float
    wide_s: float

    @property
    def width(self) -> float:
        """Half of the wide interval, as a share of the response."""
        response_s = self.known_s if self.quantity == LATE else self.known_s + 1.0
        return self.wide_s / response_s

    @property
    def off_s(self) -> float:
        """How far found is from known."""
        return abs(self.found_s - self.known_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The same queue by two simulators, or by two shapes of arrivals.

    Attributes:
        name: by what.
        mean_s: response, with its interval of 95 %.
        p95_s: of it.
    """

    name: str
    mean_s: Estimate
    p95_s: Estimate


Known = tuple[str, float, Callable[[QueueRun], float], float]


def cases() -> list[tuple[str, Queue, tuple[Known, ...]]]:
    """Every queue with what is known of it."""
    found: list[tuple[str, Queue, tuple[Known, ...]]] = []
    for load in LOADS:
        for workers in WORKERS:
            queue = Queue(arrivals=poisson(1.0), service=of_variation(1.0, 1.0), workers=workers).at_load(load)
            wait: Known = (WAIT, load, lambda run: run.mean_wait_s, wait_mmk_s(1.0, workers, load))
            late: Known = (LATE, load, lambda run: run.p95_s, quantile_mmk_s(0.95, 1.0, workers, load))
            found.append((f"M/M/{workers}", queue, (wait, late)))
        for variation in VARIATIONS:
            queue = Queue(arrivals=poisson(1.0), service=of_variation(1.0, variation)).at_load(load)
            wait = (WAIT, load, lambda run: run.mean_wait_s, wait_mg1_s(1.0, variation, load))
            found.append((f"M/G/1, {variation:g}" if variation else "M/D/1", queue, (wait,)))
    return found


def play(queue: Queue, *, runs: int, jobs: int, crew: Crew, seed: int = 0) -> Replicated[QueueRun]:
    """So many runs of a queue, whatever they say."""
    precision = Precision(mean=1e-9, p95=1e-9, most_runs=runs)
    return replicate(QueueTask(queue=queue, jobs=jobs), seed=seed, precision=precision, crew=crew)


def truth(*, runs: int, jobs: int, crew: Crew) -> list[Row]:
    """Every number of every queue."""
    every = cases()
    confidence = 1.0 - (1.0 - _TOGETHER) / sum(len(known) for _, _, known in every)
    rows = []
    for seed, (name, queue, known) in enumerate(every):
        found = play(queue, runs=runs, jobs=jobs, crew=crew, seed=seed)
        for quantity, load, read, known_s in known:
            values = [read(run) for run in found.runs]
            narrow, wide = estimate(values, 0.95), estimate(values, confidence)
            rows.append(
                Row(
                    queue=name,
                    load=load,
                    quantity=quantity,
                    known_s=known_s,
                    found_s=narrow.value,
                    half_width_s=narrow.half_width,
                    wide_s=wide.half_width,
                )
            )
        print(f"{name} at {queue.load:g}", file=sys.stderr)
    return rows


def by_ciw(jobs: int, seeds: Sequence[int]) -> Compared:
    """M/M/4 in Ciw, the first fifth of each run left out."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=_PEER_LOAD * _PEER_WORKERS)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[_PEER_WORKERS],
    )
    means_s, p95s_s = [], []
    for seed in seeds:
        ciw.seed(seed)
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_customers(jobs)
        records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)[jobs // 5 :]
        responses_s = sorted(record.waiting_time + record.service_time for record in records)
        means_s.append(math.fsum(responses_s) / len(responses_s))
        p95s_s.append(responses_s[math.ceil(0.95 * len(responses_s)) - 1])
    return Compared(name="Ciw", mean_s=estimate(means_s, 0.95), p95_s=estimate(p95s_s, 0.95))


def by_ours(name: str, queue: Queue, *, runs: int, jobs: int, crew: Crew) -> Compared:
    """A queue here."""
    found = play(queue, runs=runs, jobs=jobs, crew=crew)
    return Compared(name=name, mean_s=found.mean_s, p95_s=found.p95_s)


def verdicts(rows: Sequence[Row], peers: Sequence[Compared]) -> list[Verdict]:
    """The marks."""
    missed = [row for row in rows if row.off_s > row.wide_s]
    widest = max(rows, key=lambda row: row.width)
    single = sum(row.off_s <= row.half_width_s for row in rows)
    marks: list[Verdict] = [
        (
            "within the intervals that hold together",
            f"{len(rows) - len(missed)} of {len(rows)}; {single} within their single intervals of 95 %",
            not missed,
        ),
        (
            "these are narrow",
            f"the widest {widest.width:.1%} of the response ({widest.queue} at {widest.load:g}), {_WIDEST:.0%} allowed",
            widest.width <= _WIDEST,
        ),
    ]
    if len(peers) == 2:
        ours, other = peers
        for quantity, mine, theirs in (("mean", ours.mean_s, other.mean_s), ("95 %", ours.p95_s, other.p95_s)):
            apart_s, allowed_s = abs(mine.value - theirs.value), math.hypot(mine.half_width, theirs.half_width)
            marks.append(
                (
                    f"Ciw agrees, {quantity}",
                    f"{apart_s:.3g} apart, {allowed_s:.3g} by both intervals",
                    apart_s <= allowed_s,
                )
            )
    return marks


def show(rows: Sequence[Row], peers: Sequence[Compared], shapes: Sequence[Compared]) -> None:
    """The tables."""
    titles = ("queue", "load", "", "known", "found", "off", "95 %", "95 % of all")
    print_table(
        "In mean services",
        [Column(title=title, right=place not in (0, 2)) for place, title in enumerate(titles)],
        [
            (
                row.queue,
                f"{row.load:g}",
                row.quantity,
                f"{row.known_s:.4f}",
                f"{row.found_s:.4f}",
                f"{(row.found_s / row.known_s - 1):+.2%}",
                f"± {row.half_width_s / row.known_s:.2%}",
                f"± {row.wide_s / row.known_s:.2%}",
            )
            for row in rows
        ],
    )
    for title, compared in (
        (f"M/M/{_PEER_WORKERS} at {_PEER_LOAD:g}", peers),
        (f"Google's web search, {_PEER_WORKERS} workers, exponential service, load {_PEER_LOAD:g}", shapes),
    ):
        print_table(
            f"{title}; responses in mean services",
            [Column(title=name, right=place > 0) for place, name in enumerate(("", "mean", "95 %"))],
            [
                (one.name, *(f"{value.value:.4f} ± {value.half_width:.4f}" for value in (one.mean_s, one.p95_s)))
                for one in compared
            ],
        )


def main() -> int:
    """Play, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--curve", type=Path, metavar="FILE", help="a measured curve in BigHouse's format")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    runs, jobs = arguments.runs, arguments.jobs
    with Crew(None) as crew:
        rows = truth(runs=runs, jobs=jobs, crew=crew)
        service = of_variation(1.0, 1.0)
        same = Queue(arrivals=poisson(1.0), service=service, workers=_PEER_WORKERS).at_load(_PEER_LOAD)
        peers = [
            by_ours("partway", same, runs=runs, jobs=jobs, crew=crew),
            by_ciw(min(_PEER_JOBS, jobs), range(min(runs, 16))),
        ]
        gaps = [("the shape that ships", GOOGLE_SEARCH)]
        if arguments.curve is not None:
            gaps.insert(0, ("the measured curve", read_curve(arguments.curve)))
        shapes = [
            by_ours(
                name,
                Queue(arrivals=Renewal(gaps=shape), service=service, workers=_PEER_WORKERS).at_load(_PEER_LOAD),
                runs=runs,
                jobs=jobs,
                crew=crew,
            )
            for name, shape in gaps
        ]
    marks = verdicts(rows, peers)
    if arguments.json:
        document = {
            "runs": runs,
            "jobs": jobs,
            "rows": [asdict(row) for row in rows],
            "peers": [asdict(one) for one in peers],
            "shapes": [asdict(one) for one in shapes],
            "verdicts": marks,
        }
        print(json.dumps(document, indent=1))
        return status_of(marks)
    show(rows, peers, shapes)
    print_verdicts(marks)
    return status_of(marks)


if __name__ == "__main__":
    sys.exit(main())
