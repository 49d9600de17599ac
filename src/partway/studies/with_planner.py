"""Figures 7 to 12 once more with partway's planner: what counting more, and packing, changes on the same set-up.

    the paper's cut, by its own terms ──┐
    partway's, of raw tensors ──────────┼─> what each takes when round trip and answer count ─> over server-only
    partway's, of packed ones as well ──┘

Input: the set-up. Output: speed-ups and energy saved of the three, all by the same fuller terms, so that they can be
held against each other; all three choose knowing that device-only sends nothing, by which they are judged. The eight
networks are chains: of a chain every cut is one tensor, so searching any graph finds no other cuts here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean
from typing import Literal

import numpy as np

from partway.planning import Goal, decide, energy_j, latency_s
from partway.reporting import Bars, BarSeries, Chart, Level, Table, format_value
from partway.studies.findings import Finding, StudyResult
from partway.studies.planned import RATIOS, ZSTD, Packing, conditions_over, draw_over, name_of_row, planned_costs
from partway.studies.query_sizes import NETWORK_OF_ASR
from partway.studies.setup import Configuration, Setup
from partway.studies.study import Study

_ENERGY = Goal(objective="energy")
_WAYS = {
    "paper": "the paper's cuts",
    "raw": "partway's planner, nothing packed",
    "packed": "partway's planner",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One configuration by the fuller terms; pairs are seconds and joules.

    Attributes:
        item: the configuration.
        server_only: everything offloaded, nothing packed.
        paper: at the cuts that the paper's Algorithm 1 chooses for latency and for energy.
        raw: at partway's, nothing packed.
        packed: at partway's.
        paper_cuts: the paper's cuts, in words.
        cuts: partway's.
    """

    item: Configuration
    server_only: tuple[float, float]
    paper: tuple[float, float]
    raw: tuple[float, float]
    packed: tuple[float, float]
    paper_cuts: tuple[str, str]
    cuts: tuple[str, str]

    def gain(self, way: str, objective: int = 0) -> float:
        """Server-only over one of the ways, by seconds (0) or joules (1)."""
        cost: tuple[float, float] = getattr(self, way)
        return self.server_only[objective] / cost[objective]


def compare_ways(item: Configuration, packing: Packing = ZSTD) -> Compared:
    """What the three ways choose, and what that takes.

    Args:
        item: the configuration.
        packing: of what crosses.
    """
    conditions, draw = conditions_over(item.link), draw_over(item.link, item.device)
    table, raw = planned_costs(item.table, packing), planned_costs(item.table, None)
    seconds, joules = latency_s(raw, conditions), energy_j(raw, conditions, draw)
    theirs = int(np.argmin(item.table.latency_s(item.link))), int(np.argmin(item.table.energy_j(item.link)))
    fastest, thriftiest = decide(table, conditions), decide(table, conditions, goal=_ENERGY, draw=draw)
    return Compared(
        item=item,
        server_only=(float(seconds[0]), float(joules[0])),
        paper=(float(seconds[theirs[0]]), float(joules[theirs[1]])),
        raw=(decide(raw, conditions).value, decide(raw, conditions, goal=_ENERGY, draw=draw).value),
        packed=(fastest.value, thriftiest.value),
        paper_cuts=(item.table.name_of(theirs[0]), item.table.name_of(theirs[1])),
        cuts=(name_of_row(item.table, fastest.index), name_of_row(item.table, thriftiest.index)),
    )


def run(setup: Setup) -> StudyResult:
    """All configurations, at the measured ratios of packing."""
    setup = replace(setup, result_sent=False)  # as the planner counts: chosen and judged by one reading
    items = tuple(setup.configurations())
    found = tuple(compare_ways(item) for item in items)
    ends = [
        tuple(compare_ways(item, replace(ZSTD, ratio=ratio)) for item in items) for ratio in (RATIOS[0], RATIOS[-1])
    ]
    return StudyResult(
        findings=(
            *(row for name, measure in _MEASURES.items() for row in _both(name, measure, found, ends)),
            _more(setup, found, ends, 0, "times faster than the paper's cuts"),
            _more(setup, found, ends, 1, "times less energy than at the paper's cuts"),
            _other_cuts(found),
        ),
        tables=(
            _table(setup, found, 0, "The fastest cuts, the paper's and partway's, all counted"),
            _table(setup, found, 1, "The cuts of least energy, the paper's and partway's, all counted"),
        ),
        charts=(_chart(setup, found),),
        assumptions=(
            "All counted: a round trip of 5 ms on Wi-Fi, 50 ms on LTE and 100 ms on 3G, although the paper's uploads "
            "may hold one already; the answer's way down; the watts of board and radio while the device waits and "
            "receives. Device-only sends nothing, both where cuts are chosen and where they are judged: an answer is "
            "wanted on the device. So the paper's cuts here are those of its algorithm without the last upload.",
            f"Packing: {ZSTD.ratio:g} raw bytes for one, the median of five trained models, spanned from "
            f"{RATIOS[0]:g} to {RATIOS[-1]:g}; encoded at {format_value(ZSTD.encode_bytes_per_s, 'B/s')} on the "
            "device, which is taken to be eight times slower than the core that was measured, on CPU and GPU alike. "
            "Pictures of bytes are not packed.",
            "The eight networks are chains, of which every cut is one tensor: searching any graph finds no other "
            "cuts here.",
        ),
    )


