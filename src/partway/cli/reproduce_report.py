"""What `partway reproduce` shows: rows by figure, marks, notes; as tables, as a page, as plain values for JSON.

Input: studies with their results. Output: tables on stdout, a page's content, a mapping. Called by `partway reproduce`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from partway.reporting import Column, FindingRow, FindingsPage, Section, Table, format_value, print_lines, print_table
from partway.reporting.sections import Verdict
from partway.studies import Finding, Study, StudyResult
from partway.studies.findings import Kind

_COLUMNS = (
    Column(title="quantity", right=False, shrinks=True),
    Column(title="paper"),
    Column(title="ours"),
    Column(title="ratio"),
    Column(title="kind", right=False),
    Column(title="the paper's is", right=False),
    Column(title="mark", right=False, shrinks=True),
)
_SIGNS = {"met": "met", "missed": "MISSED", "": ""}
_VERDICTS: dict[bool | None, Verdict] = {True: "met", False: "missed", None: ""}

_INTRODUCTION = (
    "The figures of Neurosurgeon (Kang et al., ASPLOS 2017), made anew from datasheets of its machines and the shapes "
    "of its networks. Nothing was measured here: the speeds of machines and links were fitted to the status quo of "
    "AlexNet alone (382, 81 and 6 ms; uploads of 95, 180 and 870 ms), and nothing was fitted to any other result.",
)
_WORDS = (
    ("fitted", "the machines and links were calibrated on this number, or it follows from such numbers alone"),
    ("predicted", "nothing was calibrated on it"),
    ("sensitivity", "hangs on an assumption that the sources do not settle; in brackets, its span over that"),
    ("quoted", "the number is in the paper's text or abstract"),
    ("second-hand", "it is told by others who cite the paper"),
    ("from memory", "it is remembered of the paper and was checked for consistency"),
    ("computed", "it was calculated from other numbers"),
    ("authors' files", "no number of the paper's: its authors filed what they had measured with another project"),
)
_NEAR = 0.2  # of the paper's number, for rows without a mark
_FOOTER = "Made by partway reproduce."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """A study and what it gave."""

    study: Study
    result: StudyResult

    @property
    def title(self) -> str:
        """The figures and what they are about: `Figures 3, 4: ...`; the study's own where it is about none."""
        figures = self.study.figures
        if not figures:
            return self.study.title
        return f"Figure{'s' * (len(figures) > 1)} {', '.join(map(str, figures))}: {self.study.title}"

    @property
    def short(self) -> str:
        """The same in a few words: `3-4: status quo`."""
        if not self.study.figures:
            return self.study.short
        first, last = self.study.figures[0], self.study.figures[-1]
        return f"{first}{f'-{last}' if last > first else ''}: {self.study.short}"


def document(reproduced: Sequence[Reproduced]) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "rows": [_row_document(finding) for item in reproduced for finding in item.result.findings],
        "assumptions": [
            {"figures": item.study.figures, "text": text} for item in reproduced for text in item.result.assumptions
        ],
        "tables": [
            {"figures": item.study.figures, "title": table.title, "columns": table.columns, "rows": table.rows}
            for item in reproduced
            for table in item.result.tables
        ],
    }


def page(reproduced: Sequence[Reproduced]) -> FindingsPage:
    """The page of `--output`."""
    return FindingsPage(
        title="The paper's numbers beside ours",
        introduction=(*_INTRODUCTION, _summary(reproduced)),
        words=_WORDS,
        sections=tuple(
            Section(
                title=item.title,
                rows=tuple(map(_row, item.result.findings)),
                tables=item.result.tables,
                charts=item.result.charts,
                assumptions=item.result.assumptions,
                short=item.short,
            )
            for item in reproduced
        ),
        footer=_FOOTER,
    )


def print_report(reproduced: Sequence[Reproduced], *, detailed: bool, folder: Path | None) -> None:
    """Print the rows of each study.

    Args:
        reproduced: what to print.
        detailed: also all notes, tables and assumptions; else only the notes of marks that are missed.
        folder: where the page was written, if it was.
    """
    for item in reproduced:
        rows = tuple(map(_row, item.result.findings))
        print_table(item.title, _COLUMNS, map(_cells, rows))
        told = [row for row in rows if row.note and (detailed or row.verdict == "missed")]
        for row in told:
            print(f"{'MISSED: ' * (row.verdict == 'missed')}{row.quantity}: {row.note}")
        if detailed:
            for text in item.result.assumptions:
                print(f"Assumed: {text}")
        if told or (detailed and item.result.assumptions):
            print()
        if detailed:
            for table in item.result.tables:
                print_table(table.title, _columns(table), table.rows)
    print_lines(_afterwards(reproduced, detailed=detailed, folder=folder))


