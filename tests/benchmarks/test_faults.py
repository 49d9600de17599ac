from collections import Counter

import numpy as np
import pytest
from benchmarks.injecting import KINDS, schedule
from benchmarks.outcomes import CALM, Diary, Outcome, Recoveries, rows_of
from hypothesis import given
from hypothesis import strategies as st


@given(faults=st.integers(1, 2000), seed=st.integers(0, 1000))
def test_as_many_faults_are_injected_as_were_asked_for(faults: int, seed: int) -> None:
    assert len(schedule(faults, np.random.default_rng(seed))) == faults


def test_every_kind_comes_as_often_as_its_share_says() -> None:
    counts = Counter(schedule(1000, np.random.default_rng(0)))
    assert counts == {kind: 10 * share for kind, (share, _, _) in KINDS.items()}


def test_a_request_met_the_fault_of_its_start_before_that_of_its_end() -> None:
    diary = Diary(now="flip")
    assert diary.met(CALM) == "flip"
    assert diary.met("drip") == "drip"


def test_a_row_counts_what_its_kind_did_and_the_last_one_counts_all() -> None:
    outcomes = [
        Outcome(during="flip", total_s=0.1, offloaded=True),
        Outcome(during="flip", total_s=0.3, fell_back=True),
        Outcome(during=CALM, total_s=0.2, lost="an error"),
    ]
    recoveries = Recoveries(seconds={"flip": [0.5]})
    flip, calm, every = rows_of(outcomes, {"flip": 1}, recoveries)
    assert (flip.requests, flip.offloaded, flip.fell_back, flip.lost) == (2, 1, 1, 0)
    assert flip.median_s == pytest.approx(0.2)
    assert flip.recovery_s == 0.5
    assert (calm.requests, calm.lost) == (1, 1)
    assert (every.requests, every.injected, every.lost) == (3, 1, 1)
