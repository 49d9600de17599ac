"""How quick the simulator is: beside SimPy and Ciw on the same queue, and as workers, cores and devices grow.

    python -m benchmarks.simulation_speed [--rounds 9] [--jobs 2000000] [--most-devices 1000000] [--json]

The queue is M/M/4 at a load of 0.7. A round asks all three, in an order drawn anew, on one core and in this process:
ours draws, plays and measures so many requests; SimPy and Ciw play as many as take them a second or so, without any
measuring but SimPy's list of responses and Ciw's own records. Rates are requests a second that the process computed, so
different numbers of them compare, and what else the machine does counts less; ratios are of medians, with where 95 % of
them lie when rounds are drawn anew. Each plays as its own documentation has it: SimPy a generator for every request and
a `Resource`, Ciw a network of one node.

Cores: sixteen runs by one process for each core, and by one. Devices: `benchmarks.simulation_fleet`, a process for each
size. Marks: at least 5 million requests a second, and at least 100 times SimPy; exit status 1 where one is missed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import ciw
import numpy as np
import simpy
from benchmarks.ending import end_in_order
from benchmarks.loopback import pinned, quartiles, spread_of_ratio
from benchmarks.verdicts import Verdict, print_verdicts, status_of

from partway.reporting import Column, print_table
from partway.simulation import Crew, Precision, Queue, QueueTask, of_variation, poisson, replicate
from partway.units import format_count, format_duration, format_size

_WORKERS, _LOAD = 4, 0.7
_LEAST_PER_S, _LEAST_RATIO = 5e6, 100.0
_SIMPY_JOBS, _CIW_JOBS = 30_000, 10_000
_SERVERS = (1, 4, 16, 64, 256, 1024, 4096)
_REPEATS = 3
_PATIENCE_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One simulator on the queue.

    Attributes:
        name: its name.
        jobs: requests a round.
        per_s: requests a second: lower quartile, median, upper quartile over the rounds.
        ratio: ours over this, of medians.
        spread: where 95 % of that ratio lie.
    """

    name: str
    jobs: int
    per_s: tuple[float, float, float]
    ratio: float
    spread: tuple[float, float]


def queue_of(workers: int) -> Queue:
    """M/M/k at the load."""
    return Queue(arrivals=poisson(1.0), service=of_variation(1.0, 1.0), workers=workers).at_load(_LOAD)


def by_ours(jobs: int, seed: int, workers: int = _WORKERS) -> int:
    """Draw, play, measure."""
    return QueueTask(queue=queue_of(workers), jobs=jobs)(np.random.SeedSequence(seed)).jobs


def by_simpy(jobs: int, seed: int) -> int:
    """A generator for every request."""
    chance = random.Random(seed)
    environment = simpy.Environment()
    server = simpy.Resource(environment, capacity=_WORKERS)
    responses_s: list[float] = []

    def request() -> Generator[simpy.Event, object, None]:
        came_s = environment.now
        with server.request() as turn:
            yield turn
            yield environment.timeout(chance.expovariate(1.0))
        responses_s.append(environment.now - came_s)

    def source() -> Generator[simpy.Event, object, None]:
        for _ in range(jobs):
            yield environment.timeout(chance.expovariate(_LOAD * _WORKERS))
            environment.process(request())

    environment.process(source())
    environment.run()
    return len(responses_s)


def by_ciw(jobs: int, seed: int) -> int:
    """A network of one node."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=_LOAD * _WORKERS)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[_WORKERS],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(jobs)
    return jobs


def compare(jobs: int, rounds: int) -> list[Speed]:
    """All three in turn, on one core."""
    ways: dict[str, tuple[Callable[[int, int], int], int]] = {
        "partway": (by_ours, jobs),
        "SimPy": (by_simpy, _SIMPY_JOBS),
        "Ciw": (by_ciw, _CIW_JOBS),
    }
    for play, _ in ways.values():
        play(1000, 0)  # compiled, imported, warm
    order = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with pinned(sorted(os.sched_getaffinity(0))[-1:]):
        for number in range(rounds):
            for place in order.permutation(len(ways)):
                name = tuple(ways)[place]
                play, count = ways[name]
                start_s = time.process_time()
                done = play(count, number)
                taken[name].append(done / (time.process_time() - start_s))
    ours = taken["partway"]
    return [
        Speed(
            name=name,
            jobs=ways[name][1],
            per_s=quartiles(rates),
            ratio=float(np.median(ours) / np.median(rates)),
            spread=spread_of_ratio(ours, rates),
        )
        for name, rates in taken.items()
    ]


def over_workers(jobs: int) -> list[tuple[int, float]]:
    """Requests a second as the server's workers grow, on one core; the median of three."""
    with pinned(sorted(os.sched_getaffinity(0))[-1:]):
        return [(workers, _median_rate(partial(by_ours, jobs, 1, workers), time.process_time)) for workers in _SERVERS]


