"""The face's answers and statuses, seen by a client that knows nothing but gRPC and the codec."""

from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.models import random_feeds, run_whole
from tests.serving.support import (
    PATIENCE_S,
    Client,
    assert_close,
    default_binding,
    outputs_of,
    request_of,
    run_tensors,
    status_of,
)

from partway.graph import Source
from partway.serving import Server
from partway.wire import (
    ORCA_HEADER,
    CostQuery,
    InferRequest,
    Method,
    ServerQuery,
    decode_live,
    decode_load,
    decode_ready,
    decode_response,
    decode_server_metadata,
    encode_request,
    encode_server_query,
)

Code = grpc.StatusCode


def feeds_of(path: Path) -> dict[str, np.ndarray]:
    return random_feeds(path, {"image": (1, 3, 8, 8)} if path.stem == "dynamic" else {})


# --- What it answers ---------------------------------------------------------------------------------------


def test_the_server_is_live_and_ready_and_says_what_it_is(client: Client) -> None:
    query = encode_server_query(ServerQuery())
    assert decode_live(client.send(Method.SERVER_LIVE, query))
    assert decode_ready(client.send(Method.SERVER_READY, query))
    metadata = decode_server_metadata(client.send(Method.SERVER_METADATA, query))
    assert metadata.name == "partway"
    assert {"partway.cuts", "partway.costs"} <= set(metadata.extensions)


def test_a_model_is_described_with_its_open_dimensions(client: Client) -> None:
    metadata = client.metadata("dynamic")
    assert (metadata.platform, metadata.versions) == ("onnxruntime_onnx", ("1",))
    (image,), (scores,) = metadata.inputs, metadata.outputs
    assert (image.name, image.datatype, image.shape) == ("image", "FP32", (-1, 3, -1, -1))
    assert (scores.name, scores.datatype, scores.shape) == ("scores", "FP32", (-1, 5))


def test_models_are_ready_once_opened_and_broken_ones_are_not(client: Client) -> None:
    assert client.ready("chain")
    assert client.ready("chain", "1")
    assert client.ready("partway.costs")
    assert not client.ready("broken")


@pytest.mark.parametrize("name", ["chain", "diamond", "dynamic", "multi_io"])
def test_a_plain_client_gets_the_whole_models_answer(name: str, client: Client, folder: Path) -> None:
    path = folder / f"{name}.onnx"
    feeds = feeds_of(path)
    assert_close(outputs_of(client.infer(request_of(name, feeds))), run_whole(path, feeds))


def test_an_intermediate_tensor_gives_the_same_answer(client: Client, folder: Path) -> None:
    path = folder / "chain.onnx"
    feeds, binding = feeds_of(path), default_binding(path)
    for name in ("conv1", "relu1", "pool1", "conv2", "mean", "flat", "logits"):
        crossing = run_tensors(path, feeds, (name,))
        for request in (
            request_of("chain", crossing),
            request_of("chain", crossing, binding=binding, digest=Source.open(path).digest),
        ):
            assert_close(outputs_of(client.infer(request)), run_whole(path, feeds))


def test_a_cut_of_several_tensors_gives_the_same_answer(client: Client, folder: Path) -> None:
    path = folder / "diamond.onnx"
    feeds = feeds_of(path)
    for names in (("left1", "stem"), ("left2", "right2", "stem"), ("joined", "stem")):
        crossing = run_tensors(path, feeds, names)
        response = client.infer(request_of("diamond", crossing, binding=default_binding(path)))
        assert_close(outputs_of(response), run_whole(path, feeds))


def test_a_new_shape_just_works(client: Client, folder: Path) -> None:
    path = folder / "dynamic.onnx"
    for shape in ((1, 3, 8, 8), (3, 3, 10, 6), (2, 3, 4, 4)):
        feeds = random_feeds(path, {"image": shape})
        assert_close(outputs_of(client.infer(request_of("dynamic", feeds))), run_whole(path, feeds))
        crossing = run_tensors(path, feeds, ("pool1",))
        binding = Source.open(path).bind({"image": shape})
        response = client.infer(request_of("dynamic", crossing, binding=binding))
        assert_close(outputs_of(response), run_whole(path, feeds))


