"""Names that clients send never become paths, and what lies in the folder is served under its own name alone."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import chain_model, random_feeds
from tests.serving.support import PATIENCE_S, Client, request_of, status_of
from tests.wire.strategies import law

from partway.engine import OrtRuntime
from partway.errors import ModelNotFound
from partway.serving import ServerOptions, run_server
from partway.serving.repository import Repository
from partway.wire import Method, ModelQuery, encode_model_query

Code = grpc.StatusCode

HOSTILE = (
    "../secret",
    "..",
    ".",
    "",
    "/etc/passwd",
    "chain/../chain",
    "chain/1/model",
    "chain.onnx",
    "./chain",
    "chain\0",
    "chain\n",
    " chain",
    "CHAIN",
    "сhain",  # noqa: RUF001 - its first letter is Cyrillic: that is the test
    "chain\u200b",
    "\uff43hain",
    "..\\secret",
    "%2e%2e%2fsecret",
    "*",
    "ch?in",
    "~",
    "$HOME",
    "x" * 100_000,
)
VERSIONS = ("../1", "..", "/1", "1/", "01", "+1", "-1", "1.0", "\u0661", "1\0", "*", "9" * 5000)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model beside the served folder, and one inside it."""
    root = tmp_path_factory.mktemp("root")
    chain_model(root).rename(root / "secret.onnx")
    chain_model(root / "repository")
    return root / "repository"


@pytest.fixture(scope="module")
def address(secret: Path) -> Iterator[str]:
    with run_server(secret, options=ServerOptions(runtime=OrtRuntime(threads=1), learn=False)) as server:
        server.settle(PATIENCE_S)
        yield server.address


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_model(address: str, secret: Path, name: str) -> None:
    feeds = random_feeds(secret / "chain.onnx")
    with Client(address) as client:
        for ask in (
            lambda: client.ready(name),
            lambda: client.metadata(name),
            lambda: client.infer(request_of(name, feeds)),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                ask()
            assert status_of(raised.value) is Code.NOT_FOUND
            assert "secret.onnx" not in str(raised.value)
            assert len(str(raised.value.details())) < 1_100


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hostile_version_is_none(address: str, version: str) -> None:
    query = encode_model_query(ModelQuery(name="chain", version=version))
    with Client(address) as client, pytest.raises(grpc.RpcError) as raised:
        client.send(Method.MODEL_METADATA, query)
    assert status_of(raised.value) is Code.NOT_FOUND


@law
@given(name=st.text(max_size=40), version=st.text(max_size=10))
def test_only_what_the_scan_found_is_found(secret: Path, name: str, version: str) -> None:
    repository = Repository(secret)
    if (name, version) in (("chain", ""), ("chain", "1")):
        assert repository.find(name, version).path == secret / "chain.onnx"
    else:
        with pytest.raises(ModelNotFound):
            repository.find(name, version)


def test_links_are_followed_since_who_writes_the_folder_decides_what_is_served(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "linked.onnx").symlink_to(secret.parent / "secret.onnx")
    (tmp_path / "tree").symlink_to(secret.parent)
    (tmp_path / "nowhere.onnx").symlink_to(tmp_path / "none")
    (tmp_path / "circle.onnx").symlink_to(tmp_path / "circle.onnx")
    assert Repository(tmp_path).names == ("linked",)


def test_what_is_hidden_or_no_model_is_not_served(tmp_path: Path) -> None:
    chain_model(tmp_path).rename(tmp_path / ".hidden.onnx")
    (tmp_path / "tokens").write_text("camera-1 a-token-of-this-server")
    (tmp_path / "server.key").write_text("a key")
    (tmp_path / "folder.onnx").mkdir()
    assert Repository(tmp_path).names == ()