def over_cores(jobs: int) -> list[tuple[int, float]]:
    """Requests a second by so many processes, their start left out; the median of three."""
    cores = len(os.sched_getaffinity(0))
    counts = sorted({1, *(count for count in (2, 4, 8, 16, 32, 64) if count < cores), cores})
    task, precision = QueueTask(queue=queue_of(_WORKERS), jobs=jobs), Precision(mean=1e-9, p95=1e-9, most_runs=16)
    rows = []
    for count in counts:
        with Crew(count, alone_s=0.0) as crew:
            replicate(QueueTask(queue=queue_of(_WORKERS), jobs=1000), seed=0, precision=precision, crew=crew)

            def once(crew: Crew = crew) -> int:
                return sum(run.jobs for run in replicate(task, seed=1, precision=precision, crew=crew).runs)

            rows.append((count, _median_rate(once, time.perf_counter)))
    return rows


def over_devices(most: int) -> list[dict[str, float]]:
    """Fleets of a thousand devices and ten times more, and so on."""
    rows: list[dict[str, float]] = []
    devices = 1000
    while devices <= most:
        command = [sys.executable, "-m", "benchmarks.simulation_fleet", "--devices", str(devices)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE_S).stdout
        rows.append(json.loads(printed))
        devices *= 10
    return rows


def _median_rate(play: Callable[[], int], clock: Callable[[], float]) -> float:
    rates = []
    for _ in range(_REPEATS):
        start_s = clock()
        done = play()
        rates.append(done / (clock() - start_s))
    return float(np.median(rates))


def verdicts(speeds: Sequence[Speed]) -> list[Verdict]:
    """The marks."""
    by_name = {speed.name: speed for speed in speeds}
    ours, simpy_ = by_name["partway"], by_name["SimPy"]
    return [
        (
            "requests a second on one core",
            f"{format_count(ours.per_s[1])}, {format_count(_LEAST_PER_S)} wanted",
            ours.per_s[1] >= _LEAST_PER_S,
        ),
        (
            "over SimPy",
            f"{simpy_.ratio:,.0f} times ({simpy_.spread[0]:,.0f} to {simpy_.spread[1]:,.0f}), {_LEAST_RATIO:g} wanted",
            simpy_.ratio >= _LEAST_RATIO,
        ),
    ]


def show(
    speeds: Sequence[Speed],
    workers: Sequence[tuple[int, float]],
    cores: Sequence[tuple[int, float]],
    fleets: Sequence[dict[str, float]],
) -> None:
    """The tables."""
    print_table(
        f"M/M/{_WORKERS} at {_LOAD:g} on one core: requests a second, median (quartiles); ours over it (95 % of it)",
        [
            Column(title=title, right=place > 0)
            for place, title in enumerate(("", "requests a round", "a second", "ours over it"))
        ],
        [
            (
                speed.name,
                f"{speed.jobs:,}",
                f"{format_count(speed.per_s[1])} ({format_count(speed.per_s[0])} to {format_count(speed.per_s[2])})",
                f"{speed.ratio:,.0f} ({speed.spread[0]:,.0f} to {speed.spread[1]:,.0f})",
            )
            for speed in speeds
        ],
    )
    for title, rows in (("workers of the server", workers), ("processes, one for each core", cores)):
        print_table(
            f"Requests a second over the {title}",
            [Column(title=title), Column(title="a second")],
            [(f"{count:,}", format_count(per_s)) for count, per_s in rows],
        )
    print_table(
        "Fleets that decide by the load, a minute of theirs",
        [
            Column(title=title)
            for title in (
                "devices",
                "requests",
                "played in",
                "computed",
                "a second of it",
                "memory",
                "offloaded",
                "busy",
            )
        ],
        [
            (
                f"{row['devices']:,}",
                f"{row['requests']:,}",
                format_duration(row["played_s"]),
                format_duration(row["computed_s"]),
                format_count(row["requests"] / row["computed_s"]),
                format_size(row["grew_bytes"]),
                f"{row['offloaded']:.0%}",
                f"{row['utilisation']:.0%}",
            )
            for row in fleets
        ],
    )


def main() -> int:
    """Play, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--jobs", type=int, default=2_000_000)
    parser.add_argument("--most-devices", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    end_in_order()
    speeds = compare(arguments.jobs, arguments.rounds)
    workers, cores = over_workers(arguments.jobs), over_cores(arguments.jobs)
    fleets = over_devices(arguments.most_devices)
    marks = verdicts(speeds)
    if arguments.json:
        document = {
            "speeds": [asdict(speed) for speed in speeds],
            "workers": workers,
            "cores": cores,
            "fleets": fleets,
            "verdicts": marks,
        }
        print(json.dumps(document, indent=1))
        return status_of(marks)
    show(speeds, workers, cores, fleets)
    print_verdicts(marks)
    return status_of(marks)


if __name__ == "__main__":
    sys.exit(main())
