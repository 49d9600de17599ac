"""Two machines that are planned for, and what comes of it.

Input: the documents that the user named. Output: a `Pair`; and the `Planned` that `plan_costs` makes of it. Called by
`partway plan` and its parts.
"""

from dataclasses import dataclass
from pathlib import Path

from partway.cli.plan_sources import Source, read_source
from partway.errors import InputError
from partway.graph import Cut
from partway.planning import NodeCosts, PlanDocument
from partway.prediction.analytic import AnalyticMachine
from partway.prediction.energy import FittedPower
from partway.prediction.profile import Profile
from partway.profiling.power import ConstantPower

_HERE = "measured on this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The documents of two machines; None for this one.

    Attributes:
        device: where heads run.
        server: where tails run.
    """

    device: Path | None
    server: Path | None

    def describe(self) -> str:
        """Both, as a plan's document says it."""
        return f"device: {self.device or _HERE}; server: {self.server or _HERE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A pair's plan, and all that the reader should know of it.

    Attributes:
        plan: costs and the few that can be best.
        cuts: of each row of the plan's costs.
        device: where heads run.
        server: where tails run.
        nodes: additive seconds of each layer on either side.
        notes: on costs, cuts and codecs.
    """

    plan: PlanDocument
    cuts: tuple[Cut, ...]
    device: Source
    server: Source
    nodes: NodeCosts
    notes: tuple[str, ...]


def own_power(path: Path | None, threads: int | None) -> FittedPower | ConstantPower | None:
    """What the device's document says of its watts: a meter's, or those of a datasheet; None where it says nothing.

    Raises:
        DocumentError: the file is of another kind, or cannot be read.
        InputError: the profile has nothing for this number of threads.
    """
    document = None if path is None else read_source(path)
    if isinstance(document, AnalyticMachine):
        return document.power
    if not isinstance(document, Profile):
        return None
    try:
        return document.power(document.settle_threads(threads))
    except InputError as error:
        raise InputError(f"--device: {error}") from error
