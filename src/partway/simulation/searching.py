"""The most, or the fewest, that keeps to something, by doubling and halving; a try is a simulation, so tries are few.

In come questions that are answered yes on one side of a border and no on the other; out comes the last on the good
side. Called by `questions`.
"""

from collections.abc import Callable

_LEAST_LOAD, _MOST_LOAD = 0.005, 0.995
_CLOSE = 0.005  # of a load, and as a share of numbers that are searched for the most


def least_that(keeps: Callable[[int], bool], *, least: int, most: int) -> int | None:
    """The least number that keeps; None where not even the most does.

    Args:
        keeps: true from some number on.
        least: to try.
        most: to try.
    """
    low, high = least - 1, least
    while not keeps(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high


def most_that(keeps: Callable[[int], bool], *, start: int, least: int, most: int) -> int | None:
    """The greatest number that keeps, within 0.5 %; None where not even the least does.

    Args:
        keeps: true up to some number.
        start: where to begin.
        least: to try.
        most: to try.
    """
    low, high = start, most + 1
    while not keeps(low):
        if low <= least:
            return None
        low, high = max(least, low // 2), low
    while high > most:
        if low >= most:
            return most
        double = min(2 * low, most)
        if keeps(double):
            low = double
        else:
            high = double
    while high - low > max(1.0, _CLOSE * low):
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def most_load_that(keeps: Callable[[float], bool]) -> float | None:
    """The greatest load that keeps, within 0.005; None where not even an idle server does.

    Args:
        keeps: true up to some load.
    """
    low, high = _LEAST_LOAD, _MOST_LOAD
    if not keeps(low):
        return None
    while high - low > _CLOSE:
        middle = (low + high) / 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low
