import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.models import chain_model, diamond_model

from partway.errors import InputError, ModelMismatch, ModelNotFound, ModelUnavailable
from partway.serving.repository import Repository


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def opened(folder: Path, pool: ThreadPoolExecutor) -> Repository:
    repository = Repository(folder)
    repository.open_all(pool)
    repository.wait(60.0)
    return repository


def versions_of_a_model(folder: Path) -> None:
    for version in ("1", "2", "10"):
        chain_model(folder / "tree" / version).rename(folder / "tree" / version / "model.onnx")


def test_files_are_models_under_their_stems(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    chain_model(tmp_path)
    diamond_model(tmp_path)
    repository = opened(tmp_path, pool)
    assert repository.names == ("chain", "diamond")
    assert repository.find("chain").source().inputs[0].name == "image"
    assert repository.find("chain", "1").version == "1"


def test_the_highest_number_is_the_default_version(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    versions_of_a_model(tmp_path)
    repository = opened(tmp_path, pool)
    assert repository.versions("tree") == ("1", "2", "10")
    assert repository.find("tree").version == "10"
    assert repository.find("tree", "2").path == tmp_path / "tree" / "2" / "model.onnx"


def test_an_unknown_version_lists_those_there_are(tmp_path: Path) -> None:
    versions_of_a_model(tmp_path)
    with pytest.raises(ModelNotFound, match="has no version '3'; it has 1, 2, 10"):
        Repository(tmp_path).find("tree", "3")


def test_folders_that_are_no_versions_are_ignored(tmp_path: Path) -> None:
    for name in ("latest", "-1", "1.5", "²"):
        chain_model(tmp_path / "tree" / name).rename(tmp_path / "tree" / name / "model.onnx")
    (tmp_path / "tree" / "4").mkdir()
    assert Repository(tmp_path).names == ()


def test_a_tree_wins_over_a_file_of_the_same_name(tmp_path: Path) -> None:
    chain_model(tmp_path / "chain" / "1").rename(tmp_path / "chain" / "1" / "model.onnx")
    chain_model(tmp_path)
    assert Repository(tmp_path).find("chain").path == tmp_path / "chain" / "1" / "model.onnx"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "chain.onnx", "", "..", "chain/../chain"])
def test_names_are_never_paths(name: str, tmp_path: Path) -> None:
    chain_model(tmp_path)
    (tmp_path / "models").mkdir()
    chain_model(tmp_path / "models")
    (tmp_path / "secret.onnx").write_bytes((tmp_path / "chain.onnx").read_bytes())
    with pytest.raises(ModelNotFound, match="this server has chain"):
        Repository(tmp_path / "models").find(name)


def test_a_model_is_unavailable_until_its_file_was_read(tmp_path: Path) -> None:
    chain_model(tmp_path)
    file = Repository(tmp_path).find("chain")
    assert not file.ready
    with pytest.raises(ModelUnavailable, match="still being opened"):
        file.source()


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model at all" * 50], ids=["empty", "short", "text"])
def test_a_broken_file_says_why_and_harms_no_other(content: bytes, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    chain_model(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(content)
    repository = opened(tmp_path, pool)
    broken = repository.find("broken")
    assert broken.settled
    assert not broken.ready
    with pytest.raises(ModelMismatch, match=r"'broken' cannot be served: .*broken\.onnx"):
        broken.source()
    assert repository.find("chain").ready


def test_a_scan_finds_what_came_and_what_changed_and_forgets_what_went(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    chain = chain_model(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    kept = diamond_model(tmp_path)
    repository = opened(tmp_path, pool)
    before = repository.find("diamond")
    diamond_model(tmp_path / "else").rename(tmp_path / "new.onnx")
    (tmp_path / "broken.onnx").write_bytes(kept.read_bytes())
    chain.unlink()
    repository.scan()
    repository.wait(60.0)
    assert repository.names == ("broken", "diamond", "new")
    assert repository.find("new").ready
    assert repository.find("broken").ready
    assert repository.find("diamond") is before


def test_hidden_files_links_to_nowhere_and_the_reserved_name_are_left_out(tmp_path: Path) -> None:
    for name in (".hidden.onnx", "partway.costs.onnx"):
        chain_model(tmp_path).rename(tmp_path / name)
    (tmp_path / "link.onnx").symlink_to(tmp_path / "nowhere.onnx")
    assert Repository(tmp_path).names == ()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        Repository(tmp_path / "nothing")


def test_an_empty_folder_has_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="this server has none"):
        Repository(tmp_path).find("any")


def test_a_model_that_comes_later_makes_only_itself_wait(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    chain_model(tmp_path)
    repository = opened(tmp_path, pool)
    assert repository.settled
    over = threading.Event()
    pool.submit(over.wait, 60.0)
    diamond_model(tmp_path)
    repository.scan()
    assert not repository.find("diamond").ready
    assert repository.settled
    over.set()
