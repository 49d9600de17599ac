import contextlib
import json
import math
import zlib
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.rest_bodies import Body, decoded, read_rest_body, rest_body
from tests.wire.strategies import assert_same_tensors, fixed_arrays, law, names, not_text, parameters, string_arrays

from partway.errors import InputError, WireError
from partway.wire import (
    CRC32,
    InferRequest,
    InferResponse,
    Limits,
    Tensor,
    decode_rest_request,
    encode_rest_response,
    read_timeout_s,
)


def fits_json(array: np.ndarray) -> bool:
    if array.dtype in (np.dtype("f2"), np.dtype(ml_dtypes.bfloat16)):
        return False
    if array.dtype == object:
        return all(isinstance(element, str) for element in array.reshape(-1))
    return bool(np.isfinite(array).all())


finite_parameters = parameters.filter(
    lambda found: all(not isinstance(value, float) or math.isfinite(value) for value in found.values())
).map(lambda found: {name: value for name, value in found.items() if not name.startswith("binary")})
tensors = st.lists(
    st.builds(Tensor, name=names, array=st.one_of(fixed_arrays(), string_arrays()), parameters=finite_parameters),
    max_size=3,
    unique_by=lambda tensor: tensor.name,
).map(tuple)
requests = st.builds(
    InferRequest,
    model_name=st.just("m"),
    model_version=st.just("2"),
    id=names,
    tensors=tensors,
    outputs=st.lists(names, max_size=3, unique=True).map(tuple),
    parameters=finite_parameters,
)


def drawn_binary(data: st.DataObject, drawn: tuple[Tensor, ...]) -> list[str]:
    return [tensor.name for tensor in drawn if not fits_json(tensor.array) or data.draw(st.booleans())]


@law
@given(requests, st.booleans(), st.data())
def test_a_decoded_request_is_the_one_that_was_sent(request: InferRequest, nested: bool, data: st.DataObject) -> None:
    binary_outputs = {name: data.draw(st.booleans()) for name in request.outputs}
    body = rest_body(request, binary=drawn_binary(data, request.tensors), nested=nested, binary_outputs=binary_outputs)
    found = decoded(body)
    assert (found.request.model_name, found.request.model_version) == ("m", "2")
    assert (found.request.id, found.request.outputs) == (request.id, request.outputs)
    assert found.request.parameters == request.parameters
    assert_same_tensors(found.request.tensors, request.tensors)
    assert found.binary == binary_outputs


@law
@given(st.builds(InferResponse, model_name=names, id=names, tensors=tensors, parameters=finite_parameters), st.data())
def test_a_decoded_response_is_the_one_that_was_sent(response: InferResponse, data: st.DataObject) -> None:
    binary = drawn_binary(data, response.tensors)
    asked = InferRequest(model_name="m", outputs=tuple(tensor.name for tensor in response.tensors))
    wanted = decoded(rest_body(asked, binary_outputs=dict.fromkeys(binary, True)))
    found = read_rest_body(*encode_rest_response(response, wanted))
    assert (found.model_name, found.id, found.parameters) == (response.model_name, response.id, response.parameters)
    assert_same_tensors(found.tensors, response.tensors)


def a_body() -> Body:
    request = InferRequest(
        model_name="m",
        id="7",
        tensors=(
            Tensor(name="x", array=np.arange(6, dtype=np.float32).reshape(2, 3), parameters={CRC32: 0}),
            Tensor(name="words", array=np.array([["ja", "né"]], dtype=object)),
            Tensor(name="flags", array=np.array([[True], [False]])),
            Tensor(name="small", array=np.array([-1, 2], dtype=np.int8)),
        ),
        outputs=("y",),
        parameters={"partway.digest": "sha256:0", "flag": True, "timeout": 5},
    )
    crc32 = zlib.crc32(request.tensors[0].array.tobytes())
    tensors = (Tensor(name="x", array=request.tensors[0].array, parameters={CRC32: crc32}), *request.tensors[1:])
    return rest_body(InferRequest(model_name="m", id="7", tensors=tensors, outputs=("y",)), binary=("x",), nested=True)


