from collections.abc import Sequence
from pathlib import Path

import pytest
from benchmarks.figure15_report import Marks, Row, Turn, draw, verdicts

from partway.cli.bench_contest import Summary


def summary(mean_s: float) -> Summary:
    return Summary(requests=10, lost=0, wrong=0, mean_s=mean_s, median_s=mean_s, p95_s=mean_s, worst=0.0)


def row(
    load: float,
    *,
    solo_s: float = 0.05,
    device_s: float = 0.4,
    server_s: float,
    partway_s: float,
    given: float = 1.0,
    offloaded: float = 1.0,
    alone_s: float | None = None,
) -> Row:
    return Row(
        load=load,
        given=given * load,
        noise=0.05,
        server_busy=load,
        refused=0,
        solo_s=solo_s,
        device_only=summary(device_s),
        server_only=summary(server_s),
        partway=summary(partway_s),
        alone_s=alone_s,
        offloaded=offloaded,
        hedged=0.0,
        fell_back=0,
        cuts={},
    )


ROWS = (
    row(0.0, solo_s=0.050, device_s=0.4, server_s=0.1, partway_s=0.1),
    row(0.5, solo_s=0.051, device_s=0.4, server_s=0.2, partway_s=0.2),
    row(0.9, solo_s=0.050, device_s=0.4, server_s=0.8, partway_s=0.44),
)


TURNS = tuple(Turn(alone_s=0.05 + 0.001 * drift, beside_s=0.0505 + 0.001 * drift) for drift in range(10))


def test_a_drift_of_the_device_is_not_taken_for_what_the_load_costs_it() -> None:
    marks = Marks.of(ROWS, TURNS)
    assert marks.solo_moves == pytest.approx(0.01, abs=0.001)
    assert 0.0 < marks.solo_spread[0] < marks.solo_spread[1] < 0.02
    slowed = [Turn(alone_s=turn.alone_s, beside_s=1.03 * turn.alone_s) for turn in TURNS]
    assert not {what: held for what, _, held in verdicts(Marks.of(ROWS, slowed))}["the device's own time"]


def test_partway_is_held_against_its_own_device_where_that_is_quicker_than_device_only() -> None:
    lucky = row(0.9, device_s=0.4, server_s=0.8, partway_s=0.38, alone_s=0.36)
    assert Marks.of([*ROWS[:2], lucky], TURNS).worst_over_device == pytest.approx(0.38 / 0.36 - 1.0)
    unlucky = row(0.9, device_s=0.4, server_s=0.8, partway_s=0.38, alone_s=0.5)
    assert Marks.of([*ROWS[:2], unlucky], TURNS).worst_over_device == pytest.approx(0.38 / 0.4 - 1.0)


def test_marks_are_of_the_worst_load() -> None:
    marks = Marks.of(ROWS, TURNS)
    assert marks.server_only_climbs == pytest.approx(8)
    assert marks.worst_over_device == pytest.approx(0.1)
    holds = {what: held for what, _, held in verdicts(marks)}
    assert holds["server-only climbs"]
    assert not holds["partway over the device alone"]


def held(rows: Sequence[Row]) -> dict[str, bool]:
    return {what: held for what, _, held in verdicts(Marks.of(rows, TURNS))}


def test_a_session_that_never_offloads_misses_a_mark_though_it_is_as_fast_as_the_device() -> None:
    rows = [row(load, server_s=0.1 * (1 + load), partway_s=0.4, offloaded=0.0) for load in (0.0, 0.5, 0.9)]
    assert held(rows)["partway over the device alone"]
    assert not held(rows)["offloaded under the lowest load"]
    assert not held([row(0.0, server_s=0.1, partway_s=0.41)])["offloaded under the lowest load"]


def test_a_load_that_is_not_taken_misses_a_mark() -> None:
    rows = [row(load, server_s=0.1, partway_s=0.1, given=0.3) for load in (0.0, 0.5)]
    assert not held(rows)["load that was taken"]
    assert held(ROWS)["load that was taken"]


def test_rows_become_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(tmp_path / "deep" / "figure.png", ROWS, "title")
    assert (tmp_path / "deep" / "figure.png").stat().st_size > 0
