"""A plan as a figure: its layers, and the latency and energy of every cut.

Input: a `PlanView`. Output: a PNG, SVG or PDF file of up to three panels, as Figures 5 and 6 of Kang et al., ASPLOS
2017, show them:

    compute time and output size of each layer
    latency of each cut, stacked by part, the best starred
    energy of each cut on the device, the same; where joules are known

Called by `partway plan --plot`.
"""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from partway.planning import RankedCut
from partway.reporting.canvas import open_figure, require_drawable, write_figure
from partway.reporting.plan_view import LayerBar, PlanView, brief, evenly
from partway.reporting.tables import shorten
from partway.units import format_duration, format_energy, format_size

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.container import BarContainer

_WIDTH_INCHES = 10.0
_PANEL_INCHES = 3.2
_MOST_CUTS = 60
_MOST_LAYER_NAMES = 75
_NAME_WIDTH = 26
_MANY_NAMES = 30  # more are set smaller
_LINE_WIDTH = 125  # characters of the title's small print
_FAR = 4.0  # bars more than so many times the best are cut off
_WIDE = 100.0  # sizes that differ more than so many times get a logarithmic axis

# Parts of one request in the order of `_seconds` and `_joules`: name, colour, hatch, so that grey tells them apart too.
# Colours: Okabe and Ito, Color universal design (2008).
_LATENCY_PARTS = (
    ("device", "#0072b2", ""),
    ("uplink", "#e69f00", "////"),
    ("server", "#009e73", "...."),
    ("downlink", "#56b4e9", "\\\\\\\\"),
    ("wait", "#bbbbbb", ""),
)
_ENERGY_PARTS = (
    ("device", "#0072b2", ""),
    ("uplink", "#e69f00", "////"),
    ("wait", "#bbbbbb", ""),
    ("downlink", "#56b4e9", "\\\\\\\\"),
    ("tail", "#cc79a7", "xxxx"),
)
_COMPUTE = "#0072b2"
_OUTPUT = "#d55e00"


def draw_plan(view: PlanView, path: Path) -> None:
    """Draw the layers, and what every cut costs under the view's conditions.

    Of many cuts some are left out, and the axis says so: always shown are the best, the extremes and the frontier, each
    cut with the codec under which it is the fastest.

    Args:
        view: the plan; its layers and joules are drawn where they are known.
        path: a `.png`, `.svg` or `.pdf` file; replaced in one step.

    Raises:
        InputError: matplotlib is missing, or the format is none of ours.
        DocumentError: the file cannot be written.
    """
    require_drawable(path)
    ranked = view.ranked()
    cuts = _shown(view, ranked)
    fits = [cut.feasible for cut in cuts]
    seconds, joules = [_seconds(cut) for cut in cuts], [_joules(cut) for cut in cuts]
    with_joules = sum(parts is not None for parts in joules) > 1
    panels = bool(view.layers) + 1 + with_joules
    figure = open_figure((_WIDTH_INCHES, 1.5 + _PANEL_INCHES * panels))
    axes = list(figure.subplots(panels, 1, squeeze=False)[:, 0])
    figure.suptitle(_plain(view.title), fontsize="x-large")
    first = axes[0]
    if view.layers:
        _draw_layers(axes.pop(0), view.layers)
    labels = view.brief_labels()
    names = [_plain(shorten(labels[cut.index], _NAME_WIDTH)) for cut in cuts]
    _draw_cuts(axes[0], "latency", names, fits, seconds, _LATENCY_PARTS, format_duration)
    if with_joules:
        _draw_cuts(axes[1], "energy of the device", names, fits, joules, _ENERGY_PARTS, format_energy)
        axes[0].set_xticks(range(len(cuts)), [""] * len(cuts))
    axes[-1].set_xticks(range(len(cuts)), names)
    _turn_names(axes[-1], len(cuts))
    left_out = f"{len(cuts)} of {len(ranked)} cuts" if len(cuts) < len(ranked) else f"all {len(ranked)} cuts"
    axes[-1].set_xlabel(f"what is sent, from the server alone to the device alone: {left_out}, the best starred")
    heading = _plain(_small_print(view)), first.get_title("left")
    first.set_title("\n".join(filter(None, heading)), fontsize="small", loc="left")
    write_figure(figure, path)


def _seconds(ranked: RankedCut) -> tuple[float, ...]:
    parts = ranked.parts
    return parts.device_s, parts.uplink_s, parts.server_s, parts.downlink_s, parts.wait_s


def _joules(ranked: RankedCut) -> tuple[float, ...] | None:
    energy = ranked.energy
    if energy is None or energy.device_j is None:
        return None
    return energy.device_j, energy.uplink_j, energy.wait_j, energy.downlink_j, energy.tail_j


def _shown(view: PlanView, ranked: Sequence[RankedCut]) -> tuple[RankedCut, ...]:
    """The cuts to draw, in the plan's order: each with the fastest codec that it may use, and few enough to read."""
    groups = view.cut_groups()
    fastest: dict[int, RankedCut] = {}
    for cut in sorted(ranked, key=lambda cut: (not cut.feasible, cut.latency_s, cut.index)):
        fastest.setdefault(groups[cut.index], cut)
    kept = {cut.index: cut for cut in fastest.values()}
    always = {ranked[0].index, *(fastest[groups[row]].index for row in view.plan.frontier)}
    always.update(cut.index for cut in kept.values() if view.names[cut.index].startswith("("))
    known = [(sum(joules), cut) for cut in ranked if cut.feasible and (joules := _joules(cut)) is not None]
    if known:
        # Of all codecs: the one of least energy need not be the fastest of its cut.
        least = min(known, key=lambda item: item[0])[1]
        kept[least.index] = least
        always.add(least.index)
    return tuple(kept[row] for row in evenly(sorted(kept), _MOST_CUTS, always=always))


