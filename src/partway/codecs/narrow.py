"""Floats in half the bytes or a quarter, each rounded to the nearest float16."""

import numpy as np

from partway.codecs.codec import Coded, require_accepted, require_travelling

_HALF = np.dtype(np.float16)
_LARGEST = np.finfo(np.float16).max
_ACCEPTED = frozenset(np.dtype(kind) for kind in (np.float32, np.float64))


class Float16:
    """IEEE 754 half precision; travels as float16 of the same shape.

    Values beyond its range become the largest finite one of their sign: an infinity that the model never computed
    would spoil whatever it meets. Infinities and NaNs stay what they are (a NaN's payload does not).
    """

    name = "float16"
    lossless = False
    carrier = _HALF

    def accepts(self, dtype: np.dtype) -> bool:
        """Whether elements are float32 or float64."""
        return dtype in _ACCEPTED

    def encode(self, array: np.ndarray) -> Coded:
        """The array, rounded.

        Raises:
            CodecError: the element type is not accepted.
        """
        require_accepted(self, array.dtype)
        with np.errstate(over="ignore", under="ignore"):
            rounded = np.asarray(array.astype(_HALF, order="C"))
        overflown = np.isinf(rounded)
        if overflown.any():
            overflown &= np.isfinite(array)
            rounded[overflown] = np.copysign(_LARGEST, rounded[overflown])
        return Coded(array=rounded)

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The rounded elements in their own type.

        Raises:
            CodecError: what came is no float16 tensor of that shape.
        """
        require_accepted(self, dtype)
        require_travelling(self, coded.array, _HALF, shape)
        return coded.array.astype(dtype, order="C")
