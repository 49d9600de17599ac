import zlib

import numpy as np
import pytest
from tests.wire.plain import plain_request, refusal

from partway.wire import CRC32, decode_request, decode_response
from partway.wire.descriptors import message_class


@pytest.mark.parametrize(
    ("datatype", "field", "values", "dtype"),
    [
        ("BOOL", "bool_contents", [True, False], "?"),
        ("INT8", "int_contents", [-128, 127], "i1"),
        ("INT16", "int_contents", [-32768, 7], "i2"),
        ("INT32", "int_contents", [-(2**31), 7], "i4"),
        ("INT64", "int64_contents", [-(2**63), 7], "i8"),
        ("UINT8", "uint_contents", [255, 0], "u1"),
        ("UINT16", "uint_contents", [65535, 0], "u2"),
        ("UINT32", "uint_contents", [2**32 - 1, 0], "u4"),
        ("UINT64", "uint64_contents", [2**64 - 1, 0], "u8"),
        ("FP32", "fp32_contents", [0.5, -2.0], "f4"),
        ("FP64", "fp64_contents", [0.1, -2.0], "f8"),
        ("BYTES", "bytes_contents", [b"ja", b"\xff"], "O"),
    ],
)
def test_typed_contents_are_read(datatype: str, field: str, values: list[object], dtype: str) -> None:
    message = plain_request(datatype=datatype)
    getattr(message.inputs[0].contents, field).extend(values)
    array = decode_request(message.SerializeToString()).tensors[0].array
    assert array.dtype == np.dtype(dtype)
    assert array.tolist() == (["ja", b"\xff"] if datatype == "BYTES" else values)
    assert not array.flags.writeable


def test_typed_contents_of_a_response_are_read() -> None:
    message = message_class("ModelInferResponse")(model_name="m")
    message.outputs.add(name="y", datatype="FP32", shape=[1]).contents.fp32_contents.append(2.0)
    assert decode_response(message.SerializeToString()).tensors[0].array.tolist() == [2.0]


def test_checksums_of_typed_contents_are_verified_too() -> None:
    message = plain_request()
    message.inputs[0].contents.fp32_contents.extend([1.0, 2.0])
    message.inputs[0].parameters[CRC32].int64_param = zlib.crc32(np.array([1, 2], np.float32).tobytes())
    assert decode_request(message.SerializeToString()).tensors[0].parameters == {}
    message.inputs[0].contents.fp32_contents[1] = 3.0
    assert "'x' arrived damaged" in refusal(message)


def test_an_empty_tensor_needs_no_contents() -> None:
    message = plain_request(datatype="FP16", shape=(0, 3))
    assert decode_request(message.SerializeToString()).tensors[0].array.shape == (0, 3)


def test_typed_contents_out_of_range_are_refused() -> None:
    message = plain_request(datatype="INT8", shape=(1,))
    message.inputs[0].contents.int_contents.append(128)
    assert "outside INT8" in refusal(message)


def test_typed_contents_of_another_type_are_refused() -> None:
    message = plain_request(shape=(1,))
    message.inputs[0].contents.int_contents.append(1)
    assert "int_contents" in refusal(message)


def test_typed_contents_of_another_count_are_refused() -> None:
    message = plain_request()
    message.inputs[0].contents.fp32_contents.append(1)
    assert "carries 1 elements" in refusal(message)


def test_half_precision_has_no_typed_contents() -> None:
    assert "raw contents" in refusal(plain_request(datatype="BF16"))
