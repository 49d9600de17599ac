"""Coded tensors of a request: whether this server can decode them, whether they may be, and what they hold.

Input: a decoded request, a canonical graph. Output: arrays of the graph's own element types and shapes. Looked at by
the handlers before anything waits; decoded by the job that runs, so that no more is unpacked than is computed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from partway.codecs import Codec, Coded, codec_named
from partway.errors import CodecError, InputError
from partway.graph import Model
from partway.wire import CODEC, RAW, InferRequest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedTensor:
    """What travelled in place of a tensor.

    Attributes:
        codec: packed it.
        coded: what it made of it.
    """

    codec: Codec
    coded: Coded


def read_coded(request: InferRequest, codecs: Collection[str]) -> dict[str, CodedTensor]:
    """The tensors of a request that a codec packed, by name.

    Args:
        request: what came.
        codecs: names of those that this server decodes.

    Raises:
        InputError: a codec is not named by text, not decoded here, or packs strings.
    """
    found = {}
    for tensor in request.tensors:
        name = tensor.parameters.get(CODEC, RAW)
        if not isinstance(name, str) or name not in codecs:
            raise InputError(
                f"tensor {tensor.name!r} is coded as {str(name)[:80]!r}; this server decodes {', '.join(codecs)}: "
                "send it as one of these"
            )
        if name == RAW:
            continue
        if tensor.array.dtype == np.dtype(object):
            raise InputError(f"tensor {tensor.name!r} came as strings coded as {name!r}; send strings as they are")
        parameters = {key: value for key, value in tensor.parameters.items() if key != CODEC}
        found[tensor.name] = CodedTensor(
            codec=codec_named(name), coded=Coded(array=tensor.array, parameters=parameters)
        )
    return found


def check_coded(model: Model, tensors: Mapping[str, CodedTensor], *, most_bytes: int) -> None:
    """Refuse coded tensors that cannot be the graph's, without decoding them.

    Args:
        model: the canonical graph.
        tensors: by name, each a tensor of the graph.
        most_bytes: of them all, decoded: a few bytes can claim to be any number.

    Raises:
        InputError: the graph's tensor has no size, or no type that this codec packs, or they are too large.
    """
    for name, tensor in tensors.items():
        info = model.tensors[name]
        if info.size_bytes is None or info.dtype is None or not tensor.codec.accepts(info.dtype):
            raise InputError(
                f"tensor {name!r} is {info.describe()}, which {tensor.codec.name!r} does not pack; send it as it is"
            )
    size_bytes = sum(model.tensors[name].size_bytes or 0 for name in tensors)
    if size_bytes > most_bytes:
        raise InputError(f"the coded tensors hold {size_bytes} bytes; this server decodes at most {most_bytes} at once")


def decode_tensors(model: Model, tensors: Mapping[str, CodedTensor]) -> dict[str, np.ndarray]:
    """The arrays that coded tensors hold, each of the graph's element type and shape.

    Args:
        model: the canonical graph.
        tensors: by name, as `check_coded` passed them.

    Raises:
        CodecError: one is damaged, or does not hold such an array.
    """
    arrays = {}
    for name, tensor in tensors.items():
        info = model.tensors[name]
        if info.dtype is None or info.static_shape is None:
            raise CodecError(f"tensor {name!r} is {info.describe()}, which cannot be decoded; send it as it is")
        arrays[name] = tensor.codec.decode(tensor.coded, dtype=info.dtype, shape=info.static_shape)
    return arrays
