"""How far a long job is, on stderr, and only where somebody looks at it.

Input: counts of what is done. Output: a bar or a spinner on a terminal, nothing anywhere else, so that logs and
pipes stay clean. Called by the verbs that measure or wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def follow(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for the time of a block.

    Args:
        what: what is being done, in a few words.
        quiet: show nothing even on a terminal.

    Yields:
        A function to call with how many of how many steps are done.
    """
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[None]:
    """A spinner for the time of a block whose steps cannot be counted.

    Args:
        what: what is being done, in a few words.
        quiet: show nothing even on a terminal.
    """
    console = Console(stderr=True, markup=False, highlight=False)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
