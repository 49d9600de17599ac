"""What holds of every study."""

import pytest

from partway.studies import STUDIES, Setup, Study


def named(study: Study) -> str:
    return "-".join(map(str, study.figures))


def test_no_figure_is_covered_twice_and_they_are_in_order() -> None:
    figures = [figure for study in STUDIES for figure in study.figures]
    assert figures == sorted(set(figures))


@pytest.mark.parametrize("study", STUDIES, ids=named)
def test_a_study_gives_the_same_whenever_it_is_run_and_says_why_it_misses(study: Study, setup: Setup) -> None:
    result = study.run(setup)
    assert study.run(setup) == result
    assert result.findings
    assert result.charts
    for finding in result.findings:
        assert finding.holds is not False or finding.note, finding.quantity
        assert finding.kind != "sensitivity" or finding.span or finding.note, finding.quantity
    for table in result.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
