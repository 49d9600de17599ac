"""What our machines say of each layer over what the paper's authors measured of it.

Input: the set-up. Output: for each machine how far whole networks are off, tables of networks and of kinds of layers,
and a figure of every layer. On the GPUs single layers are not comparable, since waits are filed with the layer that
waits, so stretches up to such a layer stand in their place. Called by the study of the authors' layers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np

from partway.prediction.analytic import AnalyticMachine
from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Lines, LineSeries, Table, format_value
from partway.studies.findings import Finding
from partway.studies.layer_times import FiledNetwork, filed_networks
from partway.studies.measured_costs import stretches
from partway.studies.setup import Setup

_GROUPS: Mapping[str, str] = {
    "conv": "convolution",
    "local": "local",
    "fc": "fc",
    "pool": "pool",
    "relu": "activation",
    "sigmoid": "activation",
    "htanh": "activation",
    "norm": "normalisation",
    "softmax": "softmax, argmax",
    "argmax": "softmax, argmax",
}
"""Kinds of layers as they are told apart here; a dropout does nothing, and our machines say 0 s of it."""

_SHOWN = tuple(dict.fromkeys(_GROUPS.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A layer, or a stretch of them.

    Attributes:
        group: of its last layer.
        filed_s: what was measured.
        ours_s: what our machine says.
    """

    group: str
    filed_s: float
    ours_s: float

    @property
    def ratio(self) -> float:
        """Ours over the measured."""
        return self.ours_s / self.filed_s


ReadPoints = Callable[[FiledNetwork, AnalyticMachine], Iterator[Point]]


def machines_of(setup: Setup) -> dict[str, AnalyticMachine]:
    """The three machines by what people call them; the first is no GPU."""
    return {f"device {device.label}": device.machine for device in setup.devices} | {"server": setup.server}


def layer_points(filed: FiledNetwork, machine: AnalyticMachine) -> Iterator[Point]:
    """Every layer that a machine spends time on."""
    layers, filed_s = filed.network.layers, filed.seconds[machine.name]
    for layer, measured_s, ours_s in zip(layers, filed_s, machine.layers_s(layers), strict=True):
        if layer.kind in _GROUPS:
            yield Point(group=_GROUPS[layer.kind], filed_s=float(measured_s), ours_s=float(ours_s))


def stretch_points(filed: FiledNetwork, machine: AnalyticMachine) -> Iterator[Point]:
    """Every stretch of layers up to one that waits."""
    layers = filed.network.layers
    filed_s, ours_s = filed.seconds[machine.name], machine.layers_s(layers)
    for stretch in stretches(layers):
        last = layers[stretch.stop - 1]
        yield Point(
            group=_GROUPS[last.kind], filed_s=float(filed_s[stretch].sum()), ours_s=float(ours_s[stretch].sum())
        )


def network_ratios(machine: AnalyticMachine) -> FloatArray:
    """Ours over the measured of each whole network, float64 (networks,)."""
    return np.array(
        [
            machine.layers_s(filed.network.layers).sum() / filed.seconds[machine.name].sum()
            for filed in filed_networks().values()
        ]
    )


def ratio_findings(setup: Setup) -> tuple[Finding, ...]:
    """How far whole networks are off on each machine."""
    return tuple(_machine_finding(setup, name, machine) for name, machine in machines_of(setup).items())


def _machine_finding(setup: Setup, name: str, machine: AnalyticMachine) -> Finding:
    ratios = network_ratios(machine)
    applications = [network.application for network in setup.networks.values()]
    fast, slow = (applications[int(place)] for place in (np.argmin(ratios), np.argmax(ratios)))
    return Finding(
        figure="layers",
        quantity=f"ours over the authors' seconds, {name}: geometric mean of eight whole networks",
        paper=None,
        ours=geometric_mean(ratios),
        unit="x",
        kind="predicted",
        certainty="authors' files",
        note=f"least for {fast}, most for {slow}; IMC, whose time in the paper the machine was fitted to, "
        f"{ratios[0]:.3g}x",
        span=(float(ratios.min()), float(ratios.max())),
    )


