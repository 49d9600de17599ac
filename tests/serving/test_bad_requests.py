"""Bad requests: the same ones over both faces, the status that each gets, and that the server goes on.

`docs/serving.md` prints the table; its rows are compared with the cases here.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import grpc
import numpy as np
import pytest
from tests.models import random_feeds, run_whole
from tests.serving.rest_client import Reply, RestClient, rest_client
from tests.serving.support import Client, assert_close, default_binding, outputs_of, request_of, status_of
from tests.wire.rest_bodies import Body, rest_body

from partway.graph import Binding
from partway.serving import Server
from partway.serving.statuses import Status
from partway.wire import CRC32, QUEUE_WITHIN, InferRequest, Method, Parameter, Tensor, encode_request

DOCUMENT = Path(__file__).parents[2] / "docs" / "serving.md"


def image(shape: tuple[int, ...] = (1, 3, 8, 8), dtype: type = np.float32) -> Mapping[str, np.ndarray]:
    return {"image": np.ones(shape, dtype)}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One bad request in both forms."""

    status: Status
    sentence: str
    model: str
    grpc: bytes
    rest: Body


def record_case(
    status: Status,
    sentence: str,
    model: str,
    feeds: Mapping[str, np.ndarray],
    *,
    version: str = "",
    outputs: tuple[str, ...] = (),
    binding: Binding | None = None,
    digest: str | None = None,
    parameters: Mapping[str, Parameter] | None = None,
) -> Case:
    """A request that either protocol can write, and the server does not like."""
    made = request_of(model, feeds, outputs=outputs, version=version, binding=binding, digest=digest)
    request = InferRequest(
        model_name=made.model_name,
        model_version=made.model_version,
        tensors=made.tensors,
        outputs=made.outputs,
        parameters={**made.parameters, **(parameters or {})},
    )
    path = quote(model, safe="") + (f"/versions/{version}" if version else "")
    rest = rest_body(request, binary=tuple(feeds))
    return Case(status=status, sentence=sentence, model=path, grpc=encode_request(request), rest=rest)


def bytes_case(status: Status, sentence: str, change: Callable[[bytes], bytes]) -> Case:
    """A good request whose bytes were changed on the way."""
    array = image()["image"]
    tensor = Tensor(name="image", array=array, parameters={CRC32: zlib.crc32(array.tobytes())})
    request = InferRequest(model_name="chain", tensors=(tensor,))
    body, json_length = rest_body(request, binary=("image",))
    rest = (change(body), json_length)
    return Case(status=status, sentence=sentence, model="chain", grpc=change(encode_request(request)), rest=rest)


def cases(folder: Path) -> Mapping[str, Case]:
    """By the name that the document gives them."""
    bad, conflict, unknown = Status.INVALID_ARGUMENT, Status.FAILED_PRECONDITION, Status.NOT_FOUND
    pool1 = {"pool1": np.ones((2, 8, 4, 4), np.float32)}
    left1 = {"left1": np.ones((1, 4, 6, 6), np.float32)}
    others = default_binding(folder / "multi_io.onnx")
    superfluous = {**image(), "conv1": np.ones((1, 8, 8, 8), np.float32)}
    large = image((1, 3, 512, 512))
    return {
        "a model that is not there": record_case(unknown, "there is no model 'nothing'", "nothing", image()),
        "a path for a name": record_case(unknown, "there is no model", "../repository/chain", image()),
        "a version that is not there": record_case(
            unknown, "model 'chain' has no version '7'; it has 1", "chain", image(), version="7"
        ),
        "a model whose file is broken": record_case(conflict, "model 'broken' cannot be served: ", "broken", image()),
        "another digest": record_case(
            conflict, "use the same file on both sides", "chain", image(), digest="sha256:1234"
        ),
        "another model's binding": record_case(
            conflict, "binding does not fit the served model", "chain", image(), binding=others
        ),
        "a tensor that the model does not have": record_case(
            bad, "the model has no tensor 'picture'; its inputs are image", "chain", {"picture": image()["image"]}
        ),
        "an output that the model does not have": record_case(
            bad, "'wrong' is no output of the model; its outputs are scores", "chain", image(), outputs=("wrong",)
        ),
        "an input of another shape": record_case(
            bad, "the shape [1, 3, 8, 9] does not fit", "chain", image((1, 3, 8, 9))
        ),
        "an intermediate tensor of another shape": record_case(
            bad, "send the binding as the request parameter 'partway.binding'", "chain", pool1
        ),
        "an input of another type": record_case(bad, "it was fed float64", "chain", image(dtype=np.float64)),
        "an intermediate tensor of another type": record_case(
            bad, "the model's is float32", "chain", {"pool1": np.ones((1, 8, 4, 4), np.int32)}
        ),
        "tensors that are no cut": record_case(bad, "is no cut", "diamond", left1),
        "a tensor too many": record_case(bad, "nothing that remains to be run reads {image}", "chain", superfluous),
        "no tensor": record_case(bad, "the request feeds no tensor", "chain", {}),
        "a timeout that is none": record_case(
            bad, "expected microseconds", "chain", image(), parameters={"timeout": -1}
        ),
        "a queue that it may wait for that is none": record_case(
            bad, "expected microseconds", "chain", image(), parameters={QUEUE_WITHIN: "soon"}
        ),
        "a cost query that is none": record_case(bad, "costs came with tensors ['image']", "partway.costs", image()),
        "more bytes than are accepted": record_case(Status.MESSAGE_TOO_LONG, "", "dynamic", large),
        "a message that was truncated": bytes_case(bad, "truncated", lambda data: data[:-5]),
        "a flipped bit": bytes_case(bad, "arrived damaged: its CRC-32 is", lambda data: data[:-1] + b"\x00"),
        "a name that is not UTF-8": bytes_case(bad, "", lambda data: data.replace(b"image", b"im\xffge")),
        "bytes that are no message": bytes_case(bad, "", lambda _: b"\xfe\xed\xfa\xce" * 64),
    }


