"""Inference requests and responses, to bytes and back.

In: records, or the bytes that gRPC received. Out: the other. The bytes are ordinary protobuf that any OIP
program reads; the tensors are copied once when written and not at all when read. The client encodes
requests and decodes responses, the server the other way round.

    record  --protobuf-->  rest  --+
    arrays  --views------>  raw  --+--join-->  bytes  --split-->  rest --protobuf-->  record
                                                      +-------->  raw  --views----->  arrays
"""

import zlib
from collections.abc import Sequence

from google.protobuf.message import Message

from partway.errors import WireError
from partway.wire.arrays import decode_array, encode_array
from partway.wire.checks import check_crc32, check_supported, check_unique
from partway.wire.contents import decode_contents
from partway.wire.datatypes import datatype_of
from partway.wire.descriptors import building, message_class, parse, serialise
from partway.wire.fields import join_message, split_message
from partway.wire.parameters import CRC32, read_parameters, write_parameters
from partway.wire.records import DEFAULT_LIMITS, InferRequest, InferResponse, Limits, Tensor

_REQUEST, _RAW_INPUTS = "ModelInferRequest", 7
_RESPONSE, _RAW_OUTPUTS = "ModelInferResponse", 6


def encode_request(request: InferRequest, *, checksum: bool = True) -> bytes:
    """The request as bytes of `ModelInferRequest`.

    Args:
        request: what to send.
        checksum: whether each tensor carries the CRC-32 of its bytes.

    Raises:
        WireError: a tensor cannot be sent, a name occurs twice, or the whole is too long.
    """
    message = message_class(_REQUEST)()
    check_unique("output", request.outputs)
    with building(_REQUEST):
        _write_header(message, request)
        for name in request.outputs:
            message.outputs.add(name=name)
        payloads = _write_tensors(message.inputs, request.tensors, checksum=checksum)
    return join_message(serialise(message), _RAW_INPUTS, payloads)


def decode_request(data: bytes, limits: Limits = DEFAULT_LIMITS) -> InferRequest:
    """The request that `data` holds.

    Args:
        data: bytes of `ModelInferRequest`, with raw or typed contents. The arrays are views of it.
        limits: what is accepted.

    Raises:
        WireError: not such a message, over a limit, damaged, or asking for what is not offered.
    """
    split = split_message(data, _RAW_INPUTS, limits)
    message = parse(_REQUEST, split.rest)
    outputs = tuple(output.name for output in message.outputs)
    check_unique("output", outputs)
    for output in message.outputs:
        check_supported(output.name, output.parameters)
    return InferRequest(
        model_name=message.model_name,
        model_version=message.model_version,
        id=message.id,
        tensors=_read_tensors(message.inputs, split.raw, limits),
        outputs=outputs,
        parameters=read_parameters(message.parameters),
    )


def encode_response(response: InferResponse, *, checksum: bool = True) -> bytes:
    """The response as bytes of `ModelInferResponse`.

    Args:
        response: what to send.
        checksum: whether each tensor carries the CRC-32 of its bytes.

    Raises:
        WireError: a tensor cannot be sent, a name occurs twice, or the whole is too long.
    """
    message = message_class(_RESPONSE)()
    with building(_RESPONSE):
        _write_header(message, response)
        payloads = _write_tensors(message.outputs, response.tensors, checksum=checksum)
    return join_message(serialise(message), _RAW_OUTPUTS, payloads)


def decode_response(data: bytes, limits: Limits = DEFAULT_LIMITS) -> InferResponse:
    """The response that `data` holds.

    Args:
        data: bytes of `ModelInferResponse`, with raw or typed contents. The arrays are views of it.
        limits: what is accepted.

    Raises:
        WireError: not such a message, over a limit, or damaged.
    """
    split = split_message(data, _RAW_OUTPUTS, limits)
    message = parse(_RESPONSE, split.rest)
    return InferResponse(
        model_name=message.model_name,
        model_version=message.model_version,
        id=message.id,
        tensors=_read_tensors(message.outputs, split.raw, limits),
        parameters=read_parameters(message.parameters),
    )


def _write_header(message: Message, record: InferRequest | InferResponse) -> None:
    message.model_name = record.model_name
    message.model_version = record.model_version
    message.id = record.id
    write_parameters(message.parameters, record.parameters)


def _write_tensors(target: Message, tensors: Sequence[Tensor], *, checksum: bool) -> list[bytes | memoryview]:
    """Declares the tensors in a repeated field and gives their raw bytes, in order."""
    check_unique("tensor", [tensor.name for tensor in tensors])
    payloads: list[bytes | memoryview] = []
    for tensor in tensors:
        payload = encode_array(tensor.name, tensor.array)
        parameters = {name: value for name, value in tensor.parameters.items() if name != CRC32}
        if checksum:
            parameters[CRC32] = zlib.crc32(payload)
        declared = target.add(name=tensor.name, datatype=datatype_of(tensor.array.dtype), shape=tensor.array.shape)
        write_parameters(declared.parameters, parameters)
        payloads.append(payload)
    return payloads


def _read_tensors(declared: Sequence[Message], raw: tuple[memoryview, ...], limits: Limits) -> tuple[Tensor, ...]:
    check_unique("tensor", [tensor.name for tensor in declared])
    if not raw:
        return tuple(_read_tensor(tensor, None, limits) for tensor in declared)
    typed = [tensor.name for tensor in declared if tensor.HasField("contents") and tensor.contents.ByteSize()]
    if typed:
        raise WireError(f"tensor {typed[0]!r} has typed contents beside raw ones; send all tensors the same way")
    if len(raw) != len(declared):
        raise WireError(f"{len(declared)} tensors are declared and {len(raw)} came as raw contents; send each once")
    return tuple(_read_tensor(tensor, payload, limits) for tensor, payload in zip(declared, raw, strict=True))


def _read_tensor(declared: Message, payload: memoryview | None, limits: Limits) -> Tensor:
    """One tensor, from its raw contents, or from its typed ones where `payload` is None."""
    name, datatype, shape = declared.name, declared.datatype, tuple(declared.shape)
    parameters = read_parameters(declared.parameters)
    check_supported(name, parameters)
    expected = parameters.pop(CRC32, None)
    if payload is not None:
        check_crc32(name, payload, expected)
        array = decode_array(name, datatype, shape, payload, limits)
    else:
        array = decode_contents(name, datatype, shape, declared.contents, limits)
        if expected is not None:
            check_crc32(name, encode_array(name, array), expected)
    return Tensor(name=name, array=array, parameters=parameters)
