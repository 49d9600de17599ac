"""Charts as figures: bars, lines and grids, for files and for pages, wide or narrow.

Input: a `Chart`. Output: the bytes of a PNG or an SVG. What is told apart by colour is told apart by hatch, marker or
place, too. Called by whoever writes findings to a folder.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from partway.reporting.canvas import encode_figure, open_figure, scale_axis
from partway.reporting.charts import Bars, Chart, Grid, Level, Lines, Panel, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE_INCHES, _NARROW_INCHES = 9.0, 3.5  # as wide as text of the same size is read
_PANEL_INCHES = {False: 2.9, True: 2.4}  # by whether the figure is narrow
_ROW_INCHES, _MARGIN_INCHES = 0.3, 0.9
_NAME_INCHES = 0.06  # a character of a name that is turned
_LETTER_INCHES = 0.046  # a character above a bar
_PLOT_INCHES = {False: 8.2, True: 2.7}  # between the ends of the horizontal axis, by whether the figure is narrow
_ROOM, _TURNED_ROOM = 0.12, 0.25  # above the highest bar, of the panel
_LEVEL_WIDTH = {False: 12, True: 11}  # characters of a line of a level's name, by whether the figure is narrow
_MANY = 12  # categories whose names are turned
_FEW_BARS = {False: 26, True: 8}  # that have room for a number above each, by whether the figure is narrow
_FEW_STACKS = {False: 12, True: 6}  # the same of stacks, whose numbers are larger
_FEW_POINTS = 26  # of a line that has a mark at each
_DARK = 0.55  # of a cell, from where on its text is white
_NARROW_WIDTH, _WIDE_WIDTH = 34, 100  # characters of a line of the title; of smaller print, half as many again
_PALE, _STRONG = "#eef4f9", "#005a8f"

# Okabe and Ito, Color universal design (2008), safe for the colour-blind; told apart by hatch and marker too.
_STYLES = (
    ("#0072b2", "", "o", "-"),
    ("#e69f00", "////", "s", "--"),
    ("#009e73", "....", "^", "-."),
    ("#cc79a7", "xxxx", "D", ":"),
    ("#56b4e9", "\\\\\\\\", "v", "-"),
    ("#d55e00", "++", "P", "--"),
    ("#999999", "", "X", "-."),
    ("#000000", "", "*", ":"),
)


def encode_chart(chart: Chart, *kinds: Literal["png", "svg"], narrow: bool = False) -> tuple[bytes, ...]:
    """A chart as the bytes of files, the same whenever it is drawn.

    Args:
        chart: what to draw.
        kinds: the formats.
        narrow: for a window as narrow as a phone's.
    """
    heights = [_height(panel, narrow=narrow) for panel in chart.panels]
    figure = open_figure((_NARROW_INCHES if narrow else _WIDE_INCHES, sum(heights) + 0.5))
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, own in zip(chart.panels, axes, strict=True):
        _draw(own, panel, narrow=narrow)
    figure.suptitle(_plain(textwrap.fill(chart.title, _NARROW_WIDTH if narrow else _WIDE_WIDTH)), fontsize="large")
    if chart.caption:
        said = _plain(_wrap(chart.caption, narrow=narrow))
        figure.supxlabel(said, fontsize="x-small", x=0.01, ha="left")
    return tuple(encode_figure(figure, kind) for kind in kinds)


def _height(panel: Panel, *, narrow: bool) -> float:
    if isinstance(panel, Grid):
        return _MARGIN_INCHES + _ROW_INCHES * len(panel.rows)
    names = panel.categories if isinstance(panel, Bars) and _turned(panel, narrow=narrow) else ()
    return _PANEL_INCHES[narrow] + _NAME_INCHES * max(map(len, names), default=0)


def _turned(panel: Bars, *, narrow: bool) -> bool:
    """Whether the names of the categories are too many to stand upright."""
    return len(panel.categories) > (_MANY // 3 if narrow else _MANY)


def _draw(axes: "Axes", panel: Panel, *, narrow: bool) -> None:
    if isinstance(panel, Grid):
        _draw_grid(axes, panel, narrow=narrow)
    elif isinstance(panel, Bars):
        _draw_bars(axes, panel, narrow=narrow)
    else:
        _draw_lines(axes, panel, narrow=narrow)


def _draw_bars(axes: "Axes", panel: Bars, *, narrow: bool) -> None:
    count, places = len(panel.categories), range(len(panel.categories))
    width = 0.84 if panel.stacked else 0.84 / len(panel.series)
    few = count <= _FEW_STACKS[narrow] if panel.stacked else count * len(panel.series) <= _FEW_BARS[narrow]
    base, room = [0.0] * count, _ROOM
    for order, (series, (colour, hatch, _, _)) in enumerate(zip(panel.series, _STYLES, strict=False)):
        shift = 0.0 if panel.stacked else (order - (len(panel.series) - 1) / 2) * width
        starts = [place + shift for place in places]
        heights = [math.nan if math.isinf(value) else value for value in series.values]
        bars = axes.bar(
            starts,
            heights,
            width,
            base if panel.stacked else None,
            label=_plain(series.name),
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.4,
        )
        for start, value in zip(starts, series.values, strict=True):
            if math.isinf(value):
                _write_unbounded(axes, start)
        if few and not panel.stacked:
            texts = ["" if math.isnan(value) else format_value(value, panel.unit) for value in heights]
            turned = _crowded(panel, texts, width, narrow=narrow)
            room = _TURNED_ROOM if turned else room
            axes.bar_label(bars, texts, fontsize="xx-small", padding=2, rotation=90 if turned else 0)
        if panel.stacked:
            base = [low + (0.0 if math.isnan(high) else high) for low, high in zip(base, heights, strict=True)]
    if panel.stacked:
        for place, total in zip(places, base, strict=True):
            starred = place == panel.best
            if few or starred:
                _write_above(axes, place, total, format_value(total, panel.unit) + " ★" * starred, turned=not few)
    axes.set_xticks(places, [_plain(name) for name in panel.categories])
    axes.tick_params(axis="x", rotation=90 if _turned(panel, narrow=narrow) else 0)
    axes.set_xlim(-0.6, count - 0.4)
    _finish(axes, panel.title, panel.axis, panel.levels, narrow=narrow)
    scale_axis(axes, "y", panel.unit, logarithmic=panel.logarithmic)
    axes.use_sticky_edges = False
    axes.margins(y=room)  # for what stands above the highest
    if not panel.logarithmic:
        axes.set_ylim(bottom=0.0)


def _write_unbounded(axes: "Axes", place: float) -> None:
    # Where the bar would stand, from the bottom up.
    axes.text(
        place,
        0.03,
        "no bound",
        transform=axes.get_xaxis_transform(),
        rotation=90,
        ha="center",
        va="bottom",
        fontsize="xx-small",
        bbox={"pad": 0.6, "facecolor": "white", "edgecolor": "none"},
    )


def _write_above(axes: "Axes", place: float, height: float, text: str, *, turned: bool) -> None:
    axes.annotate(
        text,
        (place, height),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize="x-small",
        rotation=90 if turned else 0,
    )


def _crowded(panel: Bars, texts: Sequence[str], width: float, *, narrow: bool) -> bool:
    """Whether texts above neighbouring bars of a width would run together."""
    apart = _PLOT_INCHES[narrow] / len(panel.categories) * (width if len(panel.series) > 1 else 1.0)
    return (max(map(len, texts)) + 1) * _LETTER_INCHES > apart


def _draw_lines(axes: "Axes", panel: Lines, *, narrow: bool) -> None:
    for series, (colour, _, marker, dashes) in zip(panel.series, _STYLES, strict=False):
        xs, ys = [point[0] for point in series.points], [point[1] for point in series.points]
        axes.plot(
            xs,
            ys,
            label=_plain(series.name) if xs else "",
            color=colour,
            linestyle=dashes if series.joined else "",
            marker=marker if not series.joined or len(xs) <= _FEW_POINTS else "",
            markersize=4,
            linewidth=1.4,
            drawstyle="steps-post" if series.steps else "default",
        )
    if panel.diagonal:
        every = [value for series in panel.series for point in series.points for value in point]
        ends = min(every), max(every)
        axes.plot(ends, ends, label=_plain(panel.diagonal), color="black", linewidth=0.9, linestyle=(0, (5, 3)))
    axes.set_xlabel(_plain(panel.x_axis), fontsize="small")
    _finish(axes, panel.title, panel.axis, panel.levels, narrow=narrow)
    scale_axis(axes, "x", panel.x_unit, logarithmic=panel.x_logarithmic)
    if panel.x_ticks:
        axes.set_xticks(panel.x_ticks)
    scale_axis(axes, "y", panel.unit, logarithmic=panel.logarithmic)
    axes.margins(y=0.1)
    if not panel.logarithmic:
        axes.set_ylim(bottom=min(0.0, *(y for series in panel.series for _, y in series.points)))


def _draw_grid(axes: "Axes", panel: Grid, *, narrow: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - an optional extra, slow to import

    colours = LinearSegmentedColormap.from_list("partway", [_PALE, _STRONG]).with_extremes(bad="#ffffff")
    axes.imshow([list(row) for row in panel.shares], cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
    longest = max((len(text) for row in panel.texts for text in row), default=0)
    small = longest * len(panel.columns) > (44 if narrow else 110)
    for place, (texts, shares) in enumerate(zip(panel.texts, panel.shares, strict=True)):
        for column, (text, share) in enumerate(zip(texts, shares, strict=True)):
            ink = "white" if share > _DARK else "black"
            size = "xx-small" if small or narrow else "x-small"
            axes.text(column, place, _plain(text), ha="center", va="center", color=ink, fontsize=size)
    columns = [_plain(name.replace(", ", ",\n")) for name in panel.columns]
    axes.set_xticks(range(len(columns)), columns, fontsize="x-small")
    axes.set_yticks(range(len(panel.rows)), [_plain(name) for name in panel.rows], fontsize="x-small")
    axes.set_xticks([place - 0.5 for place in range(1, len(columns))], minor=True)
    axes.set_yticks([place - 0.5 for place in range(1, len(panel.rows))], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel(_plain(panel.column_axis), fontsize="small")
    axes.set_ylabel(_plain(panel.row_axis), fontsize="small")
    for side in axes.spines.values():
        side.set_visible(False)
    told = filter(None, (panel.title, f"the darker: {panel.scale}"))
    axes.set_title(_plain("\n".join(_wrap(text, narrow=narrow) for text in told)), fontsize="small", loc="left")


def _finish(axes: "Axes", title: str, axis: str, levels: Sequence[Level], *, narrow: bool) -> None:
    """Title, axis, levels and legend, which stands above the panel: inside, it would cover what is drawn."""
    for level in levels:
        draw = axes.axvline if level.upright else axes.axhline
        across = axes.get_xaxis_transform() if level.upright else axes.get_yaxis_transform()
        draw(level.value, color="black", linewidth=0.9, linestyle=(0, (5, 3)))
        if level.upright:
            text = axes.text(level.value, 0.97, _plain(level.name), transform=across, fontsize="xx-small", ha="right")
            text.set(va="top", rotation=90)
            text.set_bbox({"pad": 0.6, "facecolor": "white", "edgecolor": "none", "alpha": 0.8})
        else:  # beside the panel, where it covers nothing
            name = _plain(textwrap.fill(level.name, _LEVEL_WIDTH[narrow]))
            axes.text(1.005, level.value, name, transform=across, fontsize="xx-small", ha="left", va="center")
    axes.set_ylabel(_plain(axis), fontsize="small")
    axes.tick_params(axis="both", labelsize="x-small")
    handles, names = axes.get_legend_handles_labels()
    shown = [(handle, name) for handle, name in zip(handles, names, strict=True) if name]
    columns = max(1, min(len(shown), 2 if narrow else 4))
    rows = -(-len(shown) // columns)
    if shown:
        axes.legend(
            [handle for handle, _ in shown],
            [name for _, name in shown],
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=columns,
            frameon=False,
            fontsize="x-small",
            borderaxespad=0.1,
        )
    axes.set_title(_plain(_wrap(title, narrow=narrow)), fontsize="small", loc="left", pad=6 + 14 * rows)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _wrap(text: str, *, narrow: bool) -> str:
    return textwrap.fill(text, int(1.5 * (_NARROW_WIDTH if narrow else _WIDE_WIDTH)))


def _plain(text: str) -> str:
    # Between two of them matplotlib would read mathematics.
    return text.replace("$", r"\$")
