"""The folder of models that a server serves: what there is, under which names, and in what state.

    repository/
      detect.onnx              model `detect`, version 1
      read/1/model.onnx        model `read`, version 1
      read/3/model.onnx        model `read`, version 3, the default

Input: a folder. Output: opened sources by name and version, or the reason why one cannot be had. Names are
looked up among what the last scan found and never joined to a path. Called by the handlers.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import Executor as Pool
from dataclasses import dataclass, field
from pathlib import Path

from partway.errors import InputError, ModelMismatch, ModelNotFound, ModelUnavailable, PartwayError
from partway.graph import Cache, Source
from partway.wire import COSTS_MODEL

logger = logging.getLogger(__name__)

_SUFFIX = ".onnx"
_VERSIONED_FILE = "model.onnx"
_ONLY_VERSION = "1"
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of the repository.

    Attributes:
        name: of the model.
        version: digits.
        path: the ONNX file.
        stamp: size in bytes and modification time in nanoseconds; another stamp is another file.
        opened: the source once it has been read, or why it cannot be.
    """

    name: str
    version: str
    path: Path
    stamp: tuple[int, int]
    opened: Future[Source] = field(default_factory=Future, compare=False, repr=False)

    @property
    def settled(self) -> bool:
        """Whether the file has been read, well or not."""
        return self.opened.done()

    @property
    def ready(self) -> bool:
        """Whether the source is there to be used."""
        return self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None

    def source(self) -> Source:
        """The opened source.

        Raises:
            ModelUnavailable: it is still being read.
            ModelMismatch: the file is no usable model; the message says why.
        """
        try:
            error = self.opened.exception(timeout=0)
        except (TimeoutError, CancelledError) as unknown:
            raise ModelUnavailable(
                f"model {self.name!r} is still being opened; ask ModelReady and send it again", state="loading"
            ) from unknown
        if error is not None:
            raise ModelMismatch(f"model {self.name!r} cannot be served: {error}")
        return self.opened.result()


class Repository:
    """The models of one folder.

    Args:
        folder: holds `name.onnx` files and `name/<version>/model.onnx` trees.
        cache: where digests of unchanged files are remembered; by default the one of `PARTWAY_CACHE`.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, folder: str | Path, *, cache: Cache | None = None) -> None:
        self.folder = Path(folder)
        self._cache = cache
        self._files: Mapping[str, Mapping[str, ModelFile]] = {}
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        self._settled = False
        if not self.folder.is_dir():
            raise InputError(f"there is no folder {self.folder}; give one that holds ONNX files")
        self.scan()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models that the last scan found."""
        return tuple(sorted(self._files))

    def serves(self, name: str) -> bool:
        """Whether requests for that name have an answer: a model that the last scan found, or costs."""
        return name == COSTS_MODEL or name in self._files

    @property
    def counts(self) -> tuple[int, int]:
        """How many files there are, and how many of them are ready to be used."""
        files = [file for versions in self._files.values() for file in versions.values()]
        return len(files), sum(file.ready for file in files)

    @property
    def settled(self) -> bool:
        """Whether every file has been read once, well or not; what comes later makes only itself wait."""
        if not self._settled:
            self._settled = all(file.settled for versions in self._files.values() for file in versions.values())
        return self._settled

    def open_all(self, pool: Pool) -> None:
        """Read every file in the background, now and after later scans.

        Args:
            pool: its threads read the files.
        """
        with self._lock:
            self._pool = pool
            self._open(self._files)

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when every file has been read.

        Raises:
            TimeoutError: that takes longer than `timeout_s`.
        """
        for versions in self._files.values():
            for file in versions.values():
                file.opened.exception(timeout_s)

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of one model, the oldest first.

        Raises:
            ModelNotFound: no such model.
        """
        return tuple(self._versions(name))

    def find(self, name: str, version: str = "") -> ModelFile:
        """The file of a model.

        Args:
            name: as the scan found it.
            version: digits; empty for the highest.

        Raises:
            ModelNotFound: no such model or version; the message lists what there is.
        """
        versions = self._versions(name)
        if not version:
            return versions[max(versions, key=int)]
        if version not in versions:
            raise ModelNotFound(f"model {name!r} has no version {version!r}; it has {', '.join(versions)}")
        return versions[version]

    def scan(self) -> None:
        """Look into the folder again: new and changed files are opened, vanished ones forgotten."""
        with self._lock:
            found: dict[str, dict[str, ModelFile]] = {}
            for file in _look(self.folder):
                before = self._files.get(file.name, {}).get(file.version)
                versions = found.setdefault(file.name, {})
                if file.version not in versions:
                    versions[file.version] = before if before == file else file
            before_all = self._files
            self._files = {
                name: {version: versions[version] for version in sorted(versions, key=int)}
                for name, versions in found.items()
            }
            self._open(self._files)
        if self._files != before_all:
            logger.info("repository_scanned folder=%s models=%d", self.folder, len(found))

    def _versions(self, name: str) -> Mapping[str, ModelFile]:
        versions = self._files.get(name)
        if versions is None:
            known = self.names
            listed = ", ".join(known[:_MOST_LISTED]) + (", ..." if len(known) > _MOST_LISTED else "")
            raise ModelNotFound(f"there is no model {name!r}; this server has {listed or 'none'}")
        return versions

    def _open(self, files: Mapping[str, Mapping[str, ModelFile]]) -> None:
        if self._pool is None:
            return
        for versions in files.values():
            for file in versions.values():
                # A file that is opened already, or being opened, refuses to be started again.
                if not file.opened.done() and not file.opened.running() and file.opened.set_running_or_notify_cancel():
                    self._pool.submit(self._read, file)

    def _read(self, file: ModelFile) -> None:
        try:
            source = Source.open(file.path, cache=self._cache)
        except PartwayError as error:
            logger.warning("model_broken name=%s version=%s reason=%s", file.name, file.version, error)
            file.opened.set_exception(error)
        except BaseException as error:
            logger.exception("model_broken name=%s version=%s", file.name, file.version)
            file.opened.set_exception(error)
        else:
            logger.info("model_opened name=%s version=%s digest=%s", file.name, file.version, source.digest)
            file.opened.set_result(source)


def _look(folder: Path) -> Iterator[ModelFile]:
    # Trees come before plain files: of two models with one name the one with versions is meant.
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    for entry in entries:
        if entry.is_dir():
            for path in sorted(entry.glob(f"*/{_VERSIONED_FILE}")):
                version = path.parent.name
                if version.isascii() and version.isdigit():
                    yield from _file(entry.name, str(int(version)), path)
    for entry in entries:
        if entry.suffix == _SUFFIX and entry.is_file():
            yield from _file(entry.stem, _ONLY_VERSION, entry)


def _file(name: str, version: str, path: Path) -> Iterator[ModelFile]:
    if name == COSTS_MODEL:
        logger.warning("model_ignored name=%s reason=the name asks for costs", name)
        return
    try:
        status = path.stat()
    except OSError as error:  # removed since it was listed, or a link to nowhere
        logger.warning("model_ignored path=%s reason=%s", path, error)
        return
    yield ModelFile(name=name, version=version, path=path, stamp=(status.st_size, status.st_mtime_ns))
