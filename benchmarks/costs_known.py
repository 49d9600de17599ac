"""How long it takes until all costs are known, with a profile and without one.

    python -m benchmarks.costs_known PROFILE.json MODEL.onnx [MODEL.onnx ...] [--threads 1] [--rounds 3] [--json]

Both ends on this machine, each in a process of its own, both with the profile or both without; their caches have seen
the model, so that nothing but learning its costs is compared.
From the making of the client's session: seconds until it has a cost for every candidate cut, until it has timed all
that it wants to time, and until its decisions are good and stay so: over a grid of links, within 5 % of the best by
timings that were taken before, with nothing else running.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from tests.processes import serving

from partway.engine import OrtRuntime, PieceStore, random_feeds
from partway.graph import Source, candidate_cuts, canonicalise
from partway.planning import Conditions, CostTable, CutCost, decide, latency_s
from partway.profiling import describe_machine, measure_cuts

_CODE = """
import sys, threading, time
import msgspec, numpy as np
import partway
url, path, threads, slowdown, profile = sys.argv[1:]
start = time.perf_counter()
session = partway.InferenceSession(
    path, server=url, threads=int(threads), device_slowdown=float(slowdown), profile=profile or None
)
shape = [length if isinstance(length, int) else 1 for length in session.get_inputs()[0].shape]
feeds = {session.get_inputs()[0].name: np.zeros(shape, np.float32)}
tables, complete = [], []
def wait():
    session.wait_until_ready(feeds, 120.0)
    complete.append(time.perf_counter() - start)
waiting = threading.Thread(target=wait)
waiting.start()
end = None
while end is None or time.perf_counter() < end:
    if complete and end is None:
        end = time.perf_counter() + 3.0
    if session._learner._remote.usable:
        bound = session._learner.bound(feeds)
        if bound is not None:
            session._learner.nudge(bound)
    table = session.costs(feeds)
    if table is not None and (not tables or table is not tables[-1][1]):
        tables.append((time.perf_counter() - start, table))
    time.sleep(0.005)
waiting.join()
print(msgspec.json.encode((complete[0], [(at_s, table.costs) for at_s, table in tables])).decode())
session.close()
"""
_GOOD = 1.05
_PASSES = 3  # of the timings that decisions are judged by; the fastest counts


class Course(msgspec.Struct, frozen=True, array_like=True):
    """What one client knew, and when.

    Attributes:
        complete_s: until it said that it was ready.
        tables: seconds since it was made, and the costs that it knew from then on.
    """

    complete_s: float
    tables: tuple[tuple[float, tuple[CutCost, ...]], ...]


def time_cuts(path: Path, *, threads: int, slowdown: float) -> tuple[CutCost, ...]:
    """What the cuts cost, timed in this process."""
    runtime = OrtRuntime(threads=threads)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)
    store = PieceStore(model, runtime)
    store.want_candidates()
    store.promote()
    cuts = candidate_cuts(model)
    feeds = random_feeds(model.inputs, np.random.default_rng(0))
    environment = describe_machine(runtime.version, threads)
    passes = [measure_cuts(store, cuts, feeds, environment=environment).cuts for _ in range(_PASSES)]
    return tuple(
        CutCost(
            crossing=cut.crossing,
            device_s=slowdown * min(timing.head.median_s if timing.head else 0.0 for timing in timings),
            up_bytes=cut.up_bytes,
            server_s=min(timing.tail.median_s if timing.tail else 0.0 for timing in timings),
            down_bytes=cut.down_bytes if cut.offloaded else 0,
            offloaded=cut.offloaded,
        )
        for cut, timings in zip(cuts, zip(*passes, strict=True), strict=True)
    )


def follow(model: Path, profile: Path | None, folder: Path, *, threads: int, slowdown: float) -> Course:
    """One round: a server and a client, both new; their caches lie in `folder`."""
    repository = folder / "repository"
    if not repository.exists():
        repository.mkdir()
        (repository / model.name).symlink_to(model.absolute())
    options = ("--threads", str(threads), *(("--profile", str(profile)) if profile else ()))
    with serving(repository, *options, environment={"PARTWAY_CACHE": str(folder / "server")}) as server:
        words = (server.url, str(model), str(threads), str(slowdown), str(profile or ""))
        finished = subprocess.run(
            [sys.executable, "-c", _CODE, *words],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PARTWAY_CACHE": str(folder / "client")},
        )
    return msgspec.json.decode(finished.stdout, type=Course)


def all_known_s(course: Course) -> float:
    """Seconds until every candidate cut had a cost."""
    most = max(len(costs) for _, costs in course.tables)
    return next(at_s for at_s, costs in course.tables if len(costs) == most)


def good_from_s(course: Course, truth: Sequence[CutCost]) -> float:
    """Seconds until all decisions were good by `truth`, and stayed so; infinite if they never did."""
    grid = [
        Conditions(uplink_bytes_per_s=rate, downlink_bytes_per_s=2.0 * rate, rtt_s=rtt_s)
        for rate, rtt_s in product((5e5, 2e6, 8e6, 3e7), (0.002, 0.01, 0.05))
    ]
    judged = CostTable.of(truth)
    rows = {cost.crossing: row for row, cost in enumerate(truth)}
    since_s = math.inf
    for at_s, costs in reversed(course.tables):
        table = CostTable.of(costs)
        for conditions in grid:
            seconds = latency_s(judged, conditions)
            if seconds[rows[decide(table, conditions).crossing]] > _GOOD * seconds.min():
                return since_s
        since_s = at_s
    return since_s


def main() -> None:
    """Measure every model and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=Path, metavar="PROFILE")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device-slowdown", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for model in arguments.models:
        truth = time_cuts(model, threads=arguments.threads, slowdown=arguments.device_slowdown)
        courses: dict[str, list[Course]] = {"without": [], "with": []}
        with tempfile.TemporaryDirectory() as folder:
            for number in range(arguments.rounds + 1):
                for way, found in courses.items():
                    course = follow(
                        model,
                        arguments.profile if way == "with" else None,
                        Path(folder),
                        threads=arguments.threads,
                        slowdown=arguments.device_slowdown,
                    )
                    if number:  # the first fills the caches
                        found.append(course)
        for way, found in courses.items():
            rows.append(
                {
                    "model": model.stem,
                    "profile": way,
                    "cuts": len(truth),
                    "all_known_s": median(map(all_known_s, found)),
                    "complete_s": median(course.complete_s for course in found),
                    "good_decisions_s": median(good_from_s(course, truth) for course in found),
                }
            )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['model']} ({row['cuts']} cuts), {row['profile']} a profile: all known after "
            f"{row['all_known_s']:.2f} s, complete after {row['complete_s']:.2f} s, "
            f"decisions good after {row['good_decisions_s']:.2f} s"
        )


if __name__ == "__main__":
    main()
