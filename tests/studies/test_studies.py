"""What holds of every study."""

import pytest
from tests.studies.support import result_of

from partway.studies import STUDIES, Setup, Study, busy_centre, regressions, throughput


@pytest.fixture(autouse=True)
def _without_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    # Those take seconds, and have tests of their own.
    for module in (busy_centre, throughput):
        monkeypatch.setattr(module, "simulates", lambda: False)


def named(study: Study) -> str:
    return study.name or "-".join(map(str, study.figures))


def test_studies_are_in_the_order_of_their_figures_and_cover_all_of_them() -> None:
    last = [study.figures[-1] for study in STUDIES if study.figures]
    assert last == sorted(last)
    assert all(bool(study.figures) != bool(study.name) for study in STUDIES)
    assert {figure for study in STUDIES for figure in study.figures} == set(range(3, 17))


# Regressions take seconds, and have a test of their own.
@pytest.mark.parametrize("study", [study for study in STUDIES if study is not regressions.STUDY], ids=named)
def test_a_study_gives_the_same_whenever_it_is_run(study: Study, setup: Setup) -> None:
    assert study.run(setup) == result_of(study, setup)


@pytest.mark.parametrize("study", STUDIES, ids=named)
def test_a_study_says_why_it_misses_and_what_a_sensitivity_hangs_on(study: Study, setup: Setup) -> None:
    result = result_of(study, setup)
    assert result.findings
    assert result.charts
    for finding in result.findings:
        assert finding.holds is not False or finding.note, finding.quantity
        assert finding.kind != "sensitivity" or finding.span or finding.note, finding.quantity
    for table in result.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
