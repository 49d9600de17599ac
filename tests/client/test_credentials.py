from pathlib import Path

import pytest
from tests.certificates import OTHER_TOKEN, TOKEN, Authority, token_file, write_secret

import partway
from partway.client import Credentials, Door, InferenceSession, Route, read_route
from partway.errors import InputError


def door(url: str, credentials: Credentials | None = None) -> Door:
    return Door(read_route(url, credentials))


def test_they_are_part_of_the_public_face() -> None:
    assert partway.Credentials is Credentials


def test_a_token_comes_alone_or_behind_its_name(tmp_path: Path) -> None:
    for line in (TOKEN, f"camera-1 {TOKEN}", f"# mine\n\n{TOKEN}  # the door's"):
        credentials = Credentials(token_file=token_file(tmp_path / "token", line))
        assert credentials.headers() == (("authorization", f"Bearer {TOKEN}"),)
    assert Credentials().headers() == ()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("# nothing",), "has 0 lines with a token"),
        ((f"a {TOKEN}", f"b {OTHER_TOKEN}"), "has 2 lines with a token"),
        (("short",), "has 5 characters"),
    ],
)
def test_a_file_that_holds_no_one_token_is_one_sentence(tmp_path: Path, lines: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Credentials(token_file=token_file(tmp_path / "token", *lines)).headers()


def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = token_file(tmp_path / "token", TOKEN)
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        door("grpc://127.0.0.1:1", Credentials(token_file=path))


@pytest.mark.parametrize("given", [{"certificate": Path("c")}, {"key": Path("k")}])
def test_a_certificate_and_its_key_go_together(given: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="go together"):
        Credentials(**given)  # type: ignore[arg-type]  # the checker does not know which names are there


def test_two_tokens_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        Credentials(token=TOKEN, token_file=tmp_path)


def test_no_repr_shows_a_token() -> None:
    assert TOKEN not in repr(Credentials(token=TOKEN))
    assert TOKEN not in repr(read_route("grpcs://host:1", Credentials(token=TOKEN)))


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "some.host"])
def test_a_token_does_not_leave_this_machine_in_the_clear_unless_that_is_said(host: str) -> None:
    with pytest.raises(InputError, match="would travel in the clear") as raised:
        door(f"grpc://{host}:8001", Credentials(token=TOKEN))
    assert TOKEN not in str(raised.value)
    assert door(f"grpc://{host}:8001", Credentials(token=TOKEN, insecure=True)).headers
    assert door(f"grpcs://{host}:8001", Credentials(token=TOKEN)).headers
    assert door(f"grpc://{host}:8001").headers == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_this_machine_a_token_needs_no_tls(host: str) -> None:
    assert door(f"grpc://{host}:8001", Credentials(token=TOKEN)).headers


def test_certificates_without_tls_are_a_mistake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with pytest.raises(InputError, match=r"write grpcs://127\.0\.0\.1:8001"):
        door("grpc://127.0.0.1:8001", Credentials(ca=authority.ca))


def test_files_are_read_before_anything_is_sent(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (certificate, _), (_, other_key) = authority.issue("a.invalid"), authority.issue("b.invalid")
    for credentials, sentence in (
        (Credentials(ca=tmp_path / "none.pem"), "cannot read"),
        (Credentials(ca=write_secret(tmp_path / "text.pem", "trust me")), "holds no certificate in PEM"),
        (Credentials(certificate=certificate, key=other_key), "does not fit the certificate"),
    ):
        with pytest.raises(InputError, match=sentence):
            door("grpcs://127.0.0.1:8001", credentials)


def test_a_proxy_in_between_does_not_change_whose_certificate_is_expected() -> None:
    route = read_route("grpcs://gpu.example:8001").through("127.0.0.1", 9)
    assert (route.url, route.credentials.server_name) == ("grpcs://127.0.0.1:9", "gpu.example")
    named = read_route("grpcs://host:1", Credentials(server_name="other")).through("127.0.0.1", 9)
    assert named.credentials.server_name == "other"
    assert read_route("grpc://host:1").through("127.0.0.1", 9) == Route(scheme="grpc", host="127.0.0.1", port=9)


@pytest.mark.parametrize(
    "url", ["host:8001", "http://host:1", "grpc://host", "grpcs://host:x", "grpc://:1", "grpc://host:1/path"]
)
def test_what_is_no_address_is_one_sentence(url: str) -> None:
    with pytest.raises(InputError, match="is no server address"):
        read_route(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="give a token by a file") as raised:
        read_route("grpc://me:secret@host:1/path")
    assert "secret" not in str(raised.value)


def test_a_session_judges_credentials_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would travel in the clear"):
        InferenceSession(tmp_path / "none.onnx", server="grpc://192.0.2.1:1", credentials=Credentials(token=TOKEN))
