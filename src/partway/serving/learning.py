"""What the server does for its models while nobody asks: optimise their graphs, time their tails.

    new binding  -> mark the candidate cuts, optimise, build again what was in use -> time the candidates
    cut in use that is not marked -> the same again, each time after twice as many uses as before
    tail that cannot be timed, or no idle moment to time it -> the cost table answers with guesses meanwhile
    tail that a profile tells enough of -> not timed, unless it is the whole model, or a client chose it

Input: bound models and the cuts that clients ask about. Output: faster pieces and a filled cost table. Called
by the handlers; runs in the background, one short step between requests at a time.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from partway.engine import Clock, random_feeds
from partway.errors import BindingError, CutError, EngineError, WireError
from partway.graph import Piece, candidate_cuts
from partway.serving.background import Background
from partway.serving.executor import Executor
from partway.serving.models import BoundModel
from partway.wire import InferRequest, Tensor, decode_request, encode_request

logger = logging.getLogger(__name__)

_ENOUGH_RUNS = 3
_MOST_TRIES = 8  # runs that a request disturbed are not counted
_MOST_CUTS = 64
_USES_BEFORE_PROMOTION = 2


@dataclass(slots=True)
class _Progress:
    """What was done for one bound model."""

    promotions: int = 0
    uses: int = 0
    wanted: tuple[tuple[str, ...], ...] = ()
    hopeless: set[Piece] = field(default_factory=set)

    def want(self, cuts: Iterable[tuple[str, ...]], *, first: bool = False) -> None:
        """Have cuts timed, as far as there is room for them.

        Args:
            cuts: the crossing tensors of each.
            first: whether they come before all others.
        """
        every = (*cuts, *self.wanted) if first else (*self.wanted, *cuts)
        self.wanted = tuple(dict.fromkeys(tuple(sorted(cut)) for cut in every))[:_MOST_CUTS]


class Learner:
    """Improves bound models in the background.

    Args:
        background: where the work is queued.
        executor: tells whether a request came in between.
        clock: seconds, monotonic.
        generator: where the made-up inputs of timed tails come from.
        message_bytes: cuts that send more are not timed, since no request can.
    """

    def __init__(
        self,
        background: Background,
        executor: Executor,
        *,
        clock: Clock,
        generator: np.random.Generator,
        message_bytes: int,
    ) -> None:
        self._background = background
        self._executor = executor
        self._clock = clock
        self._generator = generator
        self._message_bytes = message_bytes
        self._progress: WeakKeyDictionary[BoundModel, _Progress] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def note_use(self, bound: BoundModel, piece: Piece) -> None:
        """Take in that a request used a piece."""
        with self._lock:
            first = bound not in self._progress
            progress = self._progress.setdefault(bound, _Progress())
            if not first and not bound.store.unmarked.intersection(piece.inputs):
                return
            progress.uses += 1
            # Every promotion writes the whole graph anew, so each has to be earned by more use.
            due = first or progress.uses >= _USES_BEFORE_PROMOTION**progress.promotions
        if due:
            self._background.submit(("promote", id(bound)), lambda: self._promote(bound))

    def note_interest(self, bound: BoundModel, cuts: Iterable[tuple[str, ...]]) -> None:
        """Take in that a client asks what the tails of some cuts cost."""
        with self._lock:
            first = bound not in self._progress
            self._progress.setdefault(bound, _Progress()).want(cuts)
        if first:
            self._background.submit(("promote", id(bound)), lambda: self._promote(bound))
        self._background.submit(("measure", id(bound)), lambda: self._measure(bound))

    def _promote(self, bound: BoundModel) -> None:
        with self._lock:
            progress = self._progress[bound]
            progress.promotions += 1
            progress.uses = 0
            first = progress.promotions == 1
        candidates = candidate_cuts(bound.model) if first else ()
        bound.store.want(candidates)
        marked = bound.store.unmarked
        bound.store.promote()
        bound.costs.predict_anew()
        logger.info("graph_optimised digest=%s binding=%s", *bound.key)
        changed = [piece for piece in bound.known if first or marked.intersection(piece.inputs)]
        for piece in bound.known:  # so that no request pays for it
            if self._background.turn():
                bound.store.session(piece)
        bound.costs.renew(changed)
        with self._lock:
            progress.want((*(cut.crossing for cut in candidates), *(piece.inputs for piece in changed)), first=True)
        self._background.submit(("measure", id(bound)), lambda: self._measure(bound))

    def _measure(self, bound: BoundModel) -> None:
        with self._lock:
            progress = self._progress[bound]
            wanted = progress.wanted
        bound.costs.predict(wanted)
        for crossing in wanted:
            cut = bound.costs.cut(crossing)
            piece = None if cut is None else cut.tail
            if (
                cut is None
                or piece is None
                or piece in progress.hopeless
                or bound.costs.observed(piece) >= _ENOUGH_RUNS
            ):
                continue
            # Timing the whole model tells most of how far off a profile is; what clients chose has to be right.
            if bound.costs.sure(piece) and cut.head is not None and piece not in bound.known:
                continue
            if not self._background.turn():
                return
            if not self._executor.idle:
                # Optimising may go on beside requests, timing may not: it would time them too.
                bound.costs.allow_guesses(self._message_bytes)
                self._background.submit(("measure", id(bound)), lambda: self._measure(bound))
                return
            try:
                self._time(bound, piece)
            except (BindingError, CutError, EngineError, WireError) as error:
                # Made-up inputs do not suit every tail; requests will show what it takes, and guesses bring them.
                logger.info("tail_not_timed inputs=%s reason=%s", ",".join(piece.inputs), error)
                progress.hopeless.add(piece)
                bound.costs.allow_guesses(self._message_bytes)

    def _time(self, bound: BoundModel, piece: Piece) -> None:
        feeds = random_feeds((bound.model.tensors[name] for name in piece.inputs), self._generator)
        if sum(array.nbytes for array in feeds.values()) > self._message_bytes:
            return
        request = InferRequest(
            model_name="", tensors=tuple(Tensor(name=name, array=array) for name, array in feeds.items())
        )
        message = encode_request(request)
        session = bound.store.session(piece)
        session.run(feeds)  # the first run of a session also makes its buffers
        for _ in range(_MOST_TRIES):
            if bound.costs.observed(piece) >= _ENOUGH_RUNS or not self._background.turn():
                return
            before = self._executor.started
            start_s = self._clock()
            decode_request(message)
            session.run(feeds)
            took_s = self._clock() - start_s
            if self._executor.started == before:
                bound.costs.observe(piece, took_s)
        bound.costs.allow_guesses(self._message_bytes)  # it was disturbed too often
