"""Requests of one tail that run as one, where that was proved to be right and seen to be faster.

    several wait at once, again and again -> in the background: the same cut of 2, 4 or 8 times the rows
    prepared -> proved: by the graph, operator by operator, and then on made-up numbers        wrong -> never batched
    proved -> timed against one by one       faster -> used, and timed again every so often    slower -> rests
    could not be tried -> rests, and is tried again a few times

Input: bound models and their requests. Output: groups, which the executor asks and runs. Why this way:
docs/decisions/0011. Made by the server, asked by the handlers.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from partway.engine import Clock, OrtRuntime, PieceStore, Stop, random_feeds
from partway.errors import EngineError, PartwayError, RunStopped
from partway.graph import Cache, Piece, Source, canonicalise, cut_at, row_independent
from partway.serving.background import Background
from partway.serving.jobs import Arrays, Member, Seat
from partway.serving.meaning import read_tail
from partway.serving.models import BoundModel
from partway.serving.proving import Ways, compare_times, draw_members, prove
from partway.serving.returning import Returning
from partway.serving.slowdown import Slowdown
from partway.serving.stacking import is_multiple, multiply_rows, rows_of, split, stack

logger = logging.getLogger(__name__)

_SIZES = (64, 32, 16, 8, 4, 2)
_SEEN_BEFORE_PREPARING = 3  # once or twice is chance
_PAYS = 0.95  # of the time of its members one by one: less would not be told from noise
_FIRST_REST = 16  # until it is tried again, four times as many after each
_LONGEST_REST = 1024
_MOST_FAILURES = 4  # by then both kinds of made-up numbers failed twice
_MOST_GROUPS = 256


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One size of a group's batches.

    Attributes:
        ratio: its seconds over those of its members one by one; None until it is proved.
        rest: how many uses until it is tried, or chances to use it where it is not used.
        next_rest: how many after that.
        failures: how often it could not be tried since it last could.
        asked: whether it is being tried, or about to be.
    """

    ratio: float | None = None
    rest: int = _SEEN_BEFORE_PREPARING
    next_rest: int = _FIRST_REST
    failures: int = 0
    asked: bool = False

    @property
    def pays(self) -> bool:
        """Whether it is proved, and was seen to be faster."""
        return self.ratio is not None and self.ratio < _PAYS

    def count(self) -> bool:
        """Take in a use, or a chance; whether it is to be tried now."""
        self.rest -= 1
        if self.rest > 0 or self.asked:
            return False
        self.asked = True
        return True

    def learn(self, ratio: float) -> None:
        """Take in how it compares."""
        self.ratio = ratio if self.ratio is None else (self.ratio + ratio) / 2
        self.failures = 0
        self._wait(self.next_rest if self.pays else _LONGEST_REST)

    def distrust(self) -> None:
        """Take in that it failed: it has to prove itself again, and not at once, since a member may be to blame."""
        self.ratio = None
        self._wait(self.next_rest)

    def _wait(self, rest: int) -> None:
        self.rest, self.asked = rest, False
        self.next_rest = min(4 * self.next_rest, _LONGEST_REST)


class Batcher:
    """Makes the groups of a server.

    Args:
        runtime: makes graphs and sessions.
        background: where batches are prepared.
        clock: seconds, monotonic.
        size: most requests that run as one; 1 for none.
        wait_s: longest that the worker waits for somebody who is about to come.
        cache: where canonical graphs lie; by default the one of `PARTWAY_CACHE`.
    """

    def __init__(
        self,
        runtime: OrtRuntime,
        background: Background,
        *,
        clock: Clock,
        size: int,
        wait_s: float,
        cache: Cache | None = None,
    ) -> None:
        self.runtime = runtime
        self.background = background
        self.clock = clock
        self.sizes = tuple(found for found in _SIZES if found <= size)
        self.wait_s = wait_s
        self.cache = cache

    def seat(self, source: Source, bound: BoundModel, piece: Piece, member: Member) -> Seat | None:
        """A request's place in the group of its tail; None where it cannot be batched.

        Args:
            source: the model.
            bound: under the binding of the request.
            piece: the tail.
            member: the request.
        """
        if not self.sizes or bound.unbatchable:
            return None
        group = bound.groups.get(piece)
        if group is None:
            if multiply_rows(source, bound.model.binding, 2) is None:
                bound.unbatchable = True
                return None
            if rows_of(bound.model, piece) is None:
                return None
            group = bound.groups.setdefault(piece, TailGroup(self, source, bound, piece))
            while len(bound.groups) > _MOST_GROUPS:
                del bound.groups[next(iter(bound.groups))]
        if not group.usable:
            return None
        group.meet(member)
        return Seat(group=group, member=member)


