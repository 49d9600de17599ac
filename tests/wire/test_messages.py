import zlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.plain import plain_request, refusal, typed_request
from tests.wire.strategies import FIXED_DTYPES, assert_same_tensors, law, requests, responses

from partway.errors import WireError
from partway.wire import (
    CRC32,
    InferRequest,
    InferResponse,
    Limits,
    Tensor,
    datatype_of,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from partway.wire.descriptors import message_class


def a_request() -> InferRequest:
    return InferRequest(
        model_name="resnet",
        id="7",
        tensors=(
            Tensor(name="x", array=np.arange(6, dtype=np.float32).reshape(2, 3)),
            Tensor(name="words", array=np.array(["ja", "né"], dtype=object)),
            Tensor(name="flags", array=np.array([True, False])),
        ),
        outputs=("y",),
        parameters={"partway.digest": "sha256:0", "flag": True},
    )


@law
@given(requests, st.booleans())
def test_a_decoded_request_is_the_encoded_one(request: InferRequest, checksum: bool) -> None:
    found = decode_request(encode_request(request, checksum=checksum))
    assert (found.model_name, found.model_version, found.id) == (
        request.model_name,
        request.model_version,
        request.id,
    )
    assert found.outputs == request.outputs
    assert found.parameters == request.parameters
    assert_same_tensors(found.tensors, request.tensors)


@law
@given(responses, st.booleans())
def test_a_decoded_response_is_the_encoded_one(response: InferResponse, checksum: bool) -> None:
    found = decode_response(encode_response(response, checksum=checksum))
    assert (found.model_name, found.model_version, found.id) == (
        response.model_name,
        response.model_version,
        response.id,
    )
    assert found.parameters == response.parameters
    assert_same_tensors(found.tensors, response.tensors)


@law
@given(requests)
def test_plain_protobuf_reads_what_is_written_by_hand(request: InferRequest) -> None:
    message = message_class("ModelInferRequest").FromString(encode_request(request))
    assert [tensor.name for tensor in message.inputs] == [tensor.name for tensor in request.tensors]
    assert [tuple(tensor.shape) for tensor in message.inputs] == [t.array.shape for t in request.tensors]
    for declared, raw, tensor in zip(message.inputs, message.raw_input_contents, request.tensors, strict=True):
        assert declared.datatype == datatype_of(tensor.array.dtype)
        assert declared.parameters[CRC32].int64_param == zlib.crc32(raw)
        if tensor.array.dtype != object:
            assert raw == tensor.array.tobytes()


@law
@given(requests)
def test_what_plain_protobuf_writes_is_read_by_hand(request: InferRequest) -> None:
    message = message_class("ModelInferRequest").FromString(encode_request(request))
    assert_same_tensors(decode_request(message.SerializeToString()).tensors, request.tensors)


@law
@given(responses)
def test_responses_pass_through_plain_protobuf_unchanged(response: InferResponse) -> None:
    message = message_class("ModelInferResponse").FromString(encode_response(response))
    assert_same_tensors(decode_response(message.SerializeToString()).tensors, response.tensors)


@pytest.mark.parametrize("decode", [decode_request, decode_response])
def test_every_truncation_decodes_or_is_refused(decode: Callable[[bytes], object]) -> None:
    request = a_request()
    for data in (
        encode_request(request),
        encode_response(InferResponse(model_name="m", tensors=request.tensors)),
        typed_request().SerializeToString(),
    ):
        for length in range(len(data)):
            try:
                decode(data[:length])
            except WireError:
                continue


def test_a_request_cut_anywhere_in_its_tensors_is_refused() -> None:
    data = encode_request(a_request())
    rest = message_class("ModelInferRequest").FromString(data)
    rest.ClearField("raw_input_contents")
    for length in range(rest.ByteSize(), len(data)):
        with pytest.raises(WireError):
            decode_request(data[:length])


def mutate(data: st.DataObject, encoded: bytes) -> bytes:
    mutated = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(0, len(mutated) - 1)))
        size = data.draw(st.integers(0, 5))
        mutated[position : position + size] = data.draw(st.binary(max_size=8))
    return bytes(mutated)


