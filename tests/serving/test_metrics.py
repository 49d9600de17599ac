"""What `/metrics` says, read by Prometheus' own parser, and what the access log does."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.models import chain_model, random_feeds
from tests.serving.rest_client import RestClient, rest_client
from tests.serving.support import PATIENCE_S, Client, request_of
from tests.wire.rest_bodies import rest_body

from partway.errors import EngineError, ServerBusy
from partway.serving import Server, ServerOptions, run_server
from partway.serving.journal import Journal, sentence, word
from partway.serving.metrics import Ended, NullMetrics
from partway.wire import Load

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    path = chain_model(tmp_path / "repository")
    with run_server(path.parent, options=ServerOptions(learn=False, rest_port=0)) as server:
        server.settle(PATIENCE_S)
        yield server, path


def scrape(client: RestClient) -> Samples:
    reply = client.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(reply.body.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_requests_of_both_faces_are_counted_with_their_seconds_and_bytes(served: tuple[Server, Path]) -> None:
    server, path = served
    request = request_of("chain", random_feeds(path))
    body = rest_body(request, binary=("image",))
    with rest_client(server) as client, Client(server.address) as grpc_client:
        for _ in range(2):
            assert client.infer("chain", body).status == 200
        grpc_client.infer(request)
        samples = scrape(client)
    rest, grpc = ({"face": face, "model": "chain"} for face in ("rest", "grpc"))
    assert of(samples, "partway_requests_total", status="OK", **rest) == 2
    assert of(samples, "partway_requests_total", status="OK", **grpc) == 1
    assert of(samples, "partway_received_bytes_total", **rest) == 2 * len(body[0])
    assert of(samples, "partway_sent_bytes_total", **grpc) > 0
    for name in ("partway_queue_seconds", "partway_service_seconds"):
        assert of(samples, f"{name}_count", **rest) == 2
        assert of(samples, f"{name}_bucket", le="+Inf", **grpc) == 1
    assert of(samples, "partway_service_seconds_sum", **rest) > 0.0
    assert of(samples, "partway_batch_requests_count") == 3


def test_the_state_of_the_server_is_told(served: tuple[Server, Path]) -> None:
    server, path = served
    with rest_client(server) as client:
        client.infer("chain", rest_body(request_of("chain", random_feeds(path))))
        samples = scrape(client)
    told = {name: value for (name, labels), value in samples.items() if not labels}
    assert (told["partway_models"], told["partway_models_ready"], told["partway_ready"]) == (1, 1, 1)
    assert (told["partway_requests_in_flight"], told["partway_in_flight_bytes"]) == (0, 0)
    assert (told["partway_queue_requests"], told["partway_queue_delay_seconds"]) == (0, 0)
    assert told["partway_slowdown_ratio"] >= 1.0
    assert told["partway_pieces"] == 1
    assert told["process_start_time_seconds"] > 0


def test_names_that_clients_invent_get_no_label_of_their_own(served: tuple[Server, Path]) -> None:
    server, _ = served
    with rest_client(server) as client:
        for number in range(20):
            assert client.infer(f"invented-{number}", rest_body(request_of("m", {}))).status == 404
        samples = scrape(client)
    assert of(samples, "partway_requests_total", face="rest", model="other", status="NOT_FOUND") == 20
    assert not any("invented" in value for _, labels in samples for _, value in labels)


def test_two_servers_of_one_process_count_apart(served: tuple[Server, Path], tmp_path: Path) -> None:
    first, path = served
    with run_server(path.parent, options=ServerOptions(learn=False, rest_port=0)) as second:
        with rest_client(second) as client:
            client.infer("nothing", rest_body(request_of("nothing", {})))
        with rest_client(first) as client:
            assert not any(name == "partway_requests_total" for name, _ in scrape(client))


class Counting(NullMetrics):
    def __init__(self) -> None:
        self.ended: list[Ended] = []

    def request(self, ended: Ended) -> None:
        self.ended.append(ended)


def test_one_line_a_request_says_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Counting()
    journal = Journal(metrics, lambda name: name == "chain")
    load = Load(queue_delay_s=0.0, slowdown=1.0, service_s=0.25, queue_s=0.5)
    with caplog.at_level(logging.INFO), journal.entry("rest") as entry:
        entry.model, entry.caller, entry.load, entry.received_bytes, entry.sent_bytes = "chain", "me", load, 7, 9
    assert caplog.messages == [
        "request face=rest model=chain status=OK caller=me queue_s=0.500000 service_s=0.250000 "
        "received_bytes=7 sent_bytes=9 reason=-"
    ]
    (ended,) = metrics.ended
    assert (ended.model, ended.status, ended.load) == ("chain", "OK", load)


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        (ServerBusy("full"), "RESOURCE_EXHAUSTED", logging.INFO),
        (EngineError("broken"), "INTERNAL", logging.ERROR),
        (ZeroDivisionError(), "INTERNAL", logging.ERROR),
    ],
)
def test_errors_pass_on_and_are_noted(
    error: Exception, status: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Counting()
    with caplog.at_level(logging.INFO), pytest.raises(type(error)), Journal(metrics, bool).entry("grpc"):
        raise error
    assert [ended.status for ended in metrics.ended] == [status]
    assert [record.levelno for record in caplog.records] == [level]


def test_what_clients_write_forges_no_line_and_no_field(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Journal(NullMetrics(), bool).entry("rest") as entry:
        entry.model = 'a status=OK\nforged "' + "x" * 10_000
    (line,) = caplog.messages
    assert "model=a?status?OK?forged??xxx" in line
    assert len(line) < 400
    assert sentence("a\r\n\x00b\N{LINE SEPARATOR}c") == "a b c"
    assert len(sentence("x" * 10**6)) < 1100
    assert word("") == "-"
