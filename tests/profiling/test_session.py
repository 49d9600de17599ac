from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.profiling.records import HEADER, refusal, sample

from partway.errors import EngineError
from partway.profiling.quiet import Noise
from partway.profiling.samples import Record, read_samples
from partway.profiling.samples_file import SamplesFile
from partway.profiling.sampling import Turn
from partway.profiling.session import Collected, Guide, Schedule, collect
from partway.testing import FakeClock

BLOCKS = ("conv", "gemm", "pool")
GRAPH_S = 10.0
NOBODY = Guide()
QUIET = Noise(span_s=0.5, waiting_share=0.0, spread=0.01, others_share=0.0, stolen_share=0.0)


class Bench:
    """A machine on which every graph takes ten seconds and every check of the noise half of one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "here.samples.jsonl"
        self.clock = FakeClock()
        self.turns: list[Turn] = []
        self.drawn: list[float] = []
        self.told: list[tuple[float, int]] = []
        self.listened_s: list[float] = []

    def attempt(self, turn: Turn) -> Record:
        self.turns.append(turn)
        self.drawn.append(turn.generator.random())
        self.clock.advance(GRAPH_S)
        return sample(turn.index, focus=turn.focus)

    def listen(self) -> Noise:
        self.listened_s.append(self.clock.now_s)
        self.clock.advance(0.5)
        return QUIET

    def collect(self, budget_s: float, *, guide: Guide = NOBODY) -> Collected:
        with SamplesFile(self.path, HEADER) as sink:
            return collect(
                sink,
                self.attempt,
                Schedule(seed=0, blocks=BLOCKS, threads=(1,)),
                budget_s=budget_s,
                guide=guide,
                clock=self.clock,
                listen=self.listen,
                progress=lambda elapsed_s, count: self.told.append((elapsed_s, count)),
            )


def test_it_measures_until_the_budget_is_spent(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    collected = bench.collect(45.0)
    assert collected == Collected(added=5, elapsed_s=50.5, noises=(QUIET,), ended="budget")
    assert [record.index for record in read_samples(bench.path)] == [0, 1, 2, 3, 4]
    assert bench.told[:3] == [(0.0, 0), (10.5, 1), (20.5, 2)]


def test_it_goes_on_where_it_was_for_as_long_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(3):
        assert bench.collect(25.0).added == 3
    assert [turn.index for turn in bench.turns] == list(range(9))
    assert [record.index for record in read_samples(bench.path)] == list(range(9))


def test_without_time_nothing_is_measured(tmp_path: Path) -> None:
    assert Bench(tmp_path).collect(0.0) == Collected(added=0, elapsed_s=0.0, noises=(), ended="budget")


def test_a_seed_gives_the_same_graphs(tmp_path: Path) -> None:
    one, other = Bench(tmp_path), Bench(tmp_path)
    one.collect(65.0)
    other.path = tmp_path / "other.samples.jsonl"
    other.collect(65.0)
    assert one.drawn == other.drawn
    assert len(set(one.drawn)) == len(one.drawn)


def test_the_graph_at_which_a_process_died_is_not_drawn_again(tmp_path: Path) -> None:
    whole, broken = Bench(tmp_path), Bench(tmp_path)
    whole.collect(65.0)
    broken.path = tmp_path / "broken.samples.jsonl"
    broken.collect(25.0)
    broken.collect(35.0)
    same = [a == b for a, b in zip(whole.drawn, broken.drawn, strict=True)]
    assert same == [True, True, True, False, True, True, True]
    assert [turn.focus for turn in whole.turns] == [turn.focus for turn in broken.turns]


def test_an_interrupt_keeps_what_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def attempt(turn: Turn) -> Record:
        if turn.index == 2:
            raise KeyboardInterrupt
        return Bench.attempt(bench, turn)

    bench.attempt = attempt  # type: ignore[method-assign] # the bench's own is replaced
    collected = bench.collect(1000.0)
    assert (collected.added, collected.ended) == (2, "interrupted")
    assert len(list(read_samples(bench.path))) == 2


def test_noise_is_checked_first_and_every_minute(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert len(bench.collect(150.0).noises) == 3
    assert bench.listened_s == [0.0, 60.5, 121.0]


def test_it_stops_when_predictors_are_good_enough(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    guide = Guide(good_enough=lambda path: len(list(read_samples(path))) >= 10)
    assert bench.collect(1000.0, guide=guide).ended == "enough"
    assert len(bench.turns) == 12  # asked every minute
    assert bench.collect(1000.0, guide=guide).added == 0


def test_asking_takes_a_tenth_of_the_time_at_most(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    asked_s: list[float] = []

    def needs(_path: Path) -> Mapping[str, float]:
        asked_s.append(bench.clock.now_s)
        bench.clock.advance(30.0)
        return {}

    bench.collect(2000.0, guide=Guide(needs=needs))
    assert all(later - sooner >= 300.0 for sooner, later in pairwise(asked_s))
    assert len(asked_s) > 4


def test_a_runtime_that_refuses_everything_is_an_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.attempt = lambda turn: refusal(turn.index)  # type: ignore[method-assign] # the bench's own is replaced
    with pytest.raises(EngineError, match=r"refused 50 graphs in a row, the last with: no kernel for Fly"):
        bench.collect(1e9)
    assert len(list(read_samples(bench.path))) == 50


def test_a_refusal_now_and_then_is_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def attempt(turn: Turn) -> Record:
        kept = Bench.attempt(bench, turn)
        return kept if turn.index % 40 == 0 else refusal(turn.index)

    bench.attempt = attempt  # type: ignore[method-assign] # the bench's own is replaced
    assert bench.collect(1500.0).added > 100


@law
@given(threads=st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True), seed=st.integers(0, 5))
def test_every_block_has_two_turns_with_every_setting_first(threads: list[int], seed: int) -> None:
    schedule = Schedule(seed=seed, blocks=BLOCKS, threads=threads)
    turns = [schedule.turn(index, {"conv": 1.0}) for index in range(2 * len(BLOCKS) * len(threads))]
    assert Counter((turn.focus, turn.threads) for turn in turns) == dict.fromkeys(
        [(block, setting) for block in BLOCKS for setting in threads], 2
    )


def later(needs: Mapping[str, float]) -> Counter[str]:
    schedule = Schedule(seed=0, blocks=BLOCKS)
    return Counter(schedule.turn(index, needs).focus for index in range(100, 1100))


def test_then_blocks_have_turns_as_they_need_them_and_random_graphs_between() -> None:
    found = later({"conv": 3.0, "pool": 1.0, "unknown": 100.0, "gemm": -5.0})
    assert found["gemm"] == found["unknown"] == 0
    assert 0.4 < found[""] / 1000 < 0.6
    assert 2 < found["conv"] / found["pool"] < 4.5


@pytest.mark.parametrize("needs", [{}, {"conv": 0.0}, {"conv": np.nan}, {"conv": np.inf}])
def test_where_nobody_knows_what_is_needed_graphs_are_random(needs: Mapping[str, float]) -> None:
    assert set(later(needs)) == {""}
