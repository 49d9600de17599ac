"""Who asks again right after an answer, so that waiting a moment for them is no guess.

    answered --- short --- came again        prompt: expected as soon after the next answer
    answered --- long ---- came again        not prompt: nobody waits for them

Input: when jobs of one kind came and when they were answered. Output: how many more to expect, and until when.
Kept for each group, under the executor's lock.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

_MOST_ASKERS = 256


@dataclass(slots=True)
class _Visit:
    answered_s: float | None = None  # None while a job of theirs waits or runs
    prompt: bool = False


class Returning:
    """Remembers who comes again at once.

    Args:
        within_s: after an answer; who takes longer is not expected.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._visits: OrderedDict[Hashable, _Visit] = OrderedDict()

    def came(self, asker: Hashable, now_s: float) -> None:
        """Take in that a job arrived."""
        visit = self._visits.setdefault(asker, _Visit())
        self._visits.move_to_end(asker)
        if visit.answered_s is not None:
            visit.prompt = now_s - visit.answered_s <= self._within_s
        visit.answered_s = None
        if len(self._visits) > _MOST_ASKERS:
            self._visits.popitem(last=False)

    def answered(self, asker: Hashable, now_s: float) -> None:
        """Take in that a job was answered."""
        if asker in self._visits:
            self._visits[asker].answered_s = now_s

    def expected(self, now_s: float) -> tuple[int, float]:
        """How many are about to come, and the seconds until the last of them would be too late to be expected."""
        left_s = [
            visit.answered_s + self._within_s - now_s
            for visit in self._visits.values()
            if visit.prompt and visit.answered_s is not None
        ]
        coming = [seconds for seconds in left_s if seconds > 0.0]
        return len(coming), max(coming, default=0.0)
