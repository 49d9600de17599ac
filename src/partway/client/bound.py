"""A model under one binding, as the client knows it: pieces, candidate cuts, and what each costs.

Input: measured heads from this device, predicted ones where there is a profile of it, the server's own word on its
tails. Output: the cost table that decisions are made on; it grows from one row, device-only, as costs become known.
Called by the session and its background work; safe to call from several threads.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from partway.client.predicted import HeadForecast, HeadTime
from partway.engine import PieceStore, Session
from partway.errors import BindingError
from partway.graph import Cut, Model, Piece, candidate_cuts
from partway.planning import CostTable, CutCost, interpolate_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The cuts that can be chosen at one moment.

    Attributes:
        cuts: device-only last.
        table: what each costs, in the same order.
    """

    cuts: tuple[Cut, ...]
    table: CostTable


class BoundModel:
    """Pieces and costs of one model under one binding.

    Args:
        model: the canonical graph.
        store: its pieces.
        emulate: wraps every session, to emulate a slower device.
        whole_s: seconds of the whole model on this device.
        forecast: of its heads, where there is a profile of this device.

    Attributes:
        last_crossing: what the last decision chose to send; None before the first.
    """

    def __init__(
        self,
        model: Model,
        store: PieceStore,
        *,
        emulate: Callable[[Session], Session],
        whole_s: float,
        forecast: HeadForecast | None = None,
    ) -> None:
        self.model = model
        self.binding = model.binding.encode()
        self.cuts: tuple[Cut, ...] = candidate_cuts(model)
        self.last_crossing: tuple[str, ...] | None = None
        self._store = store
        self._emulate = emulate
        self._forecast = forecast
        self._lock = threading.Lock()
        last = len(self.cuts) - 1
        self._head_s: dict[int, float] = {last: whole_s}
        self._head_s |= {index: 0.0 for index, cut in enumerate(self.cuts) if cut.head is None}
        self._tail_s: dict[int, float] = {last: 0.0}
        self._sure: frozenset[int] = frozenset()
        if forecast is not None:
            forecast.timed(self.device_only, whole_s)
            self._sure = frozenset(index for index, cut in enumerate(self.cuts) if forecast.sure(cut))
        self._choices = self._rebuild()

    @property
    def choices(self) -> Choices:
        """The cuts whose costs are known on both sides."""
        return self._choices

    @property
    def complete(self) -> bool:
        """Whether every candidate cut can be chosen and every head was timed that had to be."""
        return len(self._choices.cuts) == len(self.cuts) and not self.unmeasured()

    @property
    def device_only(self) -> Cut:
        """The cut that sends nothing."""
        return self.cuts[-1]

    @property
    def offloaded(self) -> tuple[Cut, ...]:
        """The candidate cuts that send something, in table order."""
        return self.cuts[:-1]

    def unmeasured(self) -> tuple[Cut, ...]:
        """Cuts whose head has to be timed on this device yet: all, or with a profile those that it is unsure of."""
        return tuple(cut for index, cut in enumerate(self.cuts) if index not in self._head_s.keys() | self._sure)

    def learn_head(self, cut: Cut, head_s: float) -> None:
        """A head was timed; of several timings the shortest counts, since requests in between only add.

        Args:
            cut: a candidate cut.
            head_s: its seconds on this device, encoding included.
        """
        if self._forecast is not None:
            self._forecast.timed(cut, head_s)
        with self._lock:
            index = self.cuts.index(cut)
            self._head_s[index] = min(head_s, self._head_s.get(index, head_s))
            self._choices = self._rebuild()

    def observe_head(self, cut: Cut, head_s: float, *, alone: bool) -> None:
        """A head ran for a request: corrects what is predicted, when the server's tails are learnt next.

        Args:
            cut: a candidate cut.
            head_s: its seconds.
            alone: whether no other request ran meanwhile.
        """
        if self._forecast is not None:
            self._forecast.ran(cut, head_s, alone=alone)

    def learn_tails(self, server_s: tuple[float | None, ...]) -> None:
        """The server said what its tails take.

        Args:
            server_s: one entry for each of `offloaded`; None where the server does not know.
        """
        with self._lock:
            known = {index: tail_s for index, tail_s in enumerate(server_s) if tail_s is not None}
            self._tail_s = {**known, len(self.cuts) - 1: 0.0}
            self._choices = self._rebuild()

    def check(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Refuse feeds of a wrong type here, so that no server is blamed for them.

        Raises:
            BindingError: a feed has not the element type of its input.
        """
        for tensor in self.model.inputs:
            given = feeds[tensor.name].dtype
            if given != tensor.dtype and not (tensor.dtype == np.dtype(object) and given.kind in "USO"):
                raise BindingError(f"input {tensor.name!r} is {tensor.describe()}; it was fed {given} instead")

    def run(self, piece: Piece, feeds: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Run a piece on this device.

        Args:
            piece: what to run.
            feeds: at least its inputs.
            outputs: which of its outputs are wanted.
        """
        return self.session(piece).run({name: feeds[name] for name in piece.inputs}, outputs)

    def session(self, piece: Piece) -> Session:
        """The session of a piece on this device."""
        return self._emulate(self._store.session(piece))

    def _rebuild(self) -> Choices:
        heads = self._heads()
        rows = tuple(sorted(self._tail_s))
        table = CostTable.of(
            [
                CutCost(
                    crossing=self.cuts[index].crossing,
                    device_s=heads[index].seconds,
                    up_bytes=self.cuts[index].up_bytes,
                    server_s=self._tail_s[index],
                    down_bytes=self.cuts[index].down_bytes if self.cuts[index].offloaded else 0,
                    offloaded=self.cuts[index].offloaded,
                    how=heads[index].how,
                )
                for index in rows
            ]
        )
        return Choices(cuts=tuple(self.cuts[index] for index in rows), table=table)

    def _heads(self) -> tuple[HeadTime, ...]:
        predicted = None if self._forecast is None else self._forecast.heads(self._head_s)
        if predicted is not None:
            return predicted
        macs = [float(cut.macs) for cut in self.cuts]
        times = interpolate_costs(macs, {index: (head_s, 0.0) for index, head_s in self._head_s.items()})
        return tuple(HeadTime(seconds=time.device_s, how=time.how) for time in times)
