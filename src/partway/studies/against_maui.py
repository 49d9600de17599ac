"""Figure 13: the paper's algorithm against one that expects of a layer what layers of its kind took so far.

Input: the set-up. Output: how many times slower the cuts are that the means of past calls choose, over the 48
configurations. Both know bytes and link, both cut once, by the paper's Algorithm 1: only what they believe of seconds
differs, so the difference is what sizes are worth.

Which calls are remembered is not in the sources. The networks' own is the kindest to the baseline that is blind to
sizes: its sums over a whole network are right, and only their parts are not. The other is one memory for all networks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import geometric_mean
from types import MappingProxyType

import numpy as np

from partway.prediction.analytic import AnalyticMachine
from partway.prediction.layers import PastCalls
from partway.prediction.physical import FloatArray
from partway.reporting import Bars, BarSeries, Chart, Level, Table, format_value
from partway.studies import paper
from partway.studies.choosing import Outcome, believed_table, choose_latency
from partway.studies.findings import Claim, Finding, StudyResult, compare
from partway.studies.setup import Configuration, Setup
from partway.studies.study import Study

Memory = Callable[[Setup, str, AnalyticMachine], PastCalls]
"""What is remembered on a machine when a network is to be cut."""


def own_calls(setup: Setup, network: str, machine: AnalyticMachine) -> PastCalls:
    """Calls of the network that is to be cut."""
    layers = setup.networks[network].layers
    return PastCalls.of(layers, machine.layers_s(layers))


def all_calls(setup: Setup, network: str, machine: AnalyticMachine) -> PastCalls:  # noqa: ARG001 - one memory for all
    """A call of each layer of each of the eight networks."""
    layers = [layer for each in setup.networks.values() for layer in each.layers]
    return PastCalls.of(layers, machine.layers_s(layers))


MEMORIES: Mapping[str, Memory] = MappingProxyType({"its own calls": own_calls, "calls of all networks": all_calls})
"""From the kindest to the least kind to the baseline."""


def run(setup: Setup) -> StudyResult:
    """All configurations, under either memory."""
    configurations = tuple(setup.configurations())
    outcomes = {name: against(setup, configurations, memory) for name, memory in MEMORIES.items()}
    factors = {name: np.array([1.0 / each.share for each in found]) for name, found in outcomes.items()}
    return StudyResult(
        findings=(
            _finding(paper.MAUI_MEAN, {name: float(values.mean()) for name, values in factors.items()}),
            _finding(
                replace(paper.MAUI_MEAN, quantity=f"{paper.MAUI_MEAN.quantity}, as a geometric mean"),
                {name: geometric_mean(values) for name, values in factors.items()},
            ),
            _finding(
                paper.MAUI_MAX,
                {name: float(values.max()) for name, values in factors.items()},
                _worst(setup, configurations, factors),
            ),
        ),
        tables=(_table(setup, configurations, outcomes),),
        charts=tuple(_chart(setup, configurations, name, values) for name, values in factors.items()),
        assumptions=(
            "MAUI is taken to know bytes and link exactly, and to cut once by the paper's Algorithm 1, as ours does; "
            "ours knows the true seconds of each layer.",
            "The sources do not say which calls MAUI remembers. Ours is with one call of each layer of all eight "
            "networks; the other end of the span is with calls of the network itself.",
        ),
    )


STUDY = Study(figures=(13,), title="Against MAUI, which knows past calls of a kind of layer", short="MAUI", run=run)


def against(setup: Setup, configurations: Sequence[Configuration], memory: Memory) -> tuple[Outcome, ...]:
    """What the memory chooses in each configuration, in truth."""
    found = []
    for item in configurations:
        device, server = (memory(setup, item.network, machine) for machine in (item.device.machine, setup.server))
        found.append(choose_latency(item, believed_table(item.table, device, server)))
    return tuple(found)


def _finding(claim: Claim, ours: Mapping[str, float], who: str = "") -> Finding:
    told = "; ".join(f"{format_value(value, 'x')} with {name}" for name, value in ours.items())
    return compare(
        claim,
        ours["calls of all networks"],
        kind="sensitivity",
        note=f"{told}{who}; it hangs on the sizes of a query, too",
        span=(min(ours.values()), max(ours.values())),
    )


def _worst(setup: Setup, configurations: Sequence[Configuration], factors: Mapping[str, FloatArray]) -> str:
    item = configurations[int(np.argmax(factors["calls of all networks"]))]
    return f"; the largest is {_label(setup, item)}"


def _label(setup: Setup, item: Configuration) -> str:
    return f"{setup.networks[item.network].application}, {item.device.label}, {item.link.name}"


def _table(setup: Setup, configurations: Sequence[Configuration], outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    return Table(
        title="Cuts that past calls choose, and the fastest",
        columns=(
            "configuration",
            "fastest",
            *(f"with {name}" for name in outcomes),
            *(f"slower, {name}" for name in outcomes),
        ),
        rows=tuple(
            (
                _label(setup, item),
                item.table.name_of(int(np.argmin(item.table.latency_s(item.link)))),
                *(item.table.name_of(found[place].cut) for found in outcomes.values()),
                *(format_value(1.0 / found[place].share, "x") for found in outcomes.values()),
            )
            for place, item in enumerate(configurations)
        ),
    )


_LINEAR_TO = 3.0  # times; more are drawn on a logarithmic axis


def _chart(setup: Setup, configurations: Sequence[Configuration], name: str, factors: FloatArray) -> Chart:
    return Chart(
        name="figure-13" if name == "calls of all networks" else "figure-13-own-calls",
        title=f"Times faster than MAUI with {name}",
        panels=tuple(
            Bars(
                title=f"device {device.label}",
                categories=tuple(network.application for network in setup.networks.values()),
                series=tuple(
                    BarSeries(
                        name=link.name,
                        values=tuple(
                            float(factor)
                            for item, factor in zip(configurations, factors, strict=True)
                            if item.link is link and item.device is device
                        ),
                    )
                    for link in setup.links
                ),
                unit="x",
                axis="speed-up",
                logarithmic=factors.max() > _LINEAR_TO,
                levels=(Level(name="as fast as MAUI", value=1.0),),
            )
            for device in setup.devices
        ),
    )
