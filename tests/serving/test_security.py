"""Who gets in and who does not, over gRPC, against running servers with certificates made for the occasion."""

import datetime as dt
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, Authority, token_file
from tests.models import chain_model, random_feeds, run_whole
from tests.processes import serving
from tests.serving.support import PATIENCE_S, assert_close, outputs_of, request_of

from partway.client import Credentials, InferenceSession, connect
from partway.engine import OrtRuntime
from partway.errors import ServerRefused, ServerUnavailable
from partway.serving import Server, ServerOptions, Tls, run_server
from partway.serving.answering import Reply
from partway.serving.callers import Caller
from partway.wire import InferResponse, Method, ModelQuery, encode_health_query, encode_model_query, encode_request

Code = grpc.StatusCode
Header = tuple[str, str | bytes]
EXPIRED = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - trustme takes naive ones


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("another-authority"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_model(tmp_path_factory.mktemp("repository"))


@contextmanager
def running(
    chain: Path, *, tls: Tls | None = None, tokens: Path | None = None, connections: int = 16, learn: bool = False
) -> Iterator[Server]:
    options = ServerOptions(runtime=OrtRuntime(threads=1), learn=learn, tls=tls, tokens=tokens, connections=connections)
    with run_server(chain.parent, options=options) as server:
        server.settle(PATIENCE_S)
        yield server


def ask(chain: Path, url: str, credentials: Credentials | None = None) -> InferResponse:
    """The whole model's answer, through the client's own transport."""
    transport = connect(url, clock=lambda: 0.0, credentials=credentials)
    try:
        return transport.start(request_of("chain", random_feeds(chain)), PATIENCE_S).result().response
    finally:
        transport.close()


def assert_answers(chain: Path, url: str, credentials: Credentials | None = None) -> None:
    assert_close(outputs_of(ask(chain, url, credentials)), run_whole(chain, random_feeds(chain)))


# --- TLS -----------------------------------------------------------------------------------------------------


def test_tls_answers_who_trusts_its_authority(chain: Path, authority: Authority) -> None:
    with running(chain, tls=authority.server()) as server:
        assert server.url.startswith("grpcs://127.0.0.1:")
        assert_answers(chain, server.url, Credentials(ca=authority.ca))


def test_who_cannot_be_trusted_is_told_apart(chain: Path, authority: Authority, stranger: Authority) -> None:
    with running(chain, tls=authority.server()) as server:
        for url, credentials, sentence in (
            (server.url, Credentials(ca=stranger.ca), "nobody trusted here vouches for the server"),
            (server.url, None, "nobody trusted here vouches for the server"),
            (server.url, Credentials(ca=authority.ca, server_name="other.invalid"), "has another name"),
            (f"grpc://{server.address}", None, "perhaps it wants TLS, then write grpcs://"),
        ):
            with pytest.raises(ServerUnavailable, match=sentence):
                ask(chain, url, credentials)


def test_a_server_without_tls_is_told_apart(chain: Path, authority: Authority) -> None:
    with running(chain) as server, pytest.raises(ServerUnavailable, match="does not speak TLS; write grpc://"):
        ask(chain, f"grpcs://{server.address}", Credentials(ca=authority.ca))


def test_an_expired_certificate_is_told_apart(chain: Path, authority: Authority) -> None:
    certificate, key = authority.issue("127.0.0.1", not_after=EXPIRED)
    with (
        running(chain, tls=Tls(certificate=certificate, key=key)) as server,
        pytest.raises(ServerUnavailable, match="certificate has expired"),
    ):
        ask(chain, server.url, Credentials(ca=authority.ca))


def test_a_certificate_of_another_name_is_taken_where_the_client_says_so(chain: Path, authority: Authority) -> None:
    certificate, key = authority.issue("gpu.invalid")
    with running(chain, tls=Tls(certificate=certificate, key=key)) as server:
        assert_answers(chain, server.url, Credentials(ca=authority.ca, server_name="gpu.invalid"))


def test_mutual_tls_turns_away_who_shows_no_certificate_of_its_authority(
    chain: Path, authority: Authority, stranger: Authority
) -> None:
    certificate, key = authority.issue("camera.invalid", common_name="late", not_after=EXPIRED)
    foreign_certificate, foreign_key = stranger.issue("camera.invalid")
    with running(chain, tls=authority.server(mutual=True)) as server:
        assert_answers(chain, server.url, authority.client())
        for credentials in (
            Credentials(ca=authority.ca),
            Credentials(ca=authority.ca, certificate=certificate, key=key),
            Credentials(ca=authority.ca, certificate=foreign_certificate, key=foreign_key),
        ):
            with pytest.raises(ServerUnavailable, match="another certificate of ours"):
                ask(chain, server.url, credentials)


# --- Tokens --------------------------------------------------------------------------------------------------


class Plain:
    """gRPC alone, so that headers can be anything."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def status(self, path: str, data: bytes = b"", *headers: Header) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        try:
            self._channel.unary_unary(path)(data, timeout=PATIENCE_S, metadata=headers, wait_for_ready=True)
        except grpc.RpcError as error:
            trailer = {key: str(value) for key, value in error.trailing_metadata() or ()}
            return error.code(), str(error.details()), trailer
        return Code.OK, "", {}


def bearer(token: str) -> Header:
    return ("authorization", f"Bearer {token}")


def test_a_token_is_asked_of_everybody_and_for_everything_but_health(chain: Path, tmp_path: Path) -> None:
    query = encode_model_query(ModelQuery(name="chain"))
    calls = {
        Method.SERVER_METADATA.path: b"",
        Method.MODEL_METADATA.path: query,
        Method.MODEL_READY.path: query,
        Method.MODEL_INFER.path: encode_request(request_of("chain", random_feeds(chain))),
    }
    with running(chain, tokens=token_file(tmp_path / "tokens")) as server, Plain(server.address) as plain:
        for path in (Method.SERVER_LIVE.path, Method.SERVER_READY.path):
            assert plain.status(path)[0] is Code.OK
        for path, data in calls.items():
            assert plain.status(path, data, bearer(TOKEN))[0] is Code.OK
            assert plain.status(path, data)[0] is Code.UNAUTHENTICATED
            assert plain.status(path, data, bearer(OTHER_TOKEN))[0] is Code.UNAUTHENTICATED


def test_health_is_open_as_a_whole_and_tells_nobody_which_models_there_are(chain: Path, tmp_path: Path) -> None:
    checked, watched = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
    with running(chain, tokens=token_file(tmp_path / "tokens")) as server, Plain(server.address) as plain:
        assert plain.status(checked, encode_health_query(""))[0] is Code.OK
        there, missing = (plain.status(checked, encode_health_query(name)) for name in ("chain", "none"))
        assert there == missing
        assert there == plain.status(watched)
        assert there[0] is Code.UNAUTHENTICATED
        assert plain.status(checked, encode_health_query("chain"), bearer(TOKEN))[0] is Code.OK


def test_a_refusal_says_the_same_whatever_was_asked_and_however_wrong_the_token(chain: Path, tmp_path: Path) -> None:
    tokenless: tuple[tuple[Header, ...], ...] = (
        (),
        (bearer(OTHER_TOKEN),),
        (bearer(""),),
        (bearer(TOKEN[:-1]),),
        (bearer(TOKEN + TOKEN),),
        (("authorization", TOKEN),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", f"Bearer {TOKEN} {TOKEN}"),),
        (bearer(TOKEN), bearer(TOKEN)),
        (("authorization-bin", TOKEN.encode()),),
        (("x-authorization", f"Bearer {TOKEN}"),),
    )
    there, missing = (encode_request(request_of(name, random_feeds(chain))) for name in ("chain", "no such model"))
    with running(chain, tokens=token_file(tmp_path / "tokens")) as server, Plain(server.address) as plain:
        answers = {
            (code, details, trailer.get("www-authenticate"), tuple(sorted(trailer)))
            for headers in tokenless
            for path in (Method.MODEL_INFER.path, "/inference.GRPCInferenceService/NoSuchMethod", "/no.Service/Method")
            for data in (there, missing, b"\xff no protobuf")
            for code, details, trailer in (plain.status(path, data, *headers),)
        }
        assert len(answers) == 1
        code, details, challenge, _ = answers.pop()
        assert (code, challenge) == (Code.UNAUTHENTICATED, "Bearer")
        assert "Authorization: Bearer TOKEN" in details


def test_the_body_of_who_is_refused_is_not_read(chain: Path, tmp_path: Path) -> None:
    with running(chain, tokens=token_file(tmp_path / "tokens")) as server, Plain(server.address) as plain:
        # Longer than any message may be: whoever had read it would have said so.
        code, _, _ = plain.status(Method.MODEL_INFER.path, bytes(65 * 2**20))
        assert code is Code.UNAUTHENTICATED
        code, _, _ = plain.status(Method.MODEL_INFER.path, bytes(65 * 2**20), bearer(TOKEN))
        assert code is Code.RESOURCE_EXHAUSTED


def test_the_scheme_s_case_does_not_matter(chain: Path, tmp_path: Path) -> None:
    with running(chain, tokens=token_file(tmp_path / "tokens")) as server, Plain(server.address) as plain:
        assert plain.status(Method.SERVER_METADATA.path, b"", ("authorization", f"bearer {TOKEN}"))[0] is Code.OK


def test_a_token_is_revoked_and_another_given_without_a_restart(chain: Path, tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens")
    with running(chain, tokens=path) as server:
        assert_answers(chain, server.url, Credentials(token=TOKEN))
        token_file(path, f"camera-1 {OTHER_TOKEN}")
        with pytest.raises(ServerRefused, match="UNAUTHENTICATED"):
            ask(chain, server.url, Credentials(token=TOKEN))
        assert_answers(chain, server.url, Credentials(token=OTHER_TOKEN))


def test_sighup_reads_the_tokens_again_and_ends_nothing(chain: Path, tmp_path: Path) -> None:
    path = token_file(tmp_path / "tokens")
    with serving(chain.parent, "--threads", "1", "--token-file", str(path)) as process:
        with Plain(process.url.removeprefix("grpc://")) as plain:
            assert plain.status(Method.SERVER_METADATA.path, b"", bearer(TOKEN))[0] is Code.OK
            token_file(path, f"camera-1 {OTHER_TOKEN}")
            process.signal(signal.SIGHUP)
            assert plain.status(Method.SERVER_METADATA.path, b"", bearer(OTHER_TOKEN))[0] is Code.OK
            assert plain.status(Method.SERVER_METADATA.path, b"", bearer(TOKEN))[0] is Code.UNAUTHENTICATED
        assert process.process.poll() is None


# --- Who it was ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mutual", "token", "name"),
    [(False, None, "127.0.0.1"), (False, TOKEN, "door"), (True, None, "camera-7"), (True, TOKEN, "door")],
)
def test_a_caller_s_name_is_the_token_s_else_the_certificate_s_else_the_address(
    chain: Path, authority: Authority, tmp_path: Path, mutual: bool, token: str | None, name: str
) -> None:
    callers: list[Caller] = []
    tokens = None if token is None else token_file(tmp_path / "tokens", f"door {token}")
    with running(chain, tls=authority.server(mutual=mutual), tokens=tokens) as server:
        infer = server._handlers.infer

        async def spied(*arguments: Any, caller: Caller, **options: Any) -> Reply:
            callers.append(caller)
            return await infer(*arguments, caller=caller, **options)

        server._handlers.infer = spied  # type: ignore[method-assign]  # looked at, not changed
        shown = authority.client("camera-7", token=token) if mutual else Credentials(ca=authority.ca, token=token)
        ask(chain, server.url, shown)
    assert [(caller.name, caller.authenticated) for caller in callers] == [(name, name != "127.0.0.1")]


# --- Limits --------------------------------------------------------------------------------------------------

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = bytes.fromhex("000000040000000000")
_PING = bytes.fromhex("000008060000000000") + bytes(8)
_GOAWAY, _ENHANCE_YOUR_CALM = 7, 11  # Source: RFC 9113, sections 6.8 and 7


def test_connections_beyond_the_limit_are_closed_and_the_others_served(chain: Path) -> None:
    with running(chain, connections=3) as server, ExitStack() as stack:
        host, port = server.address.rsplit(":", 1)
        connections = [stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_S)) for _ in range(8)]
        greeted = sum(bool(connection.recv(1)) for connection in connections)  # its settings, or the end
        assert greeted == 3
        for connection in connections:
            connection.close()
        with Plain(server.address) as plain:  # waits until there is room again
            assert plain.status(Method.SERVER_LIVE.path)[0] is Code.OK


def test_whoever_pings_without_end_is_disconnected(chain: Path) -> None:
    with running(chain) as server:
        host, port = server.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            connection.sendall(_PREFACE + _SETTINGS + _PING * 64)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        frames = dict(_frames(received))
        assert int.from_bytes(frames[_GOAWAY][4:8]) == _ENHANCE_YOUR_CALM
        assert_answers(chain, server.url)


def _frames(received: bytes) -> Iterator[tuple[int, bytes]]:
    while len(received) >= 9:
        length = int.from_bytes(received[:3])
        yield received[3], received[9 : 9 + length]
        received = received[9 + length :]


def test_headers_without_end_are_refused(chain: Path) -> None:
    with running(chain) as server, Plain(server.address) as plain:
        assert plain.status(Method.SERVER_LIVE.path, b"", ("x-long", "x" * 8_000))[0] is Code.OK
        assert plain.status(Method.SERVER_LIVE.path, b"", ("x-long", "x" * 40_000))[0] is Code.RESOURCE_EXHAUSTED
        assert_answers(chain, server.url)


def test_no_request_may_send_more_than_its_model_s_largest_cut(chain: Path) -> None:
    long = np.zeros(512 * 1024, np.float32)
    with running(chain) as server, Plain(server.address) as plain:
        path = Method.MODEL_INFER.path
        before = plain.status(path, encode_request(request_of("chain", {"image": long})))
        assert before[0] is Code.INVALID_ARGUMENT  # nothing is known of the model yet but its inputs
        assert_answers(chain, server.url)
        code, details, _ = plain.status(path, encode_request(request_of("chain", {"image": long})))
        assert code is Code.RESOURCE_EXHAUSTED
        assert "sends 2097152 bytes of tensors, and no cut of model 'chain' has more than" in details
        # Not even looked at: the checksum of what would follow is wrong.
        damaged = bytearray(encode_request(request_of("chain", {"image": long})))
        damaged[-1] ^= 1
        assert plain.status(path, bytes(damaged))[1] == details


# --- The client as a whole -----------------------------------------------------------------------------------


def test_a_session_answers_over_tls_with_a_token(chain: Path, authority: Authority, tmp_path: Path) -> None:
    feeds, token = random_feeds(chain), token_file(tmp_path / "token", TOKEN)
    tokens = token_file(tmp_path / "tokens")
    with running(chain, tls=authority.server(), tokens=tokens, learn=True) as server:
        credentials = Credentials(ca=authority.ca, token_file=token)
        with InferenceSession(chain, server=server.url, credentials=credentials, threads=1) as session:
            assert session.wait_until_ready(feeds, PATIENCE_S)  # the server told what its tails cost
            result = session.run_detailed(None, feeds)
    assert_close(dict(zip(result.output_names, result.outputs, strict=True)), run_whole(chain, feeds))


def test_a_session_with_a_wrong_token_finishes_on_the_device_and_says_why(
    chain: Path, authority: Authority, tmp_path: Path
) -> None:
    feeds = random_feeds(chain)
    with running(chain, tls=authority.server(), tokens=token_file(tmp_path / "tokens")) as server:
        credentials = Credentials(ca=authority.ca, token=OTHER_TOKEN)
        with InferenceSession(chain, server=server.url, credentials=credentials, threads=1) as session:
            session.run(None, feeds)
            session.settle(PATIENCE_S)
            result = session.run_detailed(None, feeds)
    assert not result.offloaded
    assert "UNAUTHENTICATED" in result.reason
    assert OTHER_TOKEN not in result.reason
    assert_close(dict(zip(result.output_names, result.outputs, strict=True)), run_whole(chain, feeds))


# --- Secrets -------------------------------------------------------------------------------------------------


def test_no_log_shows_a_token_or_a_key(
    chain: Path, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = token_file(tmp_path / "tokens")
    tls = authority.server(mutual=True)
    with caplog.at_level(logging.DEBUG), running(chain, tls=tls, tokens=path) as server:
        right, wrong = authority.client(token=TOKEN), authority.client(token=OTHER_TOKEN)
        assert_answers(chain, server.url, right)
        with pytest.raises(ServerRefused) as refused:
            ask(chain, server.url, wrong)
        with pytest.raises(ServerUnavailable) as unavailable:
            ask(chain, f"grpc://{server.address}", Credentials(token=TOKEN))
        token_file(path, "half-a-line-that-is-a-secret-token")
        assert_answers(chain, server.url, right)
        said = [caplog.text, str(refused.value), str(unavailable.value), repr(right), repr(wrong), repr(tls)]
        said += [repr(record.args) for record in caplog.records]
    secrets = [TOKEN, OTHER_TOKEN, "half-a-line-that-is", *_key_lines(tls.key), *_key_lines(right.key)]
    assert not [secret for secret in secrets for text in said if secret in text]
    assert "tokens_kept" in caplog.text


def _key_lines(key: Path | None) -> list[str]:
    assert key is not None
    return [line for line in key.read_text().splitlines() if "-----" not in line]
