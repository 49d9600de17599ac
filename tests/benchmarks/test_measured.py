"""Measured models survive a crash while they are written, and are never mixed with those of another machine."""

from pathlib import Path

import msgspec
import pytest
from benchmarks.measured import MeasuredFile, read_measured
from tests.benchmarks.measured_models import HEADER, chain

from partway.errors import DocumentError, InputError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = MeasuredFile(tmp_path / "m.jsonl", HEADER)
    file.append(chain("a"))
    file.append(chain("b"))
    header, models = read_measured(tmp_path / "m.jsonl")
    assert header == HEADER
    assert models == (chain("a"), chain("b"))


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    MeasuredFile(tmp_path / "m.jsonl", HEADER).append(chain("a"))
    again = MeasuredFile(tmp_path / "m.jsonl", HEADER)
    assert again.names == {"a"}
    again.append(chain("b"))
    assert [model.model for model in read_measured(tmp_path / "m.jsonl")[1]] == ["a", "b"]


def test_a_torn_last_line_is_left_out_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    MeasuredFile(path, HEADER).append(chain("a"))
    whole = path.read_bytes()
    for torn in (b"{", msgspec.json.encode(chain("b"))[:-1]):
        path.write_bytes(whole + torn)
        assert [model.model for model in read_measured(path)[1]] == ["a"]
        assert MeasuredFile(path, HEADER).names == {"a"}
        assert path.read_bytes() == whole


@pytest.mark.parametrize("change", [{"threads": 4}, {"cuts": 3}, {"runtime": "none 2"}])
def test_a_file_that_was_measured_otherwise_is_refused(tmp_path: Path, change: dict[str, int | str]) -> None:
    MeasuredFile(tmp_path / "m.jsonl", HEADER)
    with pytest.raises(InputError, match="was measured with Pencil"):
        MeasuredFile(tmp_path / "m.jsonl", msgspec.structs.replace(HEADER, **change))


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    for text in ("what?\n", '{"kind":"partway.samples"}\n'):
        path.write_text(text)
        with pytest.raises(DocumentError, match="holds no measured models"):
            MeasuredFile(path, HEADER)
        assert path.read_text() == text


def test_kernels_that_pieces_share_are_one_object() -> None:
    whole, head, *_ = chain().piece_kernels()
    assert whole.kernels[0] is head.kernels[0]
    assert head.returned == {0}


def test_a_model_is_steady_while_its_two_timings_are_near() -> None:
    assert chain(second=1.04).steady
    assert not chain(second=1.06).steady
    assert not chain(second=0.9).steady
