from pathlib import Path

import msgspec
import pytest
from tests.profiling.records import HEADER, KERNEL, refusal, sample

from partway.errors import DocumentError
from partway.profiling.samples import MOST_LINE_BYTES, Record, Sample, read_header, read_samples


def line(record: object) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def write(folder: Path, *lines: bytes) -> Path:
    path = folder / "here.samples.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    records: list[Record] = [sample(0), refusal(1), sample(2, focus="conv")]
    path = write(tmp_path, line(HEADER), *map(line, records))
    assert read_header(path) == HEADER
    assert list(read_samples(path)) == records


def test_numbers_of_attributes_keep_their_kind(tmp_path: Path) -> None:
    (found,) = read_samples(write(tmp_path, line(HEADER), line(sample(0))))
    assert isinstance(found, Sample)
    for name, value in found.kernels[0].attributes.items():
        assert repr(value) == repr(KERNEL.attributes[name])


def test_a_file_begins_with_its_kind_and_version() -> None:
    assert line(HEADER).startswith(b'{"kind":"partway.samples","version":1,')


def test_samples_are_read_one_at_a_time(tmp_path: Path) -> None:
    records = read_samples(write(tmp_path, line(HEADER), line(sample(0)), b"nonsense\n", line(sample(2))))
    assert next(records) == sample(0)
    with pytest.raises(DocumentError, match=r"line 3 of .* is damaged"):
        next(records)


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_last_line_that_is_not_whole_is_left_out(tmp_path: Path, cut: int) -> None:
    assert list(read_samples(write(tmp_path, line(HEADER), line(sample(0)), line(sample(1))[:-cut]))) == [sample(0)]


def test_a_last_line_that_never_reached_the_disk_is_left_out(tmp_path: Path) -> None:
    assert list(read_samples(write(tmp_path, line(HEADER), line(sample(0)), bytes(500), b"\n"))) == [sample(0)]


@pytest.mark.parametrize("index", [0, 2, -1])
def test_an_index_that_is_not_the_next_is_damage(tmp_path: Path, index: int) -> None:
    with pytest.raises(DocumentError, match=f"line 3 .*its index is {index}"):
        list(read_samples(write(tmp_path, line(HEADER), line(sample(0)), line(sample(index)))))


def test_a_line_longer_than_any_of_ours_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path, line(HEADER), b'{"index":0,"reason":"' + b"x" * MOST_LINE_BYTES + b'"}\n', line(sample(1)))
    with pytest.raises(DocumentError, match="longer than"):
        list(read_samples(path))


@pytest.mark.parametrize("content", [b"", b"{}", b"kernel,seconds\n", b'{"kind":"partway.plan","version":1}\n'])
def test_other_files_hold_no_samples(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DocumentError, match="holds no samples"):
        list(read_samples(write(tmp_path, content)))


def test_damaged_headers_and_other_versions_say_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"first line of .* is damaged"):
        read_header(write(tmp_path, line(HEADER)[:-9], b"\n"))
    with pytest.raises(DocumentError, match=r"version 9 .* reads version 1"):
        read_header(write(tmp_path, line(HEADER).replace(b'"version":1', b'"version":9')))
    with pytest.raises(DocumentError, match="cannot read"):
        read_header(tmp_path / "none.samples.jsonl")


@pytest.mark.parametrize(
    ("busy_share", "spread", "disturbed"), [(1.0, 0.05, False), (0.8, 0.05, True), (1.0, 0.5, True)]
)
def test_samples_that_suffered_say_so(busy_share: float, spread: float, disturbed: bool) -> None:
    assert sample(0, busy_share=busy_share, spread=spread).disturbed is disturbed
