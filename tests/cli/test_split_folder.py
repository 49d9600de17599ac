import os
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.test_main import complaint
from tests.models import chain_model

from partway.cli.split_folder import replacing
from partway.errors import InputError


def listed(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_an_earlier_split_is_replaced_whole(partway: Command, tmp_path: Path) -> None:
    path, out = chain_model(tmp_path), tmp_path / "out"
    assert partway("split", path, "--cut", "pool1", "-o", out).status == 0
    assert listed(out) == {"head.onnx", "tail.onnx", "manifest.json"}
    assert partway("split", path, "--cut", "inputs", "-o", out).status == 0
    assert listed(out) == {"tail.onnx", "manifest.json"}
    assert listed(tmp_path) == {"chain.onnx", "out", "cache"}


def test_an_empty_folder_is_filled_and_a_link_is_followed(partway: Command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    assert partway("split", chain_model(tmp_path), "--cut", "pool1", "-o", tmp_path / "link").status == 0
    assert (tmp_path / "link").is_symlink()
    assert "tail.onnx" in listed(tmp_path / "out")


def test_others_may_read_what_was_made(partway: Command, tmp_path: Path) -> None:
    assert partway("split", chain_model(tmp_path), "--cut", "pool1", "-o", tmp_path / "out").status == 0
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "file").touch()
    assert {file.stat().st_mode for file in (tmp_path / "out").iterdir()} == {(tmp_path / "file").stat().st_mode}


@pytest.mark.parametrize("name", ["photo.jpg", "manifest.json"])
def test_a_folder_of_other_things_is_left_alone(partway: Command, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"{}")
    said = complaint(partway, "split", chain_model(tmp_path), "--cut", "pool1", "-o", out)
    assert "is not empty and holds no earlier split" in said
    assert (out / name).read_bytes() == b"{}"


def test_things_laid_into_an_earlier_split_are_not_lost(partway: Command, tmp_path: Path) -> None:
    path, out = chain_model(tmp_path), tmp_path / "out"
    assert partway("split", path, "--cut", "pool1", "-o", out).status == 0
    (out / "notes.txt").write_text("mine")
    assert "holds 'notes.txt' beside an earlier split" in complaint(partway, "split", path, "--cut", "pool1", "-o", out)


def test_a_split_never_replaces_the_model_it_splits(partway: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert partway("split", chain_model(tmp_path), "--cut", "pool1", "-o", out).status == 0
    words = ("split", out / "tail.onnx", "--cut", "relu2")
    assert "which the split would replace" in complaint(partway, *words, "-o", out)
    assert partway(*words, "-o", tmp_path / "again").status == 0


def test_paths_that_cannot_be_made_are_refused(partway: Command, tmp_path: Path) -> None:
    words = ("split", chain_model(tmp_path), "--cut", "pool1", "-o")
    assert "it is a file" in complaint(partway, *words, tmp_path / "chain.onnx")
    assert "there is no folder" in complaint(partway, *words, tmp_path / "no" / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_of_others_are_refused(partway: Command, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o555)
    words = ("split", chain_model(tmp_path), "--cut", "pool1", "-o", tmp_path / "theirs" / "out")
    assert "not ours to write" in complaint(partway, *words)


def test_a_full_disk_is_one_sentence_and_the_old_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    with pytest.raises(InputError, match="No space left on device"), replacing(folder):
        raise OSError(28, "No space left on device")
    assert listed(folder) == {"old"}
    assert listed(tmp_path) == {"out"}


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    rename = Path.rename

    def fail_on_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_new)
    with pytest.raises(InputError, match="Input/output error"), replacing(folder) as filled:
        (filled / "new").write_bytes(b"new")
    assert listed(folder) == {"old"}
    assert listed(tmp_path) == {"out"}
