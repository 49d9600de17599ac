"""Models that go by a name: built once, kept while they are used, and never in the way of a file."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from tests.graph.support import RUNTIME
from tests.models import chain_model

import partway
from partway.errors import ModelError
from partway.graph import Cache, Model, Source, canonicalise, find_model
from partway.zoo.paper import network

NAME = "senna-pos"


def opened(given: str | Path, cache: Cache) -> Model:
    source = Source.open(given, cache=cache)
    return canonicalise(source, source.bind(), RUNTIME, cache=cache)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_network_is_built_once(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "partway.graph.named"):
        sources = [Source.open(NAME, cache=cache) for _ in range(2)]
    assert [record.message for record in caplog.records] == ["network_built name=senna-pos weight_bytes=415380"]
    assert {source.digest for source in sources} == {sources[0].digest}
    assert [tensor.describe() for tensor in sources[0].inputs] == ["float32[28,300]"]
    assert sources[0].path.name == f"{NAME}.onnx"
    assert sources[0].label == NAME


def test_a_release_that_builds_otherwise_builds_anew(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    before = find_model(NAME, cache=cache)
    monkeypatch.setattr(network, "_WRITTEN_AS", 1)
    after = find_model(NAME, cache=cache)
    assert before.path.parent != after.path.parent
    assert before.path.read_bytes() == after.path.read_bytes()


def test_how_many_items_a_query_holds_is_part_of_the_name(cache: Cache) -> None:
    (data,) = Source.open(f"{NAME}@5", cache=cache).inputs
    assert data.shape == (5, 300)


@pytest.mark.parametrize(
    ("one", "other"),
    [("senna-pos@5", "senna-pos@05"), ("senna-pos", "senna-pos@28"), ("senna-pos@28", "senna-pos@0028")],
)
def test_a_network_is_built_once_however_it_is_spelt(cache: Cache, one: str, other: str) -> None:
    assert find_model(one, cache=cache).path == find_model(other, cache=cache).path


def test_no_file_of_a_network_is_linked_from_elsewhere(cache: Cache) -> None:
    """Weights are not read from linked files, since whoever writes to one of them writes to all."""
    entry = find_model(NAME, cache=cache).path.parent
    assert {file.name for file in entry.iterdir()} == {f"{NAME}.onnx", f"{NAME}.data"}
    assert {file.stat().st_nlink for file in entry.iterdir()} == {1}


def test_networks_that_were_kept_with_linked_weights_are_built_anew(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(network, "_WRITTEN_AS", 1)
        kept = find_model(NAME, cache=cache)
    os.link(kept.path.with_suffix(".data"), tmp_path / "shared.bin")
    with pytest.raises(ModelError, match="hard link"):
        opened(kept.path, cache)
    opened(NAME, cache)


def test_a_file_of_that_name_comes_first(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain_model(tmp_path).rename(tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    source = Source.open(NAME, cache=cache)
    assert source.path == Path(NAME)
    assert source.label == NAME
    assert [tensor.name for tensor in source.inputs] == ["image"]
    assert find_model(tmp_path / NAME, cache=cache).entry is None


def test_a_network_in_use_stays_however_small_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=1)
    source = Source.open(NAME, cache=cache)
    model = canonicalise(source, source.bind(), RUNTIME, cache=cache)
    file = source.path
    assert file.is_file()
    del source, model
    other = Source.open("senna-ner", cache=cache)
    canonicalise(other, other.bind(), RUNTIME, cache=cache)
    assert not file.exists()


@pytest.mark.parametrize("given", ["senna-poss", "lenet@ten", ""])
def test_a_wrong_name_is_told_from_a_missing_file(cache: Cache, given: str) -> None:
    with pytest.raises(
        ModelError, match=r"there is no model file at .*, and ('ten' is no number of|no network is called)"
    ):
        find_model(given, cache=cache)


@pytest.mark.parametrize(
    ("given", "said"), [("mnist@0", "^a query of mnist holds"), ("mnist@ten", "^'ten' is no number")]
)
def test_a_network_of_no_such_size_says_so_alone(cache: Cache, given: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        find_model(given, cache=cache)


@pytest.mark.parametrize("given", ["mnist.onnx", "models/mnist", "./mnist"])
def test_a_path_is_never_a_name(cache: Cache, given: str) -> None:
    with pytest.raises(ModelError, match=r"there is no model file at [a-z/.]+$"):
        find_model(given, cache=cache)


def test_a_session_takes_names(cache: Cache) -> None:
    with partway.InferenceSession(NAME, cache=cache) as session:
        (scores,) = session.run(None, {"data": np.zeros((28, 300), np.float32)})
    assert scores.shape == (28, 45)
