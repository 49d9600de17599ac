"""Floats in one byte each: 256 even steps from the smallest value to the largest.

`element = offset + scale * byte`, rounded half to even; no element is off by more than half a step (and the rounding
of its own type). Steps are those of the whole tensor, or of each slice along axis 1, which are the channels of images
and the tokens of sequences.

Source: affine quantisation, Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, section 2.1.
"""

import base64
import binascii
import math

import numpy as np

from partway.codecs.codec import Coded, read_number, require_accepted, require_travelling
from partway.errors import CodecError

SCALE = "partway.scale"
"""Parameter: the step."""
OFFSET = "partway.offset"
"""Parameter: what byte 0 stands for."""
STEPS = "partway.steps"
"""Parameter: base64 of little-endian pairs (scale, offset), one a slice: float64 for float64 tensors, else float32."""

_STEPS = 255
_BYTE = np.dtype(np.uint8)
_ACCEPTED = frozenset(np.dtype(kind) for kind in (np.float16, np.float32, np.float64))
_NARROW_REACH = 1e38  # spans and offsets beyond it may overflow float32 on the way
_LEAST_SLICE = 64  # elements; the eleven bytes of a pair would weigh too much on fewer


class Int8:
    """Unsigned bytes with a scale and an offset; travels as uint8 of the same shape.

    Tensors with NaN or infinity are refused: they have no range, and are best sent raw.

    Args:
        per_channel: whether each slice along axis 1 has steps of its own, where there is such an axis and slices are
            large enough to pay for them.
    """

    lossless = False
    carrier = _BYTE

    def __init__(self, *, per_channel: bool) -> None:
        self.name = "int8/channel" if per_channel else "int8"
        self._per_channel = per_channel

    def accepts(self, dtype: np.dtype) -> bool:
        """Whether elements are float16, float32 or float64."""
        return dtype in _ACCEPTED

    def encode(self, array: np.ndarray) -> Coded:
        """The bytes, and their steps.

        Raises:
            CodecError: the element type is not accepted, or an element is not finite, or float64's range overflows.
        """
        require_accepted(self, array.dtype)
        channels = self._channels(array.shape)
        axes = tuple(axis for axis in range(array.ndim) if axis != 1) if channels else None
        kind = _step_type(array.dtype)
        if array.size == 0:
            scale, offset = np.zeros(channels or (), kind), np.zeros(channels or (), kind)
        else:
            offset = np.asarray(array.min(axis=axes)).astype(kind)
            scale = self._scale(offset, np.asarray(array.max(axis=axes)).astype(kind))
        content = _quantise(array, _spread(scale, array.ndim), _spread(offset, array.ndim))
        if not channels:
            return Coded(array=content, parameters={SCALE: float(scale), OFFSET: float(offset)})
        pairs = np.stack((scale, offset), axis=1).tobytes()
        return Coded(array=content, parameters={STEPS: base64.b64encode(pairs).decode("ascii")})

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The elements that the bytes stand for.

        Raises:
            CodecError: what came is no uint8 tensor of that shape, or its steps are none of such a tensor.
        """
        require_accepted(self, dtype)
        require_travelling(self, coded.array, _BYTE, shape)
        channels = self._channels(shape)
        scale, offset = self._read_steps(coded, channels, dtype) if channels else self._read_step(coded)
        largest = float(np.finfo(dtype).max)
        fits = np.isfinite(scale) & (scale >= 0) & (scale <= largest) & (np.abs(offset) <= largest)
        if not fits.all():  # NaN fits nothing
            raise CodecError(f"codec {self.name!r} brought steps that {dtype} cannot hold; the tensor arrived damaged")
        return _restore(coded.array, _spread(scale, len(shape)), _spread(offset, len(shape)), dtype)

    def _channels(self, shape: tuple[int, ...]) -> int:
        # 0 for one pair of steps. Both sides know the shape, so nothing needs to say which it is.
        channels = shape[1] if self._per_channel and len(shape) > 1 else 0
        return channels if channels and math.prod(shape) >= channels * _LEAST_SLICE else 0

    def _scale(self, least: np.ndarray, most: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            span = most.astype(np.float64) - least
            scale = (span / _STEPS).astype(least.dtype)
            short = scale.astype(np.float64) * _STEPS < span
        if not np.isfinite(span).all():  # a NaN anywhere is the least and the most too
            raise CodecError(f"codec {self.name!r} cannot carry NaN, infinity, or a range beyond float64; send it raw")
        rounded_up: np.ndarray = np.where(short, np.nextafter(scale, np.inf, dtype=scale.dtype), scale)
        return rounded_up

    def _read_step(self, coded: Coded) -> tuple[np.ndarray, np.ndarray]:
        scale, offset = (read_number(self, coded.parameters, name) for name in (SCALE, OFFSET))
        return np.asarray(scale), np.asarray(offset)

    def _read_steps(self, coded: Coded, channels: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        kind = _step_type(dtype)
        size_bytes = channels * 2 * kind.itemsize
        text = coded.parameters.get(STEPS)
        if not isinstance(text, str) or len(text) != 4 * math.ceil(size_bytes / 3):
            raise CodecError(f"codec {self.name!r} needs {channels} pairs of steps in parameter {STEPS!r}")
        try:
            pairs = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise CodecError(f"parameter {STEPS!r} is no base64: {error}") from error
        if len(pairs) != size_bytes:
            raise CodecError(f"parameter {STEPS!r} holds {len(pairs)} bytes; {channels} pairs take {size_bytes}")
        scale, offset = np.frombuffer(pairs, kind).reshape(channels, 2).T.astype(np.float64)
        return scale, offset


def _step_type(dtype: np.dtype) -> np.dtype:
    return np.dtype("<f8") if dtype == np.float64 else np.dtype("<f4")


def _spread(steps: np.ndarray, rank: int) -> np.ndarray:
    return steps.reshape(1, -1, *(1,) * (rank - 2)) if steps.ndim else steps


def _work_type(scale: np.ndarray, offset: np.ndarray, dtype: np.dtype) -> type[np.floating]:
    reach = max(float(scale.max(initial=0.0)) * _STEPS, float(np.abs(offset).max(initial=0.0)))
    return np.float64 if dtype == np.float64 or reach > _NARROW_REACH else np.float32


def _quantise(array: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    work = _work_type(scale, offset, array.dtype)
    steps = np.subtract(array, offset.astype(work), dtype=work, order="C")
    # Where every element is the same there is no step to divide by, and nothing to divide.
    steps = np.divide(steps, np.where(scale > 0, scale, 1).astype(work), out=np.asarray(steps))
    np.rint(steps, out=steps)
    content: np.ndarray = np.clip(steps, 0, _STEPS, out=steps).astype(np.uint8, order="C")
    return content


def _restore(content: np.ndarray, scale: np.ndarray, offset: np.ndarray, dtype: np.dtype) -> np.ndarray:
    work = _work_type(scale, offset, dtype)
    with np.errstate(over="ignore", under="ignore"):
        elements = np.asarray(np.multiply(content, scale.astype(work), dtype=work, order="C"))
        elements += offset.astype(work)
    # Rounding of the last step, or steps that nobody encoded, may lead past the type's range.
    largest = float(np.finfo(dtype).max)
    if work is np.float64 or dtype == np.float16:
        np.clip(elements, -largest, largest, out=elements)
    return elements.astype(dtype, copy=False)
