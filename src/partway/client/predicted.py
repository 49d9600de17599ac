"""Heads that never ran here, predicted from a profile of this device.

    kernels of the head -> seconds x correction by what was timed and what ran -> x what timed neighbours are off by

Input: a profile, timings, and the heads of requests. Output: what every head takes, as soon as the whole model was
timed. Requests only leave a note of what they took; it is taken in later, in the background. Called by `BoundModel`.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from partway.engine import Clock, PieceStore
from partway.graph import Cut, Piece
from partway.prediction.foresight import Foresight
from partway.prediction.live import LivePrediction, ratios
from partway.prediction.predictor import Estimate

_TIMED_RUNS = 4.0  # what a timing counts for: it is a few runs of an idle device
_DISTURBED_RUNS = 0.25
_MOST_NOTES = 64
_SURE = 0.1  # a head that is known as well as one run would tell need not be timed


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTime:
    """Seconds of one head on this device.

    Attributes:
        seconds: encoding included.
        how: where they come from.
    """

    seconds: float
    how: Literal["measured", "interpolated", "predicted"]


class HeadForecast:
    """What the heads of one bound model are expected to take; safe to use from several threads.

    Args:
        live: predictions, corrected; they know the heads of all `cuts`.
        cuts: those that can be chosen.
    """

    def __init__(self, live: LivePrediction, cuts: tuple[Cut, ...]) -> None:
        self._live = live
        self._cuts = cuts
        self._notes: deque[tuple[Piece, float, float]] = deque(maxlen=_MOST_NOTES)

    @classmethod
    def maker(cls, foresight: Foresight, *, slowdown: float = 1.0, clock: Clock = time.monotonic) -> "ForecastMaker":
        """What predicts the heads of a model's cuts, given its pieces.

        Args:
            foresight: the profile.
            slowdown: of an emulated device, else 1.
            clock: seconds, monotonic.
        """

        def slowed(_: Piece, estimate: Estimate) -> Estimate:
            parts = tuple(replace(part, seconds=slowdown * part.seconds) for part in estimate.parts)
            return replace(estimate, parts=parts, run_s=slowdown * estimate.run_s)

        def make(store: PieceStore, cuts: tuple[Cut, ...]) -> HeadForecast:
            live = foresight.of_model(store, clock=clock, adjust=slowed)
            live.learn(cut.head for cut in cuts if cut.head is not None)
            return cls(live, cuts)

        return make

    def sure(self, cut: Cut) -> bool:
        """Whether a cut's head is known well enough without being timed."""
        expected = None if cut.head is None else self._live.expected(cut.head)
        return expected is not None and expected.spread <= _SURE

    def timed(self, cut: Cut, seconds: float) -> None:
        """Take in a timing of a head."""
        if cut.head is not None:
            self._live.observe(cut.head, seconds, runs=_TIMED_RUNS)

    def ran(self, cut: Cut, seconds: float, *, alone: bool) -> None:
        """Note what a head took in a request; `heads` takes it in.

        Args:
            cut: where the request was cut.
            seconds: of its head.
            alone: whether no other request ran meanwhile.
        """
        if cut.head is not None:
            self._notes.append((cut.head, seconds, 1.0 if alone else _DISTURBED_RUNS))

    def heads(self, timed_s: Mapping[int, float]) -> tuple[HeadTime, ...] | None:
        """What the heads of all candidate cuts take; None where one of them could not be predicted.

        Args:
            timed_s: by the index of the cut, the heads that were timed or are empty.
        """
        while self._notes:
            piece, seconds, runs = self._notes.popleft()
            self._live.observe(piece, seconds, runs=runs)
        predicted_s = [0.0 if cut.head is None else self._predicted_s(cut.head) for cut in self._cuts]
        if not all(seconds > 0.0 or index in timed_s for index, seconds in enumerate(predicted_s)):
            return None
        known = {predicted_s[index]: seconds for index, seconds in timed_s.items() if predicted_s[index] and seconds}
        off = ratios([seconds or 1.0 for seconds in predicted_s], known).tolist()
        return tuple(
            HeadTime(seconds=timed_s[index], how="measured")
            if index in timed_s
            else HeadTime(seconds=seconds * ratio, how="predicted")
            for index, (seconds, ratio) in enumerate(zip(predicted_s, off, strict=True))
        )

    def _predicted_s(self, piece: Piece) -> float:
        expected = self._live.expected(piece)
        return 0.0 if expected is None else expected.seconds


ForecastMaker = Callable[[PieceStore, tuple[Cut, ...]], HeadForecast]
"""Predicts the heads of these cuts of the model whose pieces it is given."""
