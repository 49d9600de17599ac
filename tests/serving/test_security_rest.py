"""Who gets in and who does not, over REST: the same files, the same refusals as over gRPC."""

import http.client
import json
import logging
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, Authority, token_file
from tests.models import chain_model, random_feeds, run_whole
from tests.serving.rest_client import Reply, RestClient
from tests.serving.support import PATIENCE_S, assert_close, outputs_of, request_of
from tests.wire.rest_bodies import Body, rest_body

from partway.engine import OrtRuntime
from partway.serving import Server, ServerOptions, Tls, run_server

BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = ("/v2/health/live", "/v2/health/ready")
ASKED = ("/v2", "/v2/models/chain", "/v2/models/chain/ready", "/v2/models/none", "/metrics", "/", "/v2/health", "/v3")


class TlsClient(RestClient):
    """Talks HTTP under TLS."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        self._connection = http.client.HTTPSConnection(address, timeout=PATIENCE_S, context=context)


Talk = Callable[..., RestClient]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Makes clients, under TLS where a context is given, and closes them at the end."""
    with ExitStack() as stack:

        def start(address: str, context: ssl.SSLContext | None = None) -> RestClient:
            client = RestClient(address) if context is None else TlsClient(address, context)
            stack.callback(client.close)
            return client

        yield start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_model(tmp_path_factory.mktemp("repository"))


@contextmanager
def running(
    chain: Path, *, tls: Tls | None = None, tokens: Path | None = None, connections: int = 16
) -> Iterator[tuple[Server, str]]:
    options = ServerOptions(
        runtime=OrtRuntime(threads=1), learn=False, rest_port=0, tls=tls, tokens=tokens, connections=connections
    )
    with run_server(chain.parent, options=options) as server:
        server.settle(PATIENCE_S)
        assert server.rest_address is not None
        yield server, server.rest_address


def trusting(authority: Authority, *, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca))
    if name is not None:
        certificate, key = authority.issue("camera.invalid", common_name=name)
        context.load_cert_chain(certificate, key)
    return context


def answer_on(connection: socket.socket) -> tuple[int, str]:
    """What the server says, whatever it still waits for."""
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return response.status, response.read().decode()


def body_of(chain: Path) -> Body:
    return rest_body(request_of("chain", random_feeds(chain)), binary=("image",))


def assert_answers(chain: Path, client: RestClient, headers: Mapping[str, str] | None = None) -> None:
    reply = client.infer("chain", body_of(chain), headers)
    assert_close(outputs_of(reply.response), run_whole(chain, random_feeds(chain)))


def test_tls_answers_who_trusts_its_authority_and_nobody_in_the_clear(
    talk: Talk, chain: Path, authority: Authority
) -> None:
    with running(chain, tls=authority.server()) as (_, address):
        assert_answers(chain, talk(address, trusting(authority)))
        with pytest.raises(ssl.SSLCertVerificationError):
            talk(address, ssl.create_default_context()).get("/v2")
        with pytest.raises((http.client.HTTPException, OSError)):
            talk(address).get("/v2")


def test_tls_is_1_2_or_newer(authority: Authority) -> None:
    assert authority.server().context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_mutual_tls_turns_away_who_shows_no_certificate_and_knows_the_others_by_name(
    talk: Talk, chain: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), running(chain, tls=authority.server(mutual=True)) as (_, address):
        assert_answers(chain, talk(address, trusting(authority, name="camera-7")))
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            talk(address, trusting(authority)).get("/v2")
    assert "camera-7" in caplog.text


def test_a_token_is_asked_of_everybody_and_for_everything_but_health(talk: Talk, chain: Path, tmp_path: Path) -> None:
    with running(chain, tokens=token_file(tmp_path / "tokens")) as (_, address):
        client = talk(address)
        for path in OPEN:
            assert client.get(path).status == 200
        refusals = {
            (reply.status, reply.headers.get("www-authenticate"), reply.body)
            for path in ASKED
            for headers in ({}, {"Authorization": f"Bearer {OTHER_TOKEN}"}, {"Authorization": f"Basic {TOKEN}"})
            for reply in (client.get(path, headers),)
        }
        assert len(refusals) == 1
        status, challenge, body = refusals.pop()
        assert (status, challenge) == (401, "Bearer")
        assert "Authorization: Bearer TOKEN" in json.loads(body)["error"]
        for path in ASKED[:3]:
            assert client.get(path, BEARER).status == 200
        assert client.get("/metrics", BEARER).status == 200
        assert_answers(chain, client, BEARER)


@pytest.mark.parametrize("expects", [False, True], ids=["sent at once", "asked first"])
def test_the_body_of_who_is_refused_is_not_waited_for(chain: Path, tmp_path: Path, expects: bool) -> None:
    head = b"POST /v2/models/chain/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n"
    head += b"Expect: 100-continue\r\n" if expects else b""
    with running(chain, tokens=token_file(tmp_path / "tokens")) as (_, address):
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            connection.sendall(head + b"\r\n")
            assert answer_on(connection)[0] == 401


