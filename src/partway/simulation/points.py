"""One place of a question, in numbers with their intervals.

In come the runs of a queue or a fleet; out comes a `Point`, which tables, documents and figures show. Called by
`questions`.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

from partway.errors import InputError
from partway.simulation.fleet_runs import FleetRun, GroupRun
from partway.simulation.fleets import Fleet
from partway.simulation.queues import Queue, QueueRun
from partway.simulation.replications import Replicated
from partway.simulation.statistics import Estimate

AnyRun = TypeVar("AnyRun", QueueRun, FleetRun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was found at one place.

    Attributes:
        name: of the place, in words.
        workers: that served.
        devices: of the fleet; None for a queue.
        load: of a queue, arrivals over capacity; None for a fleet.
        runs: that were played.
        jobs: requests in all of them.
        warm_up_jobs: of these, how many were left out.
        settled: share of every run that this is; at one half, runs are too short to settle.
        throughput_per_s: answers a second.
        mean_s: response or latency.
        p50_s: half of them took no longer.
        p95_s: 95 % of them.
        p99_s: 99 % of them.
        mean_wait_s: for a worker.
        utilisation: of the workers' time.
        offloaded: share of a fleet's requests that the server answered; None for a queue.
        mean_batch: requests served as one; None for a fleet.
        groups: of a fleet, means over the runs; nan of what nobody of the group was answered.
        reached: whether mean and 95th percentile are known as well as was wanted.
        unanswered: of a fleet, share of the requests that had no answer yet when their run ended.
    """

    name: str
    workers: int
    devices: int | None
    load: float | None
    runs: int
    jobs: int
    warm_up_jobs: int
    settled: float
    throughput_per_s: Estimate
    mean_s: Estimate
    p50_s: Estimate
    p95_s: Estimate
    p99_s: Estimate
    mean_wait_s: Estimate
    utilisation: Estimate
    offloaded: Estimate | None
    mean_batch: Estimate | None
    groups: tuple[GroupRun, ...]
    reached: bool
    unanswered: float = 0.0


def queue_point(found: Replicated[QueueRun], queue: Queue, name: str) -> Point:
    """What was found of a queue.

    Args:
        found: its runs.
        queue: that was played.
        name: of the place.
    """
    return _point(found, name, workers=queue.workers, load=queue.load, mean_batch=found.of(lambda run: run.mean_batch))


def fleet_point(found: Replicated[FleetRun], fleet: Fleet, name: str) -> Point:
    """What was found of a fleet.

    Args:
        found: its runs.
        fleet: that was played.
        name: of the place.

    Raises:
        InputError: nothing was answered in any run.
    """
    if math.isnan(found.mean_s.value):
        raise InputError(
            f"{name}: nothing was answered in any of {len(found.runs)} runs, their warm-up left out; make the duration "
            "longer, or requests shorter or more frequent"
        )
    return _point(
        found,
        name,
        workers=fleet.workers,
        devices=fleet.devices,
        offloaded=found.of(lambda run: run.offloaded),
        groups=tuple(_mean_group(same) for same in zip(*(run.groups for run in found.runs), strict=True)),
        unanswered=sum(run.unanswered for run in found.runs) / sum(run.begun for run in found.runs),
    )


def _point(
    found: Replicated[AnyRun],
    name: str,
    *,
    workers: int,
    devices: int | None = None,
    load: float | None = None,
    offloaded: Estimate | None = None,
    mean_batch: Estimate | None = None,
    groups: tuple[GroupRun, ...] = (),
    unanswered: float = 0.0,
) -> Point:
    """What runs of queues and of fleets have in common, and what only one of them has."""
    return Point(
        name=name,
        workers=workers,
        devices=devices,
        load=load,
        runs=len(found.runs),
        jobs=sum(run.jobs for run in found.runs),
        warm_up_jobs=sum(run.warm_up_jobs for run in found.runs),
        settled=found.settled,
        throughput_per_s=found.of(lambda run: run.throughput_per_s),
        mean_s=found.mean_s,
        p50_s=found.of(lambda run: run.p50_s),
        p95_s=found.p95_s,
        p99_s=found.of(lambda run: run.p99_s),
        mean_wait_s=found.of(lambda run: run.mean_wait_s),
        utilisation=found.of(lambda run: run.utilisation),
        offloaded=offloaded,
        mean_batch=mean_batch,
        groups=groups,
        reached=found.reached,
        unanswered=unanswered,
    )


def _mean_group(runs: tuple[GroupRun, ...]) -> GroupRun:
    # Every request counts alike, in whichever run it was.
    jobs = [run.jobs for run in runs]

    def mean(values: list[float]) -> float:
        if not any(jobs):
            return math.nan
        return math.fsum(count * value for count, value in zip(jobs, values, strict=True) if count) / sum(jobs)

    return GroupRun(
        name=runs[0].name,
        jobs=sum(jobs),
        mean_s=mean([run.mean_s for run in runs]),
        p95_s=mean([run.p95_s for run in runs]),
        offloaded=mean([run.offloaded for run in runs]),
        cuts=tuple(mean([run.cuts[row] for run in runs]) for row in range(len(runs[0].cuts))),
    )
