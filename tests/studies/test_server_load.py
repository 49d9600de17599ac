import re

import pytest
from tests.studies.support import finding_of

from partway.studies import Setup, busy_centre, paper, server_load
from partway.studies.load_models import residual_s
from partway.studies.server_load import service_times_s
from partway.units import parse_duration


@pytest.fixture(autouse=True)
def _without_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy_centre, "simulates", lambda: False)


def test_the_idle_server_is_near_the_paper(setup: Setup) -> None:
    assert finding_of(server_load.STUDY, setup, paper.IDLE_SERVER_S).holds is True


def test_what_the_note_asks_for_gives_the_papers_number(setup: Setup, unsent: Setup) -> None:
    found = finding_of(server_load.STUDY, setup, paper.BUSY_SERVER_S)
    asked = re.search(r"would have to be ([0-9.]+ ms) on average, not ([0-9.]+ ms)", found.note)
    assert asked is not None
    needed_s, ours_s = (parse_duration(text) for text in asked.groups())
    assert ours_s == pytest.approx(residual_s(service_times_s(setup)), rel=0.01)
    idle_s = float(unsent.table("alexnet", setup.device("CPU")).latency_s(unsent.link("Wi-Fi"))[0])
    assert idle_s + 9 * needed_s == pytest.approx(float(paper.BUSY_SERVER_S.value), rel=0.01)
    assert found.span is not None
    assert found.span[0] <= found.ours <= found.span[1]
