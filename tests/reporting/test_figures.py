from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from partway.reporting.figures import Series, draw_scatter

pytest.importorskip("matplotlib")

MODELS = Series(name="models", points=((1e-3, 1.1e-3), (2e-2, 1.5e-2)))
NONE = Series(name="models that did not repeat", points=())


def texts(path: Path, monkeypatch: pytest.MonkeyPatch, *series: Series) -> str:
    """All that is written in a plot."""
    import matplotlib as mpl  # noqa: PLC0415 - only where it is installed

    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    draw_scatter(path, series, title="Pencil, 1 thread")
    return "\n".join(ET.parse(path).getroot().itertext())


def test_a_png_and_an_svg_are_what_their_names_say(tmp_path: Path) -> None:
    draw_scatter(tmp_path / "plot.png", (MODELS, NONE), title="t")
    draw_scatter(tmp_path / "plot.SVG", (MODELS, NONE), title="t")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "plot.SVG").read_bytes()


def test_axes_have_units_and_the_legend_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(tmp_path / "plot.svg", monkeypatch, MODELS, NONE)
    for text in ("Pencil, 1 thread", "models (2)", "1 ms", "10 ms", "measured", "predicted", "+10 %", "-20 %"):
        assert text in found
    assert NONE.name not in found


def test_a_single_point_has_labelled_axes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(tmp_path / "plot.svg", monkeypatch, Series(name="one", points=((3.1e-3, 3e-3),)))
    assert "5 ms" in found or "2 ms" in found


def test_points_far_off_stay_in_the_plot(tmp_path: Path) -> None:
    draw_scatter(tmp_path / "plot.png", (Series(name="far", points=((1e-6, 1.0), (1.0, 1e-6))),), title="t")
    assert (tmp_path / "plot.png").stat().st_size > 1000
