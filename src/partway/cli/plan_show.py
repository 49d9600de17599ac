"""A plan as a figure or a page: what `partway plan --plot` and `--html` write.

Input: a report and the layers' seconds. Output: files. Called by `partway plan`.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from partway.cli.plan_report import PlanReport
from partway.planning import NodeCosts, PlanDocument
from partway.reporting import LayerBar, PagePower, PlanView, draw_plan, write_page


def show_view(report: PlanReport, nodes: NodeCosts, *, plot: Path | None, page: Path | None) -> None:
    """Write what was asked for; nothing where nothing was.

    Args:
        report: the plan under one link.
        nodes: additive seconds of the layers.
        plot: the figure's file, or None.
        page: the page's file, or None.

    Raises:
        InputError: matplotlib is missing, or a file's kind is unknown.
    """
    if plot is None and page is None:
        return
    view = _view(report, nodes)
    if plot is not None:
        draw_plan(view, plot)
    if page is not None:
        write_page(view, page)


def _view(report: PlanReport, nodes: NodeCosts) -> PlanView:
    energy = report.energy
    # Plans put the cut that was measured before others that leave the same work; pictures follow the graph.
    rows = sorted(
        range(len(report.cuts)), key=lambda row: (not report.cuts[row].offloaded, report.cuts[row].depth, row)
    )
    return PlanView(
        title=f"{Path(report.path).stem} over {report.situation.text}",
        model=report.path,
        plan=_in_order(report.plan, rows),
        names=tuple(_name(report, row) for row in rows),
        layers=tuple(_layers(report, nodes)),
        conditions=report.situation.mean(),
        link=report.situation.text,
        power=PagePower(device_idle_w=energy.idle_w, radio=energy.radio, tail=energy.tail) if energy.known else None,
        charge=0.5 if report.charge is None else report.charge,
        notes=report.notes,
        emulated=tuple(
            f"{whose} EMULATED {source.emulated_slowdown:g}x slower"
            for whose, source in (("device", report.device), ("server", report.server))
            if source.emulated_slowdown != 1.0
        ),
    )


def _in_order(plan: PlanDocument, rows: Sequence[int]) -> PlanDocument:
    place = {row: place for place, row in enumerate(rows)}
    return msgspec.structs.replace(
        plan,
        costs=tuple(plan.costs[row] for row in rows),
        frontier=tuple(sorted(place[row] for row in plan.frontier)),
        pareto=tuple(sorted(place[row] for row in plan.pareto)),
    )


def _name(report: PlanReport, row: int) -> str:
    # In full: views leave out what all names share, which those that were shortened before have lost.
    name = report.cut_name(row)
    return name if name.startswith("(") else " + ".join(report.cuts[row].crossing)


def _layers(report: PlanReport, nodes: NodeCosts) -> list[LayerBar]:
    model = report.model
    return [
        LayerBar(
            name=node.name,
            op_type=node.op_type,
            device_s=float(nodes.device_s[index]),
            server_s=float(nodes.server_s[index]),
            output_bytes=sum(model.tensors[name].size_bytes or 0 for name in node.outputs if name in model.tensors),
            weight_bytes=node.weight_bytes,
        )
        for index, node in enumerate(model.nodes)
    ]
