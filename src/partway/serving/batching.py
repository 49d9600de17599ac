"""Requests of one tail that run as one, where that was seen to be right and faster.

    several wait at once, again and again -> prepared in the background: the same cut of 2, 4 or 8 times the rows
    prepared -> tried: requests that ran one by one are run as one too; rows compared, time compared
    right and faster -> used, and tried again every so often      wrong -> never again for this model

Input: bound models and their requests. Output: groups, which the executor asks and runs. Why this way:
docs/decisions/0011. Made by the server, asked by the handlers.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from partway.engine import Clock, OrtRuntime, PieceStore, Stop
from partway.errors import PartwayError, RunStopped
from partway.graph import Cache, Piece, Source, canonicalise, cut_at
from partway.serving.background import Background
from partway.serving.jobs import Arrays, Member, Seat
from partway.serving.meaning import read_tail
from partway.serving.models import BoundModel
from partway.serving.returning import Returning
from partway.serving.slowdown import Slowdown
from partway.serving.stacking import disturb, is_multiple, mixing_node, multiply_rows, rows_of, split, stack
from partway.verification import difference, tolerance_of

logger = logging.getLogger(__name__)

_SIZES = (64, 32, 16, 8, 4, 2)
_SEEN_BEFORE_PREPARING = 3  # once or twice is chance
_PAYS = 0.95  # of the time of its members one by one: less would not be told from noise
_FIRST_REST = 16  # uses until it is tried again, four times as many after each
_LONGEST_REST = 1024
_MOST_GROUPS = 256


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One size of a group's batches.

    Attributes:
        store: pieces of the graph of so many times the rows.
        piece: the tail.
        ratio: its seconds over those of its members one by one; None until it was tried.
        rest: how many more uses until it is tried again.
        next_rest: how many uses after that.
    """

    store: PieceStore
    piece: Piece
    ratio: float | None = None
    rest: int = 0
    next_rest: int = _FIRST_REST

    @property
    def due(self) -> bool:
        """Whether it is to be tried."""
        return self.rest <= 0

    @property
    def pays(self) -> bool:
        """Whether it was seen to be faster."""
        return self.ratio is not None and self.ratio < _PAYS

    def learn(self, ratio: float) -> None:
        """Take in a trial."""
        self.ratio = ratio if self.ratio is None else (self.ratio + ratio) / 2
        self.rest = self.next_rest if self.pays else _LONGEST_REST
        self.next_rest = min(4 * self.next_rest, _LONGEST_REST)

    def distrust(self) -> None:
        """Take in that it failed: it has to prove itself again, and not at once, since a member may be to blame."""
        self.ratio = None
        self.rest = self.next_rest = _FIRST_REST


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
            if mixing_node(bound.model) is not None or multiply_rows(source, bound.model.binding, 2) is None:
                bound.unbatchable = True
                return None
            if rows_of(bound.model, piece) is None:
                return None
            group = bound.groups.setdefault(piece, TailGroup(self, source, bound, piece))
            while len(bound.groups) > _MOST_GROUPS:
                del bound.groups[next(iter(bound.groups))]
        return Seat(group=group, member=member)


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
        self._batches: dict[int, _Batch] = {}
        self._seen: dict[int, int] = {}  # how often so many waited at once, until they are prepared
        self._alone_s: float | None = None
        self._lock = threading.Lock()

    def size(self, waiting: int) -> int:
        """How many of so many that wait should be taken at once; what is left over begins the next batch."""
        with self._lock:
            return self._size(waiting, trials=True)

    def proved(self, members: int) -> bool:
        """Whether so many may run as one now."""
        with self._lock:
            batch = self._batches.get(members)
            return batch is not None and batch.pays and not batch.due

    def seconds(self, members: int) -> float | None:
        """Seconds that so many take on an idle machine."""
        with self._lock:
            if self._alone_s is None:
                return None
            total_s = 0.0
            while members:
                size = self._size(members, trials=False)
                ratio = self._batches[size].ratio if size > 1 else None
                total_s += size * self._alone_s * (1.0 if ratio is None else ratio)
                members -= size
            return total_s

    def note(self, waiting: int) -> None:
        """Take in that so many waited at once: what they need is prepared, and what they may use is tried in time."""
        if waiting < 2 or self._bound.unbatchable:
            return
        estimate = self._bound.costs.estimate(self._piece)
        with self._lock:
            self._alone_s = None if estimate is None else estimate.seconds
            wanted = []
            for size in self._batcher.sizes:
                if size in self._batches:
                    self._batches[size].rest -= size <= waiting
                elif size <= waiting:
                    self._seen[size] = self._seen.get(size, 0) + 1
                    if self._seen[size] == _SEEN_BEFORE_PREPARING:
                        wanted.append(size)
        for size in wanted:
            self._batcher.background.submit(("batch", id(self), size), partial(self._prepare, size))

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
                size = self._size(len(sound), trials=False)
                batch = self._batches.get(size)
            chunk, sound = sound[:size], sound[size:]
            if batch is None:
                outcomes[chunk[0]] = _outcome(members[chunk[0]])
            else:
                stop = Stop.once_all([members[i].stop for i in chunk])
                try:
                    outcomes.update(zip(chunk, self._run(batch, [feeds[i] for i in chunk], stop), strict=True))
                except RunStopped as error:
                    outcomes.update(dict.fromkeys(chunk, error))
        return [outcomes[position] for position in range(len(members))]

    def try_out(self, members: Sequence[Member]) -> None:
        """Take in members that ran one by one just now: run them as one as well, and compare."""
        with self._lock:
            batch = self._batches.get(len(members))
        if batch is None or not batch.due:
            return
        try:
            took_s, fault = self._compare(batch, members)
        except PartwayError as error:
            took_s, fault = 0.0, str(error)
        if fault is not None:
            self._give_up(fault)
            return
        with self._lock:
            batch.learn(took_s / max(sum(member.ran_s for member in members), 1e-9))
        logger.info("batch_tried size=%d ratio=%.2f inputs=%s", len(members), batch.ratio, ",".join(self._piece.inputs))

    def _run(self, batch: _Batch, feeds: Sequence[Arrays], stop: Stop) -> list[Arrays]:
        try:
            return _run(batch, feeds, stop)
        except RunStopped:
            raise
        except PartwayError:
            with self._lock:
                batch.distrust()
            raise

    def _compare(self, batch: _Batch, members: Sequence[Member]) -> tuple[float, str | None]:
        """Seconds that the batch took, and what was wrong with it."""
        feeds = [member.feeds() for member in members]
        disturbed = _run(batch, [feeds[0], *(disturb(other) for other in feeds[1:])])
        start_s = self._batcher.clock()
        outputs = _run(batch, feeds)
        took_s = self._batcher.clock() - start_s
        for member, part in zip(members, outputs, strict=True):
            if (fault := _fault(member.outputs, part)) is not None:
                return took_s, fault
        for name, array in outputs[0].items():
            if difference(array, disturbed[0][name]).absolute != 0.0:
                return took_s, f"a row of {name} depends on the other rows"
        return took_s, None

    def _prepare(self, size: int) -> None:
        try:
            batch = self._made(size)
        except PartwayError as error:
            batch = None
            logger.info("batch_not_prepared size=%d digest=%s reason=%s", size, self._bound.key[0], error)
        if batch is not None:
            with self._lock:
                self._batches[size] = batch
            logger.info("batch_prepared size=%d inputs=%s", size, ",".join(self._piece.inputs))

    def _made(self, size: int) -> _Batch | None:
        bound, runtime = self._bound, self._batcher.runtime
        store = bound.multiples.get(size)
        if store is None:
            binding = multiply_rows(self._source, bound.model.binding, size)
            if binding is None:
                return None
            model = canonicalise(self._source, binding, runtime, cache=self._batcher.cache)
            store = bound.multiply(size, PieceStore(model, runtime, budget=bound.budget, owner=bound.held))
        piece = read_tail(store.model, self._piece.inputs, self._piece.outputs)
        if piece != self._piece or not is_multiple(bound.model, store.model, piece, size):
            return None
        store.want((cut_at(store.model, piece.inputs),))
        store.promote()
        store.session(piece)
        return _Batch(store=store, piece=piece)

    def _give_up(self, fault: str) -> None:
        self._bound.unbatchable = True
        with self._lock:
            self._batches.clear()
        logger.warning("batching_refused digest=%s binding=%s reason=%s", *self._bound.key, fault)

    def _size(self, waiting: int, *, trials: bool) -> int:
        fitting = (size for size in self._batcher.sizes if size <= waiting and size in self._batches)
        return next((size for size in fitting if self._batches[size].pays or (trials and self._batches[size].due)), 1)


def _outcome(member: Member) -> Arrays | PartwayError:
    try:
        return member.run()
    except PartwayError as error:
        return error


def _run(batch: _Batch, feeds: Sequence[Arrays], stop: Stop | None = None) -> list[Arrays]:
    outputs = batch.store.session(batch.piece).run(stack(feeds), stop=stop)
    return split(outputs, len(feeds))


def _fault(alone: Arrays, together: Arrays) -> str | None:
    """What is wrong with a member's part of a batch; None where it is what the member gave by itself."""
    for name, array in alone.items():
        apart = difference(array, together[name]).absolute
        allowed = tolerance_of(array, 0.0).absolute
        if apart > allowed:
            return f"{name} is off by {apart:.3g} in a batch, with {allowed:.3g} allowed"
    return None
