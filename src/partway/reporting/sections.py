"""What a page of findings shows: rows beside each other's numbers, tables and charts, section by section.

Input: text that is formatted already, and charts. Output: records, which `findings_page` turns into a page and the
command line prints. Made by whoever has findings to show.
"""

from dataclasses import dataclass
from typing import Literal

from partway.reporting.charts import Chart

Verdict = Literal["met", "missed", ""]
"""Whether a row meets what is asked of it; empty where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Text in rows and columns.

    Attributes:
        title: what it shows.
        columns: headings; the first column holds names, the others numbers.
        rows: one cell a column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """Somebody's number and ours, as text.

    Attributes:
        figure: which it is from.
        quantity: what both are of.
        theirs: with its unit; empty where there is none.
        ours: with its unit.
        ratio: ours over theirs; empty where there is none.
        kind: how much of ours was put in.
        certainty: where theirs is from.
        mark: what is asked of ours; empty for nothing.
        verdict: whether it is met.
        note: what the reader should know; may be empty.
    """

    figure: str
    quantity: str
    theirs: str
    ours: str
    ratio: str
    kind: str
    certainty: str
    mark: str
    verdict: Verdict
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What belongs together.

    Attributes:
        title: its heading.
        rows: the findings.
        tables: what they were read from.
        charts: the figures.
        assumptions: what is taken for granted, one sentence each.
        short: the heading in a few words, for the contents; empty where it is short itself.
    """

    title: str
    rows: tuple[FindingRow, ...]
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    assumptions: tuple[str, ...] = ()
    short: str = ""
