"""What the kernel tells in small text files: /proc and /sys under a root that tests replace.

Input: a root folder. Output: words, numbers and names of what lies below it. Called by whatever describes this
machine (`machine`, `quiet`) or meters it (`power`).
"""

import re
from collections.abc import Callable
from pathlib import Path


def read_text(path: Path) -> str:
    """The words of a file.

    Raises:
        OSError: it is not there, or may not be read.
    """
    return path.read_text(encoding="utf-8", errors="replace")


class Files:
    """The kernel's files below a root.

    Args:
        root: where /proc and /sys lie; tests give a folder of their own.
        read: reads a file; raises `OSError` where it cannot.
    """

    def __init__(self, root: Path = Path("/"), read: Callable[[Path], str] = read_text) -> None:
        self._root = root
        self._read = read

    def read(self, path: str) -> str:
        """The file's text, without spaces and zero bytes at its ends.

        Raises:
            OSError: it is not there, or may not be read.
        """
        return self._read(self._root / path).strip("\0 \t\n")

    def number(self, path: str) -> float:
        """The number in the file.

        Raises:
            OSError: it is not there, or may not be read.
            ValueError: it holds no number.
        """
        return float(self.read(path))

    def find(self, path: str) -> str | None:
        """The file's text; None where it is missing, empty or unreadable."""
        try:
            return self.read(path) or None
        except OSError:
            return None

    def find_number(self, path: str) -> float | None:
        """The number in the file; None where it is missing, unreadable or holds none."""
        try:
            return self.number(path)
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            return (self._root / path).exists()
        except OSError:
            return False

    def names(self, folder: str) -> tuple[str, ...]:
        """What lies in a folder, `cpu2` before `cpu10`; nothing where it cannot be listed."""
        try:
            found = [entry.name for entry in (self._root / folder).iterdir()]
        except OSError:
            return ()
        return tuple(sorted(found, key=lambda name: [int(w) if w.isdecimal() else w for w in re.split(r"(\d+)", name)]))
