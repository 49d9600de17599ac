"""Inference requests and responses of OIP's REST form, with the binary tensor extension.

In: a body with its headers, or a record. Out: the other. JSON describes the tensors and may hold their elements; in
the binary form these follow the JSON in one piece each, and a header says where it ends. Called by the server's REST
face.

    { "inputs": [{"name", "shape", "datatype", "parameters": {"binary_data_size": 8}}] } 01 23 45 67 89 ab cd ef
    |------------------- Inference-Header-Content-Length bytes -----------------------|

Source: KServe V2 inference protocol (REST) and Triton's binary tensor data extension.
"""

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from partway.errors import WireError
from partway.wire.arrays import decode_array, encode_array
from partway.wire.checks import check_crc32, check_message_bytes, check_supported, check_typed_bytes, check_unique
from partway.wire.datatypes import datatype_of
from partway.wire.json_data import decode_data, encode_data
from partway.wire.parameters import CRC32, check_parameter
from partway.wire.records import DEFAULT_LIMITS, InferRequest, InferResponse, Limits, Parameter, Tensor

JSON_LENGTH_HEADER = "Inference-Header-Content-Length"
"""Header that says how many bytes of a body are JSON; all of them where it is absent."""

_BINARY_SIZE, _BINARY, _BINARY_DEFAULT = "binary_data_size", "binary_data", "binary_data_output"
_ALWAYS = ("model_name", "outputs")
_MOST_DIGITS = 18


class _Tensor(msgspec.Struct, kw_only=True):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Parameter] = {}
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct, kw_only=True):
    name: str
    parameters: dict[str, Parameter] = {}


class _Request(msgspec.Struct, kw_only=True):
    inputs: list[_Tensor]
    id: str = ""
    parameters: dict[str, Parameter] = {}
    outputs: list[_Output] = []


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestRequest:
    """A request, and the form in which its client wants the answer.

    Attributes:
        request: what is to be run.
        binary: whether outputs come as binary data, by name; those that are not named go by `binary_default`.
        binary_default: the same for all others.
    """

    request: InferRequest
    binary: Mapping[str, bool]
    binary_default: bool


def decode_rest_request(
    body: bytes | bytearray,
    json_length: str | None,
    *,
    model_name: str,
    model_version: str = "",
    limits: Limits = DEFAULT_LIMITS,
) -> RestRequest:
    """The request that a body holds.

    Args:
        body: JSON, and binary data after it. The arrays are views of it, so it must not change any more.
        json_length: the header `JSON_LENGTH_HEADER` as it came; None where it did not.
        model_name: from the path.
        model_version: from the path; empty for the server's choice.
        limits: what is accepted.

    Raises:
        WireError: not such a request, over a limit, damaged, or asking for what is not offered.
    """
    check_message_bytes(len(body), limits)
    view = memoryview(body)
    split = _json_bytes(json_length, len(body))
    check_typed_bytes(split, limits)
    document = _parse(view[:split])
    for what, found in (("inputs", document.inputs), ("outputs", document.outputs)):
        _check_count(what, len(found), limits)
    parameters = dict(document.parameters)
    _check_parameters(parameters, limits)
    default = _flag(parameters.pop(_BINARY_DEFAULT, False), _BINARY_DEFAULT)
    check_unique("output", [output.name for output in document.outputs])
    return RestRequest(
        request=InferRequest(
            model_name=model_name,
            model_version=model_version,
            id=document.id,
            tensors=tuple(_read_tensors(document.inputs, view[split:], limits)),
            outputs=tuple(output.name for output in document.outputs),
            parameters=parameters,
        ),
        binary={output.name: _wants_binary(output, default) for output in document.outputs},
        binary_default=default,
    )


