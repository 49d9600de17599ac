import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partway.reporting import Column, name_set, print_lines, print_table, printable, share, shorten

NAMES = Column(title="name", right=False, shrinks=True)
NUMBERS = Column(title="seconds")


def in_a_window(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")


def test_names_stand_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Times", (NAMES, NUMBERS), (("a", "1 ms"), ("longer", "100 ms")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Times"
    assert lines[1].split() == ["name", "seconds"]
    assert lines[3] == "a          1 ms"
    assert lines[4] == "longer   100 ms"
    assert lines[5] == ""


def test_a_pipe_gets_names_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 100
    print_table("Times", (NAMES, NUMBERS), ((name, "1 ms"),))
    assert name in capsys.readouterr().out


def test_brackets_are_shapes_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Times", (NAMES,), (("float32[1,3]",), ("[bold]:smile:[/bold]",)))
    out = capsys.readouterr().out
    assert "float32[1,3]" in out
    assert "[bold]:smile:[/bold]" in out


def test_what_files_call_things_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J\x1b]0;mine\x07\r\N{RIGHT-TO-LEFT OVERRIDE}a"
    print_table(name, (NAMES,), ((name,),))
    print_lines(((name, name),))
    out = capsys.readouterr().out
    assert out.count(r"\x1b[2J\x1b]0;mine\x07\r\u202ea") == 4
    assert all(line.isprintable() for line in out.splitlines())


@given(st.text())
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    assert (printable(text) == text) == text.isprintable()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_narrow_window_never_costs_a_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    in_a_window(monkeypatch, width)
    row = ("a_name_that_is_far_too_long_for_this", *(f"{number}.25 ms" for number in range(6)))
    print_table("Times", (NAMES, *[NUMBERS] * 6), (row,))
    out = capsys.readouterr().out
    assert all(cell in out for cell in row[1:])
    assert "…" not in out


def test_a_table_without_rows_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Times", (NAMES,), ())
    assert capsys.readouterr().out == ""


def test_labels_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines((("model", "m"), ("why", "since")))
    assert capsys.readouterr().out == "model  m\nwhy    since\n\n"


@given(st.text(), st.integers(3, 60))
def test_a_shortened_name_fits_and_keeps_its_ends(name: str, width: int) -> None:
    short = shorten(name, width)
    assert len(short) <= width
    if len(name) <= width:
        assert short == name
    else:
        start, end = short.split("…", 1) if "…" not in name else (short[0], short[-1])
        assert name.startswith(start)
        assert name.endswith(end)


def test_many_names_are_counted() -> None:
    assert name_set((), none="nothing") == "nothing"
    assert name_set(("a",), none="") == "a"
    assert name_set(("a", "b"), none="") == "a + b"
    assert name_set(("a", "b", "c", "d"), none="") == "a + b + 2 more"


def test_shares_are_per_cent() -> None:
    assert share(1, 3) == "33 %"
    assert share(0, 0) == "0 %"
