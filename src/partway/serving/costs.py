"""What the tails of one model cost on this server, from what it saw itself.

Input: seconds of tails that ran, for requests or to be timed. Output: an estimate for any cut, measured where
the tail ran, else predicted from the machine's profile. Without one it is interpolated by the multiply-accumulates
that are left, and where the whole model cannot be timed its cost is guessed, so that clients can decide at all; the
first requests correct the guess. The server answers cost queries from it and expects queues by it; the client needs
no model of this machine.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from partway.errors import CutError
from partway.graph import Cut, Model, Piece, cut_at
from partway.planning.interpolation import interpolate_costs
from partway.serving.predicted import Seen, TailForecast
from partway.wire import CostAnswer

_WINDOW = 32
_MOST_PIECES = 256
_MOST_CUTS = 4096

# A guess, not a measurement, at a plain processor: right within about ten times, until a request ran.
_GUESSED_MACS_PER_S = 1e10
_GUESSED_BYTES_PER_S = 5e9  # of weights, read once
_GUESSED_NODE_S = 1e-4
_TELLING_SHARE = 0.1  # of the whole's work: the time of a smaller tail is mostly overhead


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a tail takes on the idle server.

    Attributes:
        seconds: decoding included.
        measured: whether that very tail ran here; else it is predicted, interpolated or guessed.
    """

    seconds: float
    measured: bool


