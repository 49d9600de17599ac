"""What a split says of itself: the `manifest.json` beside its files.

Input: what was written and what running it showed. Output: a versioned document from which a stranger can wire
head and tail together, and see what was proved. Made and read by `partway split`.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from partway.documents import Document
from partway.engine import OrtRuntime
from partway.graph import Cut, Model, Piece, Source
from partway.graph.exporting import ExportedPiece
from partway.graph.tensors import TensorRecord
from partway.verification.export import ExportReport

MANIFEST_FILE = "manifest.json"
Maker = Literal["model", "head", "tail"]
"""Where a tensor comes from: the model's own inputs, or a piece."""


class SplitFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the split.

    Attributes:
        name: relative to the manifest's folder.
        size_bytes: how long it is.
        sha256: of its content, as hex digits.
    """

    name: str
    size_bytes: int
    sha256: str


class SplitPiece(msgspec.Struct, frozen=True, kw_only=True):
    """Head or tail.

    Attributes:
        file: the ONNX file.
        data: the file beside it that holds the weights; null where they are inside.
        inputs: what to feed.
        outputs: what comes out.
        foreign_domains: operator sets other than ONNX's own, which the runtime must have.
        complaint: what ONNX's checker says against the file; null where it is content.
    """

    file: str
    data: str | None
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    foreign_domains: tuple[str, ...]
    complaint: str | None


class SplitCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How far head then tail are from the author's file at one output.

    Attributes:
        output: its name.
        absolute_error: the largest difference.
        relative_error: the same as a share of the output's scale.
        tolerance: the largest difference allowed; 0 for types that must be equal.
        scale: largest magnitude of the author's file's answer.
    """

    output: str
    absolute_error: float
    relative_error: float
    tolerance: float
    scale: float


class SplitManifest(Document, frozen=True, kw_only=True):
    """All there is to know of a split.

    Attributes:
        source: name of the file that was split.
        digest: identity of that model.
        binding: the input shapes and constants that hold for both pieces, as bindings are encoded.
        crossing: the tensors to send.
        up_bytes: raw bytes of these.
        down_bytes: raw bytes of the outputs that the tail makes.
        head: runs on the device; null where the inputs themselves are sent.
        tail: runs on the server.
        tail_inputs: where each input of the tail comes from: the head, or the model's own inputs.
        outputs: where each output of the model comes from.
        files: everything in this folder but the manifest.
        sample_inputs: what the files were checked on.
        seed: of the random ones; null where they were given.
        runtime: what ran them.
        checks: what it showed.
        unproved: outputs that were nothing but zero or not finite, so that equal answers prove nothing.
        passed: whether every output is within tolerance.
    """

    kind = "partway.split"
    version = 1

    source: str
    digest: str
    binding: str
    crossing: tuple[TensorRecord, ...]
    up_bytes: int
    down_bytes: int
    head: SplitPiece | None
    tail: SplitPiece
    tail_inputs: dict[str, Maker]
    outputs: dict[str, Maker]
    files: tuple[SplitFile, ...]
    sample_inputs: Literal["given", "random"]
    seed: int | None
    runtime: str
    checks: tuple[SplitCheck, ...]
    unproved: tuple[str, ...]
    passed: bool


def describe_split(
    folder: Path,
    source: Source,
    model: Model,
    cut: Cut,
    written: tuple[ExportedPiece, ...],
    report: ExportReport,
    *,
    seed: int | None,
    runtime: OrtRuntime,
) -> SplitManifest:
    """The manifest of a split.

    Args:
        folder: where its files lie.
        source: what was split.
        model: its canonical graph.
        cut: where, with a tail.
        written: the head if there is one, then the tail.
        report: what running them showed.
        seed: of the random sample inputs; None where they were given.
        runtime: what ran them.
    """
    pieces = [piece for piece in (cut.head, cut.tail) if piece is not None]
    *head, tail = (_piece(model, *pair) for pair in zip(pieces, written, strict=True))
    makers: dict[str, Maker] = dict.fromkeys(cut.tail.outputs if cut.tail else (), "tail")
    makers |= dict.fromkeys(cut.head.outputs if cut.head else (), "head")
    return SplitManifest(
        source=source.path.name,
        digest=source.digest,
        binding=model.binding.encode(),
        crossing=_records(model, cut.crossing),
        up_bytes=cut.up_bytes,
        down_bytes=cut.down_bytes,
        head=head[0] if head else None,
        tail=tail,
        tail_inputs={name: makers.get(name, "model") for name in cut.crossing},
        outputs={tensor.name: makers.get(tensor.name, "model") for tensor in model.outputs},
        files=describe_files(folder, (file for piece in written for file in piece.files)),
        sample_inputs="given" if seed is None else "random",
        seed=seed,
        runtime=runtime.version,
        checks=tuple(
            SplitCheck(
                output=check.name,
                absolute_error=check.found.absolute,
                relative_error=check.found.relative,
                tolerance=check.tolerance.absolute,
                scale=check.tolerance.scale,
            )
            for check in report.outputs
        ),
        unproved=report.unproved,
        passed=report.passed,
    )


def describe_files(folder: Path, files: Iterable[Path]) -> tuple[SplitFile, ...]:
    """The records of files below a folder.

    Args:
        folder: where the manifest will lie.
        files: below it.
    """
    return tuple(
        SplitFile(name=file.relative_to(folder).as_posix(), size_bytes=file.stat().st_size, sha256=_digest(file))
        for file in files
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _piece(model: Model, piece: Piece, written: ExportedPiece) -> SplitPiece:
    return SplitPiece(
        file=written.files[0].name,
        data=written.files[1].name if written.files[1:] else None,
        inputs=_records(model, piece.inputs),
        outputs=_records(model, piece.outputs),
        foreign_domains=written.foreign_domains,
        complaint=written.complaint,
    )


def _records(model: Model, names: Iterable[str]) -> tuple[TensorRecord, ...]:
    return tuple(TensorRecord.of(model.tensors[name]) for name in names)
