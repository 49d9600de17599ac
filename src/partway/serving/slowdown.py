"""How much longer than unloaded jobs take now. Kept by the executor."""

from dataclasses import dataclass, field

_SMOOTHING = 0.25  # the share of the newest job
_FORGET_HALF_S = 10.0  # an idle server's past slowdown says little about now
_LARGEST_SLOWDOWN = 100.0


@dataclass(slots=True)
class Slowdown:
    """How many times longer than unloaded jobs took lately; falls back to 1 while nothing is served."""

    _excess: float = 0.0
    _at_s: float = field(default=0.0)

    def value(self, now_s: float) -> float:
        """The factor now, at least 1."""
        half_lives = max(0.0, now_s - self._at_s) / _FORGET_HALF_S
        return 1.0 + max(0.0, self._excess) * float(0.5**half_lives)

    def observe(self, took_s: float, expected_s: float, now_s: float) -> None:
        """Take in one job.

        Args:
            took_s: seconds it ran.
            expected_s: seconds it would have run unloaded, > 0.
            now_s: the clock at its end.
        """
        factor = min(max(took_s / expected_s, 0.0), _LARGEST_SLOWDOWN)
        before = self.value(now_s) - 1.0
        self._excess = before + _SMOOTHING * (factor - 1.0 - before)
        self._at_s = now_s
