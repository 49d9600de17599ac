"""All pieces of one model on one machine, every weight in memory once.

The graph is optimised whole, at ONNX Runtime's highest level, with the tensors of the wanted cuts marked as
outputs so that they survive fusion; what comes out, weights already in the layout that this machine likes best,
is stored once and sliced. A head, a tail and the whole model are then small sessions on one memory-mapped
file: ready in milliseconds, as fast as a session of their own, with hardly a byte of memory each.

A cut that was not wanted before is served at once from the canonical graph, a little slower, until
`promote` marks it too. Why this way: docs/decisions/0002. Called by client, server and profiling.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

import onnx
from onnx import helper

from partway.engine.budget import MemoryBudget
from partway.engine.kernel_timing import ProfiledSession, name_kernels, profile_kernels
from partway.engine.ort import Level, OrtRuntime, OrtSession
from partway.engine.packing import packed_bytes, packs
from partway.engine.piece_kernels import KernelTable, PieceKernels
from partway.errors import CutError, EngineError, InputError, ModelError
from partway.graph import Adapter, Cut, Model, Piece, Slicer, candidate_cuts, whole
from partway.graph.cache import Entry
from partway.graph.external import read_graph
from partway.graph.kernels import read_kernels
from partway.graph.memory import activation_bytes, piece_nodes

logger = logging.getLogger(__name__)

_GRAPH_FILE = "optimised.onnx"
_WEIGHTS_FILE = "optimised.bin"
_OPTIMISED = "optimised-"
_FORMAT = "2"  # raised whenever what is written changes, so that nothing older is taken for it
_KEPT_FOLDERS = 3
_MOST_MARKS = 64
# What a session takes beside packed weights and activations. Source: anonymous memory of ten tails of each of six
# models, docs/decisions/0011; with these, sums are within a factor of about two.
_SESSION_BYTES = 100_000
_SESSION_NODE_BYTES = 10_000
_REORDERED_CHANNELS = 4  # ReorderInput takes multiples of this many only, ReorderOutput gives any number


@dataclass(frozen=True)
class _Optimised:
    graph: onnx.ModelProto
    slicer: Slicer
    directory: Path
    marks: frozenset[str]
    runtime: OrtRuntime

    @cached_property
    def table(self) -> KernelTable:
        return KernelTable(self.graph, self.directory, self.slicer, self.runtime)


class PieceStore:
    """Sessions for the pieces of one model, made when asked for, each once however many ask.

    Args:
        model: the canonical graph.
        runtime: makes the sessions.
        capacity: most sessions kept, at least 1; the least recently used are dropped first.
        budget: of the memory that sessions take, shared with whoever else keeps some; unlimited by default.
        owner: what the budget knows as used whenever one of these sessions is.
    """

    def __init__(
        self,
        model: Model,
        runtime: OrtRuntime,
        *,
        capacity: int = 32,
        budget: MemoryBudget | None = None,
        owner: Hashable = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a piece store keeps 1 session or more, not {capacity}")
        self.model = model
        self._runtime = runtime
        self._capacity = capacity
        self._budget = budget or MemoryBudget()
        self._owner = owner
        self._canonical = Slicer(model.graph, model.tensors)
        self._packs = packs(read_kernels(model.graph, model.tensors))
        self._optimised: _Optimised | None = None
        self._sessions: OrderedDict[Piece, Future[OrtSession]] = OrderedDict()
        self._wanted: set[str] = set()
        self._closed = False
        self._lock = threading.Lock()
        self._promoting = threading.Lock()

    @property
    def sessions(self) -> int:
        """How many sessions are kept now."""
        return len(self._sessions)

    @property
    def marked(self) -> frozenset[str]:
        """Tensors that the optimised graph keeps: cuts of these alone run as `kernels` says, at full speed."""
        optimised = self._optimised
        return frozenset() if optimised is None else optimised.marks

    @property
    def unmarked(self) -> frozenset[str]:
        """Crossing tensors asked for that the optimised graph does not keep yet: `promote` would help them."""
        return frozenset(self._wanted) - self.marked

    def session(self, piece: Piece) -> OrtSession:
        """The session of a piece, made now if it is not there.

        Raises:
            CutError: the piece cannot be computed from its inputs.
            EngineError: the runtime refuses it.
        """
        with self._lock:
            future = self._sessions.get(piece)
            if mine := future is None:
                future = Future()
                if not self._closed:
                    self._remember(piece, future)
            else:
                self._sessions.move_to_end(piece)
        if mine:
            try:
                session = self._build(piece)
            except BaseException as error:  # noqa: BLE001 - whoever else waits gets the same error through the future
                with self._lock:
                    if self._sessions.get(piece) is future:
                        del self._sessions[piece]
                future.set_exception(error)
            else:
                future.set_result(session)
                self._account(piece, future)
        self._budget.use((id(self), piece))
        return future.result()

    def ready(self, piece: Piece) -> OrtSession | None:
        """The session of a piece, which counts as used; None where it is not there yet, or only being made."""
        with self._lock:
            future = self._sessions.get(piece)
            if future is None or not future.done() or future.exception() is not None:
                return None
            self._sessions.move_to_end(piece)
        self._budget.use((id(self), piece))
        return future.result()

    def close(self) -> None:
        """Forget all sessions, and keep none from now on: each is made anew for whoever asks for it."""
        with self._lock:
            self._closed = True
            self._forget_all()

    def kernels(self, piece: Piece) -> PieceKernels:
        """What a piece runs, without making its session.

        Raises:
            CutError: the piece cannot be computed from its inputs.
            EngineError: the runtime refuses to describe the graph.
        """
        optimised = self._optimised
        if optimised is not None and self._keeps(optimised, piece):
            try:
                return optimised.table.of(piece)
            except CutError as error:
                logger.info("kernels_from_canonical_graph inputs=%s reason=%s", piece.inputs, error)
        return self._canonical_table.of(piece)

    @cached_property
    def _canonical_table(self) -> KernelTable:
        return KernelTable(self.model.graph, self.model.entry.directory, self._canonical, self._runtime)

    @contextmanager
    def profiled(self, piece: Piece) -> Iterator[ProfiledSession]:
        """A piece under the runtime's profiler, for the time of a block; its kernels are those that `kernels` tells.

        Raises:
            CutError: the optimised graph cannot compute the piece's outputs from its inputs.
            EngineError: the piece does not come from the optimised graph, or the runtime refuses it.
        """
        optimised = self._optimised
        if optimised is None or not self._keeps(optimised, piece):
            raise EngineError("only pieces of the optimised graph can be profiled; want their cuts and promote first")
        graph = optimised.slicer.slice(piece)
        name_kernels(graph)
        load = partial(self._runtime.load, graph, optimised.directory, level=Level.AS_IS, prepack=self._packs)
        with profile_kernels(lambda prefix: load(profile=prefix), len(graph.graph.node)) as session:
            yield session

    def want(self, cuts: Iterable[Cut]) -> None:
        """Name cuts whose pieces should run at full speed after the next `promote`."""
        inner = set(self.model.producers)
        with self._lock:
            for cut in cuts:
                if len(self._wanted) < _MOST_MARKS:
                    self._wanted |= inner.intersection(cut.crossing)

    def want_candidates(self) -> None:
        """Want the cuts that planning measures by default."""
        self.want(candidate_cuts(self.model))

    def promote(self) -> bool:
        """Optimise the whole graph anew with every wanted tensor kept; takes up to seconds on large models.

        Pieces answer from what was there before until it is done; sessions are then made anew on demand.

        Returns:
            Whether every wanted tensor is kept now. If the runtime refuses to optimise the graph, or what it makes
            cannot be stored, pieces go on to come from the canonical one: slower, and just as right.
        """
        if not self._runtime.shares_optimised_graphs:
            return True
        with self._promoting:
            with self._lock:
                marks = frozenset(self._wanted)
            if self._optimised is not None and marks <= self._optimised.marks:
                return True
            try:
                optimised = self._optimise(marks)
            except (EngineError, InputError, OSError) as error:
                logger.warning("pieces_stay_canonical digest=%s reason=%s", self.model.source_digest, error)
                return False
            with self._lock:
                self._optimised = optimised
                self._forget_all()
            _forget_old(self.model.entry)
            return True

    def _remember(self, piece: Piece, future: Future[OrtSession]) -> None:
        self._sessions[piece] = future
        while len(self._sessions) > self._capacity:
            dropped, _ = self._sessions.popitem(last=False)
            self._budget.release((id(self), dropped))

    def _forget_all(self) -> None:
        for piece in self._sessions:
            self._budget.release((id(self), piece))
        self._sessions.clear()

    def _account(self, piece: Piece, future: Future[OrtSession]) -> None:
        size_bytes = self._session_bytes(piece)
        with self._lock:
            if self._sessions.get(piece) is future:
                self._budget.hold((id(self), piece), size_bytes, partial(self._drop, piece), owner=self._owner)
        self._budget.trim()

    def _session_bytes(self, piece: Piece) -> int:
        # Weights are mapped from files that all sessions share, and that the system takes back when it needs the room.
        nodes = [self.model.nodes[index] for index in piece_nodes(self.model, piece)]
        packed = self._packs or not self._runtime.shares_optimised_graphs
        return (
            _SESSION_BYTES
            + _SESSION_NODE_BYTES * len(nodes)
            + activation_bytes(self.model, piece)
            + (packed_bytes(nodes) if packed else 0)
        )

    def _drop(self, piece: Piece) -> None:
        with self._lock:
            self._sessions.pop(piece, None)
        logger.info("session_dropped inputs=%s digest=%s", ",".join(piece.inputs), self.model.source_digest)

    def _build(self, piece: Piece) -> OrtSession:
        optimised = self._optimised
        if optimised is not None and self._keeps(optimised, piece):
            try:
                return self._runtime.load(
                    optimised.slicer.slice(piece), optimised.directory, level=Level.AS_IS, prepack=self._packs
                )
            except (CutError, EngineError) as error:
                logger.info("piece_from_canonical_graph inputs=%s reason=%s", piece.inputs, error)
                with self._lock:
                    if self._optimised is optimised and not optimised.directory.is_dir():
                        self._optimised = None  # forgotten by another store: the next `promote` makes it anew
        if not self._runtime.shares_optimised_graphs:
            return self._runtime.load(
                self._canonical.slice(piece), self.model.entry.directory, level=Level.ALL, prepack=True
            )
        with self._lock:
            if len(self._wanted) < _MOST_MARKS:
                self._wanted |= set(self.model.producers).intersection(piece.inputs)
        return self._runtime.load(
            self._canonical.slice(piece), self.model.entry.directory, level=Level.EXTENDED, prepack=False
        )

    def _keeps(self, optimised: _Optimised, piece: Piece) -> bool:
        # Only what was marked is sure to be the author's tensor still; any other may have kept no more than a name.
        outer = {tensor.name for tensor in (*self.model.inputs, *self.model.outputs)}
        return optimised.marks | outer >= {*piece.inputs, *piece.outputs}

    def _optimise(self, marks: frozenset[str]) -> _Optimised:
        key = "\n".join((_FORMAT, self._runtime.machine, *sorted(marks)))
        name = f"{_OPTIMISED}{sha256(key.encode()).hexdigest()[:16]}"

        def make(folder: Path) -> None:
            self._write(folder, marks)

        directory = self.model.entry.folder(name, make)
        try:
            graph = read_graph(directory / _GRAPH_FILE)
        except ModelError as error:
            logger.warning("optimised_graph_damaged digest=%s reason=%s", self.model.source_digest, error)
            self.model.entry.refill(directory, make)
            graph = read_graph(directory / _GRAPH_FILE)
        slicer = Slicer(graph, self.model.tensors, _layout_adapters(graph, marks))
        return _Optimised(graph, slicer, directory, marks, self._runtime)

    def _write(self, folder: Path, marks: frozenset[str]) -> None:
        marked = self._canonical.slice(whole(self.model))
        outputs = {value.name for value in marked.graph.output}
        marked.graph.output.extend(self._canonical.value(name) for name in sorted(marks - outputs))
        self._runtime.optimise(marked, self.model.entry.directory, folder / _GRAPH_FILE, _WEIGHTS_FILE)


def _forget_old(entry: Entry) -> None:
    # Each set of marks leaves a copy of the weights. Sessions that were made from one keep its file mapped.
    try:
        folders = sorted(entry.directory.glob(f"{_OPTIMISED}*"), key=lambda folder: folder.stat().st_mtime)
    except FileNotFoundError:
        return  # another process is forgetting them
    for folder in folders[:-_KEPT_FOLDERS]:
        entry.discard(folder)


def _layout_adapters(graph: onnx.ModelProto, marks: frozenset[str]) -> tuple[Adapter, ...]:
    # A convolution's output is kept in blocks of channels; the marked, plain tensor is reordered from it. A tail
    # that is fed the plain tensor goes the other way; where there is none, it comes from the canonical graph.
    adapters = []
    for node in graph.graph.node:
        if node.op_type == "ReorderOutput" and node.output[0] in marks:
            inner, plain = node.input[0], node.output[0]
            attributes = {item.name: item.i for item in node.attribute}
            if attributes["channels"] % _REORDERED_CHANNELS:
                continue
            reorder = helper.make_node("ReorderInput", [plain], [inner], name=f"enter_{plain}", domain=node.domain)
            reorder.attribute.extend(item for item in node.attribute if item.name == "channels_last")
            adapters.append(Adapter(inner=inner, plain=plain, node=reorder))
    return tuple(adapters)
