"""Records in; tables and progress bars for people, one JSON document for programs, out."""

from partway.reporting.json import print_json
from partway.reporting.progress import follow, waiting
from partway.reporting.tables import Column, name_set, print_lines, print_table, share, shorten

__all__ = [
    "Column",
    "follow",
    "name_set",
    "print_json",
    "print_lines",
    "print_table",
    "share",
    "shorten",
    "waiting",
]