@pytest.mark.parametrize("shorter", ["the body", "its JSON"])
def test_every_truncation_is_refused(shorter: str) -> None:
    body, json_length = a_body()
    decoded((body, json_length))
    assert json_length is not None
    for length in range(len(body) if shorter == "the body" else int(json_length)):
        with pytest.raises(WireError):
            decoded((body[:length], json_length) if shorter == "the body" else (body, str(length)))


@settings(max_examples=500)
@given(st.data())
def test_every_mutation_decodes_or_is_refused(data: st.DataObject) -> None:
    body, json_length = a_body()
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(mutated)))
        tokens = st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"null", b"-1", b"1e999", b"9" * 40, b"NaN"])
        mutated[position : position + data.draw(st.integers(0, 5))] = data.draw(tokens | st.binary(max_size=8))
    try:
        found = decoded((bytes(mutated), data.draw(st.sampled_from([json_length, None, str(len(mutated))]))))
    except WireError:
        return
    assert all(isinstance(tensor.array, np.ndarray) for tensor in found.request.tensors)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.none() | st.text(max_size=6) | st.integers(-3, 300).map(str))
def test_any_bytes_and_any_length_decode_or_are_refused(body: bytes, json_length: str | None) -> None:
    with contextlib.suppress(WireError):
        decoded((body, json_length))


def tensor_body(text: str, *, datatype: str = "FP32", shape: str = "[2]") -> Body:
    """One tensor whose data is spelled out."""
    tensor = f'{{"name": "x", "datatype": "{datatype}", "shape": {shape}, "data": {text}}}'
    return f'{{"inputs": [{tensor}]}}'.encode(), None


@pytest.mark.parametrize(
    ("text", "datatype", "shape", "sentence"),
    [
        ("[1]", "FP32", "[2]", "neither a flat list of 2 elements nor lists nested as \\[2\\]"),
        ("[]", "FP32", "[1]", "carries 0 elements; its shape takes 1"),
        ("[5]", "FP32", "[0]", "more than the 0 elements"),
        ("5", "FP32", "[1]", "neither a flat list"),
        ("[[1, 2], [3]]", "FP32", "[2, 2]", "neither a flat list"),
        ("[[], [1]]", "FP32", "[2, 1]", "no list of FP32"),
        ("[[1], [2]]", "FP32", "[2, 0]", "more than the 0 elements"),
        ("[1, null]", "FP32", "[2]", "no list of FP32"),
        ('["1", "2"]', "FP32", "[2]", "no list of FP32"),
        ('[{"a": 1}, 2]', "FP32", "[2]", "no list of FP32"),
        ('[["[", "]"]]', "FP32", "[1, 2]", "neither a flat list"),
        ("[1e39, 1]", "FP32", "[2]", "numbers too large for FP32"),
        ("[1e999, 1]", "FP64", "[2]", "no list of FP64"),
        ("[NaN, 1]", "FP32", "[2]", "NaN and infinity as binary data"),
        ("[-Infinity, 1]", "FP32", "[2]", "NaN and infinity as binary data"),
        ("[1, 2]", "FP16", "[2]", "FP16, which has no form in JSON"),
        ("[1, 2]", "BF16", "[2]", "BF16, which has no form in JSON"),
        ("[1, 2]", "FP8", "[2]", "datatype 'FP8' is unknown"),
        ("[1.5, 2]", "INT32", "[2]", "no list of INT32"),
        ("[128, 2]", "INT8", "[2]", "values outside INT8"),
        ("[-1, 2]", "UINT64", "[2]", "values outside UINT64"),
        (f"[{2**64}, 2]", "UINT64", "[2]", "values outside UINT64"),
        ("[" + "9" * 5000 + ", 1]", "INT64", "[2]", "no list of INT64"),
        ("[1, 0]", "BOOL", "[2]", "no list of BOOL"),
        ('["a"]', "BYTES", "[2]", "neither a flat list"),
        ('[["a"], ["b", "c"]]', "BYTES", "[2, 1]", "neither a flat list"),
        ('["a", 1]', "BYTES", "[2]", "no list of BYTES"),
        ("[1, 2]", "FP32", "[-2]", "must not be negative"),
        ("[]", "FP32", f"[0, {2**60}]", "elements are accepted"),
        ("[[],[],[]]", "FP32", f"[3, 0, {2**36}]", None),
        ("[1]", "FP32", str([1] * 33), "33 dimensions"),
        ("[1]", "FP32", str([2**39]), "neither a flat list"),
        ("[1]", "FP32", "[" + "9" * 4000 + "]", "elements are accepted"),
        ("[" * 100_000 + "]" * 100_000, "FP32", "[1]", "nested too deeply"),
        ("[" * 300 + "1" + "]" * 300, "FP32", "[1]", "neither a flat list"),
    ],
)
def test_data_that_does_not_fit_its_declaration_is_refused(
    text: str, datatype: str, shape: str, sentence: str | None
) -> None:
    body = tensor_body(text, datatype=datatype, shape=shape)
    if sentence is None:
        decoded(body)
    else:
        with pytest.raises(WireError, match=sentence):
            decoded(body)


