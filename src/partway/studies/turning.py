"""Where a statement turns as one assumption is scaled: what a missed mark says would have to differ.

Input: a statement as a function of a factor, 1 being the set-up as it is. Output: factors. Pure. Called by studies.
"""

import math
from collections.abc import Callable

_STEPS = 400
_HALVINGS = 30


def turning_factors(holds: Callable[[float], bool], *, most: float = 16.0) -> tuple[float, ...]:
    """The factors at which a statement begins or ceases to hold, ascending.

    Args:
        holds: whether it holds with the assumption times a factor.
        most: factors from 1 / most to most are looked at, in steps of under 2 % where it is 16; > 1.
    """
    end = math.log(most)
    places = [end * (2 * step / _STEPS - 1) for step in range(_STEPS + 1)]
    truths = [holds(math.exp(place)) for place in places]
    found = []
    for step in range(_STEPS):
        if truths[step] != truths[step + 1]:
            low, high = places[step], places[step + 1]
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                low, high = (middle, high) if holds(math.exp(middle)) == truths[step] else (low, middle)
            found.append(math.exp((low + high) / 2))
    return tuple(found)


def nearest_turn(holds: Callable[[float], bool], *, most: float = 16.0) -> float | None:
    """The turning factor that is nearest to 1; None where there is none.

    Args:
        holds: as for `turning_factors`.
        most: the same.
    """
    return min(turning_factors(holds, most=most), key=lambda factor: abs(math.log(factor)), default=None)


def holding_range(holds: Callable[[float], bool], *, most: float = 16.0) -> tuple[float, float] | None:
    """The ends of the range around 1 in which a statement holds throughout; None where it does not hold at 1.

    Args:
        holds: as for `turning_factors`.
        most: the same; an end without a turn is 1 / most or most.
    """
    if not holds(1.0):
        return None
    turns = turning_factors(holds, most=most)
    return max((turn for turn in turns if turn < 1), default=1 / most), min(
        (turn for turn in turns if turn > 1), default=most
    )
