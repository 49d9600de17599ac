"""What a chart shows: bars, lines or a grid of cells, one above the other.

Input: numbers in SI units, with names. Output: records, which `chart_figures` draws and `findings_page` puts on a page.
Made by studies and simulations, which know nothing of how a figure is drawn.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from partway.errors import InputError
from partway.units import format_count, format_duration, format_energy, format_power, format_rate, format_size

Unit = Literal["s", "J", "B", "B/s", "W", "x", "share", "count"]
"""Seconds, joules, bytes, bytes per second, watts, a factor, a share of 1, a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSeries:
    """Bars that are drawn alike, one for each category.

    Attributes:
        name: for the legend; empty for none.
        values: in the panel's unit, >= 0; NaN draws nothing, infinity only the words `no bound`.
    """

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A value that others are held against, drawn as a line across the panel.

    Attributes:
        name: what it is, written beside it.
        value: in the unit of the axis that it is on.
        upright: whether it is on the horizontal axis; only where that has numbers.
    """

    name: str
    value: float
    upright: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars of named categories, side by side or stacked.

    Attributes:
        title: above the panel; may be empty.
        categories: names, from left to right.
        series: up to six, each with a value a category.
        unit: of all values.
        axis: what the values are.
        stacked: whether the series of a category add up.
        logarithmic: whether the axis is; never together with stacked.
        best: index of the category to star, if any; only where series are stacked.
        levels: values to hold the bars against.

    Raises:
        InputError: a series has more or fewer values than there are categories, or stacks on a logarithmic axis.
    """

    title: str
    categories: tuple[str, ...]
    series: tuple[BarSeries, ...]
    unit: Unit
    axis: str
    stacked: bool = False
    logarithmic: bool = False
    best: int | None = None
    levels: tuple[Level, ...] = ()

    def __post_init__(self) -> None:
        for series in self.series:
            if len(series.values) != len(self.categories):
                raise InputError(
                    f"bars of {series.name!r} have {len(series.values)} values for {len(self.categories)} categories; "
                    "give one for each"
                )
        if self.stacked and self.logarithmic:
            raise InputError("stacked bars on a logarithmic axis mean nothing; choose one of the two")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSeries:
    """Points, joined or each for itself.

    Attributes:
        name: for the legend; empty for none.
        points: horizontal and vertical value of each, from left to right where joined; with none it is not drawn, and
            the next keeps its own look.
        steps: whether a value holds until the next point.
        joined: whether lines join them; else each has a mark.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    steps: bool = False
    joined: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines over a numeric axis.

    Attributes:
        title: above the panel; may be empty.
        series: up to eight.
        x_unit: of the horizontal values.
        x_axis: what they are.
        unit: of the vertical values.
        axis: what those are.
        x_logarithmic: whether the horizontal axis is.
        logarithmic: whether the vertical axis is.
        levels: values to hold the lines against.
        x_ticks: horizontal values that are labelled; empty for those that fit.
        diagonal: name of the line on which both values are the same; empty for none.
    """

    title: str
    series: tuple[LineSeries, ...]
    x_unit: Unit
    x_axis: str
    unit: Unit
    axis: str
    x_logarithmic: bool = False
    logarithmic: bool = False
    levels: tuple[Level, ...] = ()
    x_ticks: tuple[float, ...] = ()
    diagonal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells with a text each, coloured by a number.

    Attributes:
        title: above the panel; may be empty.
        columns: headings.
        rows: names.
        texts: one tuple a row, one text a column.
        shares: what colours the cells, in [0, 1], the same shape; NaN leaves one blank.
        scale: what the colour says, for instance `share of the layers on the device`.
        column_axis: what the headings are; may be empty.
        row_axis: what the names are; may be empty.

    Raises:
        InputError: texts or shares are not of one row a name and one column a heading.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    scale: str
    column_axis: str = ""
    row_axis: str = ""

    def __post_init__(self) -> None:
        for what, cells in (("texts", self.texts), ("shares", self.shares)):
            if len(cells) != len(self.rows) or any(len(row) != len(self.columns) for row in cells):
                raise InputError(f"{what} of a grid must be of {len(self.rows)} rows and {len(self.columns)} columns")
        if any(not math.isnan(share) and not 0 <= share <= 1 for row in self.shares for share in row):
            raise InputError("shares of a grid must lie between 0 and 1")


Panel = Bars | Lines | Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure.

    Attributes:
        name: stem of its files, for instance `figure-06`.
        title: what it shows.
        panels: from top to bottom, at least one.
        caption: what the reader should know, a sentence or two; may be empty.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    caption: str = ""


def format_value(value: float, unit: Unit) -> str:
    """A value for people: `95 ms`, `18 %`, `2.03x`.

    Args:
        value: in the unit.
        unit: which.
    """
    formats: dict[Unit, Callable[[float], str]] = {
        "s": format_duration,
        "J": format_energy,
        "B": format_size,
        "B/s": format_rate,
        "W": format_power,
        "x": lambda factor: f"{factor:,.0f}x" if factor >= 999.5 else f"{factor:.3g}x",
        "share": lambda share: f"{100 * share:.3g} %",
        "count": format_count,
    }
    return formats[unit](value)
