"""Figures of what was simulated: latency against the load, and an hour as it went by.

Input: a report. Output: a PNG, SVG or PDF file. Called by `partway simulate`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from partway.reporting.canvas import open_figure, require_drawable, scale_axis, write_figure
from partway.simulation import AgainstLoad, BadHour, Estimate, MostWithin, Point, Report, WorkersFor
from partway.simulation.fleets import Fleet
from partway.units import format_duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (7.0, 4.4)
_ROOM = 1.06  # up to the frame, over the highest
# Colours: Okabe and Ito, Color universal design (2008), safe for the colour-blind.
_BLUE, _RED, _GREEN, _GREY = "#0072b2", "#d55e00", "#009e73", "#d9d9d9"


def draw_simulation(path: Path, report: Report) -> None:
    """Draw a report in the way that its question asks for.

    Args:
        path: a `.png`, `.svg` or `.pdf` file; replaced in one step.
        report: what was found.

    Raises:
        InputError: matplotlib is missing, the format is none of ours, or the file cannot be written.
    """
    require_drawable(path)
    figure = open_figure(_INCHES)
    axes = figure.subplots()
    question = report.scenario.question
    if isinstance(question, BadHour):
        _draw_hour(axes, report, question)
    elif isinstance(question, AgainstLoad):
        fleet = isinstance(report.scenario.subject, Fleet)
        _draw_latencies(axes, report, question.points, "devices" if fleet else "load")
    elif isinstance(question, WorkersFor):
        _draw_workers(axes, report, question)
    else:
        _draw_points(axes, report)
    figure.suptitle(report.scenario.title)
    write_figure(figure, path)


def _draw_latencies(axes: "Axes", report: Report, at: tuple[float, ...], name: str) -> None:
    for label, colour, values in (
        ("95 % take at most", _RED, [point.p95_s for point in report.points]),
        ("mean", _BLUE, [point.mean_s for point in report.points]),
    ):
        _draw_line(axes, at, values, label, colour)
    axes.set(xlabel=name, ylabel="latency")
    scale_axis(axes, "y", "s", logarithmic=True)
    axes.legend(frameon=False)


def _draw_workers(axes: "Axes", report: Report, question: WorkersFor) -> None:
    workers = [point.workers for point in report.points]
    fleet = isinstance(report.scenario.subject, Fleet)
    axes.plot(question.points, workers, color=_BLUE, marker="o")
    target = question.target
    axes.set(
        xlabel="devices" if fleet else "requests a second",
        ylabel=f"workers for {target.quantity} within {format_duration(target.seconds)}",
    )
    axes.set_ylim(0, _ROOM * max(workers))
    scale_axis(axes, "y", "count", logarithmic=False)


def _draw_hour(axes: "Axes", report: Report, question: BadHour) -> None:
    if report.timeline is None:
        return
    axes.axvspan(question.from_s, question.until_s, color=_GREY, label="bad links")
    axes.plot(report.timeline.at_s, report.timeline.latency_s, color=_BLUE, label="mean latency")
    axes.set(xlabel="seconds", ylabel="mean latency", xlim=(0, report.scenario.duration_s))
    axes.set_ylim(bottom=0)
    scale_axis(axes, "y", "s", logarithmic=False)
    beside = axes.twinx()
    beside.plot(report.timeline.at_s, report.timeline.offloaded, color=_GREEN, linestyle="--", label="offloaded")
    beside.set(ylabel="share offloaded", ylim=(0, _ROOM))
    scale_axis(beside, "y", "share", logarithmic=False)
    handles = [handle for one in (axes, beside) for handle in one.get_legend_handles_labels()[0]]
    # Above the frame: within it, it would cover one of the lines.
    axes.legend(handles=handles, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(handles))


def _draw_points(axes: "Axes", report: Report) -> None:
    names = ("mean", "median", "95 %", "99 %")
    for point, colour in zip(report.points, (_BLUE, _RED, _GREEN), strict=False):
        values = _of(point)
        axes.errorbar(
            names,
            [value.value for value in values],
            yerr=[_bar(value) for value in values],
            color=colour,
            marker="o",
            linestyle="none",
            capsize=3,
            label=point.name,
        )
    if isinstance(report.scenario.question, MostWithin):
        axes.axhline(
            report.scenario.question.target.seconds, color="black", linewidth=0.8, linestyle=":", label="target"
        )
    axes.set(ylabel="latency", ylim=(0, None))
    scale_axis(axes, "y", "s", logarithmic=False)
    axes.legend(frameon=False)


def _draw_line(axes: "Axes", at: tuple[float, ...], values: list[Estimate], label: str, colour: str) -> None:
    middle = [value.value for value in values]
    axes.plot(at, middle, color=colour, marker="o", markersize=4, label=label)
    low = [value.value - _bar(value) for value in values]
    axes.fill_between(at, low, [2 * m - lower for m, lower in zip(middle, low, strict=True)], color=colour, alpha=0.2)


def _of(point: Point) -> tuple[Estimate, ...]:
    return point.mean_s, point.p50_s, point.p95_s, point.p99_s


def _bar(value: Estimate) -> float:
    # An interval that nothing bounds is not drawn.
    return value.half_width if value.half_width < value.value else 0.0
