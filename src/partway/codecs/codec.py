"""What every codec is: an ordinary tensor in, an ordinary tensor and a few parameters out, and the way back.

What travels keeps a plain element type and shape, so that any client or server of the protocol can carry it. The side
that decodes knows element type and shape from its own model: whatever arrives, decoding allocates no more than a few
times that tensor.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from partway.errors import CodecError

ParameterValue = str | int | float | bool
"""What a codec may write beside its tensor: what a parameter of the Open Inference Protocol may be."""


# Arrays have no single truth value when compared, so the record compares by identity.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """One tensor as it travels.

    Attributes:
        array: the tensor that is sent.
        parameters: what decoding needs beside it, without the codec's name.
    """

    array: np.ndarray
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of the elements and of the parameters that are text; strings, which travel raw, count 0."""
        written = sum(len(text) for text in self.parameters.values() if isinstance(text, str))
        return written + (0 if self.array.dtype.hasobject else self.array.nbytes)


class Codec(Protocol):
    """One way to send a tensor; without state, so that any number of threads may use it at once."""

    @property
    def name(self) -> str:
        """As people and messages write it."""
        ...

    @property
    def lossless(self) -> bool:
        """Whether every bit comes back."""
        ...

    def accepts(self, dtype: np.dtype) -> bool:
        """Whether tensors of this element type can be encoded; the others travel raw."""
        ...

    def encode(self, array: np.ndarray) -> Coded:
        """The tensor as it travels.

        Args:
            array: of an accepted type; any shape and layout.

        Raises:
            CodecError: its type is not accepted, or it holds values that this codec cannot carry; send it raw.
        """
        ...

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor, as near to what was encoded as the codec promises.

        Args:
            coded: as it arrived; not to be trusted.
            dtype: of the tensor, from the receiver's own model.
            shape: the same.

        Raises:
            CodecError: what arrived encodes no such tensor.
        """
        ...


def require_accepted(codec: Codec, dtype: np.dtype) -> None:
    """Complain of an element type.

    Raises:
        CodecError: the codec does not accept it.
    """
    if not codec.accepts(dtype):
        raise CodecError(f"codec {codec.name!r} cannot carry elements of type {dtype}; send them raw")


def require_travelling(codec: Codec, array: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Complain of a tensor that is not what this codec would have sent.

    Raises:
        CodecError: another element type or another shape.
    """
    if array.dtype != dtype or array.shape != shape:
        raise CodecError(
            f"codec {codec.name!r} brought {array.dtype}{list(array.shape)} where {dtype}{list(shape)} was expected"
        )


def read_number(codec: Codec, parameters: Mapping[str, ParameterValue], name: str) -> float:
    """A parameter that must be a finite number.

    Raises:
        CodecError: it is missing or is none.
    """
    number = parameters.get(name)
    if isinstance(number, bool | str) or number is None or not _is_finite(number):
        raise CodecError(f"codec {codec.name!r} needs a finite number in parameter {name!r}; found {number!r:.40}")
    return float(number)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every float
        return False
