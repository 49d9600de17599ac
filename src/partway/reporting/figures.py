"""Scatter plots of what was predicted against what was measured.

Input: points in seconds. Output: a PNG, SVG or PDF file. Called by `partway evaluate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from partway.reporting.canvas import open_figure, require_drawable, write_figure
from partway.units import format_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (6.4, 8.0)
_ROOM = 1.5  # between the outermost points and the frame
_BANDS = ((0.2, "#e6e6e6"), (0.1, "#c4c4c4"))
_RATIOS = (1 / 1.5, 1.5)
_RATIO_TICKS = {
    1 / 1.5: "≤ -33 %",
    0.8: "-20 %",
    0.9: "-10 %",
    1.0: "0",
    1.1: "+10 %",
    1.2: "+20 %",
    1.5: "≥ +50 %",
}
_FEW_DECADES = 100.0  # ends this near have 2 and 5 labelled between powers of ten

# Told apart by shape too. Colours: Okabe and Ito, Color universal design (2008), safe for the colour-blind.
_STYLES = (
    ("o", "#0072b2", 42.0, 1.0),
    ("X", "#d55e00", 42.0, 1.0),
    ("^", "#009e73", 16.0, 0.6),
    ("v", "#cc79a7", 16.0, 0.6),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points that are drawn alike.

    Attributes:
        name: for the legend.
        points: measured and predicted seconds of each, > 0.
    """

    name: str
    points: tuple[tuple[float, float], ...]


def draw_scatter(path: Path, series: Sequence[Series], *, title: str) -> None:
    """Draw predicted against measured seconds, both logarithmic, and below that how far they are apart.

    Grey bands are 10 % and 20 % around what was measured. Points that are further off than a factor of 1.5 lie on
    the lower panel's edge.

    Args:
        path: a `.png`, `.svg` or `.pdf` file; replaced in one step.
        series: up to four, with a point in at least one.
        title: above the plot.

    Raises:
        InputError: matplotlib is missing, the format is none of ours, or the file cannot be written.
    """
    require_drawable(path)
    every = [seconds for item in series for point in item.points for seconds in point]
    ends_s = min(every) / _ROOM, max(every) * _ROOM
    figure = open_figure(_INCHES)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 2))
    _prepare(upper, lower, ends_s)
    for place, (item, (marker, colour, area, opacity)) in enumerate(zip(series, _STYLES, strict=False)):
        if not item.points:
            continue
        measured_s, predicted_s = zip(*item.points, strict=True)
        style = {"marker": marker, "s": area, "color": colour, "alpha": opacity, "linewidths": 0, "zorder": 9 - place}
        upper.scatter(measured_s, predicted_s, label=f"{item.name} ({len(item.points)})", **style)
        ratios = [min(max(guess_s / took_s, _RATIOS[0]), _RATIOS[1]) for took_s, guess_s in item.points]
        lower.scatter(measured_s, ratios, clip_on=False, **style)
    upper.set_title(title)
    upper.legend(loc="upper left", frameon=False)
    write_figure(figure, path)


def _prepare(upper: "Axes", lower: "Axes", ends_s: tuple[float, float]) -> None:
    from matplotlib.ticker import (  # noqa: PLC0415 - an optional extra, slow to import
        FixedFormatter,
        FixedLocator,
        FuncFormatter,
        LogLocator,
        NullFormatter,
        NullLocator,
    )

    for share, grey in _BANDS:
        upper.fill_between(ends_s, [(1 - share) * s for s in ends_s], [(1 + share) * s for s in ends_s], color=grey)
        lower.axhspan(1 - share, 1 + share, color=grey)
    upper.plot(ends_s, ends_s, color="black", linewidth=0.8)
    lower.axhline(1.0, color="black", linewidth=0.8)
    upper.set(xscale="log", yscale="log", xlim=ends_s, ylim=ends_s, ylabel="predicted")
    lower.set(yscale="log", ylim=_RATIOS, xlabel="measured", ylabel="error of the prediction")
    digits = (1.0, 2.0, 5.0) if ends_s[1] / ends_s[0] < _FEW_DECADES else (1.0,)
    for axis in (upper.yaxis, lower.xaxis):
        axis.set_major_locator(LogLocator(subs=digits))
        axis.set_major_formatter(FuncFormatter(lambda value, _place: format_duration(value)))
        axis.set_minor_formatter(NullFormatter())
    lower.yaxis.set_major_locator(FixedLocator(list(_RATIO_TICKS)))
    lower.yaxis.set_major_formatter(FixedFormatter(list(_RATIO_TICKS.values())))
    lower.yaxis.set_minor_locator(NullLocator())
