"""Which codecs the cuts of one model can use, and what each is expected to do there.

Input: codecs that are allowed at a cut, what they did to an example, what the server decodes, and what requests really
sent. Output: for each cut, the codings to choose from. Kept by `BoundModel`, under its lock.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from partway.client.packing import Coding
from partway.graph import Cut
from partway.wire import RAW

Allowed = Callable[[Cut], tuple[str, ...]]
"""Names of the codecs that may be used at a cut; raw always may."""

_GAIN = 0.2
_FORGETTING = 0.05  # of what requests taught, each time that the server is asked and none of them came since
_TELLING = 0.02  # a size that moved by less is not worth a new table


@dataclass(slots=True)
class _Expected:
    measured: Coding
    log_bytes: float  # of the size that is expected now
    told_log_bytes: float  # of the one that the table has
    seen: int = 1
    used: bool = False  # since the server was asked last

    @classmethod
    def of(cls, coding: Coding) -> "_Expected":
        log_bytes = math.log(max(1, coding.up_bytes))
        return cls(measured=coding, log_bytes=log_bytes, told_log_bytes=log_bytes)


class Codings:
    """The codings of one model's candidate cuts.

    Args:
        cuts: the candidate cuts that send something, by index.
        allowed: which codecs each may use.
    """

    def __init__(self, cuts: Iterable[Cut], allowed: Allowed) -> None:
        self._cuts = tuple(cuts)
        self._expected: dict[tuple[int, str], _Expected] = {}
        self._accepted: frozenset[str] = frozenset()
        self._missing = {
            (index, codec): None for index, cut in enumerate(self._cuts) for codec in allowed(cut) if codec != RAW
        }

    @property
    def missing(self) -> tuple[tuple[int, str], ...]:
        """Cuts, by index, and codecs that were not measured yet."""
        return tuple(self._missing)

    def learn(self, index: int, codec: str, coding: Coding | None) -> None:
        """A codec was tried on an example of a cut's tensors; None where that failed, and is not tried again."""
        self._missing.pop((index, codec), None)
        if coding is not None:
            self._expected[index, codec] = _Expected.of(coding)

    def accept(self, codecs: Iterable[str]) -> None:
        """The server said what it decodes."""
        self._accepted = frozenset(codecs)
        for expected in self._expected.values():
            # What is not chosen is not corrected: without this, a few odd inputs could rule a coding out for good.
            if not expected.used:
                measured = math.log(max(1, expected.measured.up_bytes))
                expected.log_bytes += _FORGETTING * (measured - expected.log_bytes)
            expected.used = False

    def refuse(self, index: int, codec: str) -> None:
        """The server would not decode: use no codec until it says anew what it decodes, and this one here no more."""
        self._accepted = frozenset()
        self._expected.pop((index, codec), None)

    def saw(self, index: int, codec: str, up_bytes: int) -> bool:
        """A request sent so many bytes; whether the table should hear of it.

        The first few count for more: the example was one input, and often one of zeros.
        """
        expected = self._expected.get((index, codec))
        if expected is None:
            return False
        expected.seen += 1
        expected.used = True
        gain = max(_GAIN, 1.0 / expected.seen)
        expected.log_bytes += gain * (math.log(max(1, up_bytes)) - expected.log_bytes)
        return abs(expected.log_bytes - expected.told_log_bytes) > _TELLING

    def of(self, index: int) -> tuple[Coding, ...]:
        """What may be chosen at a cut beside raw, since the server decodes it and it saves something."""
        codings = []
        for (at, codec), expected in self._expected.items():
            if at != index or codec not in self._accepted:
                continue
            expected.told_log_bytes = expected.log_bytes
            up_bytes = round(math.exp(expected.log_bytes))
            if up_bytes < self._cuts[index].up_bytes:
                measured = expected.measured
                codings.append(
                    Coding(codec=codec, up_bytes=up_bytes, encode_s=measured.encode_s, decode_s=measured.decode_s)
                )
        return tuple(codings)
