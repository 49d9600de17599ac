"""Records in; tables and progress bars for people, one JSON document for programs, out."""

from partway.reporting.canvas import require_drawable
from partway.reporting.charts import (
    Bars,
    BarSeries,
    Chart,
    Grid,
    Level,
    Lines,
    LineSeries,
    Panel,
    format_value,
)
from partway.reporting.findings_page import FindingsPage, write_findings
from partway.reporting.json import print_json
from partway.reporting.plan_figures import draw_plan
from partway.reporting.plan_page import write_page
from partway.reporting.plan_view import LayerBar, PagePower, PlanView
from partway.reporting.progress import follow, waiting
from partway.reporting.sections import FindingRow, Section, Table
from partway.reporting.simulation_figures import draw_simulation
from partway.reporting.tables import Column, name_set, print_lines, print_table, printable, share, shorten

__all__ = [
    "BarSeries",
    "Bars",
    "Chart",
    "Column",
    "FindingRow",
    "FindingsPage",
    "Grid",
    "LayerBar",
    "Level",
    "LineSeries",
    "Lines",
    "PagePower",
    "Panel",
    "PlanView",
    "Section",
    "Table",
    "draw_plan",
    "draw_simulation",
    "follow",
    "format_value",
    "name_set",
    "print_json",
    "print_lines",
    "print_table",
    "printable",
    "require_drawable",
    "share",
    "shorten",
    "waiting",
    "write_findings",
    "write_page",
]
