import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.strategies import law, names

from partway.errors import WireError
from partway.wire import (
    MAX_CUTS,
    CostAnswer,
    CostQuery,
    InferRequest,
    InferResponse,
    Tensor,
    decode_cost_answer,
    decode_cost_query,
    decode_request,
    decode_response,
    encode_cost_answer,
    encode_cost_query,
    encode_request,
    encode_response,
)

crossings = st.lists(names, max_size=3, unique=True).map(tuple)
queries = st.builds(
    CostQuery,
    model_name=names,
    digest=names,
    binding=names,
    cuts=st.lists(crossings, max_size=5).map(tuple),
)
costs = st.one_of(
    st.just((None, False)),
    st.tuples(st.floats(0, allow_infinity=False), st.booleans()),
)


def a_query(cuts: tuple[tuple[str, ...], ...] = (("a", "b"), ())) -> CostQuery:
    return CostQuery(model_name="m", digest="sha256:0", binding="{}", cuts=cuts)


def with_cuts(array: np.ndarray) -> InferRequest:
    return dataclasses.replace(encode_cost_query(a_query()), tensors=(Tensor(name="cuts", array=array),))


@law
@given(queries)
def test_a_decoded_query_is_the_encoded_one(query: CostQuery) -> None:
    assert decode_cost_query(decode_request(encode_request(encode_cost_query(query)))) == query


@law
@given(st.lists(costs, max_size=6))
def test_a_decoded_answer_is_the_encoded_one(drawn: list[tuple[float | None, bool]]) -> None:
    answer = CostAnswer(
        server_s=tuple(server_s for server_s, _ in drawn), measured=tuple(measured for _, measured in drawn)
    )
    response = decode_response(encode_response(encode_cost_answer(answer, {"load.queue_us": 3})))
    assert decode_cost_answer(response, cuts=len(drawn)) == answer
    assert response.parameters == {"load.queue_us": 3}


def test_cuts_travel_as_json_lists_and_unknown_costs_as_nan() -> None:
    assert encode_cost_query(a_query()).tensors[0].array.tolist() == ['["a","b"]', "[]"]
    response = encode_cost_answer(CostAnswer(server_s=(None, 0.5), measured=(False, True)))
    assert math.isnan(response.tensors[0].array[0])


@pytest.mark.parametrize(
    "element", ["", "[", "{}", '"a"', "[1]", "[null]", '["a", ["b"]]', '["a"] x', b"\xff", '["\\ud800"]']
)
def test_cuts_that_are_no_lists_of_names_are_refused(element: str | bytes) -> None:
    array = np.empty(1, dtype=object)
    array[0] = element
    with pytest.raises(WireError, match="not a JSON list"):
        decode_cost_query(with_cuts(array))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array(['["a","a"]'], dtype=object), "more than once"),
        (np.zeros(2), "expected object of one"),
        (np.array([['["a"]']], dtype=object), "2 dimensions"),
        (np.array(['["' + "a" * 70_000 + '"]'], dtype=object), "at most 65536"),
        (np.full(MAX_CUTS + 1, "[]", dtype=object), "ask in parts"),
    ],
)
def test_cuts_of_the_wrong_form_are_refused(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        decode_cost_query(with_cuts(array))


def test_too_many_cuts_cannot_be_asked_for() -> None:
    with pytest.raises(WireError, match="ask in parts"):
        encode_cost_query(a_query(cuts=((),) * (MAX_CUTS + 1)))


def test_other_models_give_no_costs() -> None:
    with pytest.raises(WireError, match="costs are asked of"):
        decode_cost_query(dataclasses.replace(encode_cost_query(a_query()), model_name="resnet"))


@pytest.mark.parametrize("name", ["partway.model", "partway.digest", "partway.binding"])
def test_a_query_names_its_model(name: str) -> None:
    request = encode_cost_query(a_query())
    with pytest.raises(WireError, match=name):
        decode_cost_query(dataclasses.replace(request, parameters=dict(request.parameters) | {name: 1}))


def test_a_query_without_cuts_is_refused() -> None:
    with pytest.raises(WireError, match="expected \\['cuts'\\]"):
        decode_cost_query(dataclasses.replace(encode_cost_query(a_query()), tensors=()))


@pytest.mark.parametrize("server_s", [math.inf, -0.1])
def test_impossible_costs_are_refused(server_s: float) -> None:
    response = InferResponse(
        model_name="partway.costs",
        tensors=(
            Tensor(name="server_s", array=np.array([server_s])),
            Tensor(name="measured", array=np.array([True])),
        ),
    )
    with pytest.raises(WireError, match="expected finite seconds"):
        decode_cost_answer(response, cuts=1)


def test_unknown_costs_cannot_be_measured() -> None:
    with pytest.raises(WireError, match="marked as measured"):
        CostAnswer(server_s=(None,), measured=(True,))


def test_answers_of_two_lengths_are_refused() -> None:
    with pytest.raises(WireError, match="expected as many"):
        CostAnswer(server_s=(1.0,), measured=())


def test_an_answer_is_for_as_many_cuts_as_were_asked_for() -> None:
    response = encode_cost_answer(CostAnswer(server_s=(1.0,), measured=(True,)))
    with pytest.raises(WireError, match="costs of 1 cuts came; 2 were asked for"):
        decode_cost_answer(response, cuts=2)


def codecs_of(parameters: dict[str, str | int]) -> tuple[str, ...]:
    response = encode_cost_answer(CostAnswer(server_s=(), measured=()), parameters)
    return decode_cost_answer(decode_response(encode_response(response)), cuts=0).codecs


def test_an_answer_that_names_no_codecs_is_from_a_server_that_takes_raw_tensors_only() -> None:
    assert codecs_of({}) == ("raw",)
    assert "partway.codecs" not in encode_cost_answer(CostAnswer(server_s=(), measured=())).parameters


def test_codecs_travel_as_one_parameter_and_unknown_ones_are_passed_on() -> None:
    answer = CostAnswer(server_s=(), measured=(), codecs=("raw", "zstd", "int8/channel"))
    response = encode_cost_answer(answer, {"load.queue_us": 3})
    assert response.parameters == {"load.queue_us": 3, "partway.codecs": "raw,zstd,int8/channel"}
    assert decode_cost_answer(decode_response(encode_response(response)), cuts=0) == answer
    assert codecs_of({"partway.codecs": "raw,newer+than,us"}) == ("raw", "newer+than", "us")


@pytest.mark.parametrize("value", [7, True, "x" * 2000])
def test_a_list_of_codecs_that_is_none_is_refused(value: str | int) -> None:
    with pytest.raises(WireError, match=r"'partway\.codecs' is .*expected names between commas"):
        codecs_of({"partway.codecs": value})
