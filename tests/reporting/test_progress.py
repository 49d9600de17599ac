import sys

import pytest

from partway.reporting import follow, waiting


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with follow("measuring") as progress, waiting("reading"):
        progress(1, 2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_sees_what_is_done_unless_told_to_be_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with follow("measuring", quiet=quiet) as progress:
        progress(2, 2)
    with waiting("reading", quiet=quiet):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("2/2" in captured.err) is not quiet
    assert ("reading" in captured.err) is not quiet
