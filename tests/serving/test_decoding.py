"""Coded tensors are decoded against the server's own graph, and whatever does not fit it is refused."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.models import chain_model, dynamic_model, random_feeds, run_whole
from tests.serving.support import PATIENCE_S, Client, assert_close, outputs_of, run_tensors, status_of
from tests.serving.test_meaning import model_of

from partway.codecs import encode_tensor
from partway.engine import OrtRuntime
from partway.errors import CodecError, InputError
from partway.graph import Source
from partway.serving import ServerOptions, run_server
from partway.serving.decoding import check_coded, decode_tensors, read_coded
from partway.serving.meaning import read_binding
from partway.wire import (
    BINDING,
    CODEC,
    CRC32,
    CostQuery,
    InferRequest,
    Method,
    Parameter,
    ServerQuery,
    Tensor,
    decode_request,
    decode_server_metadata,
    encode_request,
    encode_server_query,
)

zstandard = pytest.importorskip("zstandard")

POOL = (1, 8, 4, 4)
CODECS = ("raw", "zstd", "float16", "int8", "int8/channel", "int8+zstd")
Parameters = Mapping[str, Parameter]


def coded_tensor(name: str, codec: str, array: np.ndarray) -> Tensor:
    used, coded = encode_tensor(codec, array)
    assert used == codec
    return Tensor(name=name, array=coded.array, parameters={CODEC: codec, **coded.parameters})


def asking(*tensors: Tensor, binding: str | None, outputs: tuple[str, ...] = (), model: str = "chain") -> InferRequest:
    parameters: dict[str, Parameter] = {} if binding is None else {BINDING: binding}
    return InferRequest(model_name=model, tensors=tensors, outputs=outputs, parameters=parameters)


@pytest.fixture
def pooled(folder: Path) -> np.ndarray:
    path = folder / "chain.onnx"
    pooled = run_tensors(path, random_feeds(path), ("pool1",))["pool1"]
    assert pooled.shape == POOL
    return pooled


@pytest.fixture
def binding(folder: Path) -> str:
    return Source.open(folder / "chain.onnx").bind().encode()


@pytest.mark.parametrize("codec", ["zstd", "float16", "int8", "int8+zstd"])
def test_coded_tensors_are_answered_as_raw_ones(codec: str, folder: Path, binding: str) -> None:
    path = folder / "chain.onnx"
    pooled = run_tensors(path, random_feeds(path), ("pool1",))["pool1"]
    pooled[pooled < np.median(pooled)] = 0.0
    # Nothing is optimised between the two, which would be allowed other last bits.
    options = ServerOptions(runtime=OrtRuntime(threads=1), learn=False)
    with run_server(folder, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        expected = outputs_of(client.infer(asking(Tensor(name="pool1", array=pooled), binding=binding)))
        found = outputs_of(client.infer(asking(coded_tensor("pool1", codec, pooled), binding=binding)))
    if codec == "zstd":
        np.testing.assert_array_equal(found["scores"], expected["scores"])
    else:
        np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0.05, atol=0.01)


def test_inputs_may_be_coded_too_and_raw_tensors_beside_coded_ones(client: Client, folder: Path) -> None:
    path = folder / "multi_io.onnx"
    source = Source.open(path)
    feeds = {name: np.zeros_like(array) for name, array in random_feeds(path).items()}
    packed = {name: encode_tensor("zstd", array) for name, array in feeds.items()}
    tensors = tuple(
        Tensor(name=name, array=coded.array, parameters={CODEC: used} if used != "raw" else {})
        for name, (used, coded) in packed.items()
    )
    assert_close(
        outputs_of(client.infer(asking(*tensors, binding=source.bind().encode(), model="multi_io"))),
        run_whole(path, feeds),
    )


def test_a_coded_tensor_needs_a_binding_that_is_said(client: Client, pooled: np.ndarray) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        client.infer(asking(coded_tensor("pool1", "float16", pooled), binding=None))
    assert status_of(refusal.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert "is coded" in (refusal.value.details() or "")
    assert "partway.binding" in (refusal.value.details() or "")


def zstd_frame(content: bytes) -> np.ndarray:
    return np.frombuffer(zstandard.ZstdCompressor(level=1).compress(content), np.uint8)


def streamed_frame(size_bytes: int) -> np.ndarray:
    """A frame that does not say how much it holds."""
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    block = bytes(2**20)
    parts = [compressor.compress(block) for _ in range(size_bytes // len(block))]
    return np.frombuffer(b"".join((*parts, compressor.flush())), np.uint8)


def lying_frame(size_bytes: int, stated_bytes: int) -> np.ndarray:
    """A frame that says it holds `stated_bytes` and holds more."""
    frame = zstd_frame(bytes(stated_bytes)).tobytes()
    header = zstandard.frame_header_size(frame)
    longer = zstd_frame(bytes(size_bytes)).tobytes()
    return np.frombuffer(frame[:header] + longer[zstandard.frame_header_size(longer) :], np.uint8)


STEPS = {"partway.scale": 0.5, "partway.offset": 0.0}
BYTES8 = np.zeros(POOL, np.uint8)
SIZE_BYTES = 8 * 4 * 4 * 4

HOSTILE: dict[str, tuple[np.ndarray, Parameters]] = {
    "a frame that claims gigabytes": (zstd_frame(bytes(2**28)), {CODEC: "zstd"}),
    "a frame that hides how much it holds": (streamed_frame(2**28), {CODEC: "zstd"}),
    "a frame that holds more than it says": (lying_frame(2**28, SIZE_BYTES), {CODEC: "zstd"}),
    "a frame of too little": (zstd_frame(bytes(SIZE_BYTES - 1)), {CODEC: "zstd"}),
    "a truncated frame": (zstd_frame(np.random.default_rng(0).bytes(SIZE_BYTES))[:-9], {CODEC: "zstd"}),
    "a frame and something after it": (np.append(zstd_frame(bytes(SIZE_BYTES)), BYTES8.ravel()), {CODEC: "zstd"}),
    "no frame": (BYTES8.ravel(), {CODEC: "zstd"}),
    "nothing": (np.zeros(0, np.uint8), {CODEC: "zstd"}),
    "a frame of floats": (np.zeros(9, np.float32), {CODEC: "zstd"}),
    "a scale in words": (BYTES8, {CODEC: "int8", **STEPS, "partway.scale": "half"}),
    "a scale that is no number": (BYTES8, {CODEC: "int8", **STEPS, "partway.scale": float("nan")}),
    "no scale": (BYTES8, {CODEC: "int8"}),
    "steps that are no base64": (BYTES8, {CODEC: "int8/channel", "partway.steps": "*" * 88}),
    "bytes of another shape": (np.zeros((1, 8, 4, 5), np.uint8), {CODEC: "int8", **STEPS}),
    "halves of another type": (np.zeros(POOL, np.float32), {CODEC: "float16"}),
    "an unknown codec": (BYTES8, {CODEC: "middle-out"}),
    "a codec that is a number": (BYTES8, {CODEC: 7}),
    "a codec that is a truth": (BYTES8, {CODEC: True}),
    "an endless name": (BYTES8, {CODEC: "zstd" * 10_000}),
    "coded strings": (np.full(POOL, "text", dtype=object), {CODEC: "zstd"}),
}


@pytest.mark.parametrize(("array", "parameters"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_decoded_is_refused_and_the_next_request_is_answered(
    array: np.ndarray, parameters: Parameters, client: Client, binding: str, pooled: np.ndarray
) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        client.infer(asking(Tensor(name="pool1", array=array, parameters=parameters), binding=binding))
    assert status_of(refusal.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in (refusal.value.details() or "")
    client.infer(asking(coded_tensor("pool1", "float16", pooled), binding=binding))


def test_a_binding_that_makes_few_bytes_into_many_is_refused(client: Client, folder: Path) -> None:
    huge = Source.open(folder / "dynamic.onnx").bind({"image": (1, 3, 4096, 4096)}).encode()
    frame = Tensor(name="image", array=zstd_frame(bytes(2**20)), parameters={CODEC: "zstd"})
    with pytest.raises(grpc.RpcError) as refusal:
        client.infer(asking(frame, binding=huge, model="dynamic"))
    assert status_of(refusal.value) is grpc.StatusCode.INVALID_ARGUMENT
    assert "decodes at most 1048576 at once" in (refusal.value.details() or "")


def test_the_checksum_is_of_what_travels(client: Client, binding: str, pooled: np.ndarray) -> None:
    tensor = coded_tensor("pool1", "float16", pooled)
    message = encode_request(asking(tensor, binding=binding))
    payload = np.ascontiguousarray(tensor.array).tobytes()
    assert message.endswith(payload)
    decode_request(message)
    damaged = message[:-1] + bytes((message[-1] ^ 1,))
    with pytest.raises(grpc.RpcError) as refusal:
        client.send(Method.MODEL_INFER, damaged)
    assert f"{zlib.crc32(payload)} was sent" in (refusal.value.details() or "")
    assert CRC32 not in tensor.parameters


def cost_query(folder: Path, binding: str) -> CostQuery:
    digest = Source.open(folder / "chain.onnx").digest
    return CostQuery(model_name="chain", digest=digest, binding=binding, cuts=(("pool1",),))


def test_the_server_says_which_codecs_it_decodes(client: Client, folder: Path, binding: str) -> None:
    assert {"raw", "zstd", "float16", "int8", "int8/channel"} <= set(client.costs(cost_query(folder, binding)).codecs)
    metadata = decode_server_metadata(client.send(Method.SERVER_METADATA, encode_server_query(ServerQuery())))
    assert "partway.codecs" in metadata.extensions


def test_a_server_without_the_extra_does_not_offer_it_and_refuses_it_clearly(
    monkeypatch: pytest.MonkeyPatch, folder: Path, binding: str, pooled: np.ndarray
) -> None:
    tensor = coded_tensor("pool1", "zstd", np.zeros(POOL, np.float32))
    monkeypatch.setattr("partway.serving.server.available_codecs", lambda: ("raw", "float16"))
    with run_server(folder, options=ServerOptions(learn=False)) as server, Client(server.address) as client:
        while not client.ready("chain"):
            pass
        assert client.costs(cost_query(folder, binding)).codecs == ("raw", "float16")
        with pytest.raises(grpc.RpcError) as refusal:
            client.infer(asking(tensor, binding=binding))
        assert status_of(refusal.value) is grpc.StatusCode.INVALID_ARGUMENT
        assert "coded as 'zstd'; this server decodes raw, float16" in (refusal.value.details() or "")
        client.infer(asking(Tensor(name="pool1", array=pooled), binding=binding))


# --- What is decided before anything is decoded --------------------------------------------------------------


def test_raw_tensors_are_none_of_the_coded_ones(pooled: np.ndarray) -> None:
    plain = Tensor(name="pool1", array=pooled)
    said = Tensor(name="pool2", array=pooled, parameters={CODEC: "raw"})
    assert read_coded(asking(plain, said, binding=None), CODECS) == {}


def test_types_that_a_codec_does_not_pack_are_refused_before_decoding(tmp_path: Path) -> None:
    model = model_of(Source.open(chain_model(tmp_path)))
    frame = Tensor(name="pool1", array=BYTES8, parameters={CODEC: "int8", **STEPS})
    tensors = read_coded(asking(frame, binding=None), CODECS)
    check_coded(model, tensors, most_bytes=SIZE_BYTES)
    with pytest.raises(InputError, match="hold 512 bytes; this server decodes at most 511"):
        check_coded(model, tensors, most_bytes=SIZE_BYTES - 1)


def test_decoded_arrays_are_of_the_graphs_type_and_shape(tmp_path: Path, pooled: np.ndarray) -> None:
    model = model_of(Source.open(chain_model(tmp_path)))
    request = asking(coded_tensor("pool1", "float16", pooled), binding=None)
    decoded = decode_tensors(model, read_coded(request, CODECS))["pool1"]
    assert (decoded.dtype, decoded.shape) == (np.dtype(np.float32), POOL)
    wrong = Tensor(name="pool1", array=np.zeros((8, 4, 4), np.float16), parameters={CODEC: "float16"})
    with pytest.raises(CodecError, match="was expected"):
        decode_tensors(model, read_coded(asking(wrong, binding=None), CODECS))


def test_the_shape_of_a_coded_input_says_nothing_of_its_binding(tmp_path: Path) -> None:
    source = Source.open(dynamic_model(tmp_path))
    sent = source.bind({"image": (2, 3, 8, 10)})
    assert read_binding(source, sent.encode(), {"image": np.zeros(7, np.uint8)}, ("image",)) == sent
