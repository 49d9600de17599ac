"""Random numbers for stored tensors: described first, made when somebody wants them.

In come a short vector of noise and what a tensor is to be; out come its numbers, at once or block by block. Called by
graphs under construction and by blueprints.
"""

import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

NOISE = 4093  # a prime, so that no filter's size divides it and filters differ

_REPEATS = 256  # of the noise in a block: some 4 MB


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipe:
    """How the numbers of one stored tensor come about: noise, scaled, turned, and repeated as often as it takes.

    Time depends on where weights lie, not on what they are, and large ones are made at the speed of memory.

    Attributes:
        noise: normally distributed numbers, float32.
        start: how far the noise is turned, so that tensors differ.
        shape: the tensor's lengths.
        dtype: element type; integers are rounded and clipped to its range.
        deviation: standard deviation of the numbers.
        mean: their mean.
    """

    noise: np.ndarray
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype
    deviation: float
    mean: float

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def words(self) -> tuple[str, ...]:
        """All that tells one recipe from another with the same noise."""
        return (str(self.start), str(self.shape), self.dtype.str, repr(self.deviation), repr(self.mean))

    def make(self) -> np.ndarray:
        """The tensor."""
        return np.resize(self._period(), self.shape)

    def write(self, file: BinaryIO) -> None:
        """The tensor's bytes, a block at a time: however large it is, little memory is taken."""
        block = np.tile(self._period(), _REPEATS)
        blocks, rest = divmod(math.prod(self.shape), block.size)
        for _ in range(blocks):
            file.write(block.data)
        file.write(block[:rest].tobytes())

    def _period(self) -> np.ndarray:
        values = np.float32(self.mean) + np.float32(self.deviation) * self.noise
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return np.roll(values.astype(self.dtype), self.start)