def beyond_peak(filed: FiledNetwork, machine: AnalyticMachine) -> list[float]:
    """How many times the datasheet's peak each layer with arithmetic does by the files, where that is more than 1."""
    rates = (
        2.0 * layer.macs / measured_s / machine.peak_flop_per_s.value
        for layer, measured_s in zip(filed.network.layers, filed.seconds[machine.name], strict=True)
        if layer.macs
    )
    return [rate for rate in rates if rate > 1]


def queued_words(setup: Setup) -> str:
    """Why single layers on the GPUs are not comparable."""
    told = []
    for name, machine in machines_of(setup).items():
        above = [rate for filed in filed_networks().values() for rate in beyond_peak(filed, machine)]
        most = f", by up to {max(above):.0f} times" if above else ""
        told.append(f"{len(above)} on the {name}{most}")
    every = sum(layer.macs > 0 for filed in filed_networks().values() for layer in filed.network.layers)
    return (
        f"Of {every} layers with arithmetic these do more operations a second by the files than the datasheet's peak: "
        f"{', '.join(told)}. So the GPUs' times are those of calls that return before the work is done; a layer that "
        "waits (fc, local, argmax) is billed for those in front of it. Sums up to such a layer are whole."
    )


def network_table(setup: Setup) -> Table:
    """Every network on every machine."""
    machines = machines_of(setup)
    filed = filed_networks()
    rows = []
    for name, network in setup.networks.items():
        cells: list[str] = [network.application]
        for machine in machines.values():
            measured_s = float(filed[name].seconds[machine.name].sum())
            ours_s = float(machine.layers_s(filed[name].network.layers).sum())
            cells += [format_value(measured_s, "s"), format_value(ours_s, "s"), f"{ours_s / measured_s:.2f}"]
        rows.append(tuple(cells))
    heads = (head for name in machines for head in (f"{name}, measured", "ours", "ratio"))
    return Table(
        title="Whole networks: measured, ours, ours over measured", columns=("network", *heads), rows=tuple(rows)
    )


def kind_table(setup: Setup) -> Table:
    """Every kind of layer on every machine, and stretches up to a wait."""
    machines = machines_of(setup)
    single, whole = (_all_points(machines, read) for read in (layer_points, stretch_points))
    rows = [
        (group, *(_spread([point.ratio for point in own if point.group == group]) for own in single.values()))
        for group in _SHOWN
    ]
    rows += [
        (name, *(_spread([point.ratio for point in own]) for own in points.values()))
        for name, points in (("every layer", single), ("every stretch up to a wait", whole))
    ]
    return Table(
        title="Ours over measured by kind of layer: median (least to most) of how many; on GPUs only stretches compare",
        columns=("kind", *machines),
        rows=tuple(rows),
    )


def _all_points(machines: Mapping[str, AnalyticMachine], read: ReadPoints) -> dict[str, list[Point]]:
    return {
        name: [point for filed in filed_networks().values() for point in read(filed, machine)]
        for name, machine in machines.items()
    }


def _spread(ratios: list[float]) -> str:
    return f"{np.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g}) of {len(ratios)}"


def ratio_chart(setup: Setup) -> Chart:
    """Every layer on the CPU and every stretch on the GPUs, ours over the measured."""
    machines = machines_of(setup)
    single, whole = (_all_points(machines, read) for read in (layer_points, stretch_points))
    first, *others = machines
    return Chart(
        name="figure-layers",
        title="Seconds of layers: measured by the paper's authors, and by our machines",
        panels=(
            _panel(f"The {first}, layer by layer", single[first]),
            *(_panel(f"The {name}, by stretches up to a layer that waits", whole[name]) for name in others),
        ),
        caption="Of all this our machines were fitted to AlexNet's totals alone.",
    )


def _panel(title: str, points: list[Point]) -> Lines:
    return Lines(
        title=title,
        series=tuple(
            LineSeries(
                name=group,
                points=tuple((point.filed_s, point.ours_s) for point in points if point.group == group),
                joined=False,
            )
            for group in _SHOWN
        ),
        x_unit="s",
        x_axis="measured",
        unit="s",
        axis="ours",
        x_logarithmic=True,
        logarithmic=True,
        diagonal="both the same",
    )
