"""Pieces as ONNX files that stand alone: weights and all, for any runtime.

Input: a canonical graph and a piece of it. Output: an ONNX file with the weights inside, or beside it where they
are more than one protobuf message may hold. Only references are rewritten and bytes copied: nothing is optimised,
so nothing depends on this machine. Called by `partway split`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx
from onnx import TensorProto
from onnx.external_data_helper import set_external_data, uses_external_data

from partway.graph.cuts import Piece
from partway.graph.model import Model
from partway.graph.slicing import Slicer

INLINE_BYTES = 2**31 - 2**24
"""The most that a file holds with its weights inside: protobuf's own limit, less a margin for what frames them."""

_PAGE_BYTES = 4096  # where weights begin in a file of their own, so that runtimes can map them
_STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedPiece:
    """A piece that was written.

    Attributes:
        files: the ONNX file first, then that of its weights if they lie beside it.
        foreign_domains: operator sets that it needs and that are not ONNX's own.
        complaint: what ONNX's own checker says against it; None where it is content.
    """

    files: tuple[Path, ...]
    foreign_domains: tuple[str, ...]
    complaint: str | None


def export_piece(
    model: Model, piece: Piece, path: Path, *, about: str, metadata: Mapping[str, str], inline_bytes: int | None = None
) -> ExportedPiece:
    """Write a piece as an ONNX file of its own.

    Args:
        model: the canonical graph.
        piece: what to write.
        path: the file to write; its stem names the graph. Weights beside it go to the same name with `.data` added.
        about: one sentence for the reader of the graph.
        metadata: what the file says of itself, by name.
        inline_bytes: the most bytes with the weights inside; `INLINE_BYTES` by default.

    Raises:
        CutError: the piece cannot be computed from its inputs.
        OSError: a file cannot be read or written.
    """
    exported = Slicer(model.graph, model.tensors).slice(piece)
    exported.graph.name = path.stem
    exported.graph.doc_string = about
    exported.doc_string = about
    for key, text in metadata.items():
        exported.metadata_props.add(key=key, value=text)
    domains = _keep_used_opsets(exported)
    stored = [tensor for tensor in _tensors(exported.graph) if uses_external_data(tensor)]
    files: tuple[Path, ...] = (path,)
    size_bytes = exported.ByteSize() + sum(_place(tensor)[2] for tensor in stored)
    if not stored or size_bytes <= (INLINE_BYTES if inline_bytes is None else inline_bytes):
        _bring_inside(stored, model.entry.directory)
    else:
        files = (path, path.with_name(f"{path.name}.data"))
        _lay_beside(stored, model.entry.directory, files[1])
    path.write_bytes(exported.SerializeToString(deterministic=True))
    return ExportedPiece(
        files=files, foreign_domains=tuple(sorted(domains - _STANDARD_DOMAINS)), complaint=_complaint(path)
    )


def _keep_used_opsets(model: onnx.ModelProto) -> frozenset[str]:
    # The runtime lists every operator set that it knows; other readers refuse a file over some of them.
    used = {node.domain for graph in _graphs(model.graph) for node in graph.node}
    used |= {node.domain for function in model.functions for node in function.node}
    kept = [entry for entry in model.opset_import if entry.domain in used or not entry.domain]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return frozenset(used)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(body)


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    for inner in _graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                yield from (*((attribute.t,) if attribute.HasField("t") else ()), *attribute.tensors)


def _place(tensor: TensorProto) -> tuple[str, int, int]:
    data = {item.key: item.value for item in tensor.external_data}
    return data["location"], int(data.get("offset", 0)), int(data["length"])


def _contents(tensors: list[TensorProto], directory: Path) -> Iterator[tuple[TensorProto, bytes]]:
    # Read here and not by `onnx.load`, which takes the hard links of the cache for an attack.
    opened: dict[str, BinaryIO] = {}
    try:
        for tensor in tensors:
            location, offset, length = _place(tensor)
            if location not in opened:
                opened[location] = (directory / location).open("rb")
            opened[location].seek(offset)
            content = opened[location].read(length)
            if len(content) != length:
                raise OSError(f"{directory / location} ends within {tensor.name!r}")
            yield tensor, content
    finally:
        for file in opened.values():
            file.close()


def _bring_inside(tensors: list[TensorProto], directory: Path) -> None:
    for tensor, content in _contents(tensors, directory):
        tensor.raw_data = content
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def _lay_beside(tensors: list[TensorProto], directory: Path, target: Path) -> None:
    with target.open("wb") as file:
        for tensor, content in _contents(tensors, directory):
            file.seek(-file.tell() % _PAGE_BYTES, 1)
            tensor.raw_data = b""  # `set_external_data` wants some, and leaves none
            set_external_data(tensor, target.name, offset=file.tell(), length=len(content))
            tensor.ClearField("raw_data")
            file.write(content)


def _complaint(path: Path) -> str | None:
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError) as error:
        return " ".join(str(error).split())
    return None
