"""Questions are answered by the points that they take, and the answers agree with what is known."""

import math
from pathlib import Path

import pytest
from tests.simulation.scenarios import FLEET, STREAM, asking

from partway.errors import InputError, NothingFits
from partway.simulation.questions import Report, answer
from partway.simulation.scenario import BadHour, Scenario
from partway.simulation.scenario_reading import read_scenario
from partway.simulation.theory import quantile_mmk_s

HOUR = (
    FLEET.replace("20s", "30s")
    + """changes = [
  { from = "10s", link = "up=1Mbit/s,rtt=50ms" },
  { from = "20s", link = "up=20Mbit/s,down=56Mbit/s,rtt=10ms" },
]
"""
)


def asked(folder: Path, text: str, study: str = "") -> Report:
    path = folder / "scenario.toml"
    path.write_text(asking(text, study) if study else text)
    return answer(read_scenario(path))


def test_one_point_is_as_it_is(tmp_path: Path) -> None:
    report = asked(tmp_path, STREAM)
    assert (len(report.points), report.answer) == (1, 0)
    point = report.points[0]
    assert point.mean_s.value == pytest.approx(0.01 + 0.01 * 0.49 / 0.51, rel=0.1)
    assert point.jobs == 8 * 2000
    assert report.jobs == 2 * point.jobs  # as many again say how long the warm-up is
    assert report.wall_s > 0


def test_latency_grows_with_the_load(tmp_path: Path) -> None:
    report = asked(tmp_path, STREAM, 'kind = "load"\nloads = [0.9, 0.3, 0.6]')
    assert [point.load for point in report.points] == pytest.approx([0.3, 0.6, 0.9])
    means_s = [point.mean_s.value for point in report.points]
    assert means_s == sorted(means_s)
    assert report.answer == 2


def test_the_most_load_within_a_target_is_the_one_of_the_formula(tmp_path: Path) -> None:
    text = STREAM.replace("2000", "50000")
    report = asked(tmp_path, text, 'kind = "throughput"\np95 = "60ms"')
    (point,) = report.points
    assert point.load is not None
    assert point.p95_s.value <= 0.06
    assert quantile_mmk_s(0.95, 0.01, 2, point.load) == pytest.approx(0.06, rel=0.08)
    assert report.jobs > point.jobs


def test_the_fewest_workers_within_a_target_are_the_ones_of_the_formula(tmp_path: Path) -> None:
    report = asked(
        tmp_path, STREAM.replace("2000", "20000"), 'kind = "servers"\np95 = "40ms"\nrates = ["150/s", "450/s"]'
    )
    workers = [point.workers for point in report.points]
    for rate_per_s, found in zip((150.0, 450.0), workers, strict=True):
        assert quantile_mmk_s(0.95, 0.01, found, rate_per_s * 0.01 / found) <= 0.043
        fewer = found - 1
        assert fewer <= rate_per_s * 0.01 or quantile_mmk_s(0.95, 0.01, fewer, rate_per_s * 0.01 / fewer) > 0.037


def test_a_target_that_nothing_keeps_is_refused(tmp_path: Path) -> None:
    for study in ('kind = "throughput"\nmean = "1ms"', 'kind = "servers"\nmean = "1ms"\nrates = ["50/s"]'):
        with pytest.raises(NothingFits, match="mean stays above 1 ms"):
            asked(tmp_path, STREAM.replace("2000", "1000"), study)


def test_more_devices_wait_longer_and_fewer_of_them_offload(tmp_path: Path) -> None:
    report = asked(tmp_path, FLEET, 'kind = "load"\ndevices = [10, 80]')
    few, many = report.points
    assert (few.devices, many.devices) == (10, 80)
    assert few.mean_s.value < many.mean_s.value
    assert few.offloaded is not None
    assert many.offloaded is not None
    assert few.offloaded.value > many.offloaded.value
    assert many.groups[0].jobs > few.groups[0].jobs


def test_the_most_devices_within_a_target_keep_to_it(tmp_path: Path) -> None:
    (point,) = asked(tmp_path, FLEET, 'kind = "throughput"\nmean = "200ms"').points
    assert point.devices is not None
    assert 10 < point.devices < 200
    assert point.mean_s.value <= 0.2


def test_a_fleet_gets_the_workers_that_it_needs(tmp_path: Path) -> None:
    report = asked(tmp_path, FLEET, 'kind = "servers"\nmean = "150ms"\ndevices = [20, 120]')
    assert report.points[0].workers < report.points[1].workers
    assert all(point.mean_s.value <= 0.15 for point in report.points)


