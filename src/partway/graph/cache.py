"""The cache on disk: canonical graphs, and what was read from source files.

    $PARTWAY_CACHE (default ~/.cache/partway)
      sources/<path hash>.json       what a source file was when it was last read
      graphs/<key>/                  a canonical graph, its weights, graphs optimised for this machine,
                                      or a network that goes by a name
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
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from partway.errors import DocumentError, InputError
from partway.units import parse_size

logger = logging.getLogger(__name__)

DEFAULT_LIMIT_BYTES = 8 * 2**30
_ABANDONED_S = 86_400.0  # a temporary folder this old belongs to a process that was killed
_FORGOTTEN_S = 30 * 86_400.0  # a memo that nobody asked for this long; its file is read again if it comes back


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
        with contextlib.suppress(OSError):
            os.utime(directory)
        return directory

    def refill(self, directory: Path, make: Callable[[Path], None]) -> None:
        """Make the damaged files of this entry, or of a folder of it, anew.

        Args:
            directory: the entry's own directory or what `folder` gave.
            make: what filled it first.

        Raises:
            InputError: the cache folder cannot be written.
        """
        with self._cache.writing():
            self._cache.refill(directory, make)

    def discard(self, directory: Path) -> None:
        """Remove a folder of this entry in one step: nobody ever finds half of it."""
        self._cache.discard(directory)

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
        directory, lock = graphs / key, graphs / f"{key}.lock"
        while True:  # again if the entry, or its lock file, is removed while the lock changes hands
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if not directory.is_dir():
                    if _lock_alone(descriptor) and not directory.is_dir() and _is_at(descriptor, lock):
                        self.fill(directory, make)
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                if directory.is_dir() and _is_at(descriptor, lock):
                    os.utime(directory)
                    return Entry(self, directory, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def fill(self, directory: Path, make: Callable[[Path], None]) -> None:
        """Make `directory` in one step: `make` fills a temporary one, which is then renamed.

        If another process was first, its result stands.
        """
        with self._made(make) as temporary:
            try:
                temporary.rename(directory)
            except OSError:
                if not directory.is_dir():
                    raise

    def refill(self, directory: Path, make: Callable[[Path], None]) -> None:
        """Replace each file of `directory` by what `make` makes now.

        The folder stays, since others may hold it too: what they have mapped stays, what they open next is whole.
        """
        with self._made(make) as temporary:
            directory.mkdir(exist_ok=True)
            for file in temporary.iterdir():
                file.replace(directory / file.name)

    def discard(self, directory: Path) -> None:
        """Remove a folder of the cache in one step; does nothing if another process was first."""
        doomed = self._folder("graphs") / f"tmp.{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            directory.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    @contextmanager
    def _made(self, make: Callable[[Path], None]) -> Iterator[Path]:
        temporary = Path(tempfile.mkdtemp(dir=self._folder("graphs"), prefix="tmp."))
        try:
            make(temporary)
            for weights in temporary.glob("*.bin"):
                self._share(weights)
            for file in temporary.iterdir():
                _synchronise(file)  # or a power cut could leave the name of a folder whose files are empty
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _share(self, weights: Path) -> None:
        # One inode for equal weights: bindings that differ in shape alone share disk and page cache.
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kept = self._folder("weights") / f"{digest}.bin"
        with contextlib.suppress(FileNotFoundError):
            if kept.stat().st_size != weights.stat().st_size:
                kept.unlink()  # damaged since
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
                    _remove_older(path, _ABANDONED_S)
                elif path.is_dir():
                    entries.append((path.stat().st_mtime, path))
                elif path.suffix == ".lock" and not path.with_suffix("").is_dir():
                    self._remove(path.with_suffix(""))
        for memo in (self.root / "sources").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                _remove_older(memo, _FORGOTTEN_S)
        # Hard-linked weights take room once, until the last entry that holds them is gone.
        everything = _sizes_bytes(self.root)
        excess_bytes = sum(everything.values()) - self.limit_bytes
        if excess_bytes <= 0:
            return
        held = {path: _sizes_bytes(path) for _, path in entries}
        holders = Counter(inode for inodes in held.values() for inode in inodes)
        for _, path in sorted(entries):
            if excess_bytes > 0 and self._remove(path):
                holders.subtract(held[path].keys())
                excess_bytes -= sum(size_bytes for inode, size_bytes in held[path].items() if not holders[inode])
        for weights in self._folder("weights").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if weights.stat().st_nlink == 1:
                    weights.unlink()

    def _remove(self, directory: Path) -> bool:
        lock = directory.with_name(f"{directory.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            if not _is_at(descriptor, lock):
                return False
            logger.info("cache_entry_removed key=%s", directory.name)
            self.discard(directory)
            lock.unlink()  # whoever waits for it sees that it is gone, and opens a new one
            return True
        finally:
            os.close(descriptor)


def _lock_alone(descriptor: int) -> bool:
    # Never waited for: whoever was quicker may use the entry already, and hold its lock for as long as it runs.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _synchronise(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_older(path: Path, age_s: float) -> None:
    if time.time() - path.stat().st_mtime > age_s:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _sizes_bytes(root: Path) -> dict[tuple[int, int], int]:
    # By device and inode.
    sizes: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = (Path(folder) / name).stat()
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sizes
