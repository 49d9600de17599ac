"""Crossing tensors in, tensors with fewer bytes out, and back: lossless, or within an error that somebody measured."""

from partway.codecs.codec import Codec, Coded, ParameterValue
from partway.codecs.names import (
    available_codecs,
    codec_named,
    decode_tensor,
    encode_tensor,
    is_lossless,
    known_codecs,
    parse_codecs,
)

__all__ = [
    "Codec",
    "Coded",
    "ParameterValue",
    "available_codecs",
    "codec_named",
    "decode_tensor",
    "encode_tensor",
    "is_lossless",
    "known_codecs",
    "parse_codecs",
]
