"""Charts and sections for tests: one of every kind of panel."""

from typing import Any

from partway.reporting import Bars, BarSeries, Chart, FindingRow, Grid, Level, Lines, LineSeries, Section, Table

STACKED = Bars(
    title="Latency",
    categories=("device", "server"),
    series=(BarSeries(name="computes", values=(0.2, 0.01)), BarSeries(name="sends", values=(0.0, 0.095))),
    unit="s",
    axis="latency",
    stacked=True,
    best=1,
)
LINES = Lines(
    title="Speed-up",
    series=(
        LineSeries(name="one", points=((1.0, 1.0), (10.0, 3.0), (100.0, 30.0))),
        LineSeries(name="other", points=((1.0, 2.0), (100.0, 5.0)), steps=True),
    ),
    x_unit="count",
    x_axis="words",
    unit="x",
    axis="speed-up",
    x_logarithmic=True,
    logarithmic=True,
    levels=(Level(name="the paper's", value=3.1), Level(name="here", value=10.0, upright=True)),
)
GRID = Grid(
    title="Where",
    columns=("CPU, 3G", "GPU, 3G"),
    rows=("IMC", "VGG"),
    texts=(("pool5", "device"), ("server", "")),
    shares=((0.5, 1.0), (0.0, float("nan"))),
    scale="the more on the device",
    column_axis="device and link",
    row_axis="network",
)
CHART = Chart(name="figure-99", title="All of it $now$", panels=(STACKED, LINES, GRID), caption="Nothing is real.")


def row(**changed: str) -> FindingRow:
    """A finding that is met, with what is changed."""
    plain: dict[str, Any] = {
        "figure": "3",
        "quantity": "AlexNet on the device",
        "theirs": "81 ms",
        "ours": "82 ms",
        "ratio": "1.01",
        "kind": "fitted",
        "certainty": "second-hand",
        "mark": "within 20 %",
        "verdict": "met",
        "note": "by a hair",
    }
    return FindingRow(**{**plain, **changed})


def section(*rows: FindingRow, title: str = "Figure 3: status quo", charts: tuple[Chart, ...] = (CHART,)) -> Section:
    """A section with a table, a chart and an assumption."""
    table = Table(title="All cuts", columns=("cut", "latency"), rows=(("pool5", "54 ms"), ("fc6", "90 ms")))
    return Section(title=title, rows=rows, tables=(table,), charts=charts, assumptions=("Nothing is measured.",))
