"""How much of the link's time may be taken for knowledge's sake, beside the requests. Kept by `questions`."""

from collections import deque

from partway.engine import Clock


class Budget:
    """Allows questions as long as they keep the link busy for no more than a share of the time.

    What is allowed within any window comes to at most `share` of it, by what each question was expected to take. Those
    that cannot wait count, too, but are never refused: whoever asks them sees to it that they are few.

    Args:
        share: of the time, in (0, 1].
        window_s: over which it holds.
        least_gap_s: least time between two questions.
        clock: seconds, monotonic.
    """

    def __init__(self, *, share: float, window_s: float, least_gap_s: float, clock: Clock) -> None:
        self._allowed_s = share * window_s
        self._window_s = window_s
        self._least_gap_s = least_gap_s
        self._clock = clock
        self._taken: deque[tuple[float, float]] = deque()

    def take(self, seconds: float, *, pressing: bool = False) -> bool:
        """Whether a question may be sent now; if so, it counts.

        Args:
            seconds: for how long it is expected to keep the link busy, at least 0.
            pressing: whether it cannot wait.
        """
        now_s = self._clock()
        while self._taken and now_s - self._taken[0][0] >= self._window_s:
            self._taken.popleft()
        soon = bool(self._taken) and now_s - self._taken[-1][0] < self._least_gap_s
        if not pressing and (soon or sum(taken_s for _, taken_s in self._taken) + seconds > self._allowed_s):
            return False
        self._taken.append((now_s, seconds))
        return True
