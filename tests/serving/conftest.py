from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models import chain_model, diamond_model, dynamic_model, multi_io_model
from tests.serving.support import PATIENCE_S, Client

from partway.engine import OrtRuntime
from partway.graph import Cache
from partway.serving import Server, ServerOptions, run_server


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWAY_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a chain, a diamond, a model of open dimensions, one of many ports, and a broken file."""
    folder = tmp_path_factory.mktemp("repository")
    for build in (chain_model, diamond_model, dynamic_model, multi_io_model):
        build(folder)
    (folder / "broken.onnx").write_bytes(b"this is no model" * 100)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ServerOptions(
        runtime=OrtRuntime(threads=1),
        cache=Cache(tmp_path_factory.mktemp("server-cache")),
        message_bytes=2**20,
        rest_port=0,
    )
    with run_server(folder, options=options) as server:
        server.settle(PATIENCE_S)
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client