@pytest.fixture
def rest(server: Server) -> Iterator[RestClient]:
    with rest_client(server) as client:
        yield client


def goes_on(client: Client, rest: RestClient, folder: Path) -> None:
    path = folder / "chain.onnx"
    feeds = random_feeds(path)
    request, expected = request_of("chain", feeds), run_whole(path, feeds)
    assert_close(outputs_of(client.infer(request)), expected)
    assert_close(outputs_of(rest.infer("chain", rest_body(request)).response), expected)


def assert_sentence(sentence: str, wanted: str) -> None:
    assert wanted in sentence
    assert sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence


def test_a_bad_request_gets_the_same_answer_over_both_faces(
    client: Client, rest: RestClient, folder: Path, subtests: pytest.Subtests
) -> None:
    for name, case in cases(folder).items():
        with subtests.test(name):
            with pytest.raises(grpc.RpcError) as refusal:
                client.send(Method.MODEL_INFER, case.grpc)
            assert status_of(refusal.value) is case.status.grpc_code
            assert_sentence(refusal.value.details(), case.sentence)
            reply = rest.infer(case.model, case.rest)
            assert reply.status == case.status.http_code
            assert_sentence(reply.error, case.sentence)
            goes_on(client, rest, folder)


HTTP_ONLY: Mapping[str, tuple[int, str, Callable[[RestClient], Reply]]] = {
    "a path that is not there": (404, "Not Found", lambda rest: rest.get("/v2/nothing")),
    "another method": (405, "Method Not Allowed", lambda rest: rest.get("/v2/models/chain/infer")),
    "a compressed body": (
        415,
        "the body is encoded as 'gzip'; send it as it is",
        lambda rest: rest.infer("chain", (gzip.compress(b"{}"), None), {"Content-Encoding": "gzip"}),
    ),
    "JSON that is no request": (400, "no inference request", lambda rest: rest.infer("chain", (b"[1]", None))),
    "JSON that is nested without end": (
        400,
        "nested too deeply",
        lambda rest: rest.infer("chain", (b'{"more": ' + b"[" * 100_000, None)),
    ),
    "an output that JSON cannot carry": (
        400,
        "ask for it as binary data",
        lambda rest: rest.infer(
            "chain", rest_body(request_of("chain", {"logits": np.full((1, 5), np.nan, np.float32)}), binary=("logits",))
        ),
    ),
}


@pytest.mark.parametrize("name", HTTP_ONLY)
def test_what_only_http_can_ask_is_refused_too(name: str, client: Client, rest: RestClient, folder: Path) -> None:
    status, sentence, send = HTTP_ONLY[name]
    reply = send(rest)
    assert reply.status == status
    assert_sentence(reply.error, sentence)
    goes_on(client, rest, folder)


def test_the_document_tells_the_status_of_every_bad_request(folder: Path) -> None:
    rows = (line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith("| "))
    told = {row[0]: " | ".join(row[1:]) for row in rows}
    expected = {
        name: f"`{case.status.grpc_code.name}` | {case.status.http_code}" for name, case in cases(folder).items()
    }
    expected |= {name: f"- | {status}" for name, (status, _, _) in HTTP_ONLY.items()}
    assert {name: told.get(name) for name in expected} == expected
