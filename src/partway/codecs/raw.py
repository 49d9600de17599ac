"""The tensor itself: what everybody understands, and what everything else is compared with."""

import numpy as np

from partway.codecs.codec import Coded, require_travelling
from partway.errors import CodecError

_TEXT = "OSU"


class Raw:
    """Nothing is done; every type is accepted, strings too."""

    name = "raw"
    lossless = True

    def accepts(self, dtype: np.dtype) -> bool:  # noqa: ARG002 - the protocol's
        """Whether tensors of this type can be sent: always."""
        return True

    def encode(self, array: np.ndarray) -> Coded:
        """The array."""
        return Coded(array=array)

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The array that came, which is not copied.

        Raises:
            CodecError: another element type or shape.
        """
        if dtype.kind in _TEXT and coded.array.dtype.kind in _TEXT:
            if coded.array.shape != shape:
                raise CodecError(f"strings of shape {list(coded.array.shape)} came; expected {list(shape)}")
            return coded.array
        require_travelling(self, coded.array, dtype, shape)
        return coded.array
