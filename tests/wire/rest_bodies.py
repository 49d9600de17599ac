"""REST bodies as a plain OIP client makes and reads them: the standard library's JSON and numpy, nothing of ours."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from partway.wire import CRC32, InferRequest, InferResponse, RestRequest, Tensor, decode_rest_request, dtype_of
from partway.wire.arrays import decode_array, encode_array
from partway.wire.datatypes import datatype_of
from partway.wire.records import DEFAULT_LIMITS, Limits

Body = tuple[bytes, str | None]


def rest_body(
    request: InferRequest,
    *,
    binary: Sequence[str] = (),
    nested: bool = False,
    binary_outputs: Mapping[str, bool] | None = None,
    parameters: Mapping[str, object] | None = None,
) -> Body:
    """The body of a request and the header that says how much of it is JSON.

    Args:
        request: what to ask; its model's name and version belong into the path.
        binary: names of the tensors that go as binary data.
        nested: whether lists are nested as the shapes are.
        binary_outputs: which of the requested outputs to have as binary data.
        parameters: more of the request as a whole.
    """
    inputs, payloads = [], []
    for tensor in request.tensors:
        described: dict[str, Any] = {
            "name": tensor.name,
            "shape": list(tensor.array.shape),
            "datatype": datatype_of(tensor.array.dtype),
            "parameters": dict(tensor.parameters),
        }
        if tensor.name in binary:
            payloads.append(bytes(encode_array(tensor.name, tensor.array)))
            described["parameters"]["binary_data_size"] = len(payloads[-1])
        else:
            described["data"] = (tensor.array if nested else tensor.array.reshape(-1)).tolist()
        inputs.append(described)
    wanted = binary_outputs or {}
    outputs = [{"name": name, "parameters": {"binary_data": wanted.get(name, False)}} for name in request.outputs]
    document: dict[str, object] = {
        "id": request.id,
        "parameters": dict[str, object]({**request.parameters}) | dict(parameters or {}),
        "inputs": inputs,
    }
    if outputs:
        document["outputs"] = outputs
    text = json.dumps(document).encode()
    return text + b"".join(payloads), str(len(text)) if payloads else None


def read_rest_body(body: bytes, json_length: str | int | None) -> InferResponse:
    """The response in a body."""
    length = len(body) if json_length is None else int(json_length)
    document, rest = json.loads(body[:length]), memoryview(body)[length:]
    tensors = []
    for output in document["outputs"]:
        shape, datatype, parameters = tuple(output["shape"]), output["datatype"], output.get("parameters", {})
        if "data" in output:
            array = np.array(output["data"], dtype_of(datatype)).reshape(shape)
        else:
            size = parameters.pop("binary_data_size")
            array = decode_array(output["name"], datatype, shape, rest[:size], DEFAULT_LIMITS)
            rest = rest[size:]
            assert parameters.pop(CRC32) is not None
        tensors.append(Tensor(name=output["name"], array=array, parameters=parameters))
    assert not rest
    return InferResponse(
        model_name=document["model_name"],
        model_version=document.get("model_version", ""),
        id=document.get("id", ""),
        tensors=tuple(tensors),
        parameters=document.get("parameters", {}),
    )


def decoded(body: Body, limits: Limits = DEFAULT_LIMITS) -> RestRequest:
    return decode_rest_request(*body, model_name="m", model_version="2", limits=limits)
