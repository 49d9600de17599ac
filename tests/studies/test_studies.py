"""What holds of every study, and of the pages that quote them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.studies.support import result_of

from partway.cli.reproduce_report import Reproduced, page
from partway.reporting import FindingRow
from partway.studies import STUDIES, Setup, Study, busy_centre, regressions, throughput

DOCS = Path(__file__).parents[2] / "docs"
QUOTING = (DOCS / "reproduction.md", DOCS / "decisions" / "0017-the-paper-as-its-authors-program-reads-it.md")
FINDINGS = ("figure", "quantity", "paper", "ours", "ratio", "kind", "mark")
SIMULATED = ("figure", "quantity, simulated", *FINDINGS[2:])  # takes too long for a test


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


def test_the_pages_quote_what_the_studies_print(setup: Setup) -> None:
    shown = page([Reproduced(study=study, result=result_of(study, setup)) for study in STUDIES])
    rows = {(row.figure, row.quantity): _cells(row) for section in shown.sections for row in section.rows}
    tables = {row for section in shown.sections for table in section.tables for row in table.rows}
    found = [(head, body) for quoting in QUOTING for head, body in _tables(quoting.read_text())]
    assert sum(head == FINDINGS for head, _ in found) >= 5
    for head, body in found:
        if head == FINDINGS:
            assert {row[:2]: row for row in body} == {row[:2]: rows[row[0], row[1]] for row in body}
        elif head != SIMULATED and "what it means" not in head:
            assert set(body) <= tables


def test_the_page_counts_the_marks_that_are_met(setup: Setup) -> None:
    findings = [row for study in STUDIES for row in result_of(study, setup).findings if row.could_fail]
    simulated = [row[-1] for head, body in _tables(QUOTING[0].read_text()) if head == SIMULATED for row in body]
    ((met, of),) = re.findall(r"(?m)^(\d+) of (\d+) marks that could be missed", QUOTING[0].read_text())
    assert int(met) == sum(row.holds is True for row in findings) + sum(mark.endswith(": met") for mark in simulated)
    assert int(of) == len(findings) + sum(mark != "" for mark in simulated)


def _tables(text: str) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Tables of a page: what heads their columns, and their rows."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        head, _, *body = [
            tuple(cell.strip().replace("**", "") for cell in line[1:-1].split("|")) for line in block.splitlines()
        ]
        yield head, body


def _cells(row: FindingRow) -> tuple[str, ...]:
    mark = f"{row.mark}: {row.verdict}" if row.mark else ""
    return row.figure, row.quantity, row.theirs, row.ours, row.ratio, row.kind, mark
