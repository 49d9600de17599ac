"""Hostile inputs made from valid ones, by mutations that wire formats are sensitive to.

Input: valid messages. Output: mutated ones; what got somewhere new is kept as a parent of more. Called by both halves
of the fuzzing.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

_MOST_PARENTS = 512
_MOST_BYTES = 64 * 1024
_MOST_MUTATIONS = 6
# Lengths and counts at the edges of what a varint, a 32-bit or a 64-bit number holds; JSON and HTTP in their own words.
_TELLING = (
    b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x08", b"\x3a", b"\x2a",
    b"\x0a", b"\x0b", b"\x0c", b"[" * 64, b'{"a":' * 32, b"1e999", b"-1", b"18446744073709551616", b"null", b'"',
    b"\\ud800", b"\xed\xa0\x80", b"NaN", b"../", b"FP32", b"BYTES", b"partway.codec", b"zstd", b"int8", b"\r\n",
    b"\x28\xb5\x2f\xfd",
)  # fmt: skip


class Mutator:
    """Makes inputs for one target.

    Args:
        seeds: valid messages.
        generator: chance.
        write: gives messages of its own, a quarter of all inputs; None for none.
    """

    def __init__(
        self, seeds: Sequence[bytes], generator: np.random.Generator, write: Callable[[], bytes] | None = None
    ) -> None:
        self._parents = list(seeds)
        self._seeds = len(seeds)
        self._generator = generator
        self._write = write
        self._seen: set[Hashable] = set()
        self._mutations: tuple[Callable[[bytearray], None], ...] = (
            self._flip, self._overwrite, self._truncate, self._insert, self._erase, self._repeat, self._splice,
            self._number,
        )  # fmt: skip

    @property
    def seen(self) -> int:
        """How many different outcomes there were."""
        return len(self._seen)

    def make(self) -> bytes:
        """The next input, of at most 64 KiB and a little more."""
        if self._write is not None and self._below(4) == 0:
            return self._write()
        parent = bytearray(self._parents[self._below(len(self._parents))])
        # One mutation mostly: what is damaged in many places is refused at the first.
        for _ in range(min(self._generator.geometric(0.6), _MOST_MUTATIONS)):
            self._mutations[self._below(len(self._mutations))](parent)
        del parent[_MOST_BYTES:]
        return bytes(parent)

    def learn(self, content: bytes, outcome: Hashable) -> None:
        """Take in how a target ended on an input: a new way makes it a parent."""
        if outcome in self._seen:
            return
        self._seen.add(outcome)
        if len(self._parents) < _MOST_PARENTS:
            self._parents.append(content)
        else:  # valid messages are never given up
            self._parents[self._seeds + self._below(_MOST_PARENTS - self._seeds)] = content

    def _below(self, bound: int) -> int:
        return int(self._generator.random() * bound)

    def _at(self, content: bytearray) -> int:
        # Headers stand in front, and tensors make up the rest: half of the mutations go to the front.
        length = len(content)
        return self._below(min(length, 256) if self._below(2) else length) if length else 0

    def _flip(self, content: bytearray) -> None:
        if content:
            content[self._at(content)] ^= 1 << self._below(8)

    def _overwrite(self, content: bytearray) -> None:
        if content:
            content[self._at(content)] = self._below(256)

    def _truncate(self, content: bytearray) -> None:
        del content[self._at(content) :]

    def _insert(self, content: bytearray) -> None:
        at = self._at(content)
        content[at:at] = _TELLING[self._below(len(_TELLING))]

    def _erase(self, content: bytearray) -> None:
        at = self._at(content)
        del content[at : at + 1 + self._below(16)]

    def _repeat(self, content: bytearray) -> None:
        at = self._at(content)
        piece = bytes(content[at : at + 1 + self._below(32)])
        content[at:at] = piece * (1 + self._below(64))

    def _splice(self, content: bytearray) -> None:
        other = self._parents[self._below(len(self._parents))]
        start = self._below(len(other)) if other else 0
        at = self._at(content)
        content[at:] = other[start:]

    def _number(self, content: bytearray) -> None:
        # A varint or a JSON number in place of whatever stands there.
        at = self._at(content)
        number = 1 << self._below(70)
        if self._below(2):
            content[at : at + 1] = str(number).encode()
            return
        encoded = bytearray()
        while number >= 0x80:
            encoded.append(number & 0x7F | 0x80)
            number >>= 7
        content[at : at + 1] = [*encoded, number]
