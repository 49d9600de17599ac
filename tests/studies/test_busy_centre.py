from collections.abc import Callable

import pytest

from partway.simulation import Estimate, Precision, Reading
from partway.studies import Setup, StudyResult, busy_centre
from partway.studies.busy_centre import LAST_REPORT, READINGS, UNTOLD, Busy, play_busy, simulated
from partway.studies.server_load import service_times_s

Simulated = Callable[[], StudyResult]


@pytest.fixture
def run(unsent: Setup) -> Simulated:
    table, link = unsent.table("alexnet", unsent.device("CPU")), unsent.link("Wi-Fi")
    return lambda: simulated(unsent, table, link, service_times_s(unsent))


def test_devices_send_less_the_busier_the_server_and_wait_less_where_they_are_turned_away(
    unsent: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="queues are simulated with numba alone")
    monkeypatch.setattr(busy_centre, "_PRECISION", Precision(most_runs=2))
    table, link = unsent.table("alexnet", unsent.device("CPU")), unsent.link("Wi-Fi")
    calm, busy, patient = (
        play_busy(unsent, table, link, load, reading=reading, duration_s=200.0)
        for load, reading in ((0.2, None), (0.95, None), (0.95, Reading(turns_away=False)))
    )
    assert calm.utilisation == pytest.approx(0.2, abs=0.03)
    assert busy.utilisation == pytest.approx(0.95, abs=0.05)
    assert calm.offloaded > max(busy.offloaded, patient.offloaded)
    assert busy.adaptive_p95_s < patient.adaptive_p95_s
    assert busy.server_only_s.value > calm.server_only_s.value > table.latency_s(link)[0] * 0.999


@pytest.mark.parametrize(("adaptive_s", "met"), [(0.38, True), (0.40, False), (0.7, False)])
def test_the_mark_is_of_the_client_where_server_only_would_miss_it(
    run: Simulated, monkeypatch: pytest.MonkeyPatch, adaptive_s: float, met: bool
) -> None:
    def play(*given: object, reading: object = None, **_: object) -> Busy:
        load = given[-1]
        assert isinstance(load, float)
        seen_s = Estimate(value=0.3 if reading is READINGS[LAST_REPORT] else adaptive_s, half_width=0.01)
        return Busy(
            load=load,
            utilisation=load,
            wait_s=0.0,
            server_only_s=seen_s,
            adaptive_s=seen_s,
            adaptive_p95_s=1.0,
            offloaded=0.5,
        )

    monkeypatch.setattr(busy_centre, "play_busy", play)
    monkeypatch.setattr(busy_centre, "simulates", lambda: True)
    judged, *others = run().findings
    assert judged.could_fail
    assert judged.holds is met
    assert "50% of its queries answered by the server. A device that never asks the server would meet" in judged.note
    assert not any(other.mark for other in others)


def test_without_numba_it_says_how_many_rows_are_left_out(run: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy_centre, "simulates", lambda: False)
    assert run() == StudyResult(findings=(), assumptions=(UNTOLD,), left_out=6)