def _small_print(view: PlanView) -> str:
    # Plans made of emulated sides say so in the sides' own names.
    named = view.plan.device + view.plan.server
    emulated = "" if "EMULATED" in named else "; ".join(view.emulated)
    lines = (view.link_in_words(), f"device: {view.plan.device}", f"server: {view.plan.server}", emulated)
    return "\n".join(textwrap.fill(line, _LINE_WIDTH) for line in lines if line)


def _draw_layers(axes: "Axes", layers: Sequence[LayerBar]) -> None:
    places = range(len(layers))
    dense = len(layers) > _MANY_NAMES
    bars = axes.bar(places, [layer.device_s for layer in layers], width=1.0 if dense else 0.8, color=_COMPUTE)
    axes.set_ylabel("compute on the device", color=_COMPUTE)
    _format_values(axes.yaxis, format_duration)
    sizes = axes.twinx()
    output_bytes = [layer.output_bytes for layer in layers]
    (line,) = sizes.plot(
        places, output_bytes, color=_OUTPUT, linewidth=1.0, drawstyle="steps-mid", marker="" if dense else "D", ms=4
    )
    seen = [size for size in output_bytes if size > 0]
    if seen and max(seen) > _WIDE * min(seen):
        sizes.set_yscale("log")
    else:
        sizes.set_ylim(bottom=0)
    sizes.set_ylabel("size of the output", color=_OUTPUT)
    _format_values(sizes.yaxis, format_size)
    names = brief([layer.name for layer in layers])
    step = -(-len(layers) // _MOST_LAYER_NAMES)
    axes.set_xticks(places[::step], [_plain(shorten(name, _NAME_WIDTH)) for name in names[::step]])
    _turn_names(axes, len(layers[::step]))
    axes.set_xlim(-1, len(layers))
    named = f", one in {step} is named" if step > 1 else ""
    axes.set_xlabel(f"layers in the order in which they run: {len(layers)}{named}")
    _legend(axes, [bars, line], ["compute", "output"])


def _draw_cuts(
    axes: "Axes",
    what: str,
    names: Sequence[str],
    fits: Sequence[bool],
    cuts: Sequence[tuple[float, ...] | None],
    styles: Sequence[tuple[str, str, str]],
    format_value: Callable[[float], str],
) -> None:
    """One stacked bar for each cut of which anything is known; those far above the best are cut off and say so."""
    known = {place: parts for place, parts in enumerate(cuts) if parts is not None}
    totals = {place: sum(parts) for place, parts in known.items()}
    # Where no cut keeps to the plan's constraints, the least of all is starred.
    best = min(totals, key=lambda place: (not fits[place], totals[place]))
    top = min(max(totals.values()), _FAR * totals[best]) * 1.12 or 1.0
    handles, shown, base = [], [], dict.fromkeys(known, 0.0)
    for part, (name, colour, hatch) in enumerate(styles):
        heights = [parts[part] for parts in known.values()]
        if not any(heights):
            continue
        places, bottom = list(known), list(base.values())
        bars = axes.bar(places, heights, 0.86, bottom, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
        handles.append(bars)
        shown.append(name)
        base = {place: base[place] + parts[part] for place, parts in known.items()}
    for place, total in totals.items():
        if total > top:
            text = axes.text(place, 0.985 * top, f"{format_value(total)} →", fontsize="xx-small")
            text.set(rotation=90, ha="center", va="top", bbox={"pad": 0.8, "facecolor": "white", "edgecolor": "none"})
    axes.plot([best], [totals[best] + 0.05 * top], marker="*", color="black", markersize=12, clip_on=False)
    axes.set(ylim=(0, top), xlim=(-1, len(cuts)), ylabel=what)
    others = [place for place, name in enumerate(names) if name.startswith("(") and place != best and place in known]
    told = (f"{_said(names[place])} {format_value(totals[place])}" for place in (best, *others))
    # Above the legend, which a long name would run into.
    axes.set_title(f"best: {'; '.join(told)}", fontsize="small", loc="left", pad=20)
    _format_values(axes.yaxis, format_value)
    _legend(axes, handles, shown)


def _plain(text: str) -> str:
    # Between two of them matplotlib would read mathematics.
    return text.replace("$", r"\$")


def _said(name: str) -> str:
    return name[1:].replace(")", "", 1) if name.startswith("(") else name


def _turn_names(axes: "Axes", count: int) -> None:
    axes.tick_params(axis="x", rotation=90, labelsize="x-small" if count > _MANY_NAMES else "small")


def _format_values(axis: "Axis", format_value: Callable[[float], str]) -> None:
    axis.set_major_formatter(lambda value, _place: format_value(value) if value else "0")


def _legend(axes: "Axes", handles: Sequence["Artist | BarContainer"], names: Sequence[str]) -> None:
    # Above the panel: inside, it would cover bars.
    axes.legend(
        handles, names, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(names), frameon=False, fontsize="x-small"
    )
