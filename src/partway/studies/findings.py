"""What studies give: findings, tables and charts of one or more of the paper's figures.

    Claim                 what the paper says, and how sure we are that it says so
    Finding               a claim, what we get, and whether a mark that was set is met
    StudyResult           findings, tables, charts and assumptions of one study

Input: numbers of studies. Output: records, which the command line prints and `reporting` draws. Nothing is calculated
here but ratios and whether a mark is met.
"""

import math
from dataclasses import dataclass
from typing import Literal

from partway.reporting import Chart, Table

Kind = Literal["fitted", "predicted", "sensitivity"]
"""`fitted`: the machines were calibrated on it, or it follows from such numbers alone. `predicted`: nothing was
calibrated on it. `sensitivity`: it hangs on an assumption that the sources do not settle, and is shown over a range."""

Certainty = Literal["quoted", "second-hand", "from memory", "computed", "authors' files"]
"""Where the paper's number comes from: its text or abstract, others who cite it, memory of it, or arithmetic on it.
What its authors filed with DjiNN is no number of the paper's, and says so."""

Unit = Literal["s", "J", "B", "x", "share", "count", "yes"]
"""Seconds, joules, bytes, a factor, a share of 1, a count, or a statement that holds or does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that the paper says.

    Attributes:
        figure: of the paper, for instance `3`; or the section that it is about.
        quantity: what it is of, a plain phrase.
        value: in the unit; `True` for a statement.
        unit: of the value.
        certainty: where the value comes from.
    """

    figure: str
    quantity: str
    value: float | bool
    unit: Unit
    certainty: Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is asked of our number.

    Attributes:
        words: the same for people, for instance `within 20 %`.
        low: the least that meets it.
        high: the most that does.
        nothing: what ours would be if nothing were gained; None where that is not asked.
    """

    words: str
    low: float = -math.inf
    high: float = math.inf
    nothing: float | None = None

    def met(self, ours: float) -> bool:
        """Whether our number meets it; a statement counts 1 where it holds."""
        return self.low <= ours <= self.high

    @property
    def idle(self) -> bool:
        """Whether it would be met if nothing were gained."""
        return self.nothing is not None and self.met(self.nothing)


HOLDS = Mark(words="as the paper says", low=1.0)
"""Asked of a statement."""


def within(share: float, value: float, *, nothing: float | None = None) -> Mark:
    """The mark of a number that must be near the paper's.

    Args:
        share: how far it may be off, as a share of the value.
        value: the paper's, > 0.
        nothing: what ours would be if nothing were gained.
    """
    return Mark(words=f"within {100 * share:g} %", low=(1 - share) * value, high=(1 + share) * value, nothing=nothing)


def at_most(value: float, words: str, *, nothing: float | None = None) -> Mark:
    """The mark of a number that must not be above a value.

    Args:
        value: the most that meets it.
        words: what it is, for instance `under 1.02x device-only`.
        nothing: what ours would be if nothing were gained.
    """
    return Mark(words=words, high=value, nothing=nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the table: the paper's number and ours.

    Attributes:
        figure: of the paper.
        quantity: what both numbers are of.
        paper: the paper's; None where it gives none.
        ours: in the same unit; `True` or `False` for a statement.
        unit: of both.
        kind: how much of ours was put in.
        certainty: of the paper's.
        mark: what is asked of ours, if anything.
        note: what the reader should know; where the mark is missed, which assumption would have to differ.
        span: the least and the most of ours over the range of an assumption; the note says which.
    """

    figure: str
    quantity: str
    paper: float | bool | None
    ours: float | bool
    unit: Unit
    kind: Kind
    certainty: Certainty
    mark: Mark | None = None
    note: str = ""
    span: tuple[float, float] | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the paper's; None for statements, and where there is nothing to divide by."""
        if self.unit == "yes" or not self.paper:
            return None
        return self.ours / self.paper

    @property
    def holds(self) -> bool | None:
        """Whether ours meets the mark; None where none was set."""
        return None if self.mark is None else self.mark.met(self.ours)

    @property
    def could_fail(self) -> bool:
        """Whether a mark is set that says something: of what was not fitted, and missed if nothing were gained."""
        return self.mark is not None and self.kind != "fitted" and not self.mark.idle

    def agrees(self, share: float) -> bool | None:
        """Whether ours is as near the paper's as a share of it, or the same statement; None where it says nothing.

        Args:
            share: how far it may be off.
        """
        if self.paper is None:
            return None
        if self.unit == "yes":
            return self.ours == self.paper
        return within(share, float(self.paper)).met(self.ours)


def compare(
    claim: Claim,
    ours: float | bool,
    *,
    kind: Kind,
    mark: Mark | None = None,
    note: str = "",
    span: tuple[float, float] | None = None,
) -> Finding:
    """The finding that stands beside a claim; the arguments are those of `Finding`."""
    return Finding(
        figure=claim.figure,
        quantity=claim.quantity,
        paper=claim.value,
        ours=ours,
        unit=claim.unit,
        kind=kind,
        certainty=claim.certainty,
        mark=mark,
        note=note,
        span=span,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """All that one study gives.

    Attributes:
        findings: rows beside the paper's numbers.
        tables: what they were read from.
        charts: the figures.
        assumptions: what the study takes for granted beyond the set-up, one sentence each.
        left_out: how many findings more there are where numba is installed.
    """

    findings: tuple[Finding, ...]
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    assumptions: tuple[str, ...] = ()
    left_out: int = 0