@settings(max_examples=1500)
@given(st.data())
def test_every_mutation_decodes_or_is_refused(data: st.DataObject) -> None:
    response = InferResponse(model_name="m", tensors=a_request().tensors, parameters={"load.queue_us": 3})
    checksum = data.draw(st.booleans())
    encoded, decode = data.draw(
        st.sampled_from(
            (
                (encode_request(a_request(), checksum=checksum), decode_request),
                (typed_request().SerializeToString(), decode_request),
                (encode_response(response, checksum=checksum), decode_response),
            )
        )
    )
    try:
        decoded = decode(mutate(data, encoded))
    except WireError:
        return
    assert all(isinstance(tensor.array, np.ndarray) for tensor in decoded.tensors)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for decode in (decode_request, decode_response):
        try:
            decode(data)
        except WireError:
            continue


@law
@given(st.integers(0, 23), st.integers(0, 7))
def test_any_flipped_bit_of_a_tensor_is_noticed_by_its_checksum(byte: int, bit: int) -> None:
    request = InferRequest(model_name="m", tensors=(Tensor(name="conv1", array=np.arange(6, dtype=np.float32)),))
    data = bytearray(encode_request(request))
    data[len(data) - 24 + byte] ^= 1 << bit
    with pytest.raises(WireError, match="'conv1' arrived damaged"):
        decode_request(bytes(data))


def test_a_checksum_that_is_no_integer_is_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.inputs[0].parameters[CRC32].string_param = "beef"
    assert "no integer" in refusal(message)


def test_decoded_arrays_are_read_only_views_of_the_received_bytes() -> None:
    data = encode_request(a_request())
    array = decode_request(data).tensors[0].array
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_scalars_keep_their_rank() -> None:
    request = InferRequest(model_name="m", tensors=(Tensor(name="x", array=np.array(3.0)),))
    assert decode_request(encode_request(request)).tensors[0].array.shape == ()


@pytest.mark.parametrize("dtype", FIXED_DTYPES, ids=str)
def test_transposed_and_strided_arrays_arrive_row_by_row(dtype: np.dtype) -> None:
    array = np.arange(24).reshape(4, 6).astype(dtype)[::2, ::-1].T
    found = decode_request(encode_request(InferRequest(model_name="m", tensors=(Tensor(name="x", array=array),))))
    assert found.tensors[0].array.tolist() == array.tolist()


def test_big_endian_arrays_arrive_as_the_same_numbers() -> None:
    array = np.array([1.5, -2.0], dtype=">f4")
    found = decode_request(encode_request(InferRequest(model_name="m", tensors=(Tensor(name="x", array=array),))))
    assert found.tensors[0].array.tolist() == [1.5, -2.0]


def test_typed_and_raw_contents_together_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.inputs.add(name="y", datatype="FP32", shape=[1]).contents.fp32_contents.append(1)
    assert "'y' has typed contents beside raw ones" in refusal(message)


def test_a_declared_tensor_without_contents_is_refused() -> None:
    assert "carries 0 elements" in refusal(plain_request())


def test_more_raw_tensors_than_declared_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.raw_input_contents.append(b"")
    assert "1 tensors are declared and 2 came" in refusal(message)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "sentence"),
    [
        ("FP32", (2,), b"0123456", "carries 7 bytes; FP32 \\[2\\] takes 8"),
        ("FP32", (-1,), b"", "must not be negative"),
        ("FP32", (2**62, 2**62), b"", "elements are accepted"),
        ("FP32", (0, 2**62, 2**62), b"", "elements are accepted"),
        ("FP32", (1,) * 33, b"0123", "33 dimensions"),
        ("FP8", (1,), b"0", "datatype 'FP8' is unknown"),
        ("BOOL", (2,), b"\x01\x02", "other than 0 and 1"),
        ("BYTES", (2**39,), b"", "strings take more"),
        ("BYTES", (1,), b"\x05\0\0\0abc", "ends inside string 0 of 1"),
        ("BYTES", (2,), b"\x02\0\0\0ab\0\0", "ends inside the length of string 1 of 2"),
        ("BYTES", (1,), b"\x01\0\0\0abc", "2 bytes after its 1 strings"),
    ],
)
def test_contents_that_do_not_fit_their_declaration_are_refused(
    datatype: str, shape: tuple[int, ...], raw: bytes, sentence: str
) -> None:
    with pytest.raises(WireError, match=sentence):
        decode_request(plain_request(datatype=datatype, shape=shape, raw=raw).SerializeToString())


