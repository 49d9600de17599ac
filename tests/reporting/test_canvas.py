import sys
from pathlib import Path

import pytest

from partway.errors import InputError
from partway.reporting.canvas import open_figure, require_drawable, write_figure


def test_a_format_that_we_do_not_draw_is_refused() -> None:
    with pytest.raises(InputError, match=r"ends in \.png, \.svg or \.pdf"):
        require_drawable(Path("plan.jpg"))


def test_without_matplotlib_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'partway\[plot\]'"):
        require_drawable(Path("plan.png"))


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_name_says_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    write_figure(open_figure((2.0, 1.0)), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)
