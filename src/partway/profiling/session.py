"""Profile a machine: random graphs, one after the other, until the time is spent or enough is known.

    check the noise | graph, graph, graph ... a minute ... | check the noise, ask what is needed | graph, graph ...

First every block has its turns; then the blocks that predictors know least of, graphs without a focus in between.
All is decided by the index and the seed, so that a profile which was interrupted goes on as if it had not been.

Input: a samples file and a function that measures a graph. Output: records in the file, and a `Collected` that says how
it went. Called by `partway profile`.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from partway.engine import Clock
from partway.errors import EngineError
from partway.profiling.quiet import Noise, check_noise
from partway.profiling.samples import Record, Refusal
from partway.profiling.sampling import Turn

logger = logging.getLogger(__name__)

Attempt = Callable[[Turn], Record]
Ended = Literal["budget", "enough", "interrupted"]

_ROUNDS = 2  # turns that each block has before anybody knows which needs more
_FOCUSED_SHARE = 0.5
_CHECK_EVERY_S = 60.0
_MOST_CHECKING = 0.1  # share of the time that may go into asking what is needed
_HOPELESS = 50  # refusals without a sample among them


class Sink(Protocol):
    """Where records go; see `SamplesFile`."""

    @property
    def path(self) -> Path:
        """Where the records are."""

    @property
    def count(self) -> int:
        """How many records there are, which is the next index."""

    @property
    def resumed(self) -> bool:
        """Whether another process began it."""

    def append(self, record: Record) -> None:
        """Keep a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is measured when.

    Attributes:
        seed: of everything random.
        blocks: what graphs can be focused on.
        threads: settings of threads that take turns; 0 for the runtime's default.
    """

    seed: int
    blocks: Sequence[str]
    threads: Sequence[int] = (0,)

    def turn(self, index: int, needs: Mapping[str, float], *, salt: int | None = None) -> Turn:
        """The turn of an index.

        Args:
            index: which graph of the file.
            needs: how much each block needs more samples; those left out need none.
            salt: draw another graph than the one that is due.
        """
        generator = np.random.default_rng((self.seed, index) if salt is None else (self.seed, index, salt))
        number, setting = divmod(index, len(self.threads))
        weights = np.array([max(needs.get(block, 0.0), 0.0) for block in self.blocks])
        focus = ""
        if number < _ROUNDS * len(self.blocks):
            focus = self.blocks[number % len(self.blocks)]
        elif 0.0 < weights.sum() < np.inf and generator.random() < _FOCUSED_SHARE:
            focus = self.blocks[generator.choice(len(self.blocks), p=weights / weights.sum())]
        return Turn(index=index, focus=focus, threads=self.threads[setting], generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """What predictors say of the samples so far, asked every minute.

    Attributes:
        needs: how much each block needs more samples.
        good_enough: whether predictors err so little that more samples are not worth their time.
    """

    needs: Callable[[Path], Mapping[str, float]] = lambda _samples: {}
    good_enough: Callable[[Path], bool] = lambda _samples: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """How a session went.

    Attributes:
        added: records that it appended.
        elapsed_s: how long it took.
        noises: what the checks for noise found, in order.
        ended: because the budget was spent, because predictors are good enough, or because the user said so.
    """

    added: int
    elapsed_s: float
    noises: tuple[Noise, ...]
    ended: Ended


def collect(
    sink: Sink,
    attempt: Attempt,
    schedule: Schedule,
    *,
    budget_s: float,
    guide: Guide = Guide(),
    clock: Clock = time.perf_counter,
    listen: Callable[[], Noise] = check_noise,
    progress: Callable[[float, int], None] = lambda _elapsed_s, _count: None,
) -> Collected:
    """Measure graphs and keep them, until the budget is spent, it is enough, or Ctrl-C.

    Args:
        sink: where records go, and how many are there.
        attempt: measures the graph of a turn.
        schedule: which graph is next.
        budget_s: how long, whatever was measured before.
        guide: what predictors say.
        clock: seconds, monotonic.
        listen: checks whether the machine is quiet.
        progress: told seconds and records so far.

    Raises:
        DocumentError: the disk does not take a record.
        EngineError: the runtime refuses one graph after the other.
    """
    first, refused = sink.count, 0
    noises: list[Noise] = []
    needs: Mapping[str, float] = {}
    ended: Ended = "budget"
    start_s = due_s = clock()
    try:
        while (now_s := clock()) < start_s + budget_s:
            progress(now_s - start_s, sink.count)
            if now_s >= due_s:
                noises.append(listen())
                if sink.count and guide.good_enough(sink.path):
                    ended = "enough"
                    break
                needs = guide.needs(sink.path) if sink.count else {}
                due_s = clock() + max(_CHECK_EVERY_S, (clock() - now_s) / _MOST_CHECKING)
            # What was being measured when the last process ended may have been what ended it.
            salt = secrets.randbits(32) if sink.resumed and sink.count == first else None
            record = attempt(schedule.turn(sink.count, needs, salt=salt))
            sink.append(record)
            refused = refused + 1 if isinstance(record, Refusal) else 0
            logger.info("record_kept index=%d focus=%s refused=%s", record.index, record.focus, refused > 0)
            if isinstance(record, Refusal) and refused >= _HOPELESS:
                raise EngineError(
                    f"the runtime refused {refused} graphs in a row, the last with: {record.reason}; expected that it "
                    "runs most: try another provider, and see `partway doctor`"
                )
    except KeyboardInterrupt:
        ended = "interrupted"
    return Collected(added=sink.count - first, elapsed_s=clock() - start_s, noises=tuple(noises), ended=ended)