STUDY = Study(
    figures=(7, 8, 9, 10, 11, 12), title="With partway's planner on the same set-up", short="planner", run=run
)

Each = Sequence[Compared]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """One number of all configurations.

    Attributes:
        unit: of it.
        objective: seconds (0) or joules (1) of each are what it is made of.
        of: makes it of how many times less than server-only each configuration takes.
    """

    unit: Literal["x", "share"]
    objective: int
    of: Callable[[Sequence[float]], float]


_MEASURES = {
    "mean speed-up over server-only": _Measure(unit="x", objective=0, of=lambda gains: float(np.mean(gains))),
    "mean speed-up over server-only, as a geometric mean": _Measure(unit="x", objective=0, of=geometric_mean),
    "largest speed-up over server-only": _Measure(unit="x", objective=0, of=max),
    "mean energy saved against server-only": _Measure(
        unit="share", objective=1, of=lambda gains: float(np.mean(1 - 1 / np.array(gains)))
    ),
}


def _both(name: str, measure: _Measure, found: Each, ends: Sequence[Each]) -> Iterator[Finding]:
    """A number at the paper's cuts and at partway's, by the same terms; the paper's own number is by others."""

    def value(each: Each, way: str) -> float:
        return measure.of([one.gain(way, measure.objective) for one in each])

    unpacked = format_value(value(found, "raw"), measure.unit)
    notes = {
        "paper": "Algorithm 1 chooses without round trip, answer and waiting, which then count",
        "packed": f"{unpacked} with nothing packed; spanned over the ratio of packing",
    }
    for way, note in notes.items():
        spanned = [value(each, way) for each in (found, *ends)]
        yield Finding(
            figure="7-12",
            quantity=f"{name}, all counted: {_WAYS[way]}",
            paper=None,
            ours=spanned[0],
            unit=measure.unit,
            kind="sensitivity",
            certainty="computed",
            note=note,
            span=(min(spanned), max(spanned)) if way == "packed" else None,
        )


def _more(setup: Setup, found: Each, ends: Sequence[Each], objective: int, words: str) -> Finding:
    def factors(each: Each, way: str = "packed") -> list[float]:
        return [one.gain(way, objective) / one.gain("paper", objective) for one in each]

    others = [one for one in found if one.item.network != NETWORK_OF_ASR]
    ours = factors(found)
    most = found[int(np.argmax(ours))]
    where = f"{setup.networks[most.item.network].application}, {most.item.device.label}, {most.item.link.name}"
    means = [geometric_mean(factors(each)) for each in (found, *ends)]
    return Finding(
        figure="7-12",
        quantity=f"partway's planner, geometric mean over 48: {words}",
        paper=None,
        ours=means[0],
        unit="x",
        kind="sensitivity",
        certainty="computed",
        note=f"{geometric_mean(factors(others)):.3g}x without ASR, {geometric_mean(factors(found, 'raw')):.3g}x with "
        f"nothing packed; at most {max(ours):.3g}x, with {where}; {sum(factor > 1.001 for factor in ours)} of "
        f"{len(ours)} gain",
        span=(min(means), max(means)),
    )


def _other_cuts(found: Each) -> Finding:
    other = [one for one in found if one.raw[0] < (1 - 1e-9) * one.paper[0]]
    return Finding(
        figure="7-9",
        quantity="configurations, of 48, in which counting round trip and answer moves the fastest cut",
        paper=None,
        ours=len(other),
        unit="count",
        kind="sensitivity",
        certainty="computed",
        note=f"nothing packed; {sum(one.cuts[0].endswith('packed') for one in found)} are packed where that is allowed",
    )


def _table(setup: Setup, found: Each, objective: int, title: str) -> Table:
    """The cuts for seconds (0) or joules (1), with what they take."""
    unit: Literal["s", "J"] = "J" if objective else "s"
    what, better = ("energy", "times less") if objective else ("latency", "times faster")
    return Table(
        title=title,
        columns=("configuration", "the paper's cut", what, "partway's", what, better),
        rows=tuple(
            (
                f"{setup.networks[one.item.network].application}, {one.item.device.label}, {one.item.link.name}",
                one.paper_cuts[objective],
                format_value(one.paper[objective], unit),
                one.cuts[objective],
                format_value(one.packed[objective], unit),
                format_value(one.paper[objective] / one.packed[objective], "x"),
            )
            for one in found
        ),
    )


def _chart(setup: Setup, found: Each) -> Chart:
    def bars(label: str, objective: int, what: str) -> Bars:
        own = [one for one in found if one.item.device.label == label]
        return Bars(
            title=f"{what}, device {label}",
            categories=tuple(f"{setup.networks[one.item.network].application} {one.item.link.name}" for one in own),
            series=tuple(
                BarSeries(name=words, values=tuple(one.gain(way, objective) for one in own))
                for way, words in _WAYS.items()
                if way != "raw"
            ),
            unit="x",
            axis="over server-only",
            logarithmic=True,
            levels=(Level(name="server-only", value=1.0),),
        )

    return Chart(
        name="figure-10-12-planner",
        title="The paper's cuts and partway's planner, all counted",
        panels=tuple(
            bars(label, objective, what)
            for objective, what in enumerate(("Speed-up", "Energy, times less"))
            for label in ("CPU", "GPU")
        ),
        caption="Seconds hold a round trip and the answer's way down, joules the watts of board and radio meanwhile.",
    )
