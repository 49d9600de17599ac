"""What became of a benchmark's marks: printed, as an exit status, and within its document as `verdicts`.

Input: for each mark what it is of, what was found in words, and whether it holds. Called by the benchmarks of the
running whole; `benchmarks.all` reads them from the documents.
"""

from collections.abc import Sequence

from partway.reporting import print_lines

Verdict = tuple[str, str, bool]


def conclude(verdicts: Sequence[Verdict], notes: Sequence[tuple[str, str]] = ()) -> int:
    """Print marks and notes; 0 where all hold, else 1.

    Args:
        verdicts: of the marks.
        notes: printed below, label and text.
    """
    print_verdicts(verdicts, notes)
    return status_of(verdicts)


def print_verdicts(verdicts: Sequence[Verdict], notes: Sequence[tuple[str, str]] = ()) -> None:
    """A line a mark, and the notes below."""
    print_lines([*((what, f"{found}: {'holds' if held else 'MISSED'}") for what, found, held in verdicts), *notes])


def status_of(verdicts: Sequence[Verdict]) -> int:
    """An exit status: 0 where all marks hold, else 1."""
    return 0 if all(held for _, _, held in verdicts) else 1
