"""Figure 14: AlexNet over LTE whose rate varies: server-only spikes, a cut that is chosen anew does not.

    seeded rates, one a second ─> queries at any moment ─> server-only, device-only, the cut for the rate just now

Input: the set-up and its seed. Output: what each query takes under each way. As the paper's Algorithm 1 has it, the
rate holds while a query is sent; beside that a transfer is the exact integral of the rate, so that one that falls
meanwhile makes it longer than was expected. Who decides knows the rate of the moment, or only that of a second ago.

The trace is made, not measured: the logarithm of the rate wanders back to its middle (a first-order autoregression).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partway.link import FLOOR_BYTES_PER_S, Trace
from partway.reporting import Chart, Level, Lines, LineSeries, Table, format_value
from partway.studies import paper
from partway.studies.findings import HOLDS, Finding, StudyResult, compare
from partway.studies.setup import CostTable, FloatArray, Setup
from partway.studies.study import Study

DURATION_S = 300
_ROW_S = 1.0
_EVERY_S = 0.7  # so that queries begin anywhere in a row of the trace

# Standard deviation of the rate's logarithm, and its correlation with that of a second before.
# Source: those of a measured uplink, Verizon LTE in a moving car (Winstein et al., NSDI 2013), 140 s with zeros lifted
# to the floor of traces.
_SPREAD = 0.77
_KEPT = 0.68

FLAT = replace(
    paper.FLAT_UNDER_LTE, quantity=f"{paper.FLAT_UNDER_LTE.quantity}, if the rate holds while a query is sent (CPU)"
)
"""The paper's statement, of the reading under which its Algorithm 1 decides."""

_NETWORK, _LINK = "alexnet", "LTE"
_MOST = 1.02  # of device-only
_SPIKE = 2.0  # times the median


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What each query takes, float64 (queries,), by way.

    Attributes:
        asked_s: when each is asked, since the trace began.
        server_only_s: all layers on the server.
        held_server_only_s: the same where the rate held while it is sent.
        held_chosen_s: cut for the rate when it is asked, which held.
        chosen_s: the same cut.
        late_s: cut for the rate of a second before.
        clairvoyant_s: the best cut in hindsight.
        cuts: of `chosen_s`, int (queries,).
        device_only_s: the same for every query.
    """

    asked_s: tuple[float, ...]
    server_only_s: FloatArray
    held_server_only_s: FloatArray
    held_chosen_s: FloatArray
    chosen_s: FloatArray
    late_s: FloatArray
    clairvoyant_s: FloatArray
    cuts: tuple[int, ...]
    device_only_s: float


def run(setup: Setup) -> StudyResult:
    """Queries one after the other, on the device's CPU and on its GPU."""
    link = setup.link(_LINK)
    trace = lte_trace(link.uplink_bytes_per_s, setup.seed)
    # AlexNet's result is one number: device-only is taken to send nothing.
    setup = replace(setup, result_sent=False)
    found = {device.label: play(setup.table(_NETWORK, device), trace) for device in setup.devices}
    return StudyResult(
        findings=(
            _flat(found["CPU"]),
            *(finding for label, ways in found.items() for finding in _numbers(label, ways)),
        ),
        tables=(_table(setup, found),),
        charts=(_chart(trace, found),),
        assumptions=(
            f"The rate is made from seed {setup.seed}: {DURATION_S} values, one a second, around the paper's LTE "
            f"({format_value(link.uplink_bytes_per_s, 'B/s')}), whose logarithm has a standard deviation of "
            f"{_SPREAD:g} and {_KEPT:g} of a deviation left after a second, as a measured LTE uplink has. The paper's "
            "own trace is not known.",
            f"A query is asked each {_EVERY_S:g} s whether or not the one before was answered, and waits for none.",
            "The device is taken to run the paper's Figure 14 on its CPU; its GPU is shown beside it.",
        ),
    )


STUDY = Study(figures=(14,), title="AlexNet over LTE whose rate varies", short="varying link", run=run)


