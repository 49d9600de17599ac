"""Many devices of one server share it: no sustained swing, and they make room for others and come back."""

from dataclasses import replace

import pytest
from benchmarks.herd import PAUSES_S, VIEWS, Row, Simulation, compare, verdicts


@pytest.fixture(scope="module", params=PAUSES_S)
def rows(request: pytest.FixtureRequest) -> dict[str, Row]:
    return {view: compare(view, devices=64, pause_s=request.param, seconds=60.0, seeds=1) for view in VIEWS}


def test_doubt_and_smoothing_take_most_of_the_herds_swing_away(rows: dict[str, Row]) -> None:
    assert rows["last report"].unsteadiness > 0.05
    assert rows["ours"].unsteadiness < 0.4 * rows["last report"].unsteadiness
    assert rows["ours"].unsteadiness < 0.15


def test_steadiness_costs_no_latency_to_speak_of(rows: dict[str, Row]) -> None:
    assert rows["ours"].latency_s < 1.08 * rows["last report"].latency_s
    assert rows["ours"].share > 0.25


def test_devices_make_room_within_seconds_and_come_back(rows: dict[str, Row]) -> None:
    ours = rows["ours"]
    assert ours.intruded_share < 0.5 * ours.share
    assert ours.shifted_s <= 2.5
    assert ours.returned_s <= 2.5


def test_the_same_seed_gives_the_same_herd() -> None:
    one, other = (Simulation(VIEWS["ours"], devices=8, seed=1, pause_s=0.02).run(5.0) for _ in range(2))
    assert one == other


def test_a_herd_that_swings_misses_its_marks(rows: dict[str, Row]) -> None:
    assert all(held for _, _, held in verdicts(list(rows.values())))
    swinging = [rows["last report"], replace(rows["last report"], view="ours")]
    assert not all(held for _, _, held in verdicts(swinging))
