"""Codecs by name: which there are, which work here, and one tensor through one of them.

Input: names from people, plans and messages. Output: codecs, or one sentence on what is known instead.
Called by the command line, planning's callers, the client and the server.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from partway.codecs.chain import Chain
from partway.codecs.codec import Codec, Coded
from partway.codecs.lossless import Zstd, load_zstandard
from partway.codecs.narrow import Float16
from partway.codecs.quantised import Int8
from partway.codecs.raw import Raw
from partway.errors import CodecError, InputError

_RAW, _ZSTD, _HALF = Raw(), Zstd(), Float16()
_TENSOR, _CHANNEL = Int8(per_channel=False), Int8(per_channel=True)
_CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        codec.name: codec
        for codec in (
            _RAW,
            _ZSTD,
            _HALF,
            _TENSOR,
            _CHANNEL,
            Chain(_HALF, _ZSTD),
            Chain(_TENSOR, _ZSTD),
            Chain(_CHANNEL, _ZSTD),
        )
    }
)
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({"lossless": (_ZSTD.name,)})


def known_codecs() -> tuple[str, ...]:
    """Every name, whether or not it works here; `raw` first."""
    return tuple(_CODECS)


def available_codecs() -> tuple[str, ...]:
    """The names that work with what is installed here; `raw` first."""
    try:
        load_zstandard()
    except InputError:
        return tuple(name for name in _CODECS if not _needs_zstandard(name))
    return known_codecs()


def codec_named(name: str) -> Codec:
    """The codec of that name.

    Raises:
        InputError: there is none, or it needs an extra that is not installed.
    """
    codec = _find(name)
    if _needs_zstandard(name):
        load_zstandard()
    return codec


def parse_codecs(text: str) -> tuple[str, ...]:
    """The names in `lossless`, `int8` or `float16,int8/channel`, each once, in the order given.

    Args:
        text: names with commas between; `lossless` stands for the best lossless one.

    Raises:
        InputError: a name that is not known, or whose extra is not installed.
    """
    words = [word.strip() for word in text.split(",")]
    names = tuple(dict.fromkeys(name for word in words for name in _WORDS.get(word, (word,))))
    for name in names:
        codec_named(name)
    return names


def is_lossless(names: Iterable[str]) -> bool:
    """Whether every one of these codecs brings every bit back.

    Raises:
        InputError: a name that is not known.
    """
    codecs = tuple(_find(name) for name in names)
    return all(codec.lossless for codec in codecs)


def encode_tensor(name: str, array: np.ndarray) -> tuple[str, Coded]:
    """The tensor through a codec, or raw where that codec does not accept it, refuses its values, or saves nothing.

    Args:
        name: the codec that is wanted.
        array: any tensor.

    Returns:
        The name of the codec that was used, and the tensor as it travels.

    Raises:
        InputError: no such codec, or its extra is not installed.
    """
    codec = codec_named(name)
    if codec is not _RAW and codec.accepts(array.dtype):
        try:
            coded = codec.encode(array)
        except CodecError:
            return _RAW.name, _RAW.encode(array)
        if coded.size_bytes < array.nbytes:
            return name, coded
    return _RAW.name, _RAW.encode(array)


def decode_tensor(name: str, coded: Coded, *, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor that was sent under a codec's name.

    Args:
        name: as the sender gave it; not to be trusted.
        coded: as it arrived; the same.
        dtype: of the tensor, from the receiver's own model.
        shape: the same.

    Raises:
        CodecError: the name is not known or does not work here, or what arrived encodes no such tensor.
    """
    try:
        codec = codec_named(name)
    except InputError as error:
        raise CodecError(f"a tensor came encoded, and cannot be decoded: {error}") from error
    return codec.decode(coded, dtype=dtype, shape=shape)


def _find(name: str) -> Codec:
    codec = _CODECS.get(name)
    if codec is None:
        known = ", ".join((*_CODECS, *_WORDS))
        raise InputError(f"codec {name!r:.80} is unknown; expected one of {known}")
    return codec


def _needs_zstandard(name: str) -> bool:
    return _ZSTD.name in name.split("+")