def encode_rest_response(response: InferResponse, wanted: RestRequest | None = None) -> tuple[bytes, int | None]:
    """The response as a body.

    Args:
        response: what to send. Binary tensors carry the CRC-32 of their bytes.
        wanted: the request that is answered; without one all is JSON.

    Returns:
        The body, and how many bytes of it are JSON where it holds binary data: the value of `JSON_LENGTH_HEADER`.

    Raises:
        InputError: an output was asked for as JSON, which cannot carry it.
        WireError: a tensor cannot be sent, or a name occurs twice.
    """
    check_unique("tensor", [tensor.name for tensor in response.tensors])
    payloads: list[bytes | memoryview] = []
    outputs = []
    for tensor in response.tensors:
        described: dict[str, object] = {
            "name": tensor.name,
            "datatype": datatype_of(tensor.array.dtype),
            "shape": list(tensor.array.shape),
        }
        parameters = {name: value for name, value in tensor.parameters.items() if name != CRC32}
        if wanted is not None and wanted.binary.get(tensor.name, wanted.binary_default):
            payload = encode_array(tensor.name, tensor.array)
            payloads.append(payload)
            parameters |= {_BINARY_SIZE: len(payload), CRC32: zlib.crc32(payload)}
        else:
            described["data"] = msgspec.Raw(encode_data(tensor.name, tensor.array))
        outputs.append({**described, "parameters": _sendable(parameters)} if parameters else described)
    document = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "id": response.id,
        "parameters": _sendable(response.parameters),
        "outputs": outputs,
    }
    try:
        text = msgspec.json.encode({name: value for name, value in document.items() if value or name in _ALWAYS})
    except UnicodeEncodeError as error:
        raise WireError(f"a name or a text is not valid Unicode: {error}") from error
    return (b"".join((text, *payloads)), len(text)) if payloads else (text, None)


def _json_bytes(header: str | None, body_bytes: int) -> int:
    if header is None:
        return body_bytes
    if not (header.isascii() and header.isdigit() and len(header) <= _MOST_DIGITS):
        raise WireError(f"{JSON_LENGTH_HEADER} is {header[:_MOST_DIGITS]!r}; expected a number of bytes")
    if int(header) > body_bytes:
        raise WireError(f"{JSON_LENGTH_HEADER} is {header} and the body has {body_bytes} bytes; it was truncated")
    return int(header)


def _parse(text: memoryview) -> _Request:
    try:
        return msgspec.json.decode(text, type=_Request)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(
            f"the body is no inference request: {error}; expected JSON with `inputs`, NaN and infinity as binary data"
        ) from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply; expected JSON with `inputs`") from error


def _read_tensors(declared: list[_Tensor], binary: memoryview, limits: Limits) -> Iterator[Tensor]:
    check_unique("tensor", [tensor.name for tensor in declared])
    position = 0
    for tensor in declared:
        parameters = dict(tensor.parameters)
        check_supported(tensor.name, parameters)
        _check_parameters(parameters, limits)
        expected = parameters.pop(CRC32, None)
        size = parameters.pop(_BINARY_SIZE, None)
        data, shape = bytes(tensor.data), tuple(tensor.shape)
        if size is None:
            array = decode_data(tensor.name, tensor.datatype, shape, data or b"[]", limits)
            if expected is not None:
                check_crc32(tensor.name, encode_array(tensor.name, array), expected)
        else:
            payload = _payload(tensor.name, binary[position:], size, data)
            position += len(payload)
            check_crc32(tensor.name, payload, expected)
            array = decode_array(tensor.name, tensor.datatype, shape, payload, limits)
        yield Tensor(name=tensor.name, array=array, parameters=parameters)
    if position != len(binary):
        raise WireError(
            f"{len(binary)} bytes follow the JSON and the tensors declare {position}; give each its {_BINARY_SIZE!r}"
        )


def _payload(name: str, rest: memoryview, size: Parameter, data: bytes) -> memoryview:
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise WireError(f"tensor {name!r} has {_BINARY_SIZE!r} {size!r}; expected a number of bytes")
    if data:
        raise WireError(f"tensor {name!r} has `data` beside {_BINARY_SIZE!r}; send one of them")
    if size > len(rest):
        raise WireError(f"tensor {name!r} declares {size} binary bytes and {len(rest)} are left; it was truncated")
    return rest[:size]


def _wants_binary(output: _Output, default: bool) -> bool:
    check_supported(output.name, output.parameters)
    return _flag(output.parameters.get(_BINARY, default), _BINARY)


def _flag(value: Parameter, name: str) -> bool:
    if not isinstance(value, bool):
        raise WireError(f"parameter {name!r} is {value!r}; expected true or false")
    return value


def _check_parameters(parameters: Mapping[str, Parameter], limits: Limits) -> None:
    _check_count("parameters", len(parameters), limits)
    for name, value in parameters.items():
        check_parameter(name, value)


def _check_count(what: str, count: int, limits: Limits) -> None:
    if count > limits.tensors:
        raise WireError(f"{count} {what} came; at most {limits.tensors} are accepted")


def _sendable(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    for name, value in parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise WireError(f"parameter {name!r} is {value}; JSON carries finite numbers only")
    return dict(parameters)