def test_a_long_list_is_read_in_blocks_to_the_last_number() -> None:
    array = np.random.default_rng(7).standard_normal((50, 1000)).astype(np.float32)
    request = InferRequest(model_name="m", tensors=(Tensor(name="x", array=array),))
    for nested in (False, True):
        assert_same_tensors(decoded(rest_body(request, nested=nested)).request.tensors, request.tensors)


def test_spaces_between_numbers_do_not_matter() -> None:
    found = decoded(tensor_body("[ 1 ,\n\t2.5\r]"))
    assert found.request.tensors[0].array.tolist() == [1.0, 2.5]


def binary_body(payload: bytes, *, shape: str = "[2]", more: bytes = b"", **extra: object) -> Body:
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": json.loads(shape), **extra}
    tensor.setdefault("parameters", {"binary_data_size": len(payload)})
    text = json.dumps({"inputs": [tensor]}).encode()
    return text + payload + more, str(len(text))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (binary_body(b"0123456"), "carries 7 bytes; FP32 \\[2\\] takes 8"),
        (binary_body(b"01234567", more=b"x"), "9 bytes follow the JSON and the tensors declare 8"),
        (binary_body(b"01234567", data=[1, 2]), "has `data` beside 'binary_data_size'"),
        (binary_body(b"", parameters={"binary_data_size": -1}), "'binary_data_size' -1"),
        (binary_body(b"", parameters={"binary_data_size": True}), "'binary_data_size' True"),
        (binary_body(b"", parameters={"binary_data_size": "8"}), "'binary_data_size' '8'"),
        (binary_body(b"", parameters={"binary_data_size": 8}), "declares 8 binary bytes and 0 are left"),
        (binary_body(b"", parameters={"binary_data_size": 2**70}), "at most 64 bits"),
        (binary_body(b"01234567", parameters={"binary_data_size": 8, CRC32: 1}), "arrived damaged"),
        (binary_body(b"01234567", parameters={"binary_data_size": 8, CRC32: "beef"}), "no integer"),
        (binary_body(b"01234567", parameters={"shared_memory_region": "r"}), "'shared_memory_region'"),
        ((b"{}", "3"), "Inference-Header-Content-Length is 3 and the body has 2 bytes"),
        ((b"{}", "-1"), "expected a number of bytes"),
        ((b"{}", "\N{SUPERSCRIPT TWO}"), "expected a number of bytes"),
        ((b"{}", "1" * 5000), "expected a number of bytes"),
        ((b"", None), "no inference request"),
        ((b"{}", None), "no inference request"),
        ((b"[]", None), "no inference request"),
        ((b'{"inputs": [], "parameters": {"p": null}}', None), "no inference request"),
        ((b'{"inputs": [], "parameters": {"p": [1]}}', None), "no inference request"),
        ((b'{"inputs": [], "parameters": {"binary_data_output": 1}}', None), "expected true or false"),
        ((b'{"inputs": [], "outputs": [{"name": "y", "parameters": {"binary_data": "no"}}]}', None), "true or false"),
        (
            (b'{"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 3}}]}', None),
            "'classification'",
        ),
        ((b'{"inputs": [], "outputs": [{"name": "y"}, {"name": "y"}]}', None), "output 'y' is named more than once"),
        ((b'{"inputs": [], "id": 7}', None), "no inference request"),
        ((b'{"inputs": [], "id": "\xff"}', None), "no inference request"),
    ],
)
def test_bodies_that_are_no_requests_are_refused(body: Body, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        decoded(body)


def test_tensors_of_the_same_name_are_refused() -> None:
    tensor = Tensor(name="x", array=np.zeros(1))
    with pytest.raises(WireError, match="'x' is named more than once"):
        decoded(rest_body(InferRequest(model_name="m", tensors=(tensor, tensor))))


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(message_bytes=20), "at most 20 are accepted"),
        (Limits(typed_bytes=10), "as binary data"),
        (Limits(tensors=0), "1 inputs came; at most 0 are accepted"),
        (Limits(rank=0), "1 dimensions; at most 0"),
    ],
)
def test_bodies_over_a_limit_are_refused(limits: Limits, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        decoded(binary_body(b"01234567"), limits)


def test_binary_tensors_are_read_only_views_of_the_body() -> None:
    body, json_length = binary_body(b"01234567")
    received = bytearray(body)
    array = decode_rest_request(received, json_length, model_name="m").request.tensors[0].array
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(received, np.uint8))


