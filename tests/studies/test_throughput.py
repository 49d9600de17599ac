import pytest
from tests.studies.support import finding_of

from partway.studies import Setup, paper, throughput
from partway.studies.busy_centre import UNTOLD
from partway.studies.findings import Claim


@pytest.mark.parametrize("claim", [paper.THROUGHPUT_WIFI, paper.THROUGHPUT_LTE, paper.THROUGHPUT_3G])
def test_each_link_says_its_mixes_and_where_it_misses_what_would_have_to_differ(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, claim: Claim
) -> None:
    monkeypatch.setattr(throughput, "simulates", lambda: False)
    found = finding_of(throughput.STUDY, setup, claim)
    assert "100% of the devices having a GPU" in found.note
    assert found.span is not None
    assert 1 <= found.span[0] <= found.ours <= found.span[1]
    assert found.holds or "It is met with" in found.note


def test_the_slower_the_link_the_more_stays_on_devices(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "simulates", lambda: False)
    rows = {row.quantity: row.ours for row in throughput.STUDY.run(setup).findings}
    gains = [rows[claim.quantity] for claim in (paper.THROUGHPUT_WIFI, paper.THROUGHPUT_LTE, paper.THROUGHPUT_3G)]
    assert gains == sorted(gains)
    assert rows[paper.THROUGHPUT_MAX.quantity] >= max(gains)


def test_without_numba_there_are_no_rows_of_queues(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "simulates", lambda: False)
    result = throughput.STUDY.run(setup)
    assert UNTOLD in result.assumptions
    assert not [row for row in result.findings if "queue" in row.quantity]
