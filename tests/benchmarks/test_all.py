import json
import sys
from pathlib import Path

import pytest
from benchmarks.all import ENTRIES, Ran, main, verdicts_of

from benchmarks import all as every


def ran(status: int, document: object) -> Ran:
    return Ran(name="herd", status=status, took_s=1.0, document=document)


def test_marks_come_from_the_document() -> None:
    document = {"verdicts": [["speed", "0.9", True], ["lost", "3", False]]}
    assert verdicts_of(ran(1, document)) == [("speed", "0.9", True), ("lost", "3", False)]


@pytest.mark.parametrize(
    ("status", "document", "held"),
    [(0, {"rows": []}, True), (1, {"rows": []}, False), (-9, None, False), (0, None, False), (1, [1], False)],
)
def test_a_benchmark_without_marks_is_judged_by_how_it_ended(status: int, document: object, held: bool) -> None:
    assert [it for _, _, it in verdicts_of(ran(status, document))] == [held]


def test_a_status_that_the_marks_do_not_explain_is_a_mark_that_is_missed() -> None:
    marks = verdicts_of(ran(1, {"verdicts": [["speed", "0.9", True]]}))
    assert marks[-1] == ("exit status", "1", False)


def test_every_benchmark_is_a_module() -> None:
    folder = Path(every.__file__).parent
    assert all((folder / f"{one.name}.py").is_file() or (folder / one.name).is_dir() for one in ENTRIES)


def test_what_a_benchmark_that_ended_early_left_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(every, "end_in_order", lambda: None)
    assert main(["--quick", "--only", "herd", "soak", "--json", str(tmp_path / "all.json")]) == 1
    assert [one["status"] for one in json.loads((tmp_path / "all.json").read_text())] == [1, 1]
    assert capsys.readouterr().out.count("MISSED") == 2
