"""Every bit, in fewer bytes: the elements' bytes sorted into planes, then Zstandard at its fastest level.

Exponents of neighbouring activations are alike and their last mantissa bits are noise; side by side neither shows.
In planes (all first bytes, all second bytes ...) the alike compress and the noise is stored as it is.
The only importer of zstandard, an optional extra.

Source: RFC 8878 for the frame; the same shuffling as HDF5's and Blosc's filters.
"""

import math
from types import ModuleType

import ml_dtypes
import numpy as np

from partway.codecs.codec import Coded, require_accepted
from partway.errors import CodecError, InputError

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_BYTE = np.dtype(np.uint8)
_LEVEL = 1
_WIDEST_BYTES = 8


class Zstd:
    """Byte planes in one Zstandard frame that states its length; travels as uint8 `[n]`."""

    name = "zstd"
    lossless = True

    def accepts(self, dtype: np.dtype) -> bool:
        """Whether elements are booleans, integers or floats as this machine holds them."""
        return (dtype.kind in "biuf" and dtype.itemsize <= _WIDEST_BYTES and dtype.isnative) or dtype == _BFLOAT16

    def encode(self, array: np.ndarray) -> Coded:
        """The compressed planes.

        Raises:
            CodecError: the element type is not accepted.
            InputError: zstandard is not installed.
        """
        require_accepted(self, array.dtype)
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if array.itemsize > 1:
            content = np.ascontiguousarray(content.reshape(-1, array.itemsize).T)
        # A compressor is no thread's but one's; making one costs microseconds.
        frame = load_zstandard().ZstdCompressor(level=_LEVEL).compress(content)
        return Coded(array=np.frombuffer(frame, np.uint8))

    def decode(self, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor, bit for bit.

        Raises:
            CodecError: what came is no frame of exactly this tensor.
            InputError: zstandard is not installed.
        """
        require_accepted(self, dtype)
        if coded.array.dtype != np.uint8 or coded.array.ndim != 1:
            raise CodecError(
                f"codec 'zstd' brought {coded.array.dtype}{list(coded.array.shape)}; expected uint8 of one dimension"
            )
        count = math.prod(shape)
        content = np.frombuffer(_decompress(coded.array, count * dtype.itemsize), np.uint8)
        if dtype.kind == "b" and content.max(initial=0) > 1:
            raise CodecError("codec 'zstd' brought bytes other than 0 and 1 for booleans; the tensor arrived damaged")
        if dtype.itemsize == 1:
            return content.view(dtype).reshape(shape)
        elements = np.empty((count, dtype.itemsize), np.uint8)
        # A plane at a time: three times as fast as numpy's own transposed copy.
        for index, plane in enumerate(content.reshape(dtype.itemsize, count)):
            elements[:, index] = plane
        return elements.reshape(-1).view(dtype).reshape(shape)


def load_zstandard() -> ModuleType:
    """The library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import zstandard  # noqa: PLC0415 - an optional extra, needed only where tensors are compressed
    except ImportError as error:
        raise InputError("codec 'zstd' needs zstandard: pip install 'partway[codec]'") from error
    return zstandard


def _decompress(frame: np.ndarray, size_bytes: int) -> bytes:
    zstandard = load_zstandard()
    data = np.ascontiguousarray(frame).data
    try:
        stated = zstandard.get_frame_parameters(data).content_size
        if stated != size_bytes:
            raise CodecError(f"codec 'zstd' brought a frame of {stated} bytes; the tensor has {size_bytes}")
        content: bytes = zstandard.ZstdDecompressor().decompress(
            data, max_output_size=size_bytes, allow_extra_data=False
        )
    except (zstandard.ZstdError, MemoryError) as error:
        raise CodecError(f"codec 'zstd' brought a damaged frame: {error}") from error
    if len(content) != size_bytes:
        raise CodecError(f"codec 'zstd' brought {len(content)} bytes; the tensor has {size_bytes}")
    return content
