"""The paper's Figures 10 to 12 and 16 by what its authors measured of each layer, in the place of our machines.

Input: the set-up. Output: the paper's means and maxima beside those of the measured times, cuts and throughput too, by
several readings: what differs between ours and theirs is due to the machines, what is left to what is sent and over
what. Called by the study of the authors' layers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from partway.reporting import Bars, BarSeries, Chart, Level, Table, format_value
from partway.studies import paper
from partway.studies.best_cuts import fastest
from partway.studies.choosing import choose_energy, choose_latency
from partway.studies.data_centre import Centre, Pair, left_by_paper
from partway.studies.findings import Claim, Finding, compare
from partway.studies.measured_costs import FILED, OURS, SPREAD, Reading, readings_by_name
from partway.studies.setup import Configuration, Setup
from partway.studies.summary import Outcomes, Summary
from partway.studies.throughput import GPU_SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The 48 configurations by one reading.

    Attributes:
        configurations: in the order of the set-up's.
        summary: of their speed-ups and savings.
        throughput: over that of server-only by link, for each share of devices with a GPU.
    """

    configurations: tuple[Configuration, ...]
    summary: Summary
    throughput: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, reading: Reading) -> "Read":
        """All by a reading."""
        pairs = reading.pairs()
        links = reading.setup.links
        centres = {link.name: Centre.of(pairs, link, left_by_paper) for link in links}
        return cls(
            configurations=tuple(_configurations(reading.setup, pairs)),
            summary=Summary.of(Outcomes.of((table for pair in pairs.values() for table in pair), links)),
            throughput={name: tuple(map(centre.gain, GPU_SHARES)) for name, centre in centres.items()},
        )


Pick = Callable[[Read], float]

_NUMBERS: tuple[tuple[str, Claim, Pick], ...] = (
    ("mean speed-up, arithmetic", paper.MEAN_GAIN, lambda read: read.summary.mean_gain),
    ("mean speed-up, geometric", paper.MEAN_GAIN, lambda read: read.summary.geometric_gain),
    ("largest speed-up", paper.MAX_GAIN, lambda read: read.summary.max_gain),
    ("mean energy saved, arithmetic", paper.MEAN_ENERGY_SAVED, lambda read: read.summary.mean_saved),
    ("mean energy saved, geometric", paper.MEAN_ENERGY_SAVED, lambda read: read.summary.geometric_saved),
    ("most energy saved", paper.MAX_ENERGY_SAVED, lambda read: read.summary.max_saved),
    ("throughput over Wi-Fi", paper.THROUGHPUT_WIFI, lambda read: float(np.mean(read.throughput["Wi-Fi"]))),
    ("throughput over LTE", paper.THROUGHPUT_LTE, lambda read: float(np.mean(read.throughput["LTE"]))),
    ("throughput over 3G", paper.THROUGHPUT_3G, lambda read: float(np.mean(read.throughput["3G"]))),
    ("throughput over 3G, every device with a GPU", paper.THROUGHPUT_MAX, lambda read: read.throughput["3G"][-1]),
)


def _configurations(setup: Setup, pairs: Mapping[str, Pair]) -> Iterator[Configuration]:
    for name, pair in pairs.items():
        for device, table in zip(setup.devices, pair, strict=True):
            for link in setup.links:
                yield Configuration(network=name, device=device, link=link, table=table)


def read_all(setup: Setup) -> dict[str, Read]:
    """Every reading."""
    return {name: Read.of(reading) for name, reading in readings_by_name(setup).items()}


def gain_findings(reads: Mapping[str, Read]) -> tuple[Finding, ...]:
    """The paper's numbers by the measured times, spanned over the readings of these."""
    return tuple(_finding(replace(claim, quantity=name), reads, pick) for name, claim, pick in _NUMBERS)


def _finding(claim: Claim, reads: Mapping[str, Read], pick: Pick) -> Finding:
    theirs = [pick(read) for name, read in reads.items() if name != OURS]
    told = {name: format_value(pick(reads[name]), _unit(claim)) for name in (OURS, SPREAD)}
    return compare(
        replace(claim, quantity=f"{claim.quantity}, with the authors' layer times"),
        pick(reads[FILED]),
        kind="sensitivity",
        note=f"{told[OURS]} by our machines, {told[SPREAD]} with waits spread; spanned over all readings of the files",
        span=(min(theirs), max(theirs)),
    )


