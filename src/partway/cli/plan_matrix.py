"""What is best for every combination of links, devices and servers.

Input: one report for each combination. Output: a table with a column a link, or JSON. Called by `partway plan`.
"""

from collections.abc import Sequence
from pathlib import Path

from partway.cli.conditions import Situation
from partway.cli.plan_pair import Pair
from partway.cli.plan_report import PlanReport, cut_document
from partway.reporting import Column, print_json, print_lines, print_table

_HERE = "this machine"


def print_matrix(
    path: str, pairs: Sequence[Pair], situations: Sequence[Situation], reports: Sequence[PlanReport]
) -> None:
    """Print the best cut of every combination.

    Args:
        path: the model as the user named it.
        pairs: of machines, a row each.
        situations: a column each.
        reports: pair by pair, and within a pair situation by situation.
    """
    width = len(situations)
    columns = (
        Column(title="device", right=False),
        Column(title="server", right=False),
        *(Column(title=_label(situation), right=False, shrinks=True) for situation in situations),
    )
    devices, servers = _brief([pair.device for pair in pairs]), _brief([pair.server for pair in pairs])
    rows = []
    for row in range(len(pairs)):
        mine = reports[row * width :][:width]
        rows.append((devices[row] + _emulated(mine[0]), servers[row], *(report.answer() for report in mine)))
    print_table(f"The best cut by {reports[0].plan.objective}", columns, rows)
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    print_lines((("model", path), *(("note", note) for note in notes)))


def print_matrix_json(
    path: str, pairs: Sequence[Pair], situations: Sequence[Situation], reports: Sequence[PlanReport]
) -> None:
    """Print the same as one JSON document; the arguments of `print_matrix`."""
    width = len(situations)
    print_json(
        {
            "model": path,
            "objective": reports[0].plan.objective,
            "matrix": [
                {
                    "device": _name(pair.device),
                    "server": _name(pair.server),
                    "link": situation.text,
                    "device_emulated_slowdown": report.device.emulated_slowdown,
                    "server_emulated_slowdown": report.server.emulated_slowdown,
                    "best": cut_document(report, report.ranked[0]) if report.ranked[0].feasible else None,
                    "nearest": None if report.ranked[0].feasible else cut_document(report, report.ranked[0]),
                    "notes": report.notes,
                }
                for row, pair in enumerate(pairs)
                for situation, report in zip(situations, reports[row * width :][:width], strict=True)
            ],
        }
    )


def _label(situation: Situation) -> str:
    return f"{situation.text} (mean)" if situation.varies else situation.text


def _emulated(report: PlanReport) -> str:
    slowdown = report.device.emulated_slowdown
    return "" if slowdown == 1.0 else f", EMULATED {slowdown:g}x slower"


def _name(path: Path | None) -> str:
    return _HERE if path is None else str(path)


def _brief(paths: Sequence[Path | None]) -> list[str]:
    # Without folders, which would leave no room for the answers; but where these tell two files apart.
    named = {path for path in paths if path is not None}
    unlike = len({path.name for path in named}) == len(named)
    return [path.name if unlike and path is not None else _name(path) for path in paths]
