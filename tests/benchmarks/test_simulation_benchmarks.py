"""The benchmarks of the simulator tell what holds from what does not."""

import numpy as np
import pytest
from benchmarks.arrival_shape import distance, fit
from benchmarks.simulation_fleet import fleet_of
from benchmarks.simulation_speed import Speed, by_ciw, by_ours, by_simpy
from benchmarks.simulation_speed import verdicts as speed_verdicts
from benchmarks.simulation_truth import Compared, Row, cases, truth
from benchmarks.simulation_truth import verdicts as truth_verdicts

from partway.simulation import Crew, Empirical, Estimate, Hyperexponential


def row(found_s: float, *, half_width_s: float = 0.01, wide_s: float = 0.02) -> Row:
    return Row(
        queue="M/M/1",
        load=0.5,
        quantity="mean wait",
        known_s=1.0,
        found_s=found_s,
        half_width_s=half_width_s,
        wide_s=wide_s,
    )


def compared(value: float) -> Compared:
    estimate = Estimate(value=value, half_width=0.1)
    return Compared(name="x", mean_s=estimate, p95_s=estimate)


def speed(name: str, per_s: float, ratio: float) -> Speed:
    return Speed(name=name, jobs=1, per_s=(per_s, per_s, per_s), ratio=ratio, spread=(ratio, ratio))


def test_a_number_outside_its_wide_interval_is_a_mark_that_is_missed() -> None:
    assert all(held for _, _, held in truth_verdicts([row(1.015), row(1.0)], []))
    assert not truth_verdicts([row(1.03), row(1.0)], [])[0][2]
    assert "1 within their single intervals" in truth_verdicts([row(1.015), row(1.0)], [])[0][1]


def test_intervals_that_hold_because_they_are_wide_are_a_mark_that_is_missed() -> None:
    assert not truth_verdicts([row(1.0, wide_s=0.3)], [])[1][2]


def test_a_peer_agrees_within_both_intervals() -> None:
    marks = truth_verdicts([row(1.0)], [compared(1.0), compared(1.13)])
    assert [held for _, _, held in marks[2:]] == [True, True]
    assert not truth_verdicts([row(1.0)], [compared(1.0), compared(1.2)])[2][2]


def test_speed_is_held_against_both_marks() -> None:
    assert all(held for _, _, held in speed_verdicts([speed("partway", 6e6, 1.0), speed("SimPy", 4e4, 150.0)]))
    assert not any(held for _, _, held in speed_verdicts([speed("partway", 4e6, 1.0), speed("SimPy", 1e5, 40.0)]))


def test_every_queue_of_the_table_is_known_and_can_be_played() -> None:
    assert len(cases()) == 6 * 6
    rows = truth(runs=2, jobs=200, crew=Crew(1))
    assert len(rows) == 6 * (3 * 2 + 3)
    assert all(one.known_s > 0 for one in rows)


def test_all_three_play_the_same_queue() -> None:
    assert by_ours(1000, 0) == by_simpy(1000, 0) == by_ciw(1000, 0) == 1000


def test_a_fleet_has_as_many_devices_as_asked_for() -> None:
    assert [fleet_of(devices).devices for devices in (3, 1000, 10_001)] == [3, 1000, 10_001]


def test_the_fit_finds_the_shape_that_a_curve_was_made_of() -> None:
    true = Hyperexponential(weights=(0.3, 0.7), means_s=(0.1, 1.0))
    at_s = np.linspace(0, 12, 1200)
    below = np.array(true.weights) @ -np.expm1(-at_s / np.array(true.means_s)[:, None])
    below[-1] = 1.0
    curve = Empirical(values_s=at_s, probabilities=below)
    found = fit(curve, 2, steps=500)
    assert distance(curve, found) < 0.01
    assert found.mean_s == pytest.approx(curve.mean_s)
    assert sorted(found.weights) == pytest.approx([0.3, 0.7], abs=0.05)
