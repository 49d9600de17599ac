"""A model under one binding, as the client knows it: pieces, candidate cuts, and what each costs.

Input: measured heads from this device, predicted ones where there is a profile of it, what codecs did to crossing
tensors, the server's own word on its tails. Output: the cost table that decisions are made on, a row for each cut and
codec; it grows from one row, device-only, as costs become known.
Called by the session and its background work; safe to call from several threads.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from partway.client.codings import Codings
from partway.client.guide import Guide, Unplanned
from partway.client.packing import Coding
from partway.client.predicted import HeadForecast, HeadTime
from partway.engine import PieceStore, Session, Stop
from partway.errors import BindingError
from partway.graph import Cut, Model, Piece
from partway.planning import Conditions, CostTable, CutCost, Decision, interpolate_costs
from partway.wire import RAW, CostAnswer

_MOST_NOTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The cuts that can be chosen at one moment, each once for every codec that can be chosen with it.

    Attributes:
        cuts: the cut of each row, device-only last.
        table: what each row costs, in the same order.
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
        guide: which cuts and codecs it may use; by default the candidate cuts with raw tensors.

    Raises:
        InputError: the guide is of another model or binding.

    Attributes:
        last: what the last decision chose to send, and under which codec; None before the first.
    """

    def __init__(
        self,
        model: Model,
        store: PieceStore,
        *,
        emulate: Callable[[Session], Session],
        whole_s: float,
        forecast: HeadForecast | None = None,
        guide: Guide | None = None,
    ) -> None:
        self.model = model
        self.binding = model.binding.encode()
        self._guide = guide or Unplanned(())
        self.cuts: tuple[Cut, ...] = self._guide.cuts(model)
        self.last: tuple[tuple[str, ...], str] | None = None
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
        self._codings = Codings(self.offloaded, self._guide.allowed)
        self._sent: deque[tuple[int, str, int]] = deque(maxlen=_MOST_NOTES)
        self._heads = self._find_heads()
        self._choices = self._lay_out()

    def decide(self, conditions: Conditions) -> tuple[Choices, Decision]:
        """What can be chosen now, and what is; the next decision starts from it.

        Args:
            conditions: link, load and device.
        """
        choices, decision = self.foresee(conditions)
        self.last = decision.crossing, decision.codec
        return choices, decision

    def foresee(self, conditions: Conditions) -> tuple[Choices, Decision]:
        """What would be decided, without deciding it.

        Args:
            conditions: link, load and device.
        """
        choices = self._choices
        costs = choices.table.costs
        current = next((row for row, cost in enumerate(costs) if (cost.crossing, cost.codec) == self.last), None)
        return choices, self._guide.decide(choices.table, conditions, current)

    @property
    def max_up_bytes(self) -> int | None:
        """Most bytes that a request may send; None for any."""
        return self._guide.max_up_bytes

    @property
    def thrifty(self) -> bool:
        """Whether joules count, so that no tail is run twice for the sake of latency alone."""
        return self._guide.thrifty

    @property
    def deadline_s(self) -> float:
        """Seconds within which a request has to be answered; infinite for any."""
        return self._guide.deadline_s

    @property
    def choices(self) -> Choices:
        """The cuts whose costs are known on both sides."""
        return self._choices

    @property
    def complete(self) -> bool:
        """Whether every candidate cut can be chosen, and every head was timed and every codec tried that had to be."""
        return len(self._tail_s) == len(self.cuts) and not self.unmeasured() and not self.untried()

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

    def untried(self) -> tuple[tuple[Cut, str], ...]:
        """Cuts and codecs of which it is not known yet what the codec does to the tensors of the cut."""
        with self._lock:
            return tuple((self.cuts[index], codec) for index, codec in self._codings.missing)

    def learn_head(self, cut: Cut, head_s: float) -> None:
        """A head was timed; of several timings the shortest counts, since requests in between only add.

        Args:
            cut: a candidate cut.
            head_s: its seconds on this device.
        """
        if self._forecast is not None:
            self._forecast.timed(cut, head_s)
        with self._lock:
            index = self.cuts.index(cut)
            self._head_s[index] = min(head_s, self._head_s.get(index, head_s))
            self._rebuild()

    def observe_head(self, cut: Cut, head_s: float, *, alone: bool) -> None:
        """A head ran for a request: corrects what is predicted, when the server's tails are learnt next.

        Args:
            cut: a candidate cut.
            head_s: its seconds, without encoding.
            alone: whether no other request ran meanwhile.
        """
        if self._forecast is not None:
            self._forecast.ran(cut, head_s, alone=alone)

    def learn_coding(self, cut: Cut, codec: str, coding: Coding | None) -> None:
        """A codec was tried on real crossing tensors; None where that failed.

        Args:
            cut: a candidate cut that sends something.
            codec: its name.
            coding: what it did.
        """
        with self._lock:
            self._codings.learn(self.cuts.index(cut), codec, coding)
            self._choices = self._lay_out()

    def observe_coding(self, cut: Cut, codec: str, up_bytes: int) -> None:
        """A request packed its crossing tensors: corrects what they are expected to come to.

        Args:
            cut: a candidate cut.
            codec: the codec that was chosen with it.
            up_bytes: what travels.
        """
        self._sent.append((self.cuts.index(cut), codec, up_bytes))
        # Whoever has the lock may be at work for a while, and a request waits for nobody: its note is read next time.
        if self._lock.acquire(blocking=False):
            try:
                if self._read_notes():
                    self._choices = self._lay_out()
            finally:
                self._lock.release()

    def refuse_coding(self, cut: Cut, codec: str) -> None:
        """The server would not decode the tensors of a cut: send raw ones, until it says anew what it decodes."""
        with self._lock:
            self._codings.refuse(self.cuts.index(cut), codec)
            self._choices = self._lay_out()

    def learn_tails(self, answer: CostAnswer) -> None:
        """The server said what its tails take and what it decodes.

        Args:
            answer: one cost for each of `offloaded`.
        """
        with self._lock:
            known = {index: tail_s for index, tail_s in enumerate(answer.server_s) if tail_s is not None}
            self._tail_s = {**known, len(self.cuts) - 1: 0.0}
            self._codings.accept(answer.codecs)
            self._rebuild()

    def check(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Refuse feeds of a wrong type here, so that no server is blamed for them.

        Raises:
            BindingError: a feed has not the element type of its input.
        """
        for tensor in self.model.inputs:
            given = feeds[tensor.name].dtype
            if given != tensor.dtype and not (tensor.dtype == np.dtype(object) and given.kind in "USO"):
                raise BindingError(f"input {tensor.name!r} is {tensor.describe()}; it was fed {given} instead")

    def run(
        self,
        piece: Piece,
        feeds: Mapping[str, np.ndarray],
        outputs: tuple[str, ...],
        *,
        stop: Stop | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a piece on this device.

        Args:
            piece: what to run.
            feeds: at least its inputs.
            outputs: which of its outputs are wanted.
            stop: ends the run early.

        Raises:
            RunStopped: the run was stopped.
            EngineError: the runtime failed.
        """
        return self.session(piece).run({name: feeds[name] for name in piece.inputs}, outputs, stop=stop)

    def example(self, cut: Cut, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The crossing tensors of a cut, at the speed of this machine, whatever it emulates."""
        if cut.head is None:
            return {name: feeds[name] for name in cut.crossing}
        made = self._store.session(cut.head).run({name: feeds[name] for name in cut.head.inputs})
        return {name: made[name] if name in made else feeds[name] for name in cut.crossing}

    def session(self, piece: Piece) -> Session:
        """The session of a piece on this device."""
        return self._emulate(self._store.session(piece))

    def _read_notes(self) -> bool:
        moved = False
        while self._sent:
            moved |= self._codings.saw(*self._sent.popleft())
        return moved

    def _rebuild(self) -> None:
        self._read_notes()
        self._heads = self._find_heads()
        self._choices = self._lay_out()

    def _lay_out(self) -> Choices:
        rows = [(index, coding) for index in sorted(self._tail_s) for coding in self._codings_of(index)]
        return Choices(
            cuts=tuple(self.cuts[index] for index, _ in rows),
            table=CostTable.of([self._cost(index, coding) for index, coding in rows]),
        )

    def _codings_of(self, index: int) -> tuple[Coding, ...]:
        cut = self.cuts[index]
        raw = Coding(codec=RAW, up_bytes=cut.up_bytes, encode_s=0.0, decode_s=0.0)
        return (raw, *self._codings.of(index)) if cut.offloaded else (raw,)

    def _cost(self, index: int, coding: Coding) -> CutCost:
        cut, head = self.cuts[index], self._heads[index]
        cost = CutCost(
            crossing=cut.crossing,
            device_s=head.seconds + coding.encode_s,
            up_bytes=coding.up_bytes,
            server_s=self._tail_s[index] + coding.decode_s,
            down_bytes=cut.down_bytes if cut.offloaded else 0,
            offloaded=cut.offloaded,
            how=head.how,
            codec=coding.codec,
        )
        return self._guide.complete(cost)

    def _find_heads(self) -> tuple[HeadTime, ...]:
        predicted = None if self._forecast is None else self._forecast.heads(self._head_s)
        if predicted is not None:
            return predicted
        macs = [float(cut.macs) for cut in self.cuts]
        times = interpolate_costs(macs, {index: (head_s, 0.0) for index, head_s in self._head_s.items()})
        return tuple(HeadTime(seconds=time.device_s, how=time.how) for time in times)