def test_tensors_of_the_same_name_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.inputs.append(message.inputs[0])
    message.raw_input_contents.append(b"01234567")
    assert "'x' is named more than once" in refusal(message)


def test_outputs_of_the_same_name_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    for _ in range(2):
        message.outputs.add(name="y")
    assert "output 'y' is named more than once" in refusal(message)


def test_text_that_is_not_utf8_is_refused() -> None:
    data = plain_request(raw=b"01234567").SerializeToString().replace(b"\x0a\x01m", b"\x0a\x01\xff")
    with pytest.raises(WireError, match="no valid ModelInferRequest"):
        decode_request(data)


def test_parameters_without_a_value_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.parameters["empty"].SetInParent()
    assert "'empty' has no value" in refusal(message)


def test_extensions_that_would_change_the_answer_are_refused() -> None:
    message = plain_request(raw=b"01234567")
    message.outputs.add(name="y").parameters["classification"].int64_param = 3
    assert "'classification'" in refusal(message)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(message_bytes=20), "at most 20 are accepted"),
        (Limits(typed_bytes=10), "send tensors as raw contents"),
        (Limits(tensors=0), "occurs more than 0 times"),
        (Limits(rank=0), "1 dimensions; at most 0"),
    ],
)
def test_messages_over_a_limit_are_refused(limits: Limits, sentence: str) -> None:
    assert sentence in refusal(plain_request(raw=b"0123456789"), limits)


def test_a_rank_limit_beyond_numpy_is_refused() -> None:
    with pytest.raises(ValueError, match="rank limit of 33"):
        Limits(rank=33)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros(1, complex), "complex128 cannot be sent"),
        (np.zeros(1, ml_dtypes.float8_e4m3fn), "cannot be sent"),
        (np.array([1], dtype=object), "holds a int"),
        (np.array(["\ud800"], dtype=object), "not valid Unicode"),
    ],
)
def test_arrays_that_cannot_be_sent_say_so(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        encode_request(InferRequest(model_name="m", tensors=(Tensor(name="x", array=array),)))


def test_names_that_are_no_unicode_cannot_be_sent() -> None:
    with pytest.raises(WireError, match="does not fit into ModelInferRequest"):
        encode_request(InferRequest(model_name="\ud800"))


def test_integers_beyond_64_bits_cannot_be_sent() -> None:
    with pytest.raises(WireError, match="at most 64 bits"):
        encode_request(InferRequest(model_name="m", parameters={"big": 2**64}))


def test_names_given_twice_cannot_be_sent() -> None:
    tensor = Tensor(name="x", array=np.zeros(1))
    with pytest.raises(WireError, match="'x' is named more than once"):
        encode_request(InferRequest(model_name="m", tensors=(tensor, tensor)))
    with pytest.raises(WireError, match="'y' is named more than once"):
        encode_request(InferRequest(model_name="m", outputs=("y", "y")))


def test_numpy_text_arrays_are_sent_as_strings() -> None:
    for array in (np.array(["a", "bc"]), np.array([b"a", b"bc"])):
        request = InferRequest(model_name="m", tensors=(Tensor(name="x", array=array),))
        assert decode_request(encode_request(request)).tensors[0].array.tolist() == ["a", "bc"]