class _Wrong(Exception):
    """Requests must not run as one: those of one tail, or of the whole model."""

    def __init__(self, reason: str, *, of_model: bool) -> None:
        super().__init__(reason)
        self.of_model = of_model


class TailGroup:
    """The requests of one tail of one bound model; see `Group`.

    Args:
        batcher: the server's.
        source: the model.
        bound: under the binding of its requests.
        piece: the tail.
    """

    def __init__(self, batcher: Batcher, source: Source, bound: BoundModel, piece: Piece) -> None:
        self.returning = Returning(batcher.wait_s)
        self.stretch = Slowdown()
        self._batcher = batcher
        self._source = source
        self._bound = bound
        self._piece = piece
        self._batches = {size: _Batch() for size in batcher.sizes}  # those that may be of use yet
        self._due: list[int] = []  # sizes to be tried on numbers like those of the next request that comes
        self._alone_s: float | None = None
        self._refused = False
        self._lock = threading.Lock()

    @property
    def usable(self) -> bool:
        """Whether its members may ever run as one."""
        return not self._refused and not self._bound.unbatchable and bool(self._batches)

    def meet(self, member: Member) -> None:
        """Take in a request that comes: what is due is tried on numbers of its kind."""
        if not self._due:
            return  # nearly always
        with self._lock:
            due, self._due = self._due, []
        for size in due:
            self._batcher.background.submit(("batch", id(self), size), partial(self._try, size, member))

    def size(self, waiting: int) -> int:
        """How many of so many that wait should be taken at once; what is left over begins the next batch."""
        with self._lock:
            return self._size(waiting)

    def proved(self, members: int) -> bool:
        """Whether so many may run as one now."""
        with self._lock:
            return members > 1 and self._size(members) == members

    def seconds(self, members: int) -> float | None:
        """Seconds that so many take on an idle machine."""
        with self._lock:
            if self._alone_s is None:
                return None
            total_s = 0.0
            while members:
                size = self._size(members)
                ratio = self._batches[size].ratio if size > 1 else None
                total_s += size * self._alone_s * (1.0 if ratio is None else ratio)
                members -= size
            return total_s

    def note(self, waiting: int) -> None:
        """Take in that so many waited at once: what they could have used is tried in time."""
        if waiting < 2 or not self.usable:
            return
        estimate = self._bound.costs.estimate(self._piece)
        with self._lock:
            self._alone_s = None if estimate is None else estimate.seconds
            for size, batch in self._batches.items():
                if size <= waiting and not batch.pays and batch.count():
                    self._due.append(size)

    def run(self, members: Sequence[Member]) -> list[Arrays | PartwayError]:
        """What each member gives, or the `PartwayError` that is its own alone.

        Raises:
            PartwayError: they cannot run as one.
        """
        outcomes: dict[int, Arrays | PartwayError] = {}
        feeds: dict[int, Arrays] = {}
        for position, member in enumerate(members):
            try:
                feeds[position] = member.feeds()
            except PartwayError as error:
                outcomes[position] = error
        sound = list(feeds)
        while sound:
            with self._lock:
                size = self._size(len(sound))
                batch = self._batches[size] if size > 1 else None
            chunk, sound = sound[:size], sound[size:]
            if batch is None:
                outcomes[chunk[0]] = _outcome(members[chunk[0]])
            else:
                stop = Stop.once_all([members[i].stop for i in chunk])
                try:
                    outcomes.update(zip(chunk, self._use(size, batch, [feeds[i] for i in chunk], stop), strict=True))
                except RunStopped as error:
                    outcomes.update(dict.fromkeys(chunk, error))
        return [outcomes[position] for position in range(len(members))]

    def _use(self, size: int, batch: _Batch, feeds: Sequence[Arrays], stop: Stop) -> list[Arrays]:
        try:
            parts = _together(self._bound.multiples[size], self._piece, feeds, stop)
        except RunStopped:
            raise
        except Exception:  # raised on; whatever it is, the batch has to prove itself again
            with self._lock:
                batch.distrust()
            raise
        if not self.usable:
            raise EngineError("rows of this model were found to depend on each other while they ran as one")
        with self._lock:
            if batch.count():
                self._due.append(size)
        return parts

    def _try(self, size: int, member: Member) -> None:
        with self._lock:
            batch = self._batches.get(size)
        if batch is None or not self.usable:
            return
        try:
            ratio = self._judge(size, batch, member)
        except _Wrong as wrong:
            self._refuse(wrong)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was proved, and no request must feel it
            self._postpone(size, batch, error)
        else:
            with self._lock:
                if self.usable:  # another tail of the model may have been found wrong meanwhile
                    batch.learn(ratio)
            logger.info("batch_tried size=%d ratio=%.2f inputs=%s", size, ratio, ",".join(self._piece.inputs))

    def _judge(self, size: int, batch: _Batch, member: Member) -> float:
        """Seconds of a batch over those of its members one by one.

        Raises:
            _Wrong: it does not give, or may not give, every member its own answer.
            PartwayError: that cannot be said.
        """
        store = self._made(size)
        if batch.ratio is None and (reason := row_independent(store.model, self._piece)) is not None:
            raise _Wrong(reason, of_model=False)
        generator = np.random.default_rng((size, batch.failures))
        # In turn, so that a client who sends nonsense cannot keep the others from running as one.
        sample = self._made_up(generator) if batch.failures % 2 else member.feeds()
        members = draw_members(sample, size, generator)
        alone = self._bound.store.session(self._piece).run
        ways = Ways(alone=alone, together=partial(_together, store, self._piece))
        if batch.ratio is None and (fault := prove(ways, members, generator)) is not None:
            raise _Wrong(fault, of_model=True)
        return compare_times(ways, members, self._batcher.clock)

    def _made_up(self, generator: np.random.Generator) -> Arrays:
        return random_feeds((self._bound.model.tensors[name] for name in self._piece.inputs), generator)

    def _made(self, size: int) -> PieceStore:
        bound, runtime, piece = self._bound, self._batcher.runtime, self._piece
        store = bound.multiples.get(size)
        if store is None:
            binding = multiply_rows(self._source, bound.model.binding, size)
            if binding is None:
                raise _Wrong("the model does not leave its rows open", of_model=True)
            model = canonicalise(self._source, binding, runtime, cache=self._batcher.cache)
            store = bound.multiples.setdefault(size, PieceStore(model, runtime, budget=bound.budget, owner=bound.key))
            bound.budget.resize(bound.key, bound.graph_bytes)
        if read_tail(store.model, piece.inputs, piece.outputs) != piece or not is_multiple(
            bound.model, store.model, piece, size
        ):
            raise _Wrong(f"its tensors do not have {size} times the rows for {size} requests", of_model=False)
        if store.ready(piece) is None:
            store.want((cut_at(store.model, piece.inputs),))
            store.promote()
        return store

    def _refuse(self, wrong: _Wrong) -> None:
        if wrong.of_model:
            self._bound.unbatchable = True
        with self._lock:
            self._refused = True
            self._batches.clear()
            self._due.clear()
        inputs = ",".join(self._piece.inputs)
        logger.warning("batching_refused digest=%s binding=%s inputs=%s reason=%s", *self._bound.key, inputs, wrong)

    def _postpone(self, size: int, batch: _Batch, error: Exception) -> None:
        batch.failures += 1
        with self._lock:
            batch.distrust()
            if batch.failures >= _MOST_FAILURES:
                self._batches.pop(size, None)
        logger.info(
            "batch_not_tried size=%d digest=%s failures=%d reason=%s", size, self._bound.key[0], batch.failures, error
        )

    def _size(self, waiting: int) -> int:
        if not self.usable:
            return 1
        return next((size for size, batch in self._batches.items() if size <= waiting and batch.pays), 1)


def _outcome(member: Member) -> Arrays | PartwayError:
    try:
        return member.run()
    except PartwayError as error:
        return error


def _together(store: PieceStore, piece: Piece, feeds: Sequence[Arrays], stop: Stop | None = None) -> list[Arrays]:
    return split(store.session(piece).run(stack(feeds), stop=stop), len(feeds))
