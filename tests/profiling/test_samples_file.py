import errno
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.profiling.records import HEADER, MACHINE, refusal, sample

from partway.errors import DocumentError, InputError
from partway.profiling.samples import MOST_LINE_BYTES, Record, SamplesHeader, read_header, read_samples
from partway.profiling.samples_file import SamplesFile

CHANGED = msgspec.structs.replace


def record(index: int, *, refused: bool) -> Record:
    return refusal(index) if refused else sample(index)


def fill(path: Path, kinds: list[bool], *, header: SamplesHeader = HEADER) -> list[Record]:
    """Append records after those that are there, and give them."""
    with SamplesFile(path, header) as sink:
        added = [record(sink.count + offset, refused=refused) for offset, refused in enumerate(kinds)]
        for each in added:
            sink.append(each)
    return added


def test_appended_records_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    with SamplesFile(path, HEADER) as sink:
        assert (sink.count, sink.resumed, sink.header) == (0, False, HEADER)
        assert list(read_samples(path)) == []
        sink.append(sample(0))
        assert list(read_samples(path)) == [sample(0)]
        assert sink.count == 1


@law
@given(
    kinds=st.lists(st.booleans(), max_size=4),
    more=st.lists(st.booleans(), min_size=1, max_size=3),
    part=st.floats(0, 1),
)
def test_whatever_was_whole_when_it_was_interrupted_is_there_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[bool], more: list[bool], part: float
) -> None:
    path = tmp_path_factory.mktemp("samples") / "here.samples.jsonl"
    records = fill(path, kinds)
    content = path.read_bytes()
    cut = round(part * len(content))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    kept = records[: max(0, whole - 1)]
    with SamplesFile(path, HEADER) as sink:
        assert sink.resumed is (whole > 0)
        assert sink.count == len(kept)
    added = fill(path, more)
    assert list(read_samples(path)) == [*kept, *added]


def test_bytes_that_never_reached_the_disk_are_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "here.samples.jsonl"
    records = fill(path, [False, True])
    with path.open("ab") as file:
        file.write(bytes(4096))
    with SamplesFile(path, HEADER) as sink:
        assert sink.count == 2
    assert "torn_line_cut" in caplog.text
    assert list(read_samples(path)) == records


def test_another_process_is_refused_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    with SamplesFile(path, HEADER) as sink:
        for again in (False, True):
            with pytest.raises(InputError, match="another process writes"):
                SamplesFile(path, HEADER, again=again)
        sink.append(sample(0))
    with SamplesFile(path, HEADER) as sink:
        assert sink.count == 1


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (CHANGED(HEADER, seed=7), "seed 0, and now it is 7"),
        (CHANGED(HEADER, threads=(1, 0)), "threads 1, and now it is 1 by default"),
        (CHANGED(HEADER, runtime="none 2"), "with none 1, and now it is none 2"),
        (CHANGED(HEADER, providers=("CUDAExecutionProvider",)), "now it is CUDAExecutionProvider"),
        (CHANGED(HEADER, machine=CHANGED(MACHINE, processor="Pen")), "on Pencil, .* now it is Pen,"),
    ],
)
def test_what_was_measured_otherwise_is_left_alone(tmp_path: Path, header: SamplesHeader, told: str) -> None:
    path = tmp_path / "here.samples.jsonl"
    fill(path, [False])
    content = path.read_bytes()
    with pytest.raises(InputError, match=told):
        SamplesFile(path, header)
    assert path.read_bytes() == content
    with SamplesFile(path, header, again=True) as sink:
        assert (sink.count, sink.resumed) == (0, False)
    assert read_header(path) == header


def test_limits_and_meters_of_the_moment_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    fill(path, [False])
    later = CHANGED(HEADER, meter="rapl:package-0", machine=CHANGED(MACHINE, usable_cores=1))
    with SamplesFile(path, later) as sink:
        assert (sink.count, sink.header) == (1, HEADER)


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("content", [b"dear diary", b"dear diary\n", b'{"kind":"partway.plan","version":1}\n'])
def test_files_of_others_are_never_touched(tmp_path: Path, content: bytes, again: bool) -> None:
    path = tmp_path / "here.samples.jsonl"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match="holds no samples"):
        SamplesFile(path, HEADER, again=again)
    assert path.read_bytes() == content


def test_a_damaged_header_is_told_and_can_be_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    fill(path, [False])
    path.write_bytes(path.read_bytes().replace(b'"seed":0', b'"seed":"?"'))
    with pytest.raises(DocumentError, match=r"first line of .* is damaged .* --again"):
        SamplesFile(path, HEADER)
    with SamplesFile(path, HEADER, again=True) as sink:
        assert sink.count == 0


def test_damage_before_the_end_is_not_repaired_but_told(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    fill(path, [False, False, False])
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (lines[2][:-20] + b"\n", lines[3]):
        path.write_bytes(b"".join((*lines[:2], damaged, lines[3])))
        with pytest.raises(DocumentError, match=r"line 3 of .* is damaged .* expected the record of index 1"):
            SamplesFile(path, HEADER)


def test_a_full_disk_takes_nothing_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "here.samples.jsonl"
    fill(path, [False])

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with SamplesFile(path, HEADER) as sink:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(DocumentError, match="No space left"):
                sink.append(sample(1))
        assert list(read_samples(path)) == [sample(0)]
        sink.append(sample(1))
    assert list(read_samples(path)) == [sample(0), sample(1)]


def test_only_the_next_record_can_be_appended_and_none_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "here.samples.jsonl"
    with SamplesFile(path, HEADER) as sink:
        with pytest.raises(ValueError, match="index 0, not 1"):
            sink.append(sample(1))
        with pytest.raises(DocumentError, match="too long"):
            sink.append(refusal(0, "x" * MOST_LINE_BYTES))
    assert list(read_samples(path)) == []


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "here.samples.jsonl"):
        with pytest.raises(DocumentError, match="cannot write"):
            SamplesFile(path, HEADER)