def lte_trace(middle_bytes_per_s: float, seed: int, *, duration_s: int = DURATION_S) -> Trace:
    """A rate that varies as LTE's does, the same for the same seed.

    Args:
        middle_bytes_per_s: median of the rate, > 0.
        seed: of its course.
        duration_s: values, one a second.
    """
    generator = np.random.default_rng((seed, 14))
    steps = generator.standard_normal(duration_s)
    deviation, rates = steps[0], []
    for step in steps:
        deviation = _KEPT * deviation + math.sqrt(1.0 - _KEPT**2) * step
        rates.append(max(middle_bytes_per_s * math.exp(_SPREAD * deviation), FLOOR_BYTES_PER_S))
    return Trace(starts_s=tuple(_ROW_S * row for row in range(duration_s)), rates_bytes_per_s=tuple(rates))


def play(table: CostTable, trace: Trace) -> Ways:
    """What queries take that are asked now and then while a trace lasts.

    Args:
        table: of every cut.
        trace: of the uplink.
    """
    asked_s = tuple(map(float, np.arange(0.0, trace.duration_s, _EVERY_S)))
    taken_s = np.array([_realised(table, trace, at_s) for at_s in asked_s])
    held_s, before_s = (
        np.array([_held(table, trace.rate_at(at_s - ago_s)) for at_s in asked_s]) for ago_s in (0.0, _ROW_S)
    )
    now, before = held_s.argmin(axis=1), before_s.argmin(axis=1)
    rows = np.arange(len(asked_s))
    return Ways(
        asked_s=asked_s,
        server_only_s=taken_s[:, 0],
        held_server_only_s=held_s[:, 0],
        held_chosen_s=held_s[rows, now],
        chosen_s=taken_s[rows, now],
        late_s=taken_s[rows, before],
        clairvoyant_s=taken_s.min(axis=1),
        cuts=tuple(map(int, now)),
        device_only_s=float(table.device_s[-1]),
    )


def _realised(table: CostTable, trace: Trace, asked_s: float) -> FloatArray:
    # Every cut's latency, for a query that is asked at this time.
    seconds = []
    for device_s, up_bytes, server_s in zip(table.device_s, table.up_bytes, table.server_s, strict=True):
        sends_s = asked_s + float(device_s)
        sent_s = trace.finish_s(sends_s, float(up_bytes)) if up_bytes else sends_s
        seconds.append(sent_s - asked_s + float(server_s))
    return np.array(seconds)


def _held(table: CostTable, rate_bytes_per_s: float) -> FloatArray:
    seconds: FloatArray = table.device_s + table.up_bytes / rate_bytes_per_s + table.server_s
    return seconds


def _flat(ways: Ways) -> Finding:
    device_s, worst_s = ways.device_only_s, float(ways.held_chosen_s.max())
    highest_s = float(ways.held_server_only_s.max())
    spike = highest_s / float(np.median(ways.held_server_only_s))
    above = float(np.mean(ways.chosen_s > _MOST * device_s))
    return compare(
        FLAT,
        worst_s <= _MOST * device_s and spike >= _SPIKE,
        kind="predicted",
        mark=HOLDS,
        note="as Algorithm 1 has it: server-only takes up to "
        f"{format_value(highest_s, 's')}, {spike:.3g} times its median; cut anew {format_value(worst_s, 's')} at "
        f"most, {format_value(device_s, 's')} being device-only. Counted as flat up to {_MOST:g} of device-only, as a "
        f"spike from {_SPIKE:g} times the median. Where rates change meanwhile {above:.1%} of the queries take longer "
        f"than that, {float(ways.chosen_s.max()) / device_s:.3g}x at worst",
    )


