"""`trace.jsonl`: one line for every request of a session, of what it knew, chose and got.

    {"kind": "partway.trace", "version": 1, ...}      a session begins
    {"started_s": ..., "crossing": [...], ...}        one request
    ...

Input: one `RequestLine` a request. Output: lines, each by one write, so that several threads and processes may share a
file and a crash takes no line that was written. A disk that takes no more ends the trace and never a request. Called
by the session; read by benchmarks and by whoever asks why.
"""

import itertools
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from partway.documents import Document, decode_document, encode_document
from partway.errors import DocumentError

logger = logging.getLogger(__name__)

_LONGEST_LINE_BYTES = 64 * 1024


class TraceHeader(Document, frozen=True, kw_only=True):
    """The line that begins a session's part of a trace.

    Attributes:
        model: the file's name.
        server: where requests are sent; None for nowhere.
        started_at: the wall clock when the session was made, ISO 8601 in UTC.
        emulated_slowdown: 1, or the factor that an emulated device is slowed by.
    """

    kind: ClassVar[str] = "partway.trace"
    version: ClassVar[int] = 1
    indent: ClassVar[int] = -1

    model: str
    server: str | None
    started_at: str
    emulated_slowdown: float


class Belief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a decision went by: the world as the device saw it at that moment.

    Attributes:
        uplink_bytes_per_s: device to server.
        downlink_bytes_per_s: server to device.
        rtt_s: round trip of an empty message.
        uplink_spread: standard deviation of the logarithm of the uplink's rate; None where nothing bounds it.
        downlink_spread: the same of the downlink's.
        rtt_spread: the same of the round trip.
        queue_delay_s: wait in the server's queue, as it reported last; None before it reported any.
        queue_weighed_s: what the device makes of its reports, and decides by: smoothed, aged and doubted.
        slowdown: seconds on the server now over seconds on it when idle.
        device_factor: seconds on the device now over those that its costs were taken with.
        charge: how full the battery was, in (0, 1]; None where the objective does not ask or nothing tells.
        breaker: whether requests went to the server: `closed` for yes, `open`, or `half-open` while it was asked again.
    """

    uplink_bytes_per_s: float
    downlink_bytes_per_s: float
    rtt_s: float
    uplink_spread: float | None
    downlink_spread: float | None
    rtt_spread: float | None
    queue_delay_s: float | None
    queue_weighed_s: float
    slowdown: float
    device_factor: float
    charge: float | None
    breaker: str | None


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided.

    Attributes:
        crossing: tensors to send; empty for the device alone.
        codec: how they were to travel.
        objective: what was to be best.
        expected_s: seconds that the request was expected to take.
        expected_j: joules on the device; None where they are not known.
        kept: whether the cut in use stayed although another was better by less than a switch has to save.
        runner_up: the best other cut's tensors; None where there was no other.
        runner_up_codec: how they would have travelled.
        runner_up_s: seconds expected there.
    """

    crossing: tuple[str, ...]
    codec: str
    objective: str
    expected_s: float
    expected_j: float | None
    kept: bool
    runner_up: tuple[str, ...] | None
    runner_up_codec: str | None
    runner_up_s: float | None


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request.

    Attributes:
        started_s: when it began, in seconds since the session was made.
        belief: what was known; None where nothing was decided, as before the cuts are prepared.
        choice: what was decided; None likewise.
        crossing: tensors that were sent; empty when the device ran alone.
        codec: what they travelled as.
        offloaded: whether the server's answer is in the outputs.
        fell_back: whether the server was asked in vain.
        hedged: whether the device began the tail before the answer came.
        hedge_wait_s: how long the answer was waited for before that; None where nothing was sent.
        reason: why it ran where it ran.
        error: why it has no answer, as the exception's name and sentence; None where it has one.
        total_s: seconds of the request.
        device_s: of them on the device.
        uplink_s: on the way up.
        server_s: in the server.
        downlink_s: on the way down.
        up_bytes: length of the request on the wire.
        down_bytes: length of the answer.
    """

    started_s: float
    belief: Belief | None
    choice: Choice | None
    crossing: tuple[str, ...]
    codec: str
    offloaded: bool
    fell_back: bool
    hedged: bool
    hedge_wait_s: float | None
    reason: str
    error: str | None
    total_s: float
    device_s: float
    uplink_s: float
    server_s: float
    downlink_s: float
    up_bytes: int
    down_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTrace:
    """One session's part of a trace.

    Attributes:
        header: which session.
        requests: its requests, in the order of their ends.
    """

    header: TraceHeader
    requests: tuple[RequestLine, ...]


class TraceFile:
    """A trace that a session appends to; safe to use from several threads.

    Args:
        path: a trace that is there already goes on; made where there is none.
        header: of this session.

    Raises:
        DocumentError: it cannot be written, or what is there is no trace of this version.
    """

    def __init__(self, path: Path, header: TraceHeader) -> None:
        self._path = path
        self._lock = threading.Lock()
        _require_trace(path)
        try:
            # Appending, so that sessions that share a file never write over each other.
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._end_torn_line(self._descriptor)
            os.write(self._descriptor, encode_document(header))
        except OSError as error:
            raise DocumentError(f"cannot write the trace {path}: {error.strerror}") from error

    def append(self, line: RequestLine) -> None:
        """Write one request; where the disk takes no more, say so once and trace no further."""
        encoded = msgspec.json.encode(line) + b"\n"
        with self._lock:
            if self._descriptor is None:
                return
            try:
                reason = "" if os.write(self._descriptor, encoded) == len(encoded) else "the disk took a part of a line"
            except OSError as error:
                reason = error.strerror or str(error)
            if reason:
                logger.error("trace_ended path=%s reason=%s", self._path, reason)
                self._close()

    def close(self) -> None:
        """Write no more. Repeated calls do nothing."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @staticmethod
    def _end_torn_line(descriptor: int) -> None:
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes and os.pread(descriptor, 1, size_bytes - 1) != b"\n":
            os.write(descriptor, b"\n")


