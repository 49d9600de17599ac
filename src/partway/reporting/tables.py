"""Tables on stdout.

Input: cells that are text already, units and all. Output: a table as wide as the terminal, or wide enough for
every name when stdout is a pipe or a file. Called by every verb, never with `--json`.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 160  # columns when nobody says how wide the reader's window is
_ANY_WIDTH = 10_000
_NAME_WIDTH = 40
_LEAST_WIDTH = 12  # of names in a narrow window


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        right: whether cells stand at its right edge, as numbers do.
        shrinks: whether it may be wrapped where the window is narrow; the others never are.
    """

    title: str
    right: bool = True
    shrinks: bool = False


def print_table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print one table and a blank line after it; a table without rows is not printed.

    Args:
        title: what it shows, printed above it.
        columns: headings and alignment.
        rows: one cell per column.
    """
    cells = tuple(tuple(map(printable, row)) for row in rows)
    if not cells:
        return
    console = _console()
    unbounded = console.options.update(width=_ANY_WIDTH)
    # A narrow window costs first the space between columns, then lines within names; never a number.
    table = _table(columns, cells, spaces=2)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = _table(columns, cells, spaces=1)
    console.width = max(console.width, console.measure(table, options=unbounded).minimum)
    console.print(printable(title), style="bold", soft_wrap=True)
    console.print(table)
    console.print()


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print `label  text` lines, the texts below each other, and a blank line after them.

    Args:
        lines: label and text of each.
    """
    pairs = tuple(lines)
    width = max((len(label) for label, _ in pairs), default=0)
    for label, text in pairs:
        print(printable(f"{label:<{width}}  {text}"))
    print()


def shorten(name: str, width: int = _NAME_WIDTH) -> str:
    """A name that fits: its middle gives way, since exporters put what tells names apart at their ends.

    Args:
        name: the name of a tensor or node.
        width: most characters.
    """
    if len(name) <= width:
        return name
    end = (width - 1) * 2 // 3
    return f"{name[: width - 1 - end]}…{name[-end:]}"


def name_set(names: Sequence[str], *, none: str, most: int = 2) -> str:
    """A cut's crossing tensors, shortened: `conv4`, `left + right`, `a + b + 3 more`.

    Args:
        names: the tensors.
        none: what to say when there are none.
        most: how many to name.
    """
    if not names:
        return none
    rest = len(names) - most
    shown = [shorten(name, _NAME_WIDTH if len(names) == 1 else _NAME_WIDTH // 2) for name in names[:most]]
    return " + ".join((*shown, f"{rest} more") if rest > 0 else shown)


def printable(text: str) -> str:
    """Somebody's words for a terminal: what would move its cursor or change its colours is shown as an escape.

    Args:
        text: a name from a file, for instance.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def share(part: float, whole: float) -> str:
    """A share in per cent; of nothing it is 0 %.

    Args:
        part: at least 0.
        whole: at least `part`.
    """
    return f"{100 * part / whole if whole else 0.0:.0f} %"


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, spaces: int) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, spaces - 1, 0, 0), collapse_padding=True
    )
    for place, column in enumerate(columns):
        widest = max(cell_len(text) for text in (column.title, *(row[place] for row in rows)))
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.shrinks,
            overflow="fold",
            min_width=min(widest, _LEAST_WIDTH) if column.shrinks else widest,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _console() -> Console:
    # Cells are names and numbers of models: brackets in them are shapes, never markup.
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