def _numbers(label: str, ways: Ways) -> tuple[Finding, ...]:
    def row(quantity: str, ours: float, note: str) -> Finding:
        return Finding(
            figure="14",
            quantity=f"{quantity}, the rate changing meanwhile ({label})",
            paper=None,
            ours=ours,
            unit="x",
            kind="predicted",
            certainty="computed",
            note=note,
        )

    device_s, best_s = ways.device_only_s, float(ways.clairvoyant_s.mean())
    mean_s = float(ways.chosen_s.mean())
    return (
        row(
            "server-only at worst, against its median",
            float(ways.server_only_s.max() / np.median(ways.server_only_s)),
            f"95 % of its queries take up to {format_value(float(np.quantile(ways.server_only_s, 0.95)), 's')}",
        ),
        row(
            "cut anew at worst, against device-only",
            float(ways.chosen_s.max()) / device_s,
            f"{float(ways.late_s.max()) / device_s:.3g}x for who knows the rate of a second ago alone; rates that "
            "fall while a query is sent are nobody's knowledge",
        ),
        row(
            "cut anew on average, against server-only",
            float(ways.server_only_s.mean()) / mean_s,
            f"{mean_s / best_s - 1.0:.1%} above the best in hindsight, "
            f"{float(ways.late_s.mean()) / best_s - 1.0:.1%} with the rate of a second ago",
        ),
    )


def _table(setup: Setup, found: dict[str, Ways]) -> Table:
    def cells(name: str, seconds: FloatArray) -> tuple[str, ...]:
        worst_s, median_s, p95_s = float(seconds.max()), float(np.median(seconds)), float(np.quantile(seconds, 0.95))
        return name, *(format_value(value, "s") for value in (float(seconds.mean()), median_s, p95_s, worst_s)), ""

    rows: list[tuple[str, ...]] = []
    for device in setup.devices:
        ways, table = found[device.label], setup.table(_NETWORK, device)
        rows += [
            cells(f"{device.label}, server-only", ways.server_only_s),
            (*cells(f"{device.label}, cut for the rate just now", ways.chosen_s)[:-1], _used(table, ways.cuts)),
            cells(f"{device.label}, cut for the rate a second ago", ways.late_s),
            cells(f"{device.label}, best in hindsight", ways.clairvoyant_s),
            cells(f"{device.label}, device-only", np.full(1, ways.device_only_s)),
        ]
    return Table(
        title=f"{len(found['CPU'].asked_s)} queries over LTE whose rate varies",
        columns=("way", "mean", "median", "95 %", "worst", "cuts"),
        rows=tuple(rows),
    )


def _used(table: CostTable, cuts: Sequence[int]) -> str:
    counts = {cut: cuts.count(cut) for cut in sorted(set(cuts))}
    return ", ".join(f"{table.name_of(cut)} {count / len(cuts):.0%}" for cut, count in counts.items())


def _chart(trace: Trace, found: dict[str, Ways]) -> Chart:
    def line(
        name: str, starts_s: Sequence[float], values: Sequence[float] | FloatArray, *, steps: bool = False
    ) -> LineSeries:
        return LineSeries(name=name, points=tuple(zip(starts_s, map(float, values), strict=True)), steps=steps)

    return Chart(
        name="figure-14",
        title="AlexNet over LTE whose rate varies",
        panels=(
            Lines(
                title="Uplink",
                series=(line("", trace.starts_s, trace.rates_bytes_per_s, steps=True),),
                x_unit="s",
                x_axis="time",
                unit="B/s",
                axis="rate",
            ),
            *(
                Lines(
                    title=f"Latency, device {label}",
                    series=(
                        line("server-only, rate held", ways.asked_s, ways.held_server_only_s),
                        line("cut anew, rate changing meanwhile", ways.asked_s, ways.chosen_s),
                        line("cut anew, rate held", ways.asked_s, ways.held_chosen_s),
                    ),
                    x_unit="s",
                    x_axis="time",
                    unit="s",
                    axis="latency",
                    logarithmic=True,
                    levels=(Level(name="device-only", value=ways.device_only_s),),
                )
                for label, ways in found.items()
            ),
        ),
        caption=f"The mark is of the rate that holds while a query is sent, on the CPU: cut anew it is then flat up to "
        f"{_MOST:g} of device-only. Where the rate changes meanwhile, cut anew takes up to "
        f"{float(found['CPU'].chosen_s.max()) / found['CPU'].device_only_s:.3g}x device-only.",
    )
