"""A fleet whose links are bad for a while: before, during, after, and minute by minute.

In come a fleet and windows of time; out come runs in numbers for each window, and means over time. A run has no steady
state here, so nothing is left out but what lies before the first window. Called by `questions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partway.simulation.fleet_playing import BINS, play_fleet
from partway.simulation.fleet_runs import FleetRun, measure, over_time
from partway.simulation.fleets import Fleet
from partway.simulation.replications import Course

_OFFLOADED = 1  # column of the table's terms


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRun:
    """One run.

    Attributes:
        windows: what was answered in each.
        latency_s: mean of the requests that were asked in each bin of the time; `nan` where there were none.
        offloaded: share of these that the server answered; `nan` likewise.
    """

    windows: tuple[FleetRun, ...]
    latency_s: tuple[float, ...]
    offloaded: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        """Of the second window, which has the trouble."""
        return self.windows[1].mean_s

    @property
    def p95_s(self) -> float:
        """Of the second window."""
        return self.windows[1].p95_s


@dataclass(frozen=True, slots=True, kw_only=True)
class HourTask:
    """One run of a fleet in windows; what the replications call.

    Attributes:
        fleet: what to play.
        duration_s: for how long.
        windows: from when to when, the trouble second.
    """

    fleet: Fleet
    duration_s: float
    windows: tuple[tuple[float, float], ...]

    def course(self, seed: np.random.SeedSequence) -> Course:  # noqa: ARG002 - others play to find out
        """Nothing: an hour never settles, and its windows say where they begin."""
        return Course(means_s=np.empty(0), jobs=0)

    def __call__(self, seed: np.random.SeedSequence, settled: float = 0.0) -> HourRun:  # noqa: ARG002 - the same
        """Play and measure."""
        happened = play_fleet(self.fleet, self.duration_s, seed)
        terms = np.concatenate([group.table.terms for group in self.fleet.groups])
        latency_s, offloaded = (
            over_time(happened, values) for values in (happened.latency_s, terms[happened.row, _OFFLOADED])
        )
        return HourRun(
            windows=tuple(measure(happened, from_s, until_s) for from_s, until_s in self.windows),
            latency_s=tuple(float(value) for value in latency_s),
            offloaded=tuple(float(value) for value in offloaded),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Means over the runs, bin by bin of the time.

    Attributes:
        at_s: the middle of each bin.
        latency_s: mean of the requests that were asked then; `nan` where no run had any.
        offloaded: share of these that the server answered; `nan` likewise.
    """

    at_s: tuple[float, ...]
    latency_s: tuple[float, ...]
    offloaded: tuple[float, ...]


def timeline(runs: Sequence[HourRun], duration_s: float) -> Timeline:
    """What happened over time, on average.

    Args:
        runs: at least one.
        duration_s: of each.
    """
    middles = (np.arange(BINS) + 0.5) * (duration_s / BINS)
    return Timeline(
        at_s=tuple(float(at_s) for at_s in middles),
        latency_s=_known_means([run.latency_s for run in runs]),
        offloaded=_known_means([run.offloaded for run in runs]),
    )


def _known_means(runs: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Of every bin, the mean over the runs that had something there; `nan` where none had."""
    every = np.array(runs)
    known = ~np.isnan(every)
    counts = known.sum(axis=0)
    means = np.where(known, every, 0.0).sum(axis=0) / np.where(counts, counts, np.nan)
    return tuple(float(value) for value in means)