def read_trace_file(path: Path) -> tuple[SessionTrace, ...]:
    """The sessions in a trace, in the order of their beginnings.

    A line that its writer did not finish, as a crash or a full disk leaves it, is passed over where nothing but a new
    session follows it.

    Args:
        path: as `TraceFile` wrote it; sessions that wrote at the same time cannot be told apart, and count as one.

    Raises:
        DocumentError: the file cannot be read, is of another version, or holds something else.
    """
    sessions: list[tuple[TraceHeader, list[RequestLine]]] = []
    torn: str | None = None
    for where, line in _lines(path):
        if _begins_session(line):
            sessions.append((decode_document(line, TraceHeader, where=where), []))
            torn = None
        elif torn is not None:
            raise DocumentError(torn)
        elif not sessions:
            decode_document(line, TraceHeader, where=where)  # which says what it is instead
        else:
            try:
                sessions[-1][1].append(msgspec.json.decode(line, type=RequestLine))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                torn = f"{where} is no request of this version: {error}; make the trace anew"
    if not sessions:
        raise DocumentError(f"{path} is empty; expected a trace, as a session writes it")
    return tuple(SessionTrace(header=header, requests=tuple(requests)) for header, requests in sessions)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE_BYTES + 1):
                number += 1
                if len(line) > _LONGEST_LINE_BYTES:
                    raise DocumentError(
                        f"{path} line {number} is longer than {_LONGEST_LINE_BYTES} bytes; that is no trace"
                    )
                yield f"{path} line {number}", line
    except OSError as error:
        raise DocumentError(f"cannot read the trace {path}: {error.strerror}") from error


def _require_trace(path: Path) -> None:
    # Nobody's other file is ever appended to.
    if path.exists():
        for where, line in itertools.islice(_lines(path), 1):
            decode_document(line, TraceHeader, where=where)


def _begins_session(line: bytes) -> bool:
    return line.startswith(b'{"kind":')
