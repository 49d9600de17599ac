"""A lossy codec, and a lossless one for what it leaves: activations after a ReLU quantise to many equal bytes."""

from typing import Protocol

import numpy as np

from partway.codecs.codec import Codec, Coded


class Rounding(Codec, Protocol):
    """A codec whose tensor travels in another element type and the same shape."""

    @property
    def carrier(self) -> np.dtype:
        """The element type that travels."""
        ...


class Chain:
    """One codec after another; travels as the second's tensor with the first's parameters.

    Args:
        first: rounds.
        second: compresses, lossless and without parameters.
    """

    def __init__(self, first: Rounding, second: Codec) -> None:
        self.name = f"{first.name}+{second.name}"
        self.lossless = first.lossless and second.lossless
        self._first = first
        self._second = second

    def accepts(self, dtype: np.dtype) -> bool:
        """Whether the first accepts such elements."""
        return self._first.accepts(dtype)

    def encode(self, array: np.ndarray) -> Coded:
        """The array, rounded and compressed.

        Raises:
            CodecError: the first refuses it.
        """
        rounded = self._first.encode(array)
        return Coded(array=self._second.encode(rounded.array).array, parameters=rounded.parameters)

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The rounded elements in their own type.

        Raises:
            CodecError: either finds that this is no such tensor.
        """
        rounded = self._second.decode(Coded(array=coded.array), dtype=self._first.carrier, shape=shape)
        return self._first.decode(Coded(array=rounded, parameters=coded.parameters), dtype=dtype, shape=shape)
