"""Requests as a plain OIP client makes them: protobuf alone, nothing of ours but the descriptors."""

import pytest
from google.protobuf.message import Message

from partway.errors import WireError
from partway.wire import Limits, decode_request
from partway.wire.descriptors import message_class


def plain_request(*, datatype: str = "FP32", shape: tuple[int, ...] = (2,), raw: bytes | None = None) -> Message:
    message = message_class("ModelInferRequest")(model_name="m")
    message.inputs.add(name="x", datatype=datatype, shape=shape)
    if raw is not None:
        message.raw_input_contents.append(raw)
    return message


def refusal(message: Message, limits: Limits | None = None) -> str:
    with pytest.raises(WireError) as caught:
        decode_request(message.SerializeToString(), limits or Limits())
    return str(caught.value)


def typed_request() -> Message:
    message = plain_request()
    message.inputs[0].contents.fp32_contents.extend([1.0, 2.0])
    message.inputs.add(name="w", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"ja")
    message.inputs.add(name="i", datatype="INT8", shape=[2]).contents.int_contents.extend([-1, 2])
    return message