def test_only_the_requested_outputs_come_in_the_order_asked_for(client: Client, folder: Path) -> None:
    path = folder / "multi_io.onnx"
    feeds = feeds_of(path)
    response = client.infer(request_of("multi_io", feeds, outputs=("last", "early")))
    assert [tensor.name for tensor in response.tensors] == ["last", "early"]
    expected = run_whole(path, feeds)
    assert_close(outputs_of(response), {name: expected[name] for name in ("last", "early")})


def test_what_a_tail_can_compute_comes_back_and_the_heads_outputs_do_not(client: Client, folder: Path) -> None:
    path = folder / "multi_io.onnx"
    feeds = feeds_of(path)
    crossing = run_tensors(path, feeds, ("middle",)) | {"late": feeds["late"]}
    assert_close(outputs_of(client.infer(request_of("multi_io", crossing))), {"last": run_whole(path, feeds)["last"]})


def test_name_version_and_id_come_back(client: Client, folder: Path) -> None:
    request = request_of("chain", feeds_of(folder / "chain.onnx"))
    named = InferRequest(model_name="chain", model_version="1", id="seven", tensors=request.tensors)
    response = client.infer(named)
    assert (response.model_name, response.model_version, response.id) == ("chain", "1", "seven")


def test_every_answer_carries_the_load_in_parameters_and_in_the_trailer(client: Client, folder: Path) -> None:
    request = encode_request(request_of("chain", feeds_of(folder / "chain.onnx")))
    data, call = client.methods[Method.MODEL_INFER].with_call(request, timeout=PATIENCE_S)
    load = decode_load(decode_response(data).parameters)
    assert load is not None
    assert load.slowdown >= 1.0
    assert load.service_s > 0.0
    trailer = dict(call.trailing_metadata())
    assert trailer[ORCA_HEADER].startswith("TEXT named_metrics.queue_delay_s=")


def test_costs_are_unknown_until_the_server_measured_them(client: Client, server: Server, folder: Path) -> None:
    path = folder / "dynamic.onnx"
    source = Source.open(path)
    query = CostQuery(
        model_name="dynamic",
        digest=source.digest,
        binding=source.bind({"image": (5, 3, 8, 8)}).encode(),
        cuts=(("image",), ("pool1",), ("no", "cut")),
    )
    assert client.costs(query).server_s == (None, None, None)
    # The graph may still be in the making, which no background task shows: an answer by the model does.
    client.infer(request_of("dynamic", random_feeds(path, {"image": (5, 3, 8, 8)})))
    client.costs(query)
    server.settle(PATIENCE_S)
    known = client.costs(query)
    assert known.measured == (True, True, False)
    assert all(seconds is not None and seconds > 0.0 for seconds in known.server_s[:2])


# --- What it declines, how, and that it goes on -------------------------------------------------------------


def image() -> Mapping[str, np.ndarray]:
    return {"image": np.ones((1, 3, 8, 8), np.float32)}


def test_an_empty_message_asks_for_no_model(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        client.send(Method.MODEL_INFER, b"")
    assert status_of(refusal.value) is Code.NOT_FOUND
    assert "there is no model ''" in refusal.value.details()


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.MODEL_INFER])
def test_garbage_is_refused_by_the_small_methods_too(method: Method, client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        client.send(method, b"\xff\xff\xff")
    assert status_of(refusal.value) is Code.INVALID_ARGUMENT


def test_unknown_models_have_no_metadata_and_no_readiness(client: Client) -> None:
    for ask in (client.metadata, client.ready):
        with pytest.raises(grpc.RpcError) as refusal:
            ask("nothing")
        assert status_of(refusal.value) is Code.NOT_FOUND


def test_a_refusal_carries_the_load_too(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        client.infer(request_of("nothing", image()))
    assert ORCA_HEADER in dict(refusal.value.trailing_metadata())


def test_a_large_message_is_answered_as_a_small_one(client: Client, folder: Path) -> None:
    path = folder / "dynamic.onnx"
    feeds = random_feeds(path, {"image": (1, 3, 200, 300)})
    assert_close(outputs_of(client.infer(request_of("dynamic", feeds))), run_whole(path, feeds))
