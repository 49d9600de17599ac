"""What a fleet's run says, in numbers: latencies, the share that was offloaded, and what the server did.

In come answers (`fleet_playing.Happened`); out come records for tables, per group and over time. Called by the
replications, one call a run.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from partway.simulation.distributions import FloatArray
from partway.simulation.fleet_playing import BINS, Happened, first_rows, play_fleet
from partway.simulation.fleets import Fleet
from partway.simulation.replications import Course
from partway.simulation.statistics import quantiles

_SHARES = (0.5, 0.95, 0.99)
_OFFLOADED = 1  # column of the table's terms


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRun:
    """One group of devices in one run.

    Attributes:
        name: the group's.
        jobs: its requests that count.
        mean_s: latency; nan of none, as 95 % and the share that was offloaded.
        p95_s: 95 % of the latencies were at most this.
        offloaded: share of its requests that the server answered; what was turned away counts as not.
        cuts: share of its requests at each row of its table; what was turned away counts at the device alone.
    """

    name: str
    jobs: int
    mean_s: float
    p95_s: float
    offloaded: float
    cuts: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRun:
    """One run in numbers, its warm-up left out where there is one.

    Attributes:
        jobs: requests that were answered, those of the warm-up among them.
        begun: requests that were asked.
        unanswered: of these, how many had no answer when the run ended.
        warm_up_jobs: the first of the answered, which count for nothing below.
        throughput_per_s: answers a second.
        mean_s: latency, from asking to the answer; nan where nothing was answered, as its quantiles and `offloaded`.
        p50_s: half of the latencies were at most this.
        p95_s: 95 % of them.
        p99_s: 99 % of them.
        mean_wait_s: for a worker, of the requests that were not turned away; 0 where none came.
        utilisation: share of the workers' time that they served.
        offloaded: share of the requests that the server answered; what was turned away counts as not.
        groups: one for each.
    """

    jobs: int
    begun: int
    unanswered: int
    warm_up_jobs: int
    throughput_per_s: float
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    mean_wait_s: float
    utilisation: float
    offloaded: float
    groups: tuple[GroupRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTask:
    """One run of a fleet from an idle server to a steady state; what the replications call.

    Attributes:
        fleet: what to play.
        duration_s: for how long.
    """

    fleet: Fleet
    duration_s: float

    def course(self, seed: np.random.SeedSequence) -> Course:
        """Mean latencies along a run."""
        happened = play_fleet(self.fleet, self.duration_s, seed)
        return Course(means_s=over_time(happened, happened.latency_s), jobs=happened.row.size)

    def __call__(self, seed: np.random.SeedSequence, settled: float = 0.1) -> FleetRun:
        """Play and measure."""
        return measure(play_fleet(self.fleet, self.duration_s, seed), settled * self.duration_s)


def over_time(happened: Happened, values: npt.NDArray[np.floating]) -> FloatArray:
    """Means over the requests that were asked in each bin of the time, float64 (bins,); `nan` where there were none.

    Args:
        happened: all of it.
        values: one for each answer.
    """
    places = np.minimum((happened.started_s / (happened.duration_s / BINS)).astype(np.intp), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    means: FloatArray = np.bincount(places, values, minlength=BINS) / np.where(counts, counts, np.nan)
    return means


def measure(happened: Happened, from_s: float, until_s: float | None = None) -> FleetRun:
    """What was answered within a window of time.

    Args:
        happened: all of it.
        from_s: when the window begins.
        until_s: when it ends; without one, when playing did.
    """
    until_s = happened.duration_s if until_s is None else until_s
    lasted_s = until_s - from_s
    ended_s = happened.started_s + happened.latency_s
    kept = (ended_s > from_s) & (ended_s <= until_s)
    latency_s, row = happened.latency_s[kept].astype(np.float64), happened.row[kept]
    terms = np.concatenate([group.table.terms for group in happened.fleet.groups])
    median_s, p95_s, p99_s = quantiles(latency_s, _SHARES)
    within = _within(happened.duration_s, from_s, until_s)
    busy_s, waited_s, served = (
        float(of_bins[:BINS] @ within) for of_bins in (happened.busy_s, happened.waited_s, happened.served)
    )
    return FleetRun(
        jobs=happened.row.size,
        begun=happened.begun,
        unanswered=happened.begun - int((ended_s <= happened.duration_s).sum()),
        warm_up_jobs=int((ended_s <= from_s).sum()),
        throughput_per_s=row.size / lasted_s,
        mean_s=_mean(latency_s),
        p50_s=median_s,
        p95_s=p95_s,
        p99_s=p99_s,
        mean_wait_s=waited_s / served if served else 0.0,
        utilisation=busy_s / (happened.fleet.workers * lasted_s),
        offloaded=_mean(terms[row, _OFFLOADED]),
        groups=_groups(happened.fleet, latency_s, row),
    )


def _groups(fleet: Fleet, latency_s: FloatArray, row: npt.NDArray[np.int32]) -> tuple[GroupRun, ...]:
    firsts = first_rows(fleet)
    found = []
    for group, first, end in zip(fleet.groups, firsts[:-1], firsts[1:], strict=True):
        mine = (row >= first) & (row < end)
        counts = np.bincount(row[mine] - first, minlength=end - first)
        jobs = int(counts.sum())
        shares = counts / max(jobs, 1)
        (p95_s,) = quantiles(latency_s[mine], (0.95,))
        found.append(
            GroupRun(
                name=group.name,
                jobs=jobs,
                mean_s=_mean(latency_s[mine]),
                p95_s=p95_s,
                offloaded=float(shares @ group.table.terms[:, _OFFLOADED]) if jobs else math.nan,
                cuts=tuple(float(share) for share in shares),
            )
        )
    return tuple(found)


def _within(duration_s: float, from_s: float, until_s: float) -> FloatArray:
    """Which part of each bin lies within a window, float64 (bins,)."""
    edges_s = np.linspace(0.0, duration_s, BINS + 1)
    within_s = np.clip(edges_s[1:], from_s, until_s) - np.clip(edges_s[:-1], from_s, until_s)
    parts: FloatArray = within_s / (duration_s / BINS)
    return parts


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else math.nan
