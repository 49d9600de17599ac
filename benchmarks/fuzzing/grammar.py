"""Messages whose form is right and whose words are not: what mutations of bytes hardly ever reach.

Input: chance. Output: a gRPC request, or a REST body behind the line with its JSON's length. Called by both halves of
the fuzzing.
"""

import json
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from partway.wire import Method
from partway.wire.descriptors import message_class

T = TypeVar("T")

_NAMES = ("x", "y", "image", "relu1", "", "../x", "x\x00", "ä" * 40, "cuts", "padding")
_DATATYPES = ("FP32", "FP64", "FP16", "BF16", "INT8", "UINT8", "INT64", "UINT64", "BOOL", "BYTES", "FP31", "")
_LENGTHS = (0, 1, 2, 3, 4, 16, -1, 2**31, 2**40, 2**62, -(2**63))
_KEYS = (
    "partway.digest", "partway.binding", "partway.codec", "partway.crc32", "partway.scale", "partway.offset",
    "partway.steps", "timeout", "classification", "binary_data_size", "binary_data", "shared_memory_region", "k",
)  # fmt: skip
_VALUES = (
    True,
    0,
    1,
    -1,
    2**62,
    0.5,
    float("nan"),
    "",
    "zstd",
    "int8",
    "raw",
    "[]",
    '{"shapes":{}}',
    "sha256:" + "0" * 64,
)
_TYPED = {
    "fp32_contents": 1.0, "fp64_contents": 1.0, "int_contents": -3, "int64_contents": 2**40, "uint_contents": 3,
    "uint64_contents": 2**63, "bool_contents": True, "bytes_contents": b"ab",
}  # fmt: skip


class Grammar:
    """Writes messages by chance.

    Args:
        generator: chance.
        models: names to ask for.
    """

    def __init__(self, generator: np.random.Generator, models: tuple[str, ...] = ("model",)) -> None:
        self._generator = generator
        self._models = (*models, "partway.costs", "missing")

    def grpc_request(self) -> bytes:
        """Bytes of a `ModelInferRequest`."""
        message = message_class(f"{Method.MODEL_INFER}Request")()
        message.model_name, message.id = self._pick(self._models), self._pick(_NAMES)
        self._put_parameters(message.parameters)
        for _ in range(self._below(4)):
            tensor = message.inputs.add(name=self._pick(_NAMES), datatype=self._pick(_DATATYPES), shape=self._shape())
            self._put_parameters(tensor.parameters)
            if self._below(3) == 0:
                field = self._pick(tuple(_TYPED))
                getattr(tensor.contents, field).extend([_TYPED[field]] * self._below(20))
        for _ in range(self._below(3)):
            message.outputs.add(name=self._pick(_NAMES))
        if self._below(3):
            message.raw_input_contents.extend(self._payload() for _ in range(self._below(4)))
        content: bytes = message.SerializeToString()
        return content

    def rest_request(self) -> bytes:
        """A REST body behind a line with its JSON's length."""
        payloads = [self._payload() for _ in range(self._below(3))]
        document = {
            "id": self._pick(_NAMES),
            "parameters": self._parameters(),
            "inputs": [
                {
                    "name": self._pick(_NAMES),
                    "datatype": self._pick(_DATATYPES),
                    "shape": self._shape(),
                    "parameters": {
                        **self._parameters(),
                        **({"binary_data_size": len(payload)} if self._below(4) else {}),
                    },
                    **({"data": self._data()} if self._below(2) else {}),
                }
                for payload in [*payloads, b""]
            ],
            "outputs": [{"name": self._pick(_NAMES), "parameters": self._parameters()} for _ in range(self._below(2))],
        }
        text = json.dumps(document).encode()
        length = "-" if not payloads else str(len(text) + (self._below(3) - 1 if self._below(4) == 0 else 0))
        return length.encode() + b"\n" + text + b"".join(payloads)

    def _data(self) -> object:
        words: tuple[object, ...] = (0, 1, -1, 0.5, 1e300, 2**63, "a", None, True, [1, 2], {})
        flat = [self._pick(words) for _ in range(self._below(16))]
        return [flat, flat] if self._below(2) else flat

    def _shape(self) -> list[int]:
        return [self._pick(_LENGTHS) for _ in range(self._below(5) if self._below(20) else 40)]

    def _payload(self) -> bytes:
        return self._generator.bytes((0, 1, 4, 16, 64, 300)[self._below(6)])

    def _parameters(self) -> dict[str, object]:
        return {self._pick(_KEYS): self._pick(_VALUES) for _ in range(self._below(3))}

    def _put_parameters(self, target: object) -> None:
        fields = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
        for key, value in self._parameters().items():
            setattr(target[key], fields[type(value)], value)  # type: ignore[index]  # a protobuf map has no type here

    def _below(self, bound: int) -> int:
        return int(self._generator.random() * bound)

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[self._below(len(choices))]
