"""A samples file while it grows: one process writes it, and no crash takes what it was told is kept.

    lock | header, or: the same header? cut off a torn last line | append, append, ... each on the disk before it counts

Input: records. Output: lines, each by one write and then a sync. The lock ends with the process, however it ends.
Called by profiling sessions.
"""

import errno
import fcntl
import io
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from partway.errors import DocumentError, InputError
from partway.profiling.machine import Machine
from partway.profiling.samples import (
    MOST_LINE_BYTES,
    Indexed,
    Record,
    SamplesHeader,
    begins_as_header,
    decode_header,
    open_samples,
    read_line,
    read_records,
)

logger = logging.getLogger(__name__)


class SamplesFile:
    """A samples file that this process alone appends to; a context manager.

    Args:
        path: where it lies; made where there is none.
        header: how it is measured now.
        again: forget the samples that are there.

    Attributes:
        path: where it lies.
        header: the file's own, of the process that began it.
        count: how many records it has, which is the next index.
        resumed: whether it was there before.

    Raises:
        DocumentError: the file cannot be opened, or holds no samples that this release can read.
        InputError: another process writes it, or it was measured otherwise.
    """

    def __init__(self, path: Path, header: SamplesHeader, *, again: bool = False) -> None:
        self.path = path
        self.header = header
        self.count = 0
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise DocumentError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._lock()
            self.resumed = self._resume(again=again)
            if not self.resumed:
                self._begin()
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Record) -> None:
        """Keep a record: when this returns, it is on the disk.

        Args:
            record: its index is `count`.

        Raises:
            DocumentError: the disk does not take it; the file is as it was.
        """
        if record.index != self.count:
            raise ValueError(f"the next record has index {self.count}, not {record.index}")
        self._write(msgspec.json.encode(record) + b"\n")
        self.count += 1

    def __enter__(self) -> Self:
        """The file, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, so that another process may write."""
        self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another process writes {self.path} now; wait for it, or give another file with -o"
            ) from error

    def _resume(self, *, again: bool) -> bool:
        with open_samples(self.path) as file:
            first = read_line(file)
            if again or not first.endswith(b"\n"):
                # Without a whole first line, the process that began it ended at once and measured nothing.
                if not begins_as_header(first):
                    decode_header(first, self.path)  # which says what is wrong
                return False
            there = decode_header(first, self.path)
            _require_same(self.path, there, self.header)
            self.header = there
            self._mend(file, len(first))
        return True

    def _mend(self, file: io.BufferedReader, end: int) -> None:
        for _, length in read_records(file, self.path, msgspec.json.Decoder(Indexed)):
            self.count += 1
            end += length
        torn_bytes = self._file.seek(0, os.SEEK_END) - end
        if torn_bytes:
            logger.warning("torn_line_cut path=%s records=%d bytes=%d", self.path, self.count, torn_bytes)
            self._file.truncate(end)

    def _begin(self) -> None:
        self._file.truncate(0)
        self._write(msgspec.json.encode(self.header) + b"\n")
        # A new file's name is on the disk only when its folder is.
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, line: bytes) -> None:
        if len(line) > MOST_LINE_BYTES:
            raise DocumentError(
                f"a record of {len(line)} bytes is too long for {self.path}, whose lines have at most {MOST_LINE_BYTES}"
            )
        end = self._file.seek(0, os.SEEK_END)
        failure = errno.ENOSPC  # the only reason to take a part of a line
        try:
            whole = self._file.write(line) == len(line)
            if whole:
                os.fsync(self._file.fileno())
        except OSError as error:
            whole, failure = False, error.errno or errno.EIO
        if not whole:
            self._file.truncate(end)
            raise DocumentError(
                f"cannot write {self.path}: {os.strerror(failure)}; what was measured before is kept: run it "
                "again to go on"
            )


def _require_same(path: Path, there: SamplesHeader, now: SamplesHeader) -> None:
    pairs = (
        ("on", _machine_words(there.machine), _machine_words(now.machine)),
        ("with", there.runtime, now.runtime),
        ("with provider", " ".join(there.providers), " ".join(now.providers)),
        ("with threads", _thread_words(there.threads), _thread_words(now.threads)),
        ("with seed", str(there.seed), str(now.seed)),
    )
    for word, before, after in pairs:
        if before != after:
            raise InputError(
                f"{path} was begun {word} {before}, and now it is {after}; samples of one file are measured alike: "
                "give another file with -o, or begin this one anew with --again"
            )


def _machine_words(machine: Machine) -> str:
    # Clocks and limits vary from hour to hour; these do not.
    known = (machine.board, machine.processor, machine.architecture, f"{machine.logical_cores} cores")
    return ", ".join(word for word in (*known, " ".join(machine.instructions)) if word)


def _thread_words(threads: tuple[int, ...]) -> str:
    return " ".join(str(count) if count else "by default" for count in threads)
