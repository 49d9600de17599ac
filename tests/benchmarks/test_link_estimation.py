"""The replay is fair: who knows more does better, and ours stays near who knows the rate."""

import pytest
from benchmarks.figure14.reckoning import request_s
from benchmarks.link_choosers import Clairvoyant, Fixed, Knowing, Ours
from benchmarks.link_estimation import Row, SteadyRow, compare_steady, table_of, verdicts
from benchmarks.link_scene import Scene, play
from benchmarks.link_traces import RADIOS, steady, synthetic

from partway.testing import FakeClock

SCENE = Scene(
    trace=synthetic(RADIOS[2], 1, duration_s=60.0), model="alexnet", table=table_of("alexnet", 11.0), noise=0.05
)


def test_the_clairvoyant_is_never_slower_than_any_cut() -> None:
    link = SCENE.trace.link
    for now_s in range(0, 60, 7):
        best = Clairvoyant(link).choose(SCENE.table, float(now_s))
        seconds = [request_s(link, cost, float(now_s)) for cost in SCENE.table.costs]
        assert seconds[best] == min(seconds)


def test_who_knows_the_rate_beats_every_fixed_cut_on_a_link_that_varies() -> None:
    link = SCENE.trace.link
    knowing_s = play(SCENE, Knowing(link), FakeClock(), seed=0).mean_s
    fixed_s = [play(SCENE, Fixed(row), FakeClock(), seed=0).mean_s for row in range(len(SCENE.table))]
    assert knowing_s < min(fixed_s)


def test_ours_is_near_who_knows_the_rate_and_questions_stay_within_their_share() -> None:
    clock = FakeClock()
    ours = play(SCENE, Ours(clock, seed=0), clock, seed=0)
    knowing = play(SCENE, Knowing(SCENE.trace.link), FakeClock(), seed=0)
    assert ours.mean_s < 1.08 * knowing.mean_s
    assert ours.asked_share < 0.02


@pytest.mark.parametrize(("model", "scale"), [("alexnet", 0.5), ("alexnet", 40.0), ("mobilenet", 4.0)])
def test_on_a_steady_link_ours_is_at_most_a_fiftieth_slower_than_the_better_end(model: str, scale: float) -> None:
    assert compare_steady("5.85Mbit/s", 0.05, model, scale, noise=0.05, seeds=1).over <= 0.02


def test_a_steady_link_is_steady() -> None:
    link = steady("8Mbit/s", 0.01).link
    assert {link.uplink.rate_at(t_s) for t_s in (0.0, 59.0, 61.0, 1000.0)} == {1e6}


def row(regret: float) -> Row:
    return Row(
        trace="lte 1",
        measured=False,
        model="alexnet",
        scale=1.0,
        cuts=3,
        clairvoyant_s=1.0,
        knowing_s=1.0,
        fixed_s=1.0,
        regrets={"ours": regret},
        p95={"ours": 1.0},
        asked_share=0.01,
    )


@pytest.mark.parametrize(
    ("regrets", "over", "missed"),
    [
        ([0.04, 0.05], 0.01, set()),
        ([0.04, 0.2], 0.01, {"regret on varying links"}),
        ([], 0.01, {"regret on varying links"}),
        ([0.04], 0.03, {"steady links"}),
    ],
)
def test_marks_are_missed_where_too_much_is_lost_or_nothing_was_played(
    regrets: list[float], over: float, missed: set[str]
) -> None:
    still = [SteadyRow(rate="1Mbit/s", model="alexnet", scale=1.0, better="device", over=over)]
    assert {what for what, _, held in verdicts([row(one) for one in regrets], still) if not held} == missed
