"""Whether several requests that run as one give each what it gives alone, seen on numbers made up like a request's.

    each alone, all as one -> every member's part is its own answer, within verification's tolerance
    for every member: all others replaced by other numbers, as one again -> not one bit of its part moves

Input: a way to run a request alone and several as one, a request to imitate. Output: what is wrong, or nothing; and
how the times compare. Called by the batcher, in the background: no request waits for it, none is used twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partway.engine import Clock
from partway.errors import EngineError
from partway.verification import difference, tolerance_of

Arrays = Mapping[str, np.ndarray]

_STRETCH = 8.0  # others' numbers range so many times wider: what takes its scale from all rows is then seen
_LARGEST = 1e4  # however large a request's numbers are: float16 ends at 65504, and overflow would hide all else
_MOST_DRAWS = 32
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The two ways to run requests that are compared.

    Attributes:
        alone: what one gives.
        together: what each of several gives, run as one.
    """

    alone: Callable[[Arrays], Arrays]
    together: Callable[[Sequence[Arrays]], Sequence[Arrays]]


def draw_members(sample: Arrays, size: int, generator: np.random.Generator) -> list[Arrays]:
    """Made-up feeds of several requests, each unlike the one before.

    Args:
        sample: feeds of one, whose types, shapes and ranges they have.
        size: how many.
        generator: where the numbers come from.

    Raises:
        EngineError: there is only one such request.
    """
    members = [draw(sample, generator, unlike={})]
    while len(members) < size:
        members.append(draw(sample, generator, unlike=members[-1]))
    return members


def draw(sample: Arrays, generator: np.random.Generator, *, unlike: Arrays, stretch: float = 1.0) -> Arrays:
    """Made-up feeds of a request, every tensor with numbers that others do not have.

    Args:
        sample: feeds whose types, shapes and ranges they have.
        generator: where the numbers come from.
        unlike: feeds that they must differ from, in every tensor.
        stretch: how many times wider floating numbers range.

    Raises:
        EngineError: nothing differs from them.
    """
    feeds: dict[str, np.ndarray] = {}
    for name, like in sample.items():
        for _ in range(_MOST_DRAWS):
            feeds[name] = _draw(like, generator, stretch)
            if name not in unlike or not same_bits(feeds[name], unlike[name]):
                break
        else:
            raise EngineError(f"{name!r} is the same in all requests, so that running them as one would prove nothing")
    return feeds


def prove(ways: Ways, members: Sequence[Arrays], generator: np.random.Generator) -> str | None:
    """What is wrong with running requests as one; None where every one gets its own answer, whoever the others are.

    Args:
        ways: to run them.
        members: made-up feeds.
        generator: where the feeds come from that replace them.

    Raises:
        PartwayError: they cannot be run, or their answers are too much alike to prove anything.
    """
    answers = [ways.alone(member) for member in members]
    parts = ways.together(members)
    for answer, part in zip(answers, parts, strict=True):
        if (fault := _fault(answer, part)) is not None:
            return fault
    if all(_same(answers[0], answer) for answer in answers):
        raise EngineError("different requests have the same answer, so that running them as one would prove nothing")
    for kept, part in enumerate(parts):
        others = [
            member if position == kept else draw(member, generator, unlike=member, stretch=_STRETCH)
            for position, member in enumerate(members)
        ]
        if (moved := _moved(part, ways.together(others)[kept])) is not None:
            return f"{moved!r} of request {kept} of {len(members)} depends on the others"
    return None


def compare_times(ways: Ways, members: Sequence[Arrays], clock: Clock) -> float:
    """Seconds as one over seconds one by one, taken in turn so that whatever else runs slows both.

    Raises:
        PartwayError: they cannot be run.
    """
    alone_s, together_s = [], []
    for number in range(_ROUNDS):
        start_s = clock()
        ways.alone(members[number % len(members)])
        middle_s = clock()
        ways.together(members)
        alone_s.append(middle_s - start_s)
        together_s.append(clock() - middle_s)
    return min(together_s) / max(len(members) * min(alone_s), 1e-9)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are the same, NaNs and signs of zeros included."""
    if one.dtype == np.dtype(object) or one.shape != other.shape or one.dtype != other.dtype:
        return bool(np.array_equal(one, other))
    return one.tobytes() == other.tobytes()


def _same(one: Arrays, other: Arrays) -> bool:
    return _moved(one, other) is None


def _moved(one: Arrays, other: Arrays) -> str | None:
    return next((name for name, array in one.items() if not same_bits(array, other[name])), None)


def _fault(alone: Arrays, together: Arrays) -> str | None:
    for name, array in alone.items():
        apart = difference(array, together[name]).absolute
        allowed = tolerance_of(array, 0.0).absolute
        if apart > allowed:
            return f"{name!r} is off by {apart:.3g} in a batch, with {allowed:.3g} allowed"
    return None


def _draw(like: np.ndarray, generator: np.random.Generator, stretch: float) -> np.ndarray:
    dtype = like.dtype
    if dtype == np.dtype(object):
        words = np.array(sorted({"a", "b", *map(str, like.ravel())}), dtype=object)
        return words[generator.integers(0, len(words), like.shape)]
    if dtype.kind == "b":
        return generator.integers(0, 2, like.shape).astype(bool)
    if dtype.kind in "iu":  # 0 and 1 are nearly always valid where they are indices
        least, most = int(like.min(initial=0)), int(like.max(initial=1))
        return generator.integers(least, most, like.shape, dtype=dtype, endpoint=True)
    if "int" in dtype.name:
        return generator.integers(0, 2, like.shape).astype(dtype)
    low, high = _range(like)
    middle, half = (high + low) / 2, stretch * (high - low) / 2
    return generator.uniform(middle - half, middle + half, like.shape).astype(dtype)


def _range(like: np.ndarray) -> tuple[float, float]:
    """Of its finite numbers; -1 to 1 around them where they are all one."""
    wide = like.astype(np.float64)
    finite = np.clip(wide[np.isfinite(wide)], -_LARGEST / _STRETCH, _LARGEST / _STRETCH)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (low, high) if high > low else (low - 1.0, high + 1.0)
