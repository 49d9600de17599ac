"""Measured models, kept so that any form of prediction can be held against them without measuring again.

    header                     the machine, and how it measured
    model, model, ...          one line each: kernels of every piece, seconds of each in two passes

A line is on the disk before the next model begins; what a crash leaves of a last line is cut off. Written by
`benchmarks.prediction` with what `benchmarks.measuring` measures; read by `benchmarks.ablation` and
`benchmarks.regret` too.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from partway.engine import PieceKernels
from partway.errors import DocumentError, InputError
from partway.graph import Kernel, resident_bytes
from partway.prediction.model_evaluation import STEADY
from partway.profiling.comparison import Twice
from partway.profiling.machine import Machine

KIND = "partway.measured-models"
VERSION = 1


class MeasuredHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What all models of a file have in common.

    Attributes:
        kind: always `partway.measured-models`.
        version: of the file's format.
        machine: where they were measured.
        runtime: name and version.
        threads: within an operator; 0 for the runtime's default.
        cuts: inner cuts asked for of each model.
    """

    kind: str = KIND
    version: int = VERSION
    machine: Machine
    runtime: str
    threads: int
    cuts: int


class MeasuredPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece.

    Attributes:
        kernels: what it runs, as indices into the model's kernels.
        returned: places among them of those whose outputs leave the piece.
        times: its seconds in two passes.
    """

    kernels: tuple[int, ...]
    returned: tuple[int, ...]
    times: Twice


class MeasuredCut(msgspec.Struct, frozen=True, kw_only=True):
    """A cut within the model.

    Attributes:
        crossing: the tensors that cross.
        depth: nodes in the head.
        macs: multiply-accumulates of the head.
        up_bytes: raw bytes of the crossing tensors.
        down_bytes: raw bytes of the outputs that the tail computes.
        head: on the device.
        tail: on the server.
    """

    crossing: tuple[str, ...]
    depth: int
    macs: int
    up_bytes: int
    down_bytes: int
    head: MeasuredPiece
    tail: MeasuredPiece


class MeasuredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model.

    Attributes:
        model: its name in the lists.
        macs: multiply-accumulates.
        weight_bytes: of all constants.
        input_bytes: what server-only sends.
        output_bytes: what it gets back.
        optimised: whether pieces come from one optimised graph.
        kernels: of all pieces, each once.
        kernels_s: seconds of each kernel of the whole model, in their order, what the profiler adds included; None
            where they were not measured.
        whole: the whole model, which is what device-only and server-only run.
        cuts: within it, from the shallowest to the deepest.
        took_s: how long preparing and measuring took.
    """

    model: str
    macs: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    optimised: bool
    kernels: tuple[Kernel, ...]
    kernels_s: tuple[float | None, ...] | None
    whole: MeasuredPiece
    cuts: tuple[MeasuredCut, ...]
    took_s: float

    @property
    def pieces(self) -> tuple[MeasuredPiece, ...]:
        """The whole model, then head and tail of each cut."""
        return (self.whole, *(piece for cut in self.cuts for piece in (cut.head, cut.tail)))

    @property
    def steady(self) -> bool:
        """Whether the machine repeats the whole model's seconds."""
        first_s, second_s = self.whole.times.measured_s, self.whole.times.repeated_s
        return max(first_s, second_s) / min(first_s, second_s) - 1.0 <= STEADY

    def seconds(self, number: int) -> tuple[float, ...]:
        """What each of `pieces` took in the first pass (0) or the second (1)."""
        times = [piece.times for piece in self.pieces]
        return tuple(it.repeated_s if number else it.measured_s for it in times)

    def piece_kernels(self) -> tuple[PieceKernels, ...]:
        """What each of `pieces` runs, as prediction takes it."""
        return tuple(self._as_kernels(piece) for piece in self.pieces)

    def _as_kernels(self, piece: MeasuredPiece) -> PieceKernels:
        kernels = tuple(self.kernels[index] for index in piece.kernels)
        return PieceKernels(kernels=kernels, returned=frozenset(piece.returned), resident_bytes=resident_bytes(kernels))


class MeasuredFile:
    """Measured models, one line each, in a file that grows.

    Args:
        path: where it lies; made where there is none.
        header: how it is measured now.

    Raises:
        DocumentError: the file is no such file, or damaged.
        InputError: it was measured otherwise.
    """

    def __init__(self, path: Path, header: MeasuredHeader) -> None:
        self.path = path
        self.names: set[str] = set()
        if path.exists() and path.stat().st_size:
            there, models, end = _read(path)
            if _words(there) != _words(header):
                raise InputError(
                    f"{path} was measured with {_words(there)}, and now it is {_words(header)}; give another file"
                )
            self.names = {model.model for model in models}
            os.truncate(path, end)  # what a crash left of a line
        else:
            self._append(header)

    def append(self, model: MeasuredModel) -> None:
        """Keep a model: when this returns, it is on the disk."""
        self._append(model)
        self.names.add(model.model)

    def _append(self, record: msgspec.Struct) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read_measured(path: Path) -> tuple[MeasuredHeader, tuple[MeasuredModel, ...]]:
    """All that a file holds; what a crash left of a last line is left out.

    Raises:
        DocumentError: the file is missing, no such file, or damaged.
    """
    header, models, _ = _read(path)
    return header, models


def _read(path: Path) -> tuple[MeasuredHeader, tuple[MeasuredModel, ...], int]:
    decoder = msgspec.json.Decoder(MeasuredModel)
    try:
        with path.open("rb") as file:
            first = file.readline()
            header = msgspec.json.decode(first, type=MeasuredHeader)
            lines = [len(first)]
            models = []
            for line in _whole_lines(file):
                models.append(decoder.decode(line))
                lines.append(len(line))
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DocumentError(f"{path} holds no measured models, or is damaged: {error}; give another file") from error
    if (header.kind, header.version) != (KIND, VERSION):
        raise DocumentError(f"{path} holds {header.kind!r} of version {header.version}; give another file")
    return header, tuple(models), sum(lines)


def _whole_lines(file: io.BufferedReader) -> Iterator[bytes]:
    return (line for line in file if line.endswith(b"\n"))


def _words(header: MeasuredHeader) -> str:
    machine = header.machine
    return (
        f"{machine.processor or machine.architecture}, {machine.logical_cores} cores, {header.runtime}, "
        f"{header.threads or 'default'} threads, {header.cuts} cuts"
    )
