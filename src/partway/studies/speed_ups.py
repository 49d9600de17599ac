"""Figures 10 to 12: speed-up and energy saved over the 48 configurations, against server-only.

Four things decide the paper's means and maxima, and the sources leave them open: what a query holds, whether
device-only sends its result, whether images travel as bytes, and which mean is meant. Ours are at the sizes of its
authors' files, with the result sent as in their program, with bytes as the paper's figures of AlexNet have them, and by
both means; the span is over other sizes and all readings, and a table holds the readings one by one.

Input: the set-up. Output: the paper's means and maxima beside ours, and what would have to differ for them to be equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from partway.prediction.physical import FloatArray
from partway.reporting import Bars, BarSeries, Chart, Level, Table, format_value
from partway.studies import paper
from partway.studies.cut_costs import CostTable
from partway.studies.findings import Claim, Finding, StudyResult, compare
from partway.studies.query_sizes import DIGITS, FRAMES, WORDS, SizeGrid, near, size_chart
from partway.studies.readings import readings_of
from partway.studies.setup import Configuration, Setup
from partway.studies.study import Study
from partway.studies.summary import Outcomes, Summary
from partway.studies.turning import nearest_turn

_NEAR = 0.1  # of the paper's number
_MOST_NAMED = 2
_PICKS: dict[str, Callable[[Summary], float]] = {
    "mean speed-up, arithmetic": lambda each: each.mean_gain,
    "mean speed-up, geometric": lambda each: each.geometric_gain,
    "largest speed-up": lambda each: each.max_gain,
    "mean energy saved, arithmetic": lambda each: each.mean_saved,
    "mean energy saved, geometric": lambda each: each.geometric_saved,
    "most energy saved": lambda each: each.max_saved,
}


def run(setup: Setup) -> StudyResult:
    """The 48 configurations, at the stated sizes and over all others."""
    configurations = tuple(setup.configurations())
    grids = tuple(SizeGrid.of(reading) for reading in readings_of(setup).values() if reading.networks is setup.networks)
    grid = grids[0]
    return StudyResult(
        findings=(*_gains(setup, configurations, grids), *_savings(setup, configurations, grids)),
        tables=(_readings(setup),),
        charts=(
            _chart(setup, configurations),
            size_chart(grid, float(paper.MEAN_GAIN.value), float(paper.MAX_GAIN.value)),
        ),
        assumptions=(
            "Ours are at the zoo's sizes of a query, and device-only sends its result: both as in the program and "
            "files that the paper's authors published, and neither told by the sources of the paper itself. This "
            "reading was looked for after the other one had failed.",
            "Images travel as bytes, as the paper's 152 KB of AlexNet say. The authors' program sends all inputs as "
            "float32, and with that the largest speed-up is another: see the table of readings.",
            f"Spans are over these readings, and in each over all sizes: {_list(DIGITS)} digits; {_list(FRAMES)} "
            f"frames; {_list(WORDS)} words, the same for POS, CHK and NER.",
            "The sources do not say which mean is meant. Speed-ups are ratios, of which geometric means are usual.",
        ),
    )


STUDY = Study(
    figures=(10, 11, 12), title="Speed-up and energy saved over 48 configurations", short="48 configurations", run=run
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lever:
    """An assumption about the device that is turned until a number is the paper's.

    Attributes:
        turn: the table at so many times the assumption.
        words: what it is, with a place for the factor in words.
    """

    turn: Callable[[CostTable, float], CostTable]
    words: str


_SPEED = _Lever(turn=lambda table, factor: table.faster(device=factor), words="a device {} as fast")
_WATTS = _Lever(turn=lambda table, factor: table.drawing(factor), words="computing that draws {} the watts")
_MOST_TURNED = 4.0


def _gains(setup: Setup, configurations: Sequence[Configuration], grids: Sequence[SizeGrid]) -> tuple[Finding, ...]:
    largest = max(configurations, key=lambda item: item.gain)
    at = _summaries(setup, _SPEED)
    geometric = replace(paper.MEAN_GAIN, quantity=f"{paper.MEAN_GAIN.quantity}, as a geometric mean")
    return (
        _spanned(paper.MEAN_GAIN, _SPEED, at, grids, lambda each: each.mean_gain),
        _spanned(geometric, _SPEED, at, grids, lambda each: each.geometric_gain),
        _spanned(paper.MAX_GAIN, _SPEED, at, grids, lambda each: each.max_gain, _who(setup, largest)),
        _vgg(setup, configurations),
    )


def _savings(setup: Setup, configurations: Sequence[Configuration], grids: Sequence[SizeGrid]) -> tuple[Finding, ...]:
    most = max(configurations, key=lambda item: item.energy_saved)
    at = _summaries(setup, _WATTS)
    staying = sum(item.energy_saved == 0.0 for item in configurations)
    bound = 1.0 - staying / len(configurations)
    geometric = replace(paper.MEAN_ENERGY_SAVED, quantity=f"{paper.MEAN_ENERGY_SAVED.quantity}, as a geometric mean")
    return (
        _spanned(
            paper.MEAN_ENERGY_SAVED,
            _WATTS,
            at,
            grids,
            lambda each: each.mean_saved,
            f"server-only takes the least in {staying} configurations, so it cannot be above {bound:.0%}",
        ),
        _spanned(geometric, _WATTS, at, grids, lambda each: each.geometric_saved),
        _spanned(paper.MAX_ENERGY_SAVED, _WATTS, at, grids, lambda each: each.max_saved, _who(setup, most)),
    )


def _summaries(setup: Setup, lever: _Lever) -> Callable[[float], Summary]:
    """The summary of the 48 configurations by the factor of a lever."""
    tables = [setup.table(name, device) for name in setup.networks for device in setup.devices]

    @cache
    def at(factor: float) -> Summary:
        return Summary.of(Outcomes.of((lever.turn(table, factor) for table in tables), setup.links))

    return at


def _spanned(
    claim: Claim,
    lever: _Lever,
    at: Callable[[float], Summary],
    grids: Sequence[SizeGrid],
    pick: Callable[[Summary], float],
    *notes: str,
) -> Finding:
    """A number that hangs on the sizes and the reading: its span, which sizes come near the paper's, what else would.

    Args:
        claim: the paper's number.
        lever: an assumption about the device.
        at: summaries by its factor.
        grids: summaries by size, by our reading first.
        pick: which number.
        notes: what else there is to say.
    """
    spanned = [grid.values(pick) for grid in grids]
    values, wanted = spanned[0], float(claim.value)
    turn = nearest_turn(lambda factor: pick(at(factor)) >= wanted, most=_MOST_TURNED)
    would = (
        f"the paper's with {lever.words.format(f'{turn:.3g} times')}"
        if turn is not None
        else (f"not the paper's with {lever.words.format(f'{1 / _MOST_TURNED:g} to {_MOST_TURNED:g} times')}")
    )
    return compare(
        claim,
        pick(at(1.0)),
        kind="sensitivity",
        note="; ".join((*notes, would, _sizes(values, wanted))),
        span=(min(float(each.min()) for each in spanned), max(float(each.max()) for each in spanned)),
    )


def _sizes(values: FloatArray, wanted: float) -> str:
    found = near(values, wanted, _NEAR)
    if not found:
        above = "above" if wanted > values.max() else "below" if wanted < values.min() else "between"
        return f"none of {values.size} combinations of sizes comes within {_NEAR:.0%}: the paper's lies {above} them"
    rest = len(found) - _MOST_NAMED
    named = "; ".join(found[:_MOST_NAMED]) + (f"; {rest} more" if rest > 0 else "")
    return (
        f"{len(found)} of {values.size} combinations of sizes come within {_NEAR:.0%} (digits, frames, words: {named})"
    )


def _who(setup: Setup, item: Configuration) -> str:
    application = setup.networks[item.network].application
    return f"ours is {application} on {item.device.label} over {item.link.name}"


def _vgg(setup: Setup, configurations: Sequence[Configuration]) -> Finding:
    wanted = ("vgg19", "GPU", "3G")
    item = next(item for item in configurations if (item.network, item.device.label, item.link.name) == wanted)
    claimed = float(paper.VGG_3G_GPU_GAIN.value)
    needed_s = float(item.table.latency_s(item.link)[0]) / claimed
    peak_s = 2.0 * setup.networks["vgg19"].macs / item.device.machine.peak_flop_per_s.value
    possible = "which it can" if peak_s <= needed_s else f"and its peak alone allows {format_value(peak_s, 's')}"
    return compare(
        paper.VGG_3G_GPU_GAIN,
        item.gain,
        kind="predicted",
        note=f"{claimed:g}x would take the GPU to run VGG in {format_value(needed_s, 's')}, {possible}",
    )


def _readings(setup: Setup) -> Table:
    """The numbers by every reading of what is sent, at the stated sizes."""
    readings = readings_of(setup)
    summaries = {name: _summaries(other, _SPEED)(1.0) for name, other in readings.items()}
    claims = (
        paper.MEAN_GAIN,
        paper.MEAN_GAIN,
        paper.MAX_GAIN,
        paper.MEAN_ENERGY_SAVED,
        paper.MEAN_ENERGY_SAVED,
        paper.MAX_ENERGY_SAVED,
    )
    return Table(
        title="By what is sent: the result by device-only or not, images as bytes or as float32, 100 digits or 10",
        columns=("over 48 configurations", "paper", *readings),
        rows=tuple(
            (
                name,
                format_value(float(claim.value), "x" if claim.unit == "x" else "share"),
                *(format_value(pick(each), "x" if claim.unit == "x" else "share") for each in summaries.values()),
            )
            for (name, pick), claim in zip(_PICKS.items(), claims, strict=True)
        ),
    )


def _chart(setup: Setup, configurations: Sequence[Configuration]) -> Chart:
    labels = tuple(device.label for device in setup.devices)
    return Chart(
        name="figure-10-12",
        title="Speed-up and energy saved against server-only",
        panels=(
            *(_gain_bars(setup, configurations, label) for label in labels),
            *(_saving_bars(setup, configurations, label) for label in labels),
        ),
    )


def _gain_bars(setup: Setup, configurations: Sequence[Configuration], label: str) -> Bars:
    return Bars(
        title=f"Speed-up, device {label}",
        categories=tuple(network.application for network in setup.networks.values()),
        series=_series(setup, configurations, label, lambda item: item.gain),
        unit="x",
        axis="speed-up",
        logarithmic=True,
        levels=(Level(name="server-only", value=1.0),),
    )


def _saving_bars(setup: Setup, configurations: Sequence[Configuration], label: str) -> Bars:
    return Bars(
        title=f"Energy saved, device {label}",
        categories=tuple(network.application for network in setup.networks.values()),
        series=_series(setup, configurations, label, lambda item: item.energy_saved),
        unit="share",
        axis="energy saved",
    )


def _series(
    setup: Setup, configurations: Sequence[Configuration], label: str, value: Callable[[Configuration], float]
) -> tuple[BarSeries, ...]:
    own = [item for item in configurations if item.device.label == label]
    return tuple(
        BarSeries(name=link.name, values=tuple(value(item) for item in own if item.link is link))
        for link in setup.links
    )


def _list(counts: Sequence[int]) -> str:
    return ", ".join(map(str, counts))
