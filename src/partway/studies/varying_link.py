"""Figure 14: AlexNet over LTE whose rate varies: server-only spikes, a cut that is chosen anew does not.

    seeded rates, one a second ─> queries at any moment ─> server-only, device-only, the cut for the rate just now

Input: the set-up and its seed. Output: what each query takes under each way. A transfer is the exact integral of the
rate, so that one that falls meanwhile makes it longer than was expected. Who decides knows the rate of the moment, or
only that of a second ago. Did the rate hold while a query is sent, as the paper's Algorithm 1 takes it, no query could
take longer than on the device alone: that is no finding, so it has no row.

The trace is made, not measured: the logarithm of the rate wanders back to its middle (a first-order autoregression).
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from partway.link import FLOOR_BYTES_PER_S, Trace
from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Level, Lines, LineSeries, Table, format_value
from partway.studies import paper
from partway.studies.cut_costs import CostTable
from partway.studies.findings import HOLDS, Finding, StudyResult, compare
from partway.studies.setup import Setup
from partway.studies.study import Study

DURATION_S = 300
_ROW_S = 1.0
_EVERY_S = 0.7  # so that queries begin anywhere in a row of the trace

# Standard deviation of the rate's logarithm, and its correlation with that of a second before.
# Source: those of a measured uplink, Verizon LTE in a moving car (Winstein et al., NSDI 2013), 140 s with zeros lifted
# to the floor of traces.
_SPREAD = 0.77
_KEPT = 0.68

_NETWORK, _LINK = "alexnet", "LTE"
_MOST = 1.02  # of device-only
_SPIKE = 2.0  # times the median
_OTHER_SEEDS = 20
_STEPS = tuple(step / 20 for step in range(1, 20))  # of spreads and of shares of the rate that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What each query takes, float64 (queries,), by way.

    Attributes:
        asked_s: when each is asked, since the trace began.
        server_only_s: all layers on the server.
        chosen_s: cut for the rate when it is asked.
        late_s: cut for the rate of a second before.
        clairvoyant_s: the best cut in hindsight.
        cuts: of `chosen_s`, int (queries,).
        device_only_s: the same for every query.
    """

    asked_s: tuple[float, ...]
    server_only_s: FloatArray
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
            _flat(setup.table(_NETWORK, setup.device("CPU")), trace, found["CPU"], setup),
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


def lte_trace(middle_bytes_per_s: float, seed: int, *, spread: float = _SPREAD, duration_s: int = DURATION_S) -> Trace:
    """A rate that varies as LTE's does, the same for the same seed.

    Args:
        middle_bytes_per_s: median of the rate, > 0.
        seed: of its course.
        spread: standard deviation of the rate's logarithm, >= 0.
        duration_s: values, one a second.
    """
    steps = np.random.default_rng((seed, 14)).standard_normal(duration_s)
    deviations = [float(steps[0])]
    for step in steps[1:]:
        deviations.append(_KEPT * deviations[-1] + math.sqrt(1.0 - _KEPT**2) * float(step))
    rates = np.maximum(middle_bytes_per_s * np.exp(spread * np.array(deviations)), FLOOR_BYTES_PER_S)
    return Trace(starts_s=tuple(_ROW_S * row for row in range(duration_s)), rates_bytes_per_s=tuple(map(float, rates)))


def play(table: CostTable, trace: Trace) -> Ways:
    """What queries take that are asked now and then while a trace lasts.

    Args:
        table: of every cut.
        trace: of the uplink.
    """
    asked_s = _asked_s(trace)
    taken_s = np.array([[_taken_s(table, trace, at_s, cut) for cut in range(len(table))] for at_s in asked_s])
    now, before = (_cuts_for(table, [trace.rate_at(at_s - ago_s) for at_s in asked_s]) for ago_s in (0.0, _ROW_S))
    rows = np.arange(len(asked_s))
    return Ways(
        asked_s=asked_s,
        server_only_s=taken_s[:, 0],
        chosen_s=taken_s[rows, now],
        late_s=taken_s[rows, before],
        clairvoyant_s=taken_s.min(axis=1),
        cuts=now,
        device_only_s=float(table.device_s[-1]),
    )


