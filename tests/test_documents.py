import os
import stat
import threading
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.graph.support import law

from partway import documents
from partway.documents import (
    Document,
    decode_document,
    encode_document,
    read_document,
    read_one_of,
    write_atomically,
    write_document,
)
from partway.errors import DocumentError


class Note(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "partway.note"
    version: ClassVar[int] = 3

    text: str
    numbers: tuple[float, ...] = ()


class Letter(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "partway.letter"
    version: ClassVar[int] = 1

    to: str


class Parcel(Document, frozen=True, kw_only=True):
    kind: ClassVar[str] = "partway.parcel"
    version: ClassVar[int] = 1


notes = st.builds(Note, text=st.text(), numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple))
NOTE = Note(text="a", numbers=(1.5,))


@law
@given(notes)
def test_decoding_what_was_encoded_gives_the_document(note: Note) -> None:
    assert decode_document(encode_document(note), Note) == note


def test_kind_and_version_come_first() -> None:
    assert list(msgspec.json.decode(encode_document(NOTE))) == ["kind", "version", "text", "numbers"]
    assert encode_document(NOTE).endswith(b"}\n")


HEADER = b'{"kind":"partway.note","version":3'


@law
@example(b"")
@example(b"[" * 100_000)
@example(HEADER + b',"text":' + b"[" * 100_000)
@example(b'{"kind":"\xff","version":3}')
@example(HEADER + b',"text":"\xff"}')
@example(HEADER + b',"\xff":1}')
@example(HEADER + b',"text":1}')
@example(HEADER + b"}")
@example(HEADER + b',"text":"a","more":1}')
@example(HEADER + b',"text":"a"')
@example(HEADER + b',"text":"a"} trailing')
@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda more: HEADER + b"," + more + b"}"))
def test_hostile_bytes_are_never_more_than_a_document_error(content: bytes) -> None:
    try:
        note = decode_document(content, Note)
    except DocumentError:
        return
    assert decode_document(encode_document(note), Note) == note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"kind":"partway.plan","version":3}', r"n is a 'partway.plan' document; a 'partway.note' .* expected"),
        (b'{"kind":"partway.note","version":4}', r"n has version 4 of 'partway.note'; this release reads version 3"),
        (b'{"version":3}', r"n is not a Partway document .*'kind'"),
        (HEADER + b',"text":7}', r"n is a damaged 'partway.note' document: .*text"),
    ],
)
def test_a_document_that_cannot_be_read_says_what_was_found(content: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        decode_document(content, Note, where="n")


def test_a_written_document_is_read_back_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    for text in ("first", "second"):
        write_document(path, Note(text=text))
        assert read_document(path, Note).text == text
    assert [file.name for file in tmp_path.iterdir()] == ["note.json"]
    assert stat.S_ISREG(path.stat().st_mode)


def test_readers_see_the_old_document_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_document(path, Note(text="0" * 100_000))

    def write() -> None:
        for digit in "123456789":
            write_document(path, Note(text=digit * 100_000))

    writer = threading.Thread(target=write)
    writer.start()
    texts = [read_document(path, Note).text for _ in range(20)]
    writer.join()
    assert all(text == text[0] * 100_000 for text in texts)


def test_a_path_that_cannot_be_read_or_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"cannot read .*none.json: No such file"):
        read_document(tmp_path / "none.json", Note)
    with pytest.raises(DocumentError, match=r"cannot write .*note.json: No such file"):
        write_document(tmp_path / "nowhere" / "note.json", NOTE)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DocumentError, match=r"cannot write .*folder: Is a directory"):
        write_document(tmp_path / "folder", NOTE)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_one_of_several_kinds_is_told_by_what_the_document_says_that_it_is(tmp_path: Path) -> None:
    for document in (NOTE, Letter(to="b"), Parcel()):
        write_document(tmp_path / "post", document)
        assert read_one_of(tmp_path / "post", Note, Letter, Parcel) == document
        assert read_one_of(tmp_path / "post", Parcel, Letter, Note) == document


def test_another_kind_is_refused_with_the_names_of_all_that_are_not(tmp_path: Path) -> None:
    (tmp_path / "post").write_text('{"kind":"partway.plan","version":1}')
    wanted = "a 'partway.note' or a 'partway.letter' or a 'partway.parcel' document was expected"
    with pytest.raises(DocumentError, match=f"'partway.plan' .*; {wanted}"):
        read_one_of(tmp_path / "post", Note, Letter, Parcel)
    with pytest.raises(DocumentError, match="cannot read"):
        read_one_of(tmp_path / "none", Note, Letter, Parcel)


def test_what_is_written_may_be_read_as_far_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "page.html", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o640


def test_no_more_is_read_than_a_document_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 2**16)
    with pytest.raises(DocumentError, match="larger than"):
        read_document(Path("/dev/zero"), Note)