def test_outputs_come_in_the_form_that_was_asked_for() -> None:
    answer = InferResponse(
        model_name="m", tensors=tuple(Tensor(name=name, array=np.ones(2, np.float32)) for name in ("a", "b", "c"))
    )
    asked = InferRequest(model_name="m", outputs=("a", "b"))
    parameters = {"binary_data_output": True}
    wanted = decoded(rest_body(asked, binary_outputs={"a": False, "b": True}, parameters=parameters))
    assert "binary_data_output" not in wanted.request.parameters
    body, json_length = encode_rest_response(answer, wanted)
    assert json_length is not None
    described = json.loads(body[:json_length])["outputs"]
    assert [("data" in output) for output in described] == [True, False, False]
    assert body[json_length:] == answer.tensors[1].array.tobytes() * 2
    assert described[1]["parameters"][CRC32] == zlib.crc32(answer.tensors[1].array.tobytes())


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array([1.0, math.nan]), "NaN or infinity, for which JSON has no words; ask for it as binary data"),
        (np.array([math.inf], np.float32), "NaN or infinity"),
        (np.zeros(1, np.float16), "FP16, which has no form in JSON"),
        (np.zeros(1, ml_dtypes.bfloat16), "BF16, which has no form in JSON"),
        (np.array([b"\xff"], dtype=object), "not valid UTF-8"),
        (np.array(["\ud800"], dtype=object), "not valid Unicode"),
    ],
)
def test_what_json_cannot_carry_has_to_be_asked_for_as_binary_data(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        encode_rest_response(InferResponse(model_name="m", tensors=(Tensor(name="y", array=array),)))


def test_what_cannot_be_sent_at_all_is_our_own_mistake() -> None:
    y = Tensor(name="y", array=np.zeros(1, complex))
    for response in (
        InferResponse(model_name="m", tensors=(y,)),
        InferResponse(model_name="m", parameters={"p": math.nan}),
        InferResponse(model_name="\ud800"),
        InferResponse(model_name="m", tensors=(Tensor(name="y", array=np.zeros(1)),) * 2),
    ):
        with pytest.raises(WireError):
            encode_rest_response(response)


@law
@given(st.binary(max_size=8).filter(not_text))
def test_strings_that_are_no_text_travel_as_binary_data(element: bytes) -> None:
    array = np.array([element, "text"], dtype=object)
    request = InferRequest(model_name="m", tensors=(Tensor(name="w", array=array),))
    assert_same_tensors(decoded(rest_body(request, binary=("w",))).request.tensors, request.tensors)


def test_a_timeout_is_microseconds() -> None:
    assert read_timeout_s({}) is None
    assert read_timeout_s({"timeout": 2_500_000}) == 2.5
    for wrong in (0, -1, True, 1.5, "1"):
        with pytest.raises(WireError, match="expected microseconds"):
            read_timeout_s({"timeout": wrong})
