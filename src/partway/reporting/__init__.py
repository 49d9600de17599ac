"""Records in; tables and progress bars for people, one JSON document for programs, out."""

from partway.reporting.canvas import require_drawable
from partway.reporting.json import print_json
from partway.reporting.plan_figures import draw_plan
from partway.reporting.plan_page import write_page
from partway.reporting.plan_view import LayerBar, PagePower, PlanView
from partway.reporting.progress import follow, waiting
from partway.reporting.simulation_figures import draw_simulation
from partway.reporting.tables import Column, name_set, print_lines, print_table, share, shorten

__all__ = [
    "Column",
    "LayerBar",
    "PagePower",
    "PlanView",
    "draw_plan",
    "draw_simulation",
    "follow",
    "name_set",
    "print_json",
    "print_lines",
    "print_table",
    "require_drawable",
    "share",
    "shorten",
    "waiting",
    "write_page",
]
