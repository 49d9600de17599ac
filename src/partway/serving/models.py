"""The models that are ready to run: one per source and binding, with its pieces and its costs.

    (digest, binding) -> canonical graph -> piece store, cost table        the least recently used are dropped

Input: sources and bindings. Output: `BoundModel`s, each made once however many ask for it at the same time.
Called by the handlers on their event loop; what takes long happens in a pool's threads.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Executor as Pool
from functools import cached_property

from partway.engine import Clock, MemoryBudget, OrtRuntime, PieceStore
from partway.errors import BindingError, ModelError
from partway.graph import Binding, Cache, Model, Piece, Source, canonicalise, most_crossing_bytes
from partway.serving.costs import TailCosts
from partway.serving.fair_pool import FairPool
from partway.serving.jobs import Group
from partway.serving.meaning import read_tail
from partway.serving.predicted import Forecaster
from partway.serving.single_flight import SingleFlight
from partway.wire import Parameter

logger = logging.getLogger(__name__)

_REFUSED_FOR_S = 30.0  # a binding that the model refuses is not tried anew for every request
_MOST_REFUSALS = 256
_MOST_PIECES = 256
_GRAPH_COPIES = 16  # of a graph's encoded bytes, as records here: measured on six models, docs/decisions/0011

Key = tuple[str, str]


class BoundModel:
    """One source under one binding, ready to run whatever is left of it.

    Attributes:
        key: digest and encoded binding.
        model: the canonical graph.
        budget: of the memory that it takes.
        held: what the budget knows it as: others may come to have its key.
        store: its pieces.
        costs: what its tails take here.
        groups: requests of its tails that may run as one, by tail.
        multiples: pieces of the graphs of so many times the rows.
        unbatchable: whether its requests never run as one.
        closed: whether it was dropped.
    """

    def __init__(
        self,
        model: Model,
        runtime: OrtRuntime,
        forecaster: Forecaster | None = None,
        *,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.key: Key = (model.source_digest, model.binding.encode())
        self.model = model
        self.budget = budget or MemoryBudget()
        self.held = object()
        self.store = PieceStore(model, runtime, budget=self.budget, owner=self.held)
        self.costs = TailCosts(model, None if forecaster is None else forecaster.of(model, self.store))
        self.groups: dict[Piece, Group] = {}
        self.multiples: dict[int, PieceStore] = {}
        self.unbatchable = False
        self._tails: OrderedDict[tuple[frozenset[str], tuple[str, ...]], Piece] = OrderedDict()
        self._known: OrderedDict[Piece, None] = OrderedDict()
        self.closed = False
        self._lock = threading.Lock()

    @cached_property
    def most_bytes(self) -> int | None:
        """Of the tensors of any one cut; None where that is unknown."""
        return most_crossing_bytes(self.model)

    @property
    def known(self) -> tuple[Piece, ...]:
        """Pieces that were built for requests, the most recently built last."""
        with self._lock:
            return tuple(self._known)

    def is_built(self, piece: Piece) -> bool:
        """Whether a piece's session is there."""
        return self.store.ready(piece) is not None

    @property
    def graph_bytes(self) -> int:
        """What its graphs take in memory, sessions and weights apart."""
        models = (self.model, *(store.model for store in tuple(self.multiples.values())))
        return _GRAPH_COPIES * sum(int(model.graph.ByteSize()) for model in models)

    def close(self) -> None:
        """Forget its sessions, for good; whoever still uses it has them made anew, and keeps none."""
        with self._lock:
            self.closed = True
            stores = (self.store, *self.multiples.values())
        for store in stores:
            store.close()

    def multiply(self, factor: int, store: PieceStore) -> PieceStore:
        """Keep the pieces of the graph of so many times the rows, unless some are kept already; those that are.

        Args:
            factor: how many times.
            store: its pieces.
        """
        with self._lock:
            kept = self.multiples.setdefault(factor, store)
            closed = self.closed
        if closed:
            kept.close()
        self.budget.resize(self.held, self.graph_bytes)
        return kept

    def build(self, piece: Piece) -> None:
        """Make a piece's session, or wait for whoever makes it.

        Raises:
            CutError: it cannot be computed from its inputs.
            EngineError: the runtime refuses it.
        """
        self.store.session(piece)
        with self._lock:
            self._known[piece] = None
            self._known.move_to_end(piece)
            while len(self._known) > _MOST_PIECES:
                self._known.popitem(last=False)

    def tail(self, fed: Iterable[str], outputs: tuple[str, ...]) -> Piece:
        """What is left to run once the tensors `fed` are there; see `read_tail`, whose errors it raises."""
        key = (frozenset(fed), outputs)
        with self._lock:
            piece = self._tails.get(key)
        if piece is None:
            piece = read_tail(self.model, key[0], outputs)
            with self._lock:
                self._tails[key] = piece
                while len(self._tails) > _MOST_PIECES:
                    self._tails.popitem(last=False)
        return piece


