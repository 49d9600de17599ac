"""What `partway split` prints: the files, how to wire them, and how far they are from the model.

Input: a manifest, and what running the files showed. Output: tables or JSON on stdout.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from partway.reporting import Column, name_set, print_json, print_lines, print_table, shorten
from partway.units import format_size
from partway.verification.export import ExportReport
from partway.verification.manifest import SplitManifest, SplitPiece


def print_split(
    arguments: argparse.Namespace, manifest: SplitManifest, report: ExportReport, *, folder: Path, placed: Path | None
) -> None:
    """Print what a split is and whether it was kept.

    Args:
        arguments: `model` as the user named it, and `json`.
        manifest: the split.
        report: what running its files showed.
        folder: where it was to go.
        placed: where its tail was to go in a model repository.
    """
    kept = report.passed
    if arguments.json:
        print_json(
            {
                "model": arguments.model,
                "folder": str(folder) if kept else None,
                "triton": str(placed) if kept and placed else None,
                **msgspec.structs.asdict(manifest),
            }
        )
        return
    for title, piece in (("Head", manifest.head), ("Tail", manifest.tail)):
        if piece is not None:
            _print_piece(title, piece, manifest)
    _print_checks(manifest)
    sizes = ", ".join(f"{file.name} {format_size(file.size_bytes)}" for file in manifest.files)
    print_lines(
        (
            ("model", arguments.model),
            ("cut", name_set([tensor.name for tensor in manifest.crossing], none="")),
            ("sends", f"{format_size(manifest.up_bytes)}, gets {format_size(manifest.down_bytes)} back"),
            ("inputs", "given" if manifest.seed is None else f"random (seed {manifest.seed})"),
            ("files", sizes),
            ("written", ", ".join(str(path) for path in (folder, placed) if path) if kept else "nothing"),
            ("result", _verdict(report)),
        )
    )
    for note in _notes(manifest):
        print(f"note: {note}")


def _print_piece(title: str, piece: SplitPiece, manifest: SplitManifest) -> None:
    sources = manifest.tail_inputs if piece is manifest.tail else {}
    rows = [
        (shorten(tensor.name), tensor.info().describe(), f"from the {sources.get(tensor.name, 'model')}")
        for tensor in piece.inputs
    ]
    rows += [(shorten(tensor.name), tensor.info().describe(), "out") for tensor in piece.outputs]
    columns = (
        Column(title="tensor", right=False, shrinks=True),
        Column(title="type and shape", right=False),
        Column(title="", right=False),
    )
    print_table(f"{title} ({piece.file})", columns, rows)


def _print_checks(manifest: SplitManifest) -> None:
    print_table(
        "Head, then tail, against the model",
        (
            Column(title="output", right=False, shrinks=True),
            Column(title="differs by"),
            Column(title="of the scale"),
            Column(title="may differ by"),
        ),
        (
            (
                shorten(check.output),
                _number(check.absolute_error),
                _number(check.relative_error),
                _number(check.tolerance) if check.tolerance else "nothing",
            )
            for check in manifest.checks
        ),
    )


def _verdict(report: ExportReport) -> str:
    if report.passed:
        return "passed: the files answer as the model does"
    if report.proved_nothing:
        return "FAILED: no output has a finite number, so nothing is proved; give real inputs with --input"
    return "FAILED: the files do not answer as the model does"


def _notes(manifest: SplitManifest) -> Iterator[str]:
    if manifest.head is None:
        yield "the head is empty: the inputs themselves cross"
    for piece in (manifest.head, manifest.tail):
        if piece is not None and piece.foreign_domains:
            yield f"{piece.file} needs operators of {', '.join(piece.foreign_domains)}, which not every runtime has"
        if piece is not None and piece.complaint is not None:
            yield f"ONNX's checker does not take {piece.file}: {piece.complaint}"
    for name in manifest.unproved:
        yield f"output {name} is nothing but zeros, NaN or infinity on this input, which proves nothing of it"


def _number(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not equal"