def test_runs_without_any_answer_do_not_make_latencies_short(tmp_path: Path) -> None:
    rare = FLEET.replace("count = 40", "count = 1").replace("500ms", "20s").replace("20s", "8s", 1)
    (point,) = asked(tmp_path, rare).points
    assert point.mean_s.value == pytest.approx(0.01 + 150_000 / 2.5e6 + 0.02 + 4_000 / 7e6, rel=0.01)
    assert point.groups[0].mean_s == pytest.approx(point.mean_s.value, rel=0.01)
    assert point.offloaded is not None
    assert point.offloaded.value == 1.0
    assert point.jobs < point.runs


@pytest.mark.parametrize("study", ["", 'kind = "throughput"\nmean = "1s"'])
def test_nothing_that_was_answered_is_refused(tmp_path: Path, study: str) -> None:
    silent = FLEET.replace("count = 40", "count = 1").replace("500ms", "900h")
    with pytest.raises(InputError, match="nothing was answered in any of 8 runs"):
        asked(tmp_path, silent, study)


BY_RATE = FLEET.replace("count = 40", 'count = 5\ncut = "server"')


@pytest.mark.parametrize(
    ("every", "study", "said"),
    [
        ("10ms", "", "as it is: requests that come by a rate ask 10 of what the workers can do"),
        ("200ms", 'kind = "load"\ndevices = [5, 20]', "20 devices: requests that come by a rate ask 2 of what"),
    ],
)
def test_a_fleet_that_falls_behind_for_ever_is_refused(tmp_path: Path, every: str, study: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked(tmp_path, BY_RATE.replace('pause = "500ms"', f'every = "{every}"'), study)


def test_a_search_keeps_to_what_a_server_can_bear(tmp_path: Path) -> None:
    text = BY_RATE.replace('pause = "500ms"', 'every = "100ms"\narrivals = "even"')
    (most,) = asked(tmp_path, text, 'kind = "throughput"\nmean = "1h"').points
    assert most.devices == 4  # five would ask all that one worker can do
    (fewest,) = asked(tmp_path, text, 'kind = "servers"\nmean = "1h"\ndevices = [11]').points
    assert fewest.workers == 3


def test_what_falls_behind_elsewhere_is_told(tmp_path: Path) -> None:
    """A device that needs 0.4 s for what comes every 0.1 s."""
    text = BY_RATE.replace('cut = "server"', 'cut = "device"').replace('pause = "500ms"', 'every = "100ms"')
    report = asked(tmp_path, text)
    assert report.points[0].unanswered == pytest.approx(0.75, abs=0.02)
    (note,) = report.notes
    assert note.startswith("as it is: 7")
    assert "had no answer yet when a run ended" in note
    assert asked(tmp_path, FLEET).notes == ()


def test_an_answer_that_chance_may_have_made_is_told(tmp_path: Path) -> None:
    report = asked(tmp_path, STREAM, 'kind = "throughput"\np95 = "60ms"')
    (point,) = report.points
    assert point.p95_s.covers(0.06)
    (note,) = report.notes
    assert "the target of 60 ms lies within the interval of p95" in note
    assert asked(tmp_path, STREAM, 'kind = "servers"\nmean = "1h"\nrates = ["50/s"]').notes == ()


def test_a_bad_hour_costs_while_it_lasts(tmp_path: Path) -> None:
    report = asked(tmp_path, HOUR, 'kind = "hour"')
    before, during, after, without = report.points
    assert report.answer == 1
    assert during.mean_s.value > 1.2 * before.mean_s.value
    assert after.mean_s.value == pytest.approx(before.mean_s.value, rel=0.3)
    assert without.mean_s.value == pytest.approx(before.mean_s.value, rel=0.3)
    assert report.lost_s is not None
    assert report.lost_s > 0
    assert report.timeline is not None
    latency_s = dict(zip(report.timeline.at_s, report.timeline.latency_s, strict=True))
    worst = max(latency_s, key=lambda at_s: latency_s[at_s] if math.isfinite(latency_s[at_s]) else 0.0)
    assert 9 < worst < 21


def test_a_queue_has_no_bad_hour(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(STREAM)
    scenario = read_scenario(path)
    path.write_text(asking(HOUR, 'kind = "hour"'))
    hour = read_scenario(path).question
    assert isinstance(hour, BadHour)
    with pytest.raises(InputError, match="a queue that has none"):
        Scenario(title="x", question=hour, subject=scenario.subject, precision=scenario.precision)


def test_progress_is_told_for_every_point(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(asking(STREAM, 'kind = "load"\nloads = [0.3, 0.6]'))
    told: list[str] = []
    answer(read_scenario(path), tell=lambda name, _done, _total: told.append(name))
    assert told == ["load 0.3"] * 8 + ["load 0.6"] * 8
