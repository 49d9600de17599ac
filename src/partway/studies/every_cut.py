"""Figure 6: latency and energy of every cut of AlexNet, on the device's GPU over Wi-Fi.

Input: the set-up. Output: all cuts by part, the best of each, and for how fast or hungry a device they stay the best.
"""

from collections.abc import Callable

import numpy as np

from partway.prediction.physical import FloatArray
from partway.reporting import Bars, BarSeries, Chart, Table, format_value
from partway.studies import paper
from partway.studies.cut_costs import CostTable
from partway.studies.findings import HOLDS, Claim, Finding, Kind, StudyResult, compare, within
from partway.studies.hardware import DEVICE_POWER_RANGE_W, PaperLink
from partway.studies.setup import Setup
from partway.studies.study import Study
from partway.studies.turning import holding_range, nearest_turn

_ABOUT = 0.1  # how near "about 2.0x" asks for
_CUT = "pool5"


def run(setup: Setup) -> StudyResult:
    """Every cut of AlexNet, device GPU, Wi-Fi."""
    table, link = setup.table("alexnet", setup.device("GPU")), setup.link("Wi-Fi")
    return StudyResult(
        findings=(*_latency_findings(table, link), *_energy_findings(setup, table, link)),
        tables=(_table(table, link),),
        charts=(_chart(table, link),),
    )


STUDY = Study(
    figures=(6,), title="AlexNet on the device's GPU over Wi-Fi, cut after every layer", short="every cut", run=run
)


def _latency_findings(table: CostTable, link: PaperLink) -> tuple[Finding, ...]:
    def gain(speed: float) -> float:
        latency_s = table.faster(device=speed).latency_s(link)
        return float(latency_s[0] / latency_s[_cut(table)])

    wanted = paper.POOL5_GAIN.value
    turn = nearest_turn(lambda speed: gain(speed) >= wanted)
    note = "" if turn is None else f"{wanted:g}x with a GPU {turn:.3g} times as fast"
    return (
        _best(
            paper.BEST_LATENCY_POOL5,
            table,
            lambda speed: table.faster(device=speed).latency_s(link),
            "a GPU {} as fast",
        ),
        compare(paper.POOL5_GAIN, gain(1.0), kind="predicted", mark=within(_ABOUT, wanted), note=note),
    )


def _energy_findings(setup: Setup, table: CostTable, link: PaperLink) -> tuple[Finding, ...]:
    def saved(power: float) -> float:
        energy_j = table.drawing(power).energy_j(link)
        return float(1.0 - energy_j[_cut(table)] / energy_j[0])

    measured_w = setup.device("GPU").power_w
    wanted = paper.POOL5_ENERGY_SAVED.value
    turn = nearest_turn(lambda power: saved(power) >= wanted)
    note = "" if turn is None else f"{format_value(wanted, 'share')} where computing draws {turn * measured_w:.3g} W; "
    low_w, high_w = DEVICE_POWER_RANGE_W["GPU"]
    return (
        _best(
            paper.BEST_ENERGY_POOL5,
            table,
            lambda power: table.drawing(power).energy_j(link),
            "computing that draws {} the " + f"{measured_w:.3g} W that the paper's authors measured",
            kind="sensitivity",
        ),
        compare(
            paper.POOL5_ENERGY_SAVED,
            saved(1.0),
            kind="sensitivity",
            note=f"{note}the paper's authors measured {measured_w:.3g} W of AlexNet; "
            f"{low_w:g} to {high_w:g} W are spanned",
            span=(saved(high_w / measured_w), saved(low_w / measured_w)),
        ),
    )


def _best(
    claim: Claim, table: CostTable, costs: Callable[[float], FloatArray], lever: str, *, kind: Kind = "predicted"
) -> Finding:
    """Whether the paper's cut is the best, and for which factors of an assumption it would be.

    Args:
        claim: that it is.
        table: of all cuts.
        costs: of every cut, by the factor.
        lever: what the factor is of, with a place for it in words.
        kind: whether it hangs on what no source settles.
    """

    def holds(factor: float) -> bool:
        return int(np.argmin(costs(factor))) == _cut(table)

    now = costs(1.0)
    best = int(np.argmin(now))
    spanned = holding_range(holds)
    if spanned is not None:
        low, high = spanned
        note = f"stays so with {lever.format(f'{low:.2g} to {high:.2g} times')}"
    else:
        turn = nearest_turn(holds)
        more = format_value(float(now[_cut(table)] / now[best]) - 1.0, "share")
        would = "no factor up to 16 makes it so" if turn is None else f"so with {lever.format(f'{turn:.2g} times')}"
        note = f"the best is {table.name_of(best)}, {_CUT} costs {more} more; {would}"
    return compare(claim, best == _cut(table), kind=kind, mark=HOLDS, note=note)


def _cut(table: CostTable) -> int:
    return next(cut for cut in range(len(table)) if table.name_of(cut) == _CUT)


def _table(table: CostTable, link: PaperLink) -> Table:
    latency_s, energy_j = table.latency_s(link), table.energy_j(link)
    return Table(
        title="Every cut of AlexNet, device GPU, Wi-Fi",
        columns=("cut after", "device", "sends", "server", "latency", "energy"),
        rows=tuple(
            (
                table.name_of(cut),
                format_value(float(table.device_s[cut]), "s"),
                format_value(float(table.up_bytes[cut]), "B"),
                format_value(float(table.server_s[cut]), "s"),
                format_value(float(latency_s[cut]), "s"),
                format_value(float(energy_j[cut]), "J"),
            )
            for cut in range(len(table))
        ),
    )


def _chart(table: CostTable, link: PaperLink) -> Chart:
    names = tuple(table.name_of(cut) for cut in range(len(table)))
    latency_s, energy_j = table.latency_s(link), table.energy_j(link)
    parts_s = {
        "device computes": table.device_s,
        "data is sent": table.up_bytes / link.uplink_bytes_per_s,
        "server computes": table.server_s,
    }
    parts_j = {"computing": table.device_j, "sending": energy_j - table.device_j}
    return Chart(
        name="figure-06",
        title="AlexNet on the device's GPU over Wi-Fi, cut after every layer",
        panels=(
            Bars(
                title="Latency",
                categories=names,
                series=_series(parts_s),
                unit="s",
                axis="latency",
                stacked=True,
                best=int(np.argmin(latency_s)),
            ),
            Bars(
                title="Energy of the device",
                categories=names,
                series=_series(parts_j),
                unit="J",
                axis="energy",
                stacked=True,
                best=int(np.argmin(energy_j)),
            ),
        ),
        caption="The star is the best cut: left of all is the server alone, right of all the device alone.",
    )


def _series(parts: dict[str, FloatArray]) -> tuple[BarSeries, ...]:
    return tuple(BarSeries(name=name, values=tuple(map(float, values))) for name, values in parts.items())
