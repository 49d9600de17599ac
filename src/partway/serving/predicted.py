"""Tails that never ran here, predicted from a profile of this machine.

    kernels left to run, decoding -> seconds x correction seen lately -> x what timed neighbours are off by

Input: a profile, and the runs that the cost table hears of. Output: what any tail is expected to take, from the moment
that its model is there. Called by the cost table of each bound model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from partway.engine import Clock, PieceStore
from partway.graph import Cut, Model, Piece
from partway.prediction.foresight import Foresight
from partway.prediction.live import LivePrediction, blend, ratios
from partway.prediction.predictor import Estimate, Part

# What decoding takes is no kernel's: a rough guess that the first requests correct, like any variant.
# Source: CRC-32 of 8 MB in 2.7 ms on a server's core, as measured for the wire.
_DECODING = "decoding"
_DECODING_CALL_S = 5e-5
_DECODING_BYTE_S = 3.4e-10
_DECODING_SPREAD = 0.5

_DISTURBED_RUNS = 0.25  # what a run beside others counts for
_SURE = 0.1  # a tail that is known as well as one run would tell is not worth an idle moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one tail.

    Attributes:
        seconds: on the idle server, decoding included.
        runs: how many tell so.
    """

    seconds: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecaster:
    """Makes the forecasts of all models of a server.

    Attributes:
        foresight: the profile.
        message_bytes: cuts that send more are not predicted, since no request can.
        clock: seconds, monotonic.
    """

    foresight: Foresight
    message_bytes: int
    clock: Clock

    def of(self, model: Model, store: PieceStore) -> "TailForecast":
        """The forecast of one model's tails.

        Args:
            model: the canonical graph.
            store: its pieces.
        """

        def decoded(piece: Piece, estimate: Estimate) -> Estimate:
            size_bytes = sum(model.tensors[name].size_bytes or 0 for name in piece.inputs)
            seconds = _DECODING_CALL_S + _DECODING_BYTE_S * size_bytes
            part = Part(variant=_DECODING, seconds=seconds, spread=_DECODING_SPREAD, sampled=False)
            return replace(estimate, parts=(*estimate.parts, part))

        live = self.foresight.of_model(store, clock=self.clock, adjust=decoded)
        return TailForecast(live, message_bytes=self.message_bytes)


class TailForecast:
    """What the tails of one bound model are expected to take; safe to use from several threads.

    Args:
        live: predictions, corrected.
        message_bytes: cuts that send more are not predicted.
    """

    def __init__(self, live: LivePrediction, *, message_bytes: int) -> None:
        self._live = live
        self._message_bytes = message_bytes

    def learn(self, cuts: Iterable[Cut | None]) -> None:
        """Predict the tails of cuts; takes a moment the first time."""
        self._live.learn(cut.tail for cut in cuts if cut is not None and cut.tail is not None)

    def renew(self) -> None:
        """Predict anew all that is known: the graph was optimised."""
        self._live.renew()

    def observe(self, piece: Piece, seconds: float, *, alone: bool) -> None:
        """Take in one run of a tail.

        Args:
            piece: the tail.
            seconds: how long it took, decoding included.
            alone: whether no other request was there meanwhile.
        """
        self._live.observe(piece, seconds, runs=1.0 if alone else _DISTURBED_RUNS)

    def sure(self, piece: Piece) -> bool:
        """Whether a tail is known well enough without being timed."""
        expected = self._live.expected(piece)
        return expected is not None and expected.spread <= _SURE

    def blended(self, piece: Piece, seen: Seen) -> float:
        """Seconds of a tail that ran: its runs, the sooner believed the less the prediction is sure."""
        expected = self._live.expected(piece)
        return seen.seconds if expected is None or seen.seconds <= 0.0 else blend(expected, seen.seconds, seen.runs)

    def seconds(self, cuts: Sequence[Cut | None], seen: Mapping[Piece, Seen]) -> tuple[float | None, ...]:
        """What the tails of cuts take; None for those that were not predicted, or cannot be sent.

        Args:
            cuts: None for what is no cut.
            seen: the tails that ran.
        """
        known = {
            expected.seconds: blend(expected, tail.seconds, tail.runs)
            for piece, tail in seen.items()
            if tail.seconds > 0.0 and (expected := self._live.expected(piece)) is not None
        }
        expected_s = [self._expected_s(cut) for cut in cuts]
        off = ratios([seconds or 1.0 for seconds in expected_s], known).tolist()
        return tuple(
            None if seconds is None else seconds * ratio for seconds, ratio in zip(expected_s, off, strict=True)
        )

    def _expected_s(self, cut: Cut | None) -> float | None:
        if cut is None or cut.tail is None or cut.up_bytes > self._message_bytes:
            return None
        expected = self._live.expected(cut.tail)
        return None if expected is None else expected.seconds
