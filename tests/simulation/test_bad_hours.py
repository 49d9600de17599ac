"""An hour as it went by is the mean over the runs that know."""

import math

import numpy as np
import pytest
from tests.simulation.fleet_cases import fleet, group

from partway.simulation.bad_hours import HourRun, HourTask, timeline
from partway.simulation.fleet_playing import BINS
from partway.simulation.fleets import Pause

WINDOWS = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0))


def test_a_bin_that_one_run_knows_is_known_and_one_that_none_knows_is_not() -> None:
    rare = HourTask(fleet=fleet(group(1, requests=Pause(mean_s=3.0))), duration_s=30.0, windows=WINDOWS)
    runs = [rare(np.random.SeedSequence(number)) for number in range(2)]
    found = timeline(runs, 30.0)
    assert len(found.at_s) == BINS
    for mean, *each in zip(found.latency_s, *(run.latency_s for run in runs), strict=True):
        known = [value for value in each if not math.isnan(value)]
        assert mean == pytest.approx(np.mean(known)) if known else math.isnan(mean)
    assert 1 < sum(map(math.isfinite, found.latency_s)) < BINS
    assert sum(map(math.isfinite, found.latency_s)) > max(_known(run) for run in runs)


def _known(run: HourRun) -> int:
    return sum(map(math.isfinite, run.latency_s))
