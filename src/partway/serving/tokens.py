"""Bearer tokens: who may ask, from a file that can be changed while the server runs.

    # name      token
    camera-1    5f0c6b1e...
    camera-2    91d2e07a...      # two lines of one name are one caller: that is how tokens are replaced

Input: a file. Output: the name that belongs to a token, or none. Only SHA-256 digests are kept. A file that changed is
read again before the next token is judged, so that a token is revoked by removing its line; one that cannot be read
any more changes nothing, and the log says so. Called by the gate.
"""

import hashlib
import hmac
import logging
import re
from pathlib import Path

from partway.errors import InputError
from partway.wire import check_token, read_lines

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")  # goes into logs and labels of metrics
_MOST_TOKENS = 4096

Stamp = tuple[int, int, int, int]


class Tokens:
    """The tokens of one file.

    Args:
        path: lines of a name and a token.

    Raises:
        InputError: the file cannot be read, everybody can read it, a line is none, or there are no tokens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self._entries = _read(path)
        if not self._entries:
            raise InputError(f"{path} holds no token; write lines of a name and a token, or leave the file out")

    def name_of(self, token: str) -> str | None:
        """Whose token it is; None for nobody's. Takes as long for any token."""
        self.refresh()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for name, expected in self._entries:  # to the end, whichever fits
            if hmac.compare_digest(digest, expected):
                found = name
        return found

    def refresh(self, *, always: bool = False) -> None:
        """Read the file again if it changed.

        Args:
            always: even if it looks the same.
        """
        stamp = self._look()
        if stamp == self._stamp and not always:
            return
        self._stamp = stamp
        try:
            self._entries = _read(self._path)
        except InputError as error:
            logger.error("tokens_kept path=%s tokens=%d reason=%s", self._path, len(self._entries), error)  # noqa: TRY400 - the sentence says it all
        else:
            logger.warning("tokens_read path=%s tokens=%d", self._path, len(self._entries))

    def _look(self) -> Stamp | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(path: Path) -> tuple[tuple[str, bytes], ...]:
    entries: dict[bytes, str] = {}
    for where, words in read_lines(path):
        # Neither sentence may quote the line: what stands in the wrong place may be the token.
        if len(words) != 2:
            raise InputError(f"{where} has {len(words)} words; write a name and a token, with a space between")
        name, token = words
        if not _NAME.fullmatch(name):
            raise InputError(f"the name in {where} is none; take 1 to 64 letters, digits, dots, @, - or _")
        digest = hashlib.sha256(check_token(token, where).encode("ascii")).digest()
        if digest in entries:
            raise InputError(f"{where} gives {name!r} the token that {entries[digest]!r} has; give each its own")
        entries[digest] = name
    if len(entries) > _MOST_TOKENS:
        raise InputError(f"{path} holds {len(entries)} tokens; {_MOST_TOKENS} can be looked through for every request")
    return tuple((name, digest) for digest, name in entries.items())
