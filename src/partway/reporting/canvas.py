"""Where figures are drawn and how they become files.

matplotlib is an optional extra, imported only when a figure is asked for. In: sizes and paths. Out: empty figures of
matplotlib, axes whose ticks can be read, and files. Called by `figures`, `plan_figures`, `chart_figures` and
`simulation_figures`.
"""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from partway.documents import write_atomically
from partway.errors import InputError
from partway.reporting.charts import Unit, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg", ".pdf")
_DOTS_PER_INCH = 150
_FEW_DECADES = 100.0  # ends this near have 2 and 5 labelled between powers of ten
_NO_DECADE = 5.0  # ends this near are labelled as if the axis were not logarithmic
_TICKS = 6


def require_drawable(path: Path) -> None:
    """Refuse a figure that could not be drawn, before the work for it is done.

    Raises:
        InputError: matplotlib is missing, or the file's name says no format that we draw.
    """
    if path.suffix.lower() not in _FORMATS:
        *others, last = _FORMATS
        raise InputError(
            f"{path} names no format for a figure; expected a name that ends in {', '.join(others)} or {last}"
        )
    if find_spec("matplotlib") is None:
        raise InputError("drawing figures needs matplotlib: pip install 'partway[plot]'")


def open_figure(inches: tuple[float, float]) -> "Figure":
    """An empty figure that belongs to no window.

    Args:
        inches: width and height.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an optional extra, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional extra, slow to import

    figure = Figure(figsize=inches, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def scale_axis(axes: "Axes", way: Literal["x", "y"], unit: Unit, *, logarithmic: bool) -> None:
    """Label an axis in a unit, with several ticks to read wherever its ends are; last of all that is drawn.

    Args:
        axes: with all that decides where the axis ends.
        way: which axis.
        unit: of its values.
        logarithmic: whether it shall be.
    """
    from matplotlib.ticker import (  # noqa: PLC0415 - an optional extra, slow to import
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
    )

    axis, set_scale = (axes.xaxis, axes.set_xscale) if way == "x" else (axes.yaxis, axes.set_yscale)
    if logarithmic:
        set_scale("log")
        low, high = axis.get_view_interval()
        if high < _NO_DECADE * low:
            axis.set_major_locator(MaxNLocator(_TICKS, steps=(1, 2, 5, 10)))
        else:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < _FEW_DECADES * low else (1.0,)))
        axis.set_minor_formatter(NullFormatter())
    elif unit == "count":
        axis.set_major_locator(MaxNLocator("auto", integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: format_value(value, unit) if value else "0"))


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that its name says; replaced in one step.

    Raises:
        DocumentError: the file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().removeprefix("."))
    write_atomically(path, buffer.getvalue())


def encode_figure(figure: "Figure", kind: str) -> bytes:
    """A figure as the bytes of a file, the same whenever it is drawn; an SVG keeps its text as text.

    Args:
        figure: what was drawn.
        kind: `png` or `svg`.
    """
    import matplotlib as mpl  # noqa: PLC0415 - an optional extra, slow to import

    buffer = io.BytesIO()
    dates = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "partway"}):
        figure.savefig(buffer, format=kind, metadata=dates)
    return buffer.getvalue()