def _columns(table: Table) -> tuple[Column, ...]:
    first, *others = table.columns
    return (Column(title=first, right=False), *(Column(title=name) for name in others))


def _afterwards(reproduced: Sequence[Reproduced], *, detailed: bool, folder: Path | None) -> Iterator[tuple[str, str]]:
    yield "marks", _summary(reproduced)
    if not detailed:
        yield "more", "--figure N prints notes, assumptions and tables; --output FOLDER writes a page with figures"
    if folder is not None:
        yield "page", str(folder / "index.html")


def _summary(reproduced: Sequence[Reproduced]) -> str:
    findings = [finding for item in reproduced for finding in item.result.findings]
    marked = [finding for finding in findings if finding.could_fail]
    idle = [finding for finding in findings if finding.mark is not None and not finding.could_fail]
    free = [agrees for finding in findings if finding.holds is None and (agrees := finding.agrees(_NEAR)) is not None]
    told = []
    if marked:
        parts = (
            f"{sum(one.holds is True for one in own)} of {len(own)} on {kind} rows"
            for kind in get_args(Kind)
            if (own := [one for one in marked if one.kind == kind])
        )
        met = sum(one.holds is True for one in marked)
        told.append(f"{met} of {len(marked)} marks that could be missed are met: {', '.join(parts)}")
    if idle:
        fitted = sum(one.kind == "fitted" for one in idle)
        told.append(
            f"{len(idle)} {'more ' * bool(marked)}could hardly be missed, {fitted} on fitted rows and "
            f"{len(idle) - fitted} that would be met if nothing were gained, and "
            f"{sum(one.holds is True for one in idle)} are met"
        )
    if not (marked or idle):
        told.append("no mark was set here")
    if free:
        told.append(
            f"of {len(free)} numbers and statements of the paper without a mark, {free.count(False)} are more than "
            f"{100 * _NEAR:g} % off or the opposite"
        )
    if left := [item for item in reproduced if item.result.left_out]:
        figures = " and ".join(str(item.study.figures[-1]) for item in left)
        told.append(
            f"{sum(item.result.left_out for item in left)} rows of Figure{'s' * (len(left) > 1)} {figures} were left "
            "out, since queues are simulated with numba alone: pip install 'partway[simulate]'"
        )
    return f"{'; '.join(told)}."


def _cells(row: FindingRow) -> tuple[str, ...]:
    mark = f"{row.mark}: {_SIGNS[row.verdict]}" if row.mark else ""
    return row.quantity, row.theirs, row.ours, row.ratio, row.kind, row.certainty, mark


def _row(finding: Finding) -> FindingRow:
    ratio = finding.ratio
    ours = _value(finding, finding.ours)
    if finding.span is not None:
        low, high = (_value(finding, end) for end in finding.span)
        ours = f"{ours} ({low} to {high})"
    return FindingRow(
        figure=finding.figure,
        quantity=finding.quantity,
        theirs="" if finding.paper is None else _value(finding, finding.paper),
        ours=ours,
        ratio="" if ratio is None else f"{ratio:.2f}",
        kind=finding.kind,
        certainty=finding.certainty,
        mark="" if finding.mark is None else f"{finding.mark.words}{', as no gain is' * finding.mark.idle}",
        verdict=_VERDICTS[finding.holds],
        note=finding.note,
    )


def _value(finding: Finding, value: float | bool) -> str:
    if finding.unit == "yes":
        return "yes" if value else "no"
    return format_value(value, finding.unit)


def _row_document(finding: Finding) -> dict[str, object]:
    return {
        "figure": finding.figure,
        "quantity": finding.quantity,
        "unit": finding.unit,
        "paper": finding.paper,
        "ours": finding.ours,
        "ratio": finding.ratio,
        "kind": finding.kind,
        "certainty": finding.certainty,
        "mark": None if finding.mark is None else finding.mark.words,
        "holds": finding.holds,
        "could_fail": finding.could_fail if finding.mark is not None else None,
        "note": finding.note,
        "span": finding.span,
    }
