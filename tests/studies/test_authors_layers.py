from pathlib import Path

from tests.studies.support import result_of

from partway.studies import Setup, authors_layers
from partway.studies.measured_gains import read_all

PAGE = Path(__file__).parents[2] / "docs" / "reproduction.md"


def test_the_page_has_the_tables_as_they_come_out(setup: Setup) -> None:
    page = {tuple(cell.strip() for cell in line.strip("| \n").split("|")) for line in PAGE.read_text().splitlines()}
    networks, kinds, readings, _ = result_of(authors_layers.STUDY, setup).tables
    for table in (networks, kinds, readings):
        for row in table.rows:
            assert tuple(row) in page, row


def test_every_number_of_the_files_is_spanned_over_its_readings(setup: Setup) -> None:
    findings = result_of(authors_layers.STUDY, setup).findings
    told = [finding for finding in findings if finding.quantity.endswith("with the authors' layer times")]
    assert len(told) == 10
    for finding in told:
        assert finding.kind == "sensitivity"
        assert finding.span is not None
        assert finding.span[0] <= finding.ours <= finding.span[1]


def test_cuts_are_told_of_all_configurations(setup: Setup) -> None:
    cuts = result_of(authors_layers.STUDY, setup).tables[-1]
    assert len(cuts.rows) == 48
    same = sum(row[3] == row[5] for row in cuts.rows)
    (chosen,) = (row for row in result_of(authors_layers.STUDY, setup).findings if "fastest cut" in row.quantity)
    assert chosen.ours == same


def test_throughput_never_falls_below_that_of_server_only(setup: Setup) -> None:
    for read in read_all(setup).values():
        assert all(gain >= 1 for gains in read.throughput.values() for gain in gains)
