import math
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from tests.reporting.chart_views import CHART, STACKED

from partway.reporting import Bars, BarSeries, Chart, Level, Lines, LineSeries
from partway.reporting.chart_figures import encode_chart

pytest.importorskip("matplotlib")


def texts(chart: Chart, *, narrow: bool = False) -> str:
    (drawn,) = encode_chart(chart, "svg", narrow=narrow)
    return "\n".join(ET.fromstring(drawn).itertext())


@pytest.mark.parametrize("narrow", [False, True])
def test_titles_axes_names_and_levels_are_written(narrow: bool) -> None:
    found = texts(CHART, narrow=narrow)
    for text in (
        "All of it $now$",
        "Nothing is real.",
        "Latency",
        "latency",
        "computes",
        "the paper's",
        "words",
        "pool5",
    ):
        assert text in found
    assert "105 ms ★" in found  # the best, with its total


def test_a_figure_is_the_same_whenever_it_is_drawn() -> None:
    assert encode_chart(CHART, "svg", "png") == encode_chart(CHART, "svg", "png")


def test_each_format_is_what_it_says() -> None:
    png, svg = encode_chart(Chart(name="a", title="", panels=(STACKED,)), "png", "svg")
    assert png.startswith(b"\x89PNG")
    assert svg.startswith(b"<?xml")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_bar_without_bound_says_so_and_warns_of_nothing(kind: Literal["png", "svg"]) -> None:
    bars = Bars(
        title="",
        categories=("0 % GPU", "100 % GPU"),
        series=(BarSeries(name="LTE", values=(1.0, 1.5)), BarSeries(name="3G", values=(2.0, math.inf))),
        unit="x",
        axis="throughput",
        levels=(Level(name="server-only", value=1.0),),
    )
    chart = Chart(name="a", title="", panels=(bars,))
    assert encode_chart(chart, kind)
    assert texts(chart).count("no bound") == 1


def test_an_axis_has_the_ticks_that_were_asked_for() -> None:
    lines = Lines(
        title="",
        series=(LineSeries(name="", points=((0.0, 1.0), (0.9, 2.0))),),
        x_unit="share",
        x_axis="load",
        unit="s",
        axis="latency",
        x_ticks=(0.0, 0.45, 0.9),
    )
    assert "90 %" in texts(Chart(name="a", title="", panels=(lines,)))


def test_bars_side_by_side_say_their_values_while_there_is_room() -> None:
    few = Bars(
        title="",
        categories=("IMC", "VGG"),
        series=(BarSeries(name="3G", values=(8.0, float("nan"))),),
        unit="x",
        axis="speed-up",
        logarithmic=True,
    )
    assert "8x" in texts(Chart(name="a", title="", panels=(few,)))
    names = tuple(f"layer{place}" for place in range(46))
    many = Bars(title="", categories=names, series=(BarSeries(name="", values=(0.123,) * 46),), unit="s", axis="")
    found = texts(Chart(name="a", title="", panels=(many,)))
    assert "layer45" in found
    assert "123 ms" not in found


def test_points_that_are_not_joined_have_a_mark_each_and_a_line_where_both_are_the_same() -> None:
    points = tuple((10.0 ** (-place / 50), 10.0 ** (-place / 50)) for place in range(100))
    lines = Lines(
        title="",
        series=(LineSeries(name="unseen", points=()), LineSeries(name="seen", points=points, joined=False)),
        x_unit="s",
        x_axis="measured",
        unit="s",
        axis="ours",
        x_logarithmic=True,
        logarithmic=True,
        diagonal="both the same",
    )
    chart = Chart(name="a", title="", panels=(lines,))
    (drawn,) = encode_chart(chart, "svg")
    found = "\n".join(ET.fromstring(drawn).itertext())
    assert "both the same" in found
    assert "seen" in found.splitlines()
    assert "unseen" not in found
    assert drawn.count(b"<use") >= len(points)  # ticks are fewer
