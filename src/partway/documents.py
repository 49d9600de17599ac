"""Versioned JSON documents: profiles, plans, results.

A record type names its `kind` and `version`; the file carries both in its first two keys, so that any
release can say what it found before it reads the rest. Writes are atomic: a reader sees the old file or
the new one. Text that people wrote is read here too, as far as it may go. Called by every room that stores something.
"""

import os
import secrets
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec

from partway.errors import DocumentError, InputError
from partway.units import format_size

MAX_DOCUMENT_BYTES = 256 * 2**20
"""Of a file: more than the samples of a week of profiling. No more is read, whatever the path leads to."""

# msgspec tells bad JSON by its own errors, bad UTF-8 and bottomless nesting by Python's.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record that is stored as one JSON file.

    Subclasses set `kind`, a stable name, and `version`, raised whenever an older release could no longer
    read what is written. Those of many numbers set `indent` to -1, for lines that only programs read.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    indent: ClassVar[int] = 2


class _Header(msgspec.Struct, frozen=True):
    kind: str
    version: int


DocumentType = TypeVar("DocumentType", bound=Document)
SecondType = TypeVar("SecondType", bound=Document)
ThirdType = TypeVar("ThirdType", bound=Document)


def encode_document(document: Document) -> bytes:
    """The document as JSON, its kind and version first.

    Args:
        document: any record whose type derives from `Document`.
    """
    body: dict[str, object] = msgspec.to_builtins(document)
    stamped = {"kind": document.kind, "version": document.version, **body}
    return msgspec.json.format(msgspec.json.encode(stamped), indent=document.indent) + b"\n"


def decode_document(text: bytes, expected: type[DocumentType], *, where: str = "the document") -> DocumentType:
    """The document that `text` holds.

    Args:
        text: JSON as `encode_document` wrote it.
        expected: the record type wanted.
        where: what to call the text in an error, usually its path.

    Raises:
        DocumentError: not JSON, another kind, another version, or fields that do not fit.
    """
    header = _header(text, where)
    if header.kind != expected.kind:
        raise DocumentError(f"{where} is a {header.kind!r} document; a {expected.kind!r} document was expected")
    if header.version != expected.version:
        raise DocumentError(
            f"{where} has version {header.version} of {header.kind!r}; this release reads version "
            f"{expected.version}: make it anew, or use the release that wrote it"
        )
    try:
        body = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        del body["kind"], body["version"]
        return msgspec.json.decode(msgspec.json.encode(body), type=expected)
    except _UNREADABLE as error:
        raise DocumentError(f"{where} is a damaged {header.kind!r} document: {error}") from error


def read_document(path: Path, expected: type[DocumentType]) -> DocumentType:
    """The document stored at `path`.

    Raises:
        DocumentError: the file is missing, unreadable, or not such a document.
    """
    return decode_document(_read_document(path), expected, where=str(path))


def read_one_of(
    path: Path, first: type[DocumentType], second: type[SecondType], third: type[ThirdType]
) -> DocumentType | SecondType | ThirdType:
    """The document stored at `path`, of any of three kinds.

    Raises:
        DocumentError: the file is missing, unreadable, or no such document of any of the kinds.
    """
    text = _read_document(path)
    kind = _header(text, str(path)).kind
    if kind == first.kind:
        return decode_document(text, first, where=str(path))
    if kind == second.kind:
        return decode_document(text, second, where=str(path))
    if kind == third.kind:
        return decode_document(text, third, where=str(path))
    wanted = " or ".join(f"a {record.kind!r}" for record in (first, second, third))
    raise DocumentError(f"{path} is a {kind!r} document; {wanted} document was expected")


def read_text(path: Path, expected: str, *, most_bytes: int, failure: type[InputError] = InputError) -> str:
    """The text in a file that people wrote or measured: UTF-8, with or without the mark that some editors begin with.

    Args:
        path: of a regular file; a device or a pipe might never end, and says nothing about its size.
        expected: what it is to hold, in words, such as `a CSV trace`.
        most_bytes: that are read.
        failure: what to raise.

    Raises:
        InputError: it cannot be read, is too large, or is no text; of the type that was given.
    """
    try:
        if path.exists() and not path.is_file():
            raise failure(f"{path} is not a regular file; expected {expected}")
        content = _read(path, most_bytes)
    except OSError as error:
        raise failure(f"cannot read {path}: {error.strerror}; expected {expected}") from error
    if len(content) > most_bytes:
        raise failure(f"{path} is larger than {format_size(most_bytes)}, the most that is read of {expected}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise failure(f"{path} is not UTF-8 text ({error.reason}); expected {expected}") from error


def _read_document(path: Path) -> bytes:
    try:
        content = _read(path, MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"{path} is larger than {format_size(MAX_DOCUMENT_BYTES)}; no Partway document is so long")
    return content


def _read(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most_bytes + 1)  # one more, by which it is too large


def _header(text: bytes, where: str) -> _Header:
    try:
        return msgspec.json.decode(text, type=_Header)
    except _UNREADABLE as error:
        raise DocumentError(
            f"{where} is not a Partway document ({error}); expected JSON with 'kind' and 'version'"
        ) from error


def write_document(path: Path, document: Document) -> None:
    """Store the document at `path`, atomically.

    Raises:
        DocumentError: the folder does not exist or cannot be written.
    """
    write_atomically(path, encode_document(document))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` in one step: readers see all of the old content or all of the new.

    Others may read it as far as the user's umask lets them.

    Raises:
        DocumentError: the folder does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise DocumentError(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        raise DocumentError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