class Models:
    """Keeps the bound models.

    Args:
        runtime: makes graphs and sessions.
        pool: whose threads make them, in turn by who asked.
        clock: seconds, monotonic.
        cache: where canonical graphs lie; by default the one of `PARTWAY_CACHE`.
        capacity: most bound models kept.
        forecaster: predicts their tails, where the server has a profile of its machine.
        budget: of the memory that they and their pieces take.
    """

    def __init__(
        self,
        runtime: OrtRuntime,
        pool: Pool,
        *,
        clock: Clock,
        cache: Cache | None = None,
        capacity: int = 256,
        forecaster: Forecaster | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self._runtime = runtime
        self._forecaster = forecaster
        self._clock = clock
        self._cache = cache
        self._capacity = capacity
        self._budget = budget or MemoryBudget()
        self._lock = threading.Lock()  # memory runs short on any thread
        self._bound: OrderedDict[Key, BoundModel] = OrderedDict()
        self._refused: OrderedDict[Key, tuple[float, str]] = OrderedDict()
        builders = FairPool(pool)
        self._binding: SingleFlight[BoundModel] = SingleFlight(builders)
        self._building: SingleFlight[None] = SingleFlight(builders)

    def known(self, source: Source, text: Parameter | None) -> Binding | None:
        """What the text of a binding says, if the model is bound by exactly that text.

        Args:
            source: the model.
            text: the request's `partway.binding`.
        """
        found = self._bound.get((source.digest, text)) if isinstance(text, str) else None
        return None if found is None else found.model.binding

    @property
    def pieces(self) -> int:
        """How many sessions of pieces are kept, of all models."""
        return sum(bound.store.sessions for bound in tuple(self._bound.values()))

    def peek(self, source: Source, binding: Binding) -> BoundModel | None:
        """The bound model if it is there already.

        Raises:
            BindingError: the model refused this binding a moment ago.
        """
        key = (source.digest, binding.encode())
        with self._lock:
            found = self._bound.get(key)
            if found is not None:
                self._bound.move_to_end(key)
        if found is not None:
            self._budget.use(found.held)
        elif key in self._refused:
            until_s, message = self._refused[key]
            if self._clock() < until_s:
                raise BindingError(message)
            del self._refused[key]
        return found

    async def bind(self, source: Source, binding: Binding, *, by: str = "") -> BoundModel:
        """The bound model, made now if it is not there.

        Args:
            source: the model.
            binding: of its inputs.
            by: who wants it.

        Raises:
            BindingError: the model refuses this binding.
            ServerBusy: too many others are being made, or for the same caller (`TooManyRequests`).
        """
        found = self.peek(source, binding)
        # Shielded: a client that leaves must not stop what others wait for.
        return await asyncio.shield(self.prepare(source, binding, by=by)) if found is None else found

    def prepare(self, source: Source, binding: Binding, *, by: str = "") -> "asyncio.Future[BoundModel]":
        """Start making the bound model, for whoever asks next.

        Args:
            source: the model.
            binding: of its inputs.
            by: who wants it.

        Raises:
            ServerBusy: too many others are being made, or for the same caller (`TooManyRequests`).
        """
        key = (source.digest, binding.encode())
        future = self._binding.start(key, lambda: self._make(source, binding), by=by)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    async def build(self, bound: BoundModel, piece: Piece, *, by: str = "") -> None:
        """Make sure that a piece's session is there, unless the model was dropped.

        Args:
            bound: the model.
            piece: of it.
            by: who wants it.

        Raises:
            CutError: the piece cannot be computed from its inputs.
            EngineError: the runtime refuses it.
            ServerBusy: too many others are being made, or for the same caller (`TooManyRequests`).
        """
        if not bound.is_built(piece):
            await self._building.do((id(bound), piece), lambda: bound.build(piece), by=by)

    def _make(self, source: Source, binding: Binding) -> BoundModel:
        model = canonicalise(source, binding, self._runtime, cache=self._cache)
        return BoundModel(model, self._runtime, self._forecaster, budget=self._budget)

    def _keep(self, key: Key, made: "asyncio.Future[BoundModel]") -> None:
        if made.cancelled():
            return
        error = made.exception()
        if error is None:
            bound = made.result()
            if bound.closed:  # it was kept and dropped already: several may have waited for it
                return
            with self._lock:
                self._bound[key] = bound
                dropped = tuple(self._bound.items())[: -self._capacity]
            self._budget.hold(bound.held, bound.graph_bytes, lambda: self._drop(key, bound))
            for dropped_key, other in dropped:
                self._drop(dropped_key, other)
            self._budget.trim()
        elif isinstance(error, BindingError | ModelError):
            self._refused[key] = (self._clock() + _REFUSED_FOR_S, str(error))
            if len(self._refused) > _MOST_REFUSALS:
                self._refused.popitem(last=False)

    def _drop(self, key: Key, bound: BoundModel) -> None:
        with self._lock:
            if self._bound.get(key) is bound:
                del self._bound[key]
        self._budget.release(bound.held)
        bound.close()
        logger.info("model_dropped digest=%s binding=%s", *key)
