from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import RUNTIME, canonical, law
from tests.models import chain_model, diamond_model, random_feeds

from partway.documents import decode_document, encode_document
from partway.engine import PieceStore, Session, SlowSession, Stop
from partway.errors import DocumentError
from partway.graph import Binding, candidate_cuts, cut_at, device_only, server_only
from partway.profiling import (
    CutTiming,
    Effort,
    Environment,
    Measurement,
    Timing,
    describe_machine,
    measure_cuts,
    summarise,
    time_session,
)

HERE = Environment(host="here", processor="any", cores=2, runtime="none 1", threads=1)
ONCE = Effort(warm_ups=0, least_runs=1, most_runs=1, budget_s=0.0)


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Scripted:
    """A session whose runs take the seconds that it is told, the last for ever after."""

    inputs = ("x",)
    outputs = ("y",)

    def __init__(self, clock: Clock, *runs_s: float) -> None:
        self.clock = clock
        self.runs_s = list(runs_s)
        self.runs = 0

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        self.clock.now_s += self.runs_s[min(self.runs, len(self.runs_s) - 1)]
        self.runs += 1
        return {}


class Ticking:
    """Wraps a session so that every run of it takes as many seconds as it has outputs."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self.session = session
        self.clock = clock
        self.inputs = session.inputs
        self.outputs = session.outputs

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...] | None = None,
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        self.clock.now_s += len(self.outputs)
        return self.session.run(feeds, outputs, stop=stop)


def test_warm_ups_are_not_timed() -> None:
    clock = Clock()
    session = Scripted(clock, 90, 50, 1, 2, 3, 4, 5)
    timing = time_session(session, {}, clock=clock, effort=Effort(warm_ups=2, least_runs=5, most_runs=9, budget_s=0.1))
    assert timing == Timing(median_s=3, spread=2 / 3, runs=5)
    assert session.runs == 7


@pytest.mark.parametrize(
    ("run_s", "runs"),
    [(0.001, 50), (0.02, 25), (0.25, 5), (9.0, 5)],
)
def test_it_stops_when_the_budget_is_spent_and_there_are_enough_runs(run_s: float, runs: int) -> None:
    clock = Clock()
    assert time_session(Scripted(clock, run_s), {}, clock=clock, effort=Effort(budget_s=0.5 - 1e-9)).runs == runs


@law
@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=60))
def test_a_summary_is_the_median_and_lies_between_the_runs(runs_s: list[float]) -> None:
    timing = summarise(runs_s)
    assert timing.median_s == pytest.approx(median(runs_s))
    assert min(runs_s) <= timing.median_s <= max(runs_s)
    assert 0 <= timing.spread <= (max(runs_s) - min(runs_s)) / timing.median_s + 1e-9
    assert timing.runs == len(runs_s)


def test_one_disturbed_run_moves_the_summary_little() -> None:
    assert summarise([1.0] * 9 + [500.0]) == Timing(median_s=1.0, spread=0.0, runs=10)
    assert summarise([0.0, 0.0]).spread == 0.0


def test_each_side_of_a_cut_is_timed_alone(tmp_path: Path) -> None:
    path = diamond_model(tmp_path)
    model = canonical(path)
    clock = Clock()
    cuts = (server_only(model), cut_at(model, ["stem", "left2"]), device_only(model))
    told: list[tuple[int, int]] = []
    measurement = measure_cuts(
        PieceStore(model, RUNTIME),
        cuts,
        random_feeds(path),
        environment=HERE,
        emulate=lambda session: Ticking(session, clock),
        clock=clock,
        effort=ONCE,
        progress=lambda done, total: told.append((done, total)),
    )
    one, two = Timing(median_s=1, spread=0, runs=1), Timing(median_s=2, spread=0, runs=1)
    assert measurement.cuts == (
        CutTiming(crossing=("image",), head=None, tail=one),
        CutTiming(crossing=("stem", "left2"), head=two, tail=one),
        CutTiming(crossing=(), head=one, tail=None),
    )
    assert measurement.model == model.source_digest
    assert Binding.decode(measurement.binding) == model.binding
    assert measurement.environment == HERE
    assert measurement.busy_share >= 0
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_an_emulated_machine_is_timed_as_slow_as_it_is(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = canonical(path)
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now_s += seconds

    measurement = measure_cuts(
        PieceStore(model, RUNTIME),
        candidate_cuts(model),
        random_feeds(path),
        environment=describe_machine(RUNTIME.version, 1, emulated_slowdown=8.0),
        emulate=lambda session: SlowSession(Ticking(session, clock), 8.0, clock=clock, sleep=sleep),
        clock=clock,
        effort=ONCE,
    )
    assert {timing.head.median_s for timing in measurement.cuts if timing.head} == {8.0}
    assert measurement.environment.emulated_slowdown == 8.0
    assert measurement.environment.cores >= 1


timings = st.none() | st.builds(Timing, median_s=st.floats(0, 9), spread=st.floats(0, 9), runs=st.integers(1, 99))


@law
@given(st.lists(st.builds(CutTiming, crossing=st.lists(st.text(max_size=4)).map(tuple), head=timings, tail=timings)))
def test_a_stored_measurement_is_read_back(cuts: list[CutTiming]) -> None:
    measurement = Measurement(
        model="sha256:0", binding='{"shapes":{}}', environment=HERE, cuts=tuple(cuts), busy_share=0.25
    )
    assert decode_document(encode_document(measurement), Measurement) == measurement


def test_another_document_is_no_measurement() -> None:
    with pytest.raises(DocumentError, match=r"'partway.measurement' document was expected"):
        decode_document(b'{"kind":"partway.plan","version":1}', Measurement)
