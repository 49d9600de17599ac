from collections import Counter

import numpy as np
import pytest
from benchmarks.faults import Findings, verdicts
from benchmarks.injecting import KINDS, schedule
from benchmarks.outcomes import CALM, Diary, Outcome, Recoveries, row_of, rows_of
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
    flip, calm, met, every = rows_of(outcomes, {"flip": 1}, recoveries)
    assert (flip.requests, flip.offloaded, flip.fell_back, flip.lost) == (2, 1, 1, 0)
    assert flip.median_s == pytest.approx(0.2)
    assert flip.recovery_s == 0.5
    assert (calm.requests, calm.lost) == (1, 1)
    assert (met.requests, met.injected, met.lost) == (2, 1, 0)
    assert (every.requests, every.injected, every.lost) == (3, 1, 1)


def missed(outcomes: list[Outcome], recoveries: Recoveries | None = None, *, ready: bool = True) -> set[str]:
    injected = {one.during: 1 for one in outcomes if one.during != CALM}
    found = Findings(
        rows=rows_of(outcomes, injected, recoveries or Recoveries()),
        device_only=row_of("device-only", [Outcome(during=CALM, total_s=0.1)] * 100),
        ready=ready,
        other_model_differs=0.5,
        lost=[],
        slowest=[],
        took_s=1.0,
    )
    return {what for what, _, held in verdicts(found) if not held}


HIT = Outcome(during="reset", total_s=0.14, wait_s=0.05, fell_back=True, hit=True)


def test_marks_hold_where_requests_on_their_way_were_rescued_in_time() -> None:
    assert not missed([HIT])


def test_a_session_that_never_asks_the_server_and_never_recovers_misses_marks() -> None:
    alone = [Outcome(during="reset", total_s=0.1)] * 3
    assert missed(alone) == {"every kind met requests on their way to the server"}
    assert "recovered" in missed([HIT], Recoveries(unrecovered=Counter(reset=1)))
    assert "ready before the first fault" in missed([HIT], ready=False)


def test_calm_requests_do_not_thin_out_late_ones() -> None:
    calm = [Outcome(during=CALM, total_s=0.05, wait_s=0.05)] * 10_000
    late = Outcome(during="reset", total_s=30.0, wait_s=0.05, hit=True)
    assert missed([*calm, HIT, late]) == {"99th percentile of those that met a fault"}


def test_the_wait_that_counts_is_a_requests_own() -> None:
    patient = [Outcome(during="reset", total_s=0.1, wait_s=1.0)] * 50
    late = Outcome(during="reset", total_s=0.5, wait_s=0.05, hit=True)
    assert missed([*patient, late, late]) == {"99th percentile of those that met a fault"}


def test_harm_hits_what_is_under_way_when_it_begins_or_begins_while_it_lasts() -> None:
    diary = Diary(now="reset")
    assert diary.hit(CALM, harming=False)
    assert diary.hit("reset", harming=True)
    assert not diary.hit("reset", harming=False)  # it began while that was recovered from
