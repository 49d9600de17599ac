"""One study: a function from the set-up to findings, and the figures of the paper that it makes anew.

Called by the room's list of studies, and by whoever runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from partway.studies.findings import StudyResult
from partway.studies.setup import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One reproduction.

    Attributes:
        figures: of the paper that it covers, for instance `(3, 4)`; none for a study with a name.
        title: what it is about.
        short: the same in a word or two.
        run: makes the result from the set-up; the same for the same set-up.
        name: by which it is asked for where it is about no figure.
    """

    figures: tuple[int, ...]
    title: str
    short: str
    run: Callable[[Setup], StudyResult]
    name: str = ""
