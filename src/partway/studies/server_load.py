"""Figure 15: AlexNet on the device's CPU over Wi-Fi, while the server gets busy from 0 to 90 %.

Input: the set-up. Output: what server-only and the best cut take by load, under each model of load, and in a simulated
data centre in which devices learn of the load from answers. What the paper's load was made of is not in the sources: so
the row is what one queue of all eight networks does, and its note says what would have to be for the paper's number.

Who knows the mean load and chooses anew is never slower than the device alone: that is no finding, and only drawn. What
is judged is a device that hears of the queue from its last answers (`busy_centre`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Level, Lines, LineSeries, Table, format_value
from partway.studies import paper
from partway.studies.busy_centre import simulated
from partway.studies.cut_costs import CostTable
from partway.studies.findings import Finding, StudyResult, compare, within
from partway.studies.hardware import PaperLink
from partway.studies.layer_times import server_seconds
from partway.studies.load_models import SHARING, SLOW_IN_ALL, LoadModel, one_queue, residual_s
from partway.studies.setup import Setup
from partway.studies.study import Study

LOADS = tuple(step / 20 for step in range(19))  # 0 to 90 %
_BUSIEST = LOADS[-1]
_TICKS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
_NETWORK, _LINK, _DEVICE = "alexnet", "Wi-Fi", "CPU"
_NEAR = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    # Seconds by load, under one model.
    model: LoadModel
    server_only_s: FloatArray
    best_s: FloatArray

    @classmethod
    def of(cls, model: LoadModel, table: CostTable, link: PaperLink) -> "_Curve":
        costs = np.array([model.latency_s(table, link, load) for load in LOADS])
        return cls(model=model, server_only_s=costs[:, 0], best_s=costs.min(axis=1))


def run(setup: Setup) -> StudyResult:
    """Loads from 0 to 90 %, under every model."""
    # AlexNet's result is one number: device-only is taken to send nothing, at any load.
    setup = replace(setup, result_sent=False)
    table, link = setup.table(_NETWORK, setup.device(_DEVICE)), setup.link(_LINK)
    services_s = service_times_s(setup)
    curves = tuple(_Curve.of(model, table, link) for model in (one_queue(services_s), SHARING, SLOW_IN_ALL))
    played = simulated(setup, table, link, services_s)
    return StudyResult(
        findings=(
            compare(
                paper.IDLE_SERVER_S,
                float(curves[0].server_only_s[0]),
                kind="fitted",
                mark=within(_NEAR, float(paper.IDLE_SERVER_S.value)),
            ),
            _busy(curves, services_s, table, link),
            *played.findings,
        ),
        tables=(_table(curves), *played.tables),
        charts=(_chart(curves, float(table.device_s[-1])),),
        assumptions=(
            *(f"{curve.model.name[0].upper()}{curve.model.name[1:]}: {curve.model.words}." for curve in curves),
            *played.assumptions,
        ),
        left_out=played.left_out,
    )


STUDY = Study(
    figures=(15,), title="AlexNet on the device's CPU over Wi-Fi, the server ever busier", short="busy server", run=run
)


def service_times_s(setup: Setup) -> FloatArray:
    """What a query of each network takes on the idle server, float64 (networks,)."""
    device = setup.devices[0]
    return np.array([setup.table(name, device).server_s[0] for name in setup.networks])


def _busy(curves: Sequence[_Curve], services_s: FloatArray, table: CostTable, link: PaperLink) -> Finding:
    """The status quo at the highest load, with what each model would need for the paper's."""
    wanted_s = float(paper.BUSY_SERVER_S.value)
    ours = {curve.model.name: float(curve.server_only_s[-1]) for curve in curves}
    idle_s, server_s = float(table.latency_s(link)[0]), float(table.server_s[0])
    odds = _BUSIEST / (1.0 - _BUSIEST)
    needed_s = (wanted_s - idle_s) / odds
    slower = (wanted_s - idle_s + server_s) / server_s
    told = ", ".join(f"{format_value(value, 's')} where {name}" for name, value in list(ours.items())[1:])
    theirs_s = residual_s(np.array(list(server_seconds().values())))
    return compare(
        paper.BUSY_SERVER_S,
        ours["one queue"],
        kind="sensitivity",
        mark=within(_NEAR, wanted_s),
        note=f"one queue; {told}. For the paper's, what is left of a service that one comes upon would have to be "
        f"{format_value(needed_s, 's')} on average, not {format_value(residual_s(services_s), 's')}, nor "
        f"{format_value(theirs_s, 's')} as by the authors' own seconds of the eight networks; or computing "
        f"{slower:.3g} times slower, not {1 / (1 - _BUSIEST):.3g}; or, slow in all, the load "
        f"{1 - idle_s / wanted_s:.3g}. The 6 ms that AlexNet computes cannot grow to that by themselves",
        span=(min(ours.values()), max(ours.values())),
    )


def _table(curves: Sequence[_Curve]) -> Table:
    names = [curve.model.name for curve in curves]
    return Table(
        title="Latency by load, on average",
        columns=("load", *(f"server-only, {name}" for name in names), *(f"best cut, {name}" for name in names)),
        rows=tuple(
            (
                f"{load:.0%}",
                *(format_value(float(curve.server_only_s[place]), "s") for curve in curves),
                *(format_value(float(curve.best_s[place]), "s") for curve in curves),
            )
            for place, load in enumerate(LOADS)
            if place % 2 == 0
        ),
    )


def _chart(curves: Sequence[_Curve], device_s: float) -> Chart:
    return Chart(
        name="figure-15",
        title="AlexNet on the device's CPU over Wi-Fi, by the server's load",
        panels=(
            Lines(
                title="Server-only",
                series=tuple(_line(curve.model.name, curve.server_only_s) for curve in curves),
                x_unit="share",
                x_axis="the server's load",
                x_ticks=_TICKS,
                unit="s",
                axis="latency",
                levels=(
                    Level(name="the paper's at 90 %", value=float(paper.BUSY_SERVER_S.value)),
                    Level(name="device-only", value=device_s),
                ),
            ),
            Lines(
                title="The best cut",
                series=tuple(_line(curve.model.name, curve.best_s) for curve in curves),
                x_unit="share",
                x_axis="the server's load",
                x_ticks=_TICKS,
                unit="s",
                axis="latency",
                levels=(Level(name="device-only", value=device_s),),
            ),
        ),
        caption="What the paper's load was made of is not in the sources; each line is one model of it. The best cut "
        "is that of who knows the mean load: never slower than device-only, by construction.",
    )


def _line(name: str, seconds: FloatArray) -> LineSeries:
    return LineSeries(name=name, points=tuple(zip(LOADS, map(float, seconds), strict=True)))