class TailCosts:
    """The cost table of one bound model; safe to use from several threads.

    Args:
        model: the canonical graph.
        forecast: of its tails, where the server has a profile of its machine.
    """

    def __init__(self, model: Model, forecast: TailForecast | None = None) -> None:
        self._model = model
        self._forecast = forecast
        self._seconds: OrderedDict[Piece, deque[float]] = OrderedDict()
        self._cuts: OrderedDict[tuple[str, ...], Cut | None] = OrderedDict()
        self._lock = threading.RLock()
        self._guesses_up_to_bytes: int | None = None

    def allow_guesses(self, message_bytes: int) -> None:
        """Guess what the whole model costs while it has not run, since nobody knows when it can be timed.

        Args:
            message_bytes: cuts that send more stay unknown, since no request can.
        """
        self._guesses_up_to_bytes = message_bytes

    def observe(self, piece: Piece, seconds: float, *, alone: bool = True) -> None:
        """Take in one run of a tail.

        Args:
            piece: the tail.
            seconds: how long it took, decoding included.
            alone: whether no other request was there meanwhile.
        """
        if self._forecast is not None:
            self._forecast.observe(piece, seconds, alone=alone)
        with self._lock:
            self._seconds.setdefault(piece, deque(maxlen=_WINDOW)).append(seconds)
            self._seconds.move_to_end(piece)
            if len(self._seconds) > _MOST_PIECES:
                self._seconds.popitem(last=False)

    def predict(self, cuts: Iterable[Iterable[str]]) -> None:
        """Ask the profile, if there is one, about the tails of cuts; takes a moment where they are new."""
        if self._forecast is not None:
            self._forecast.learn(self.cut(crossing) for crossing in cuts)

    def predict_anew(self) -> None:
        """Take in that the graph was optimised, and its tails run other kernels from now on."""
        if self._forecast is not None:
            self._forecast.renew()

    def sure(self, piece: Piece) -> bool:
        """Whether a profile tells enough of a tail, so that it need not be timed."""
        return self._forecast is not None and self._forecast.sure(piece)

    def renew(self, pieces: Iterable[Piece]) -> None:
        """Keep only the estimates of some tails, so that the next runs count for more than all before.

        Args:
            pieces: tails that run another way from now on.
        """
        with self._lock:
            for piece in pieces:
                if seconds := self._seconds.get(piece):
                    self._seconds[piece] = deque((_unloaded_s(seconds),), maxlen=_WINDOW)

    def observed(self, piece: Piece) -> int:
        """How many runs of a tail the table holds."""
        with self._lock:
            return len(self._seconds.get(piece, ()))

    def estimate(self, piece: Piece) -> Estimate | None:
        """What a tail costs; None while that cannot be said.

        A tail that computes only some of the outputs, and was never seen, counts as the whole tail of its cut.
        """
        with self._lock:
            seen = _seen(runs_s) if (runs_s := self._seconds.get(piece)) else None
        return self.estimates((piece.inputs,))[0] if seen is None else self._measured(piece, seen)

    def estimates(self, cuts: Sequence[Iterable[str]]) -> tuple[Estimate | None, ...]:
        """What the tails of cuts cost; None for what is no cut, and until the whole model ran or may be guessed.

        Args:
            cuts: the crossing tensors of each.
        """
        tails = [self.cut(crossing) for crossing in cuts]
        with self._lock:
            interpolated = self._interpolate(tails)
            seen = {piece: _seen(runs_s) for piece, runs_s in self._seconds.items()}
        if self._forecast is not None:
            for index, seconds in enumerate(self._forecast.seconds(tails, seen)):
                if seconds is not None:
                    interpolated[index] = Estimate(seconds=seconds, measured=False)
        return tuple(
            self._measured(cut.tail, seen[cut.tail])
            if cut is not None and cut.tail is not None and cut.tail in seen
            else estimate
            for cut, estimate in zip(tails, interpolated, strict=True)
        )

    def answer(self, cuts: Sequence[Iterable[str]]) -> CostAnswer:
        """The estimates of many cuts, as they travel; with a profile it takes a moment where cuts are new."""
        self.predict(cuts)
        estimates = self.estimates(cuts)
        return CostAnswer(
            server_s=tuple(None if estimate is None else estimate.seconds for estimate in estimates),
            measured=tuple(estimate is not None and estimate.measured for estimate in estimates),
        )

    def cut(self, crossing: Iterable[str]) -> Cut | None:
        """The cut that sends these tensors; None where they are no cut of this graph."""
        key = tuple(sorted(crossing))
        with self._lock:
            if key in self._cuts:
                self._cuts.move_to_end(key)
                return self._cuts[key]
        # Found without the lock: requests wait for it while they report their times.
        try:
            cut = cut_at(self._model, key)
        except CutError:
            cut = None
        with self._lock:
            self._cuts[key] = cut
            if len(self._cuts) > _MOST_CUTS:
                self._cuts.popitem(last=False)
        return cut

    def _measured(self, piece: Piece, seen: Seen) -> Estimate:
        seconds = seen.seconds if self._forecast is None else self._forecast.blended(piece, seen)
        return Estimate(seconds=seconds, measured=True)

    def _interpolate(self, wanted: Sequence[Cut | None]) -> list[Estimate | None]:
        knots = [
            (self._depth(cut), _unloaded_s(runs_s))
            for piece, runs_s in self._seconds.items()
            if (cut := self.cut(piece.inputs)) is not None and cut.tail == piece
        ]
        # Beyond the shallowest measured cut nothing is known, so the whole model has to be among them.
        end = float(self._model.macs or len(self._model.nodes))
        most_bytes: float = math.inf
        if not any(depth == 0.0 for depth, _ in knots):
            if self._guesses_up_to_bytes is None:
                return [None] * len(wanted)
            most_bytes = self._guesses_up_to_bytes
            knots.append((0.0, self._guess_whole_s(knots, end)))
        if not any(depth == end for depth, _ in knots):  # a tail with nothing left to multiply is all but free
            knots.append((end, 0.0))
        measured = {index: (0.0, seconds) for index, (_, seconds) in enumerate(knots)}
        depths = [depth for depth, _ in knots]
        times = interpolate_costs([*depths, *(0.0 if cut is None else self._depth(cut) for cut in wanted)], measured)
        return [
            Estimate(seconds=time.server_s, measured=False)
            if cut is not None and cut.tail is not None and cut.up_bytes <= most_bytes
            else None
            for cut, time in zip(wanted, times[len(knots) :], strict=True)
        ]

    def _guess_whole_s(self, knots: Sequence[tuple[float, float]], end: float) -> float:
        """Seconds of the whole model: in proportion to the largest tail that ran, else from its size alone."""
        depth, seconds = min(knots, default=(end, 0.0))
        if end - depth > _TELLING_SHARE * end:
            return seconds * end / (end - depth)
        model = self._model
        compute_s = model.macs / _GUESSED_MACS_PER_S + model.weight_bytes / _GUESSED_BYTES_PER_S
        return max(seconds, compute_s + _GUESSED_NODE_S * len(model.nodes))

    def _depth(self, cut: Cut) -> float:
        # Where nothing is multiplied, nodes are counted instead.
        return float(cut.macs if self._model.macs else cut.depth)


def _seen(runs_s: Collection[float]) -> Seen:
    return Seen(seconds=_unloaded_s(runs_s), runs=len(runs_s))


def _unloaded_s(runs_s: Iterable[float]) -> float:
    # The middle of the faster half: first runs and runs beside others are slow, and no run is too fast.
    ordered = sorted(runs_s)
    return median(ordered[: (len(ordered) + 1) // 2])
