"""What is to be found out, of what, and how surely: a scenario as a record.

In come the parts that `scenario_reading` reads from a file, or that a program makes; `questions` answers. Shared by
studies and the command line.
"""

from dataclasses import dataclass
from typing import Literal

from partway.errors import InputError
from partway.simulation.fleets import Fleet
from partway.simulation.queues import Queue
from partway.simulation.replications import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an answer has to keep to.

    Attributes:
        quantity: of the responses or latencies.
        seconds: at most, above 0.
    """

    quantity: Literal["mean", "p95"]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AsItIs:
    """How is it? One point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstLoad:
    """How does latency grow with the load?

    Attributes:
        points: loads of a queue (arrivals over capacity), or numbers of devices of a fleet; ascending.
    """

    points: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MostWithin:
    """How much can the server bear?

    Attributes:
        target: that latency has to keep to.
    """

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersFor:
    """How many workers does it take?

    Attributes:
        target: that latency has to keep to.
        points: arrivals a second of a queue, or numbers of devices of a fleet; ascending.
    """

    target: Target
    points: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadHour:
    """What does it cost when links are bad for a while?

    Attributes:
        calm: the same fleet with links that never change.
        from_s: when the first link changes.
        until_s: when the last is as at the beginning again.
    """

    calm: Fleet
    from_s: float
    until_s: float


Question = AsItIs | AgainstLoad | MostWithin | WorkersFor | BadHour


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A question about a queue or a fleet.

    Attributes:
        title: for tables and figures.
        question: what is asked.
        subject: of what.
        jobs: requests that a run of a queue plays.
        duration_s: for how long a run of a fleet is played.
        precision: when enough was played.
        seed: of all chance.

    Raises:
        InputError: a bad hour is asked of a queue.
    """

    title: str
    question: Question
    subject: Queue | Fleet
    jobs: int = 200_000
    duration_s: float = 600.0
    precision: Precision
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.question, BadHour) and not isinstance(self.subject, Fleet):
            raise InputError("a bad hour of links was asked of a queue that has none; give devices with links")