def reckon(table: CostTable, trace: Trace, share: float = 1.0) -> FloatArray:
    """What the queries of `play` take that are cut for a share of the rate just now, float64 (queries,).

    Args:
        table: of every cut.
        trace: of the uplink.
        share: > 0.
    """
    asked_s = _asked_s(trace)
    cuts = _cuts_for(table, [share * trace.rate_at(at_s) for at_s in asked_s])
    return np.array([_taken_s(table, trace, at_s, cut) for at_s, cut in zip(asked_s, cuts, strict=True)])


def _asked_s(trace: Trace) -> tuple[float, ...]:
    return tuple(map(float, np.arange(0.0, trace.duration_s, _EVERY_S)))


def _taken_s(table: CostTable, trace: Trace, asked_s: float, cut: int) -> float:
    sends_s, up_bytes = asked_s + float(table.device_s[cut]), float(table.up_bytes[cut])
    sent_s = trace.finish_s(sends_s, up_bytes) if up_bytes else sends_s
    return sent_s - asked_s + float(table.server_s[cut])


def _cuts_for(table: CostTable, rates_bytes_per_s: Sequence[float]) -> tuple[int, ...]:
    sent_s = np.divide.outer(table.up_bytes, rates_bytes_per_s)
    return tuple(map(int, (sent_s + (table.device_s + table.server_s)[:, np.newaxis]).argmin(axis=0)))


def _flat(table: CostTable, trace: Trace, ways: Ways, setup: Setup) -> Finding:
    most_s = _MOST * ways.device_only_s
    spike = float(ways.server_only_s.max() / np.median(ways.server_only_s))
    middle_bytes_per_s = setup.link(_LINK).uplink_bytes_per_s

    def worst_s(*, seed: int = setup.seed, spread: float = _SPREAD) -> float:
        return float(reckon(table, lte_trace(middle_bytes_per_s, seed, spread=spread)).max())

    def steady(spread: float) -> bool:
        return worst_s(spread=spread) <= most_s

    def careful(share: float) -> bool:
        return bool(reckon(table, trace, share).max() <= most_s)

    others_s = [worst_s(seed=setup.seed + step) for step in range(1, _OTHER_SEEDS + 1)]
    holds = bool(ways.chosen_s.max() <= most_s) and spike >= _SPIKE
    told = (
        f"server-only takes up to {spike:.3g} times its median; {np.mean(ways.chosen_s > most_s):.1%} of the queries "
        f"that are cut anew take longer than {_MOST:g} of device-only, {ways.chosen_s.max() / ways.device_only_s:.3g}x "
        f"at worst; it is flat with {sum(seconds <= most_s for seconds in others_s)} of {_OTHER_SEEDS} other seeds, "
        f"{max(others_s) / ways.device_only_s:.3g}x with the worst. Counted as flat up to {_MOST:g} of device-only, as "
        f"a spike from {_SPIKE:g} times the median"
    )
    would = "; ".join(
        (
            "if rates held while a query is sent, by construction",
            *(f"with a spread of up to {spread:g}, not {_SPREAD:g}" for spread in _last(steady)),
            *(
                f"if reckoning with up to {share:g} of the rate just now, which takes "
                f"{reckon(table, trace, share).mean() / ways.chosen_s.mean() - 1:.0%} longer on average"
                for share in _last(careful)
            ),
        )
    )
    return compare(
        replace(paper.FLAT_UNDER_LTE, quantity=f"{paper.FLAT_UNDER_LTE.quantity} (CPU)"),
        holds,
        kind="predicted",
        mark=HOLDS,
        note=told if holds else f"{told}. It would be flat {would}",
    )


def _last(holds: Callable[[float], bool]) -> list[float]:
    """Up to which of the steps something holds; none where it does not even at the first."""
    return list(itertools.takewhile(holds, _STEPS))[-1:]


def _numbers(label: str, ways: Ways) -> tuple[Finding, ...]:
    def row(quantity: str, ours: float, note: str) -> Finding:
        return Finding(
            figure="14",
            quantity=f"{quantity} ({label})",
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
                        line("server-only", ways.asked_s, ways.server_only_s),
                        line("cut anew", ways.asked_s, ways.chosen_s),
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
        caption=f"The mark is of cut anew on the CPU, which would be flat up to {_MOST:g} of device-only and takes up "
        f"to {float(found['CPU'].chosen_s.max()) / found['CPU'].device_only_s:.3g}x.",
    )
