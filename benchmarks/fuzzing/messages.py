"""Valid messages of every kind, as parents of hostile ones. Called by both halves of the fuzzing."""

import msgspec
import numpy as np

from partway.wire import (
    BINDING,
    DIGEST,
    CostAnswer,
    CostQuery,
    InferRequest,
    InferResponse,
    Load,
    Parameter,
    Tensor,
    encode_cost_answer,
    encode_cost_query,
    encode_load,
    encode_request,
    encode_response,
)


def requests(model: str = "model", **feeds: np.ndarray) -> list[bytes]:
    """Requests of gRPC: plain, with all parameters, of every element type, coded.

    Args:
        model: whom they are for.
        feeds: tensors of that model's, sent as they are.
    """
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    parameters: dict[str, Parameter] = {
        DIGEST: "sha256:" + "0" * 64,
        BINDING: '{"shapes":{"x":[3,4]}}',
        "timeout": 1000,
    }
    types = (np.bool_, np.int8, np.uint16, np.int32, np.uint64, np.float16, np.float64)
    every = [Tensor(name=f"t{index}", array=np.ones((2, 2), kind)) for index, kind in enumerate(types)]
    strings = Tensor(name="s", array=np.array(["a", "bc", ""], dtype=object))
    coded = Tensor(
        name="c", array=np.frombuffer(b"\x28\xb5\x2f\xfd\x20\x00", np.uint8), parameters={"partway.codec": "zstd"}
    )
    own = [Tensor(name=name, array=value) for name, value in feeds.items()]
    return [
        encode_request(InferRequest(model_name=model, tensors=tuple(own) or (Tensor(name="x", array=array),))),
        encode_request(
            InferRequest(
                model_name=model,
                model_version="1",
                id="7",
                tensors=(Tensor(name="x", array=array),),
                outputs=("y",),
                parameters=parameters,
            )
        ),
        encode_request(InferRequest(model_name=model, tensors=(*every, strings, coded))),
        encode_request(InferRequest(model_name=model)),
        # Without a checksum, damage gets past it.
        encode_request(InferRequest(model_name=model, tensors=(Tensor(name="x", array=array),)), checksum=False),
        encode_request(InferRequest(model_name=model, tensors=(*every, strings, coded)), checksum=False),
        *cost_requests(model),
    ]


def cost_requests(model: str = "model") -> list[bytes]:
    """Cost queries, with and without padding."""
    return [
        encode_request(
            encode_cost_query(
                CostQuery(
                    model_name=model,
                    digest="sha256:" + "0" * 64,
                    binding='{"shapes":{"x":[3,4]}}',
                    cuts=(("x",), ("relu1", "relu2")),
                    padding_bytes=padding,
                )
            )
        )
        for padding in (0, 256)
    ]


def responses() -> list[bytes]:
    """Answers to requests and to cost queries."""
    load = encode_load(Load(queue_delay_s=0.001, slowdown=1.5, service_s=0.01, queue_s=0.002))
    tensors = (Tensor(name="y", array=np.ones((1, 10), np.float32)),)
    costs = CostAnswer(server_s=(0.01, None), measured=(True, False), codecs=("raw", "zstd"))
    return [
        encode_response(InferResponse(model_name="model", tensors=tensors, parameters=load)),
        encode_response(encode_cost_answer(costs, load)),
    ]


def rest_bodies(name: str = "x", shape: tuple[int, ...] = (3, 4)) -> list[tuple[str, bytes]]:
    """REST bodies with their JSON's length (`-` for none): nested, flat, binary, strings."""
    array = np.linspace(0.0, 1.0, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    described = {"name": name, "datatype": "FP32", "shape": list(shape)}
    binary = msgspec.json.encode(
        {
            "inputs": [{**described, "parameters": {"binary_data_size": array.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    )
    return [
        ("-", msgspec.json.encode({"id": "1", "inputs": [{**described, "data": array.tolist()}]})),
        (
            "-",
            msgspec.json.encode(
                {"inputs": [{**described, "data": array.ravel().tolist()}], "outputs": [{"name": "y"}]}
            ),
        ),
        ("-", b'{"inputs":[{"name":"s","datatype":"BYTES","shape":[2],"data":["a","\\u00e9"]}]}'),
        (str(len(binary)), binary + array.tobytes()),
    ]


def rest_requests() -> list[bytes]:
    """REST bodies behind a line with their JSON's length."""
    return [length.encode() + b"\n" + body for length, body in rest_bodies()]
