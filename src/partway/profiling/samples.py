"""What was measured of random graphs, as it is kept: one header, then one line a graph.

    {"kind":"partway.samples","version":1, ...}          the machine and how it was measured
    {"record":"sample","index":0, ...}                   a graph: its kernels and their seconds
    {"record":"refusal","index":1, ...}                  a graph that the runtime did not run

The line of index i is the i-th after the header, so the next index is the count. Lines are read one at a time, while
others may be appended. Written by `samples_file`; predictors are fitted to what is read here.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from partway.errors import DocumentError
from partway.graph import Kernel
from partway.profiling.machine import Machine

KIND = "partway.samples"
VERSION = 1
MOST_LINE_BYTES = 1 << 20
_FIRST_BYTES = b'{"kind":"partway.samples"'
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Seconds = Annotated[float, msgspec.Meta(ge=0.0)]

_LEAST_BUSY_SHARE = 0.9
_MOST_SPREAD = 0.25


class SamplesHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What all samples of a file have in common.

    Attributes:
        kind: always `partway.samples`.
        version: of the file's format.
        seed: of the random graphs.
        machine: where they are measured.
        runtime: name and version.
        providers: execution providers, the preferred one first.
        level: how far graphs are optimised.
        threads: settings of threads within an operator that take turns; 0 for the runtime's default.
        meter: name of the power meter; None without one.
    """

    kind: str = KIND
    version: int = VERSION
    seed: int
    machine: Machine
    runtime: str
    providers: tuple[str, ...]
    level: Literal["all"] = "all"
    threads: tuple[int, ...]
    meter: str | None


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """Repeated runs of one graph.

    Attributes:
        total_s: the mean of the faster half of the runs, without the profiler.
        kernels_s: the same of each kernel, from runs under the profiler; None where it does not tell.
        runs: how many were timed without the profiler.
        spread: distance of their quartiles as a share of their median.
        busy_share: processor seconds of the calling thread per second of theirs. It computes or spins all the time,
            whatever other threads do: less than 1 says that something else had its core.
        energy_j: joules of one run, all that the meter holds included; None without a meter.
    """

    total_s: Seconds
    kernels_s: tuple[Seconds | None, ...]
    runs: int
    spread: float
    busy_share: float
    energy_j: float | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True, tag="sample", tag_field="record"):
    """One graph, measured.

    Attributes:
        index: which graph of the file.
        threads: threads within an operator; 0 for the runtime's default.
        focus: the block that the graph was made for; empty for none in particular.
        kernels: what the runtime executes.
        weight_bytes: bytes of its constants.
        activation_bytes: bytes of all its other tensors.
        warm: run after run, all that fits into caches in them.
        cold: with the caches full of other things before each run; None where that was not measured.
    """

    index: int
    threads: int
    focus: str
    kernels: tuple[Kernel, ...]
    weight_bytes: int
    activation_bytes: int
    warm: Runs
    cold: Runs | None

    def __post_init__(self) -> None:
        """Refuse seconds that do not fit the kernels."""
        for runs in (self.warm, self.cold):
            if runs is not None and len(runs.kernels_s) != len(self.kernels):
                raise ValueError(f"{len(runs.kernels_s)} seconds for {len(self.kernels)} kernels")

    @property
    def disturbed(self) -> bool:
        """Whether something else had its core while it was measured, or its runs differ more than equal runs do."""
        return self.warm.busy_share < _LEAST_BUSY_SHARE or self.warm.spread > _MOST_SPREAD


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal", tag_field="record"):
    """One graph that the runtime did not run; kept, so that it is not tried again.

    Attributes:
        index: which graph of the file.
        threads: threads within an operator; 0 for the runtime's default.
        focus: the block that the graph was made for; empty for none in particular.
        reason: what the runtime said.
    """

    index: int
    threads: int
    focus: str
    reason: str


Record = Sample | Refusal


class Indexed(msgspec.Struct, frozen=True):
    """Any record's index, for who only counts."""

    index: int


class _Versioned(msgspec.Struct):
    version: int


T = TypeVar("T", Sample | Refusal, Indexed)


def read_header(path: Path) -> SamplesHeader:
    """The first line of a samples file.

    Raises:
        DocumentError: the file is missing, unreadable, or holds no samples that this release can read.
    """
    with open_samples(path) as file:
        return decode_header(read_line(file), path)


def read_samples(path: Path) -> Iterator[Record]:
    """All that is in a samples file, one record after the other; a last line that is not whole yet is left out.

    Raises:
        DocumentError: the file is missing, unreadable or damaged.
    """
    with open_samples(path) as file:
        decode_header(read_line(file), path)
        decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
        for record, _ in read_records(file, path, decoder):
            yield record


def open_samples(path: Path) -> io.BufferedReader:
    """The file, for the functions below.

    Raises:
        DocumentError: the file is missing or unreadable.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error


def read_line(file: io.BufferedReader) -> bytes:
    """The next line with its end; without one where the file ends before it, or where it is longer than any of ours."""
    return file.readline(MOST_LINE_BYTES + 1)


def decode_header(line: bytes, path: Path) -> SamplesHeader:
    """The header that a file's first line holds.

    Raises:
        DocumentError: it holds none that this release can read.
    """
    if not line.startswith(_FIRST_BYTES):
        raise DocumentError(f"{path} holds no samples of Partway's; it is left as it is: give another file")
    try:
        version = msgspec.json.decode(line, type=_Versioned).version
        if version == VERSION:
            return msgspec.json.decode(line, type=SamplesHeader)
    except _UNREADABLE as error:
        raise DocumentError(
            f"the first line of {path} is damaged ({error}); take the file from a copy, or begin anew with --again"
        ) from error
    raise DocumentError(
        f"{path} has version {version} of {KIND!r}; this release reads version {VERSION}: use the release that wrote "
        "it, or begin anew with --again"
    )


def begins_as_header(line: bytes) -> bool:
    """Whether a file's first line is a header, or what a crash left of one."""
    return line.startswith(_FIRST_BYTES[: len(line)])


def read_records(file: io.BufferedReader, path: Path, decoder: "msgspec.json.Decoder[T]") -> Iterator[tuple[T, int]]:
    """The records from here on, each with its line's length in bytes; what a crash left after the last is left out.

    Args:
        file: behind its first line.
        path: what to call it in errors.
        decoder: of a line.

    Raises:
        DocumentError: a line before the last is no record, or not the one that should be there.
    """
    index = 0
    while line := read_line(file):
        try:
            if not line.endswith(b"\n"):
                if len(line) <= MOST_LINE_BYTES:
                    return  # torn, or being written
                raise _damaged(path, index, f"it is longer than {MOST_LINE_BYTES} bytes")
            record = decoder.decode(line)
        except _UNREADABLE as error:
            if not file.peek(1):
                return  # its bytes were never on the disk, only its length
            raise _damaged(path, index, str(error)) from error
        if record.index != index:
            raise _damaged(path, index, f"its index is {record.index}")
        yield record, len(line)
        index += 1


def _damaged(path: Path, index: int, what: str) -> DocumentError:
    return DocumentError(
        f"line {index + 2} of {path} is damaged ({what}); expected the record of index {index}: take the file from a "
        "copy, cut it before that line, or begin anew with --again"
    )
