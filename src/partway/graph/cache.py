"""The cache on disk: canonical graphs, and what was read from source files.

    $PARTWAY_CACHE (default ~/.cache/partway)
      sources/<path hash>.json       what a source file was when it was last read
      graphs/<key>/                  a canonical graph, its weights, graphs optimised for this machine
      graphs/<key>.lock              exclusive while it is made or removed, shared while it is used
      weights/<sha256>.bin           weight files by content, hard-linked into the graphs that use them

Entries are made in a folder of their own and renamed into place, so two processes can make one at once.
The whole is bounded: least recently used entries that nobody holds are removed first.
Called by canonicalisation and by the engine's piece store.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from partway.errors import DocumentError, InputError
from partway.units import parse_size

logger = logging.getLogger(__name__)

DEFAULT_LIMIT_BYTES = 8 * 2**30
_ABANDONED_S = 86_400.0  # a temporary folder this old belongs to a process that was killed


class Entry:
    """A folder of the cache that is in use: nobody removes it until `close`.

    Attributes:
        directory: where its files lie.
    """

    def __init__(self, cache: "Cache", directory: Path, lock_descriptor: int) -> None:
        self.directory = directory
        self._cache = cache
        self._lock_descriptor: int | None = lock_descriptor

    def folder(self, name: str, make: Callable[[Path], None]) -> Path:
        """The sub-folder `name`, filled by `make` if it is not there; lives as long as the entry."""
        directory = self.directory / name
        if not directory.is_dir():
            with self._cache.writing():
                self._cache.fill(directory, make)
        return directory

    def close(self) -> None:
        """Let the cache remove the entry when it needs the room. Repeated calls do nothing."""
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def __del__(self) -> None:
        self.close()


class Cache:
    """A bounded folder of canonical graphs.

    Args:
        root: the folder; made on first use.
        limit_bytes: the most that its files may take together, entries in use apart.
    """

    def __init__(self, root: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.root = root
        self.limit_bytes = limit_bytes

    @classmethod
    def default(cls) -> "Cache":
        """The cache that `PARTWAY_CACHE` names, bounded by `PARTWAY_CACHE_LIMIT` (for instance `20GB`).

        Raises:
            InputError: the limit is no size.
        """
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = Path(os.environ.get("PARTWAY_CACHE") or f"{home}/partway").expanduser()
        limit = os.environ.get("PARTWAY_CACHE_LIMIT")
        return cls(root, limit_bytes=int(parse_size(limit)) if limit else DEFAULT_LIMIT_BYTES)

    @property
    def sources(self) -> Path:
        """The folder of memos about source files."""
        return self._folder("sources")

    def entry(self, key: str, make: Callable[[Path], None]) -> Entry:
        """The entry under `key`, made by `make` if it is not there; held until it is closed.

        Args:
            key: hex digits.
            make: fills the empty folder it is given; called at most once, by one process at a time.

        Raises:
            InputError: the cache folder cannot be written.
        """
        with self.writing():
            entry = self._hold(key, make)
            self._evict()
        return entry

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What fails to be written within is one clear error.

        Raises:
            InputError: something within could not write to the cache.
        """
        try:
            yield
        except (OSError, DocumentError) as error:
            raise InputError(
                f"the cache folder {self.root} cannot be written ({error}); set PARTWAY_CACHE to one that can"
            ) from error

    def _hold(self, key: str, make: Callable[[Path], None]) -> Entry:
        graphs = self._folder("graphs")
        directory = graphs / key
        descriptor = os.open(graphs / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            while not directory.is_dir():  # again if it is removed while the lock changes hands
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not directory.is_dir():
                    self.fill(directory, make)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            os.utime(directory)
        except BaseException:
            os.close(descriptor)
            raise
        return Entry(self, directory, descriptor)

    def fill(self, directory: Path, make: Callable[[Path], None]) -> None:
        """Make `directory` in one step: `make` fills a temporary one, which is then renamed.

        If another process was first, its result stands.
        """
        temporary = Path(tempfile.mkdtemp(dir=self._folder("graphs"), prefix="tmp."))
        try:
            make(temporary)
            for weights in temporary.glob("*.bin"):
                self._share(weights)
            try:
                temporary.rename(directory)
            except OSError:
                if not directory.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _share(self, weights: Path) -> None:
        # One inode for equal weights: bindings that differ in shape alone share disk and page cache.
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kept = self._folder("weights") / f"{digest}.bin"
        try:
            os.link(weights, kept)
        except FileExistsError:
            spare = weights.with_suffix(".link")
            with contextlib.suppress(OSError):  # removed meanwhile, or linked too often: keep our own copy
                os.link(kept, spare)
                spare.replace(weights)
        except OSError as error:  # file systems without hard links: every entry keeps its own copy
            logger.info("weights_not_shared reason=%s", error)

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _evict(self) -> None:
        graphs = self._folder("graphs")
        entries = []
        for path in graphs.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith("tmp."):
                    if time.time() - path.stat().st_mtime > _ABANDONED_S:
                        shutil.rmtree(path, ignore_errors=True)
                elif path.is_dir():
                    entries.append((path.stat().st_mtime, path))
        excess_bytes = _size_bytes(self.root) - self.limit_bytes
        for _, path in sorted(entries):
            if excess_bytes <= 0:
                return
            before_bytes = _size_bytes(self.root)
            if self._remove(path):
                excess_bytes -= before_bytes - _size_bytes(self.root)

    def _remove(self, directory: Path) -> bool:
        lock = directory.with_name(f"{directory.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            logger.info("cache_entry_removed key=%s", directory.name)
            shutil.rmtree(directory, ignore_errors=True)
            for weights in self._folder("weights").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if weights.stat().st_nlink == 1:
                        weights.unlink()
            return True
        finally:
            os.close(descriptor)


def _size_bytes(root: Path) -> int:
    # Hard-linked weights are counted once.
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = (Path(folder) / name).stat()
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())