def choice_findings(reads: Mapping[str, Read]) -> tuple[Finding, ...]:
    """How well our machines choose, judged by the measured times, as their program judges its own predictions."""
    judged = {name: _judged(reads[OURS].configurations, reads[name].configurations) for name in (FILED, SPREAD)}
    return tuple(
        compare(
            replace(claim, quantity=f"{claim.quantity}, by our machines, judged by the authors' layer times"),
            judged[FILED][place],
            kind="predicted",
            note=f"{format_value(judged[SPREAD][place], _unit(claim))} with waits spread",
        )
        for place, claim in enumerate((paper.OF_OPTIMAL_GAIN, paper.OPTIMAL_CUTS, paper.OPTIMAL_ENERGY_CUTS))
    )


def _judged(believed: Sequence[Configuration], true: Sequence[Configuration]) -> tuple[float, int, int]:
    """The mean share of the optimal speed-up, and how many cuts for latency and for energy are optimal."""
    pairs = [(item, chosen.table) for item, chosen in zip(true, believed, strict=True)]
    latency = [choose_latency(item, table) for item, table in pairs]
    energy = [choose_energy(item, table) for item, table in pairs]
    return (
        float(np.mean([outcome.share for outcome in latency])),
        sum(outcome.optimal for outcome in latency),
        sum(outcome.optimal for outcome in energy),
    )


def reading_table(reads: Mapping[str, Read]) -> Table:
    """Every number by every reading."""
    return Table(
        title="By machine and by what is sent: our machines, then the authors' times by every reading",
        columns=("over 48 configurations", "paper", *reads),
        rows=tuple(
            (name, *(format_value(value, _unit(claim)) for value in (float(claim.value), *map(pick, reads.values()))))
            for name, claim, pick in _NUMBERS
        ),
    )


def _unit(claim: Claim) -> Literal["x", "share", "count"]:
    return "share" if claim.unit == "share" else "count" if claim.unit == "count" else "x"


def cut_table(setup: Setup, reads: Mapping[str, Read]) -> Table:
    """The fastest cut of each of the 48 by our machines and by the measured times."""
    shown = (OURS, FILED, SPREAD)
    rows = []
    for items in zip(*(reads[name].configurations for name in shown), strict=True):
        first = items[0]
        cuts = (item.table.name_of(fastest(item)) for item in items)
        gains = (format_value(item.gain, "x") for item in items)
        cells = (cell for pair in zip(cuts, gains, strict=True) for cell in pair)
        rows.append((setup.networks[first.network].application, first.device.label, first.link.name, *cells))
    return Table(
        title="The fastest cuts and their speed-ups",
        columns=("network", "device", "link", *(head for name in shown for head in (name, "speed-up"))),
        rows=tuple(rows),
    )


def gain_chart(setup: Setup, reads: Mapping[str, Read]) -> Chart:
    """The speed-ups of the 48 configurations side by side."""
    return Chart(
        name="figure-layers-gains",
        title="Speed-up over server-only, by our machines and by the authors' layer times",
        panels=tuple(_bars(setup, reads, device.label) for device in setup.devices),
        caption="On the paper's links, as in Figures 10 to 12.",
    )


def _bars(setup: Setup, reads: Mapping[str, Read], label: str) -> Bars:
    shown = {"our machines": OURS, "the authors' times, as filed": FILED}
    own = {
        told: [item for item in reads[name].configurations if item.device.label == label]
        for told, name in shown.items()
    }
    return Bars(
        title=f"Device {label}",
        categories=tuple(
            f"{setup.networks[item.network].application}, {item.link.name}" for item in own["our machines"]
        ),
        series=tuple(BarSeries(name=name, values=tuple(item.gain for item in items)) for name, items in own.items()),
        unit="x",
        axis="speed-up",
        logarithmic=True,
        levels=(Level(name="server-only", value=1.0),),
    )
