"""Folders that a split fills: all of the new one or all of the old one, and never anybody else's.

Input: the folder that the user named. Output: an empty one beside it to fill, which takes its place at the end.
Called by `partway split`.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partway.documents import read_document
from partway.errors import DocumentError, InputError
from partway.verification.manifest import MANIFEST_FILE, SplitManifest


def require_replaceable(folder: Path, source: Path) -> None:
    """Refuse a folder that holds anything but a previous split, or that cannot be written.

    Args:
        folder: what the user named; there or not.
        source: the model that will be split, which must not be replaced.

    Raises:
        InputError: see above.
    """
    if not folder.name:
        raise InputError(f"{str(folder)!r} names no folder of its own to write; give one, for instance split")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write to {folder}: it is a file; name a folder")
    if not folder.parent.is_dir():
        raise InputError(f"cannot make {folder}: there is no folder {folder.parent}; make it first")
    if not os.access(folder.parent, os.W_OK):
        raise InputError(f"cannot make {folder}: the folder around it is not ours to write; choose another")
    try:
        if not folder.is_dir() or next(folder.iterdir(), None) is None:
            return
    except OSError as error:
        raise InputError(f"cannot look into {folder}: {error.strerror or error}; name another folder") from error
    try:
        manifest = read_document(folder / MANIFEST_FILE, SplitManifest)
    except DocumentError as error:
        raise InputError(f"{folder} is not empty and holds no earlier split ({error}); name another folder") from error
    if others := sorted(_files(folder) - {MANIFEST_FILE, *(file.name for file in manifest.files)}):
        raise InputError(f"{folder} holds {others[0]!r} beside an earlier split; move it, or name another folder")
    if source.resolve().is_relative_to(folder):
        raise InputError(f"{source} lies in {folder}, which the split would replace; name another folder")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of `folder` once the block ends well, and else is gone.

    Args:
        folder: what `require_replaceable` allowed.

    Raises:
        InputError: something within could not be written.
    """
    try:
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as around:
            filled, before = Path(around, "new"), Path(around, "old")
            filled.mkdir()
            yield filled
            if filled.is_dir():
                _exchange(filled, folder, before)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error


def _exchange(filled: Path, folder: Path, before: Path) -> None:
    if folder.is_dir():
        folder.rename(before)
    try:
        filled.rename(folder)
    except OSError:
        if before.is_dir():
            before.rename(folder)
        raise


def abandon(filled: Path) -> None:
    """Have nothing take the place of what was there."""
    shutil.rmtree(filled)


def _files(folder: Path) -> frozenset[str]:
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