def test_a_token_is_revoked_without_a_restart(talk: Talk, chain: Path, tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens")
    with running(chain, tokens=path) as (_, address):
        client = talk(address)
        assert client.get("/v2", BEARER).status == 200
        token_file(path, f"camera-1 {OTHER_TOKEN}")
        assert client.get("/v2", BEARER).status == 401


def test_no_request_may_send_more_than_its_model_s_largest_cut(talk: Talk, chain: Path) -> None:
    long = rest_body(request_of("chain", {"image": np.zeros(512 * 1024, np.float32)}), binary=("image",))
    with running(chain) as (_, address):
        assert_answers(chain, talk(address))
        for expects in ({}, {"Expect": "100-continue"}):
            head = f"POST /v2/models/chain/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(long[0])}\r\n"
            head += f"Inference-Header-Content-Length: {long[1]}\r\nConnection: close\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in expects.items())
            host, port = address.rsplit(":", 1)
            with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
                connection.sendall(head.encode() + b"\r\n")
                status, body = answer_on(connection)
            assert status == 413
            assert "no cut of model 'chain' has more than" in body


def test_headers_without_end_are_refused(talk: Talk, chain: Path) -> None:
    with running(chain) as (_, address):
        assert talk(address).get("/v2", {"X-Long": "x" * 8_000}).status == 200
        assert talk(address).get("/v2", {"X-Long": "x" * 20_000}).status == 400


def test_one_address_gets_half_of_the_connections(chain: Path) -> None:
    with running(chain, connections=6) as (_, address), ExitStack() as stack:
        host, port = address.rsplit(":", 1)

        def live(source: str) -> bool:
            connection = stack.enter_context(
                socket.create_connection((host, int(port)), PATIENCE_S, source_address=(source, 0))
            )
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                return bool(connection.recv(1))
            except ConnectionResetError:
                return False

        assert [live("127.0.0.1") for _ in range(5)] == [True, True, True, False, False]
        assert [live(f"127.0.0.{number}") for number in (2, 3, 4, 5, 6)] == [True, True, True, False, False]


def test_connections_in_their_handshake_are_counted(talk: Talk, chain: Path, authority: Authority) -> None:
    with running(chain, tls=authority.server(), connections=4) as (_, address), ExitStack() as stack:
        host, port = address.rsplit(":", 1)
        silent = [
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_S, source_address=(source, 0)))
            for source in ("127.0.0.2", "127.0.0.2", "127.0.0.2")
        ]
        closed, _, _ = select.select(silent, (), (), PATIENCE_S)
        assert len(closed) == 1
        assert talk(address, trusting(authority)).get("/v2/health/live").status == 200


def test_connections_that_leave_without_asking_are_forgotten(talk: Talk, chain: Path) -> None:
    with running(chain, connections=8) as (server, address):
        host, port = address.rsplit(":", 1)
        for _ in range(50):
            socket.create_connection((host, int(port)), PATIENCE_S).close()
            assert talk(address, None).get("/v2/health/live", {"Connection": "close"}).status == 200
        assert server._rest is not None
        assert server._rest._doorman is not None
        assert len(server._rest._doorman._silent) <= 8


@pytest.mark.parametrize(
    "name",
    ["..%2fsecret", "%2e%2e", "%2Fetc%2Fpasswd", "chain%00", "chain%2f..%2fchain", "..%5csecret", "%D1%81hain", "%ff"],
)
def test_a_hostile_name_in_a_path_is_no_model(talk: Talk, chain: Path, name: str) -> None:
    with running(chain) as (_, address):
        for path in (f"/v2/models/{name}", f"/v2/models/chain/versions/{name}", f"/v2/models/{name}/ready"):
            assert talk(address).get(path).status == 404


def test_a_path_that_only_looks_open_is_not(talk: Talk, chain: Path, tmp_path: Path) -> None:
    tokens = token_file(tmp_path / "tokens")
    with running(chain, tokens=tokens) as (_, address):
        for path in (
            "/v2/health/live/../../models/chain",
            "/v2/health/live%2f..%2f..%2fmodels%2fchain",
            "/v2/models/..%2fhealth%2flive",
            "//v2/health/live",
            "/v2/health/live/",
            "/v2/health/live;x",
        ):
            reply: Reply = talk(address).get(path)
            assert reply.status == 401, path
        assert talk(address).get("/v2/health/live?x=1").status == 200


def test_no_log_and_no_answer_shows_a_token(
    talk: Talk, chain: Path, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls, tokens = authority.server(), token_file(tmp_path / "tokens")
    said = []
    with caplog.at_level(logging.DEBUG), running(chain, tls=tls, tokens=tokens) as (_, address):
        client = talk(address, trusting(authority))
        assert_answers(chain, client, BEARER)
        for headers in (BEARER, {"Authorization": f"Bearer {OTHER_TOKEN}"}):
            said += [client.get(path, headers).body.decode() for path in (*OPEN, *ASKED)]
            said.append(client.send("POST", "/v2/models/chain/infer", b"\xff", headers).body.decode())
        said += [caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    assert not [text for text in said if TOKEN in text or OTHER_TOKEN in text]
