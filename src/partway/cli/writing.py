"""Files that a verb is asked to write: refused before the work is done, not after.

Input: a path that the user gave. Output: nothing, or the reason why it cannot be written. Called by verbs with an
option for a file.
"""

import os
from pathlib import Path

from partway.errors import InputError


def require_writable(path: Path) -> None:
    """Refuse a path that cannot be written.

    Raises:
        InputError: it is a folder, or its own folder is missing or closed to us.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: its folder is not ours to write; choose another")
