"""Figures 7 to 9: where the best cut of each network lies, on CPU and GPU, over each link.

Input: the set-up. Output: the 48 best cuts for latency and for energy. Vision networks hang on no assumption beyond
machines and links; the others hang on how much one query holds, which `query_sizes` spans.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Grid, Table, format_value
from partway.studies import paper
from partway.studies.findings import Finding, StudyResult, compare
from partway.studies.query_sizes import FRAMES, NETWORK_OF_ASR, costs_of_size
from partway.studies.setup import Configuration, Setup
from partway.studies.study import Study
from partway.studies.turning import nearest_turn

_VISION = ("IMC", "VGG", "FACE")
_AT_ONE_END = ("ASR", "POS", "CHK", "NER")


def run(setup: Setup) -> StudyResult:
    """The best cut of every configuration."""
    configurations = tuple(setup.configurations())
    return StudyResult(
        findings=(_vision(setup, configurations), _ends(setup, configurations), _asr(setup, configurations)),
        tables=(_table(setup, configurations),),
        charts=(_chart(setup, configurations),),
        assumptions=(_sizes(setup),),
    )


STUDY = Study(figures=(7, 8, 9), title="Where the best cut lies", short="best cuts", run=run)


def fastest(configuration: Configuration) -> int:
    """The cut of least latency."""
    return int(np.argmin(configuration.table.latency_s(configuration.link)))


def thriftiest(configuration: Configuration) -> int:
    """The cut of least energy on the device."""
    return int(np.argmin(configuration.table.energy_j(configuration.link)))


def _sizes(setup: Setup) -> str:
    held = ", ".join(f"{network.application} {network.queries}" for network in setup.networks.values())
    return (
        f"Items in a query: {held}. Those of DIG, ASR, POS, CHK and NER are assumed, and spanned in Figures 10 to 12."
    )


def _inside(configuration: Configuration) -> bool:
    return 0 < fastest(configuration) < len(configuration.table) - 1


def _application(setup: Setup, configuration: Configuration) -> str:
    return setup.networks[configuration.network].application


def _vision(setup: Setup, configurations: Sequence[Configuration]) -> Finding:
    counts = Counter(_application(setup, item) for item in configurations if _inside(item))
    own = sum(_application(setup, item) in _VISION for item in configurations)
    inside = sum(counts[name] for name in _VISION)
    told = ", ".join(f"{name} in {counts[name]}" for name in _VISION)
    others = ", ".join(_faster_needed(setup, item) for item in _VISION if not counts[item])
    return compare(
        paper.VISION_IN_THE_MIDDLE,
        all(counts[name] for name in _VISION),
        kind="predicted",
        note=f"in {inside} of {own} configurations ({told})" + (f"; {others}" if others else ""),
    )


def _faster_needed(setup: Setup, application: str) -> str:
    """How fast a device would have to be for a network to be cut in the middle over one of the links."""
    tables = [
        setup.table(name, device)
        for name, network in setup.networks.items()
        if network.application == application
        for device in setup.devices
    ]

    def inside(speed: float) -> bool:
        faster = (table.faster(device=speed) for table in tables)
        return any(0 < int(np.argmin(one.latency_s(link))) < len(one) - 1 for one in faster for link in setup.links)

    turn = nearest_turn(inside)
    if turn is None:
        return f"{application} in none with any device up to 16 times as fast"
    return f"{application} with a device {turn:.3g} times as fast"


def _ends(setup: Setup, configurations: Sequence[Configuration]) -> Finding:
    inside = [item for item in configurations if _application(setup, item) in _AT_ONE_END and _inside(item)]
    told = ", ".join(
        f"{_application(setup, item)} ({item.device.label}, {item.link.name}: {item.table.name_of(fastest(item))})"
        for item in inside
    )
    return compare(
        paper.OTHERS_AT_ONE_END,
        not inside,
        kind="sensitivity",
        note=f"but for {told}" if told else "at the stated sizes of a query",
    )


def _asr(setup: Setup, configurations: Sequence[Configuration]) -> Finding:
    """ASR's place, and the longest query with which it would be on the server everywhere."""

    def on_server(frames: int) -> bool:
        return all(
            int(np.argmin(table.latency_s(link))) == 0
            for table in costs_of_size(setup, NETWORK_OF_ASR, frames)
            for link in setup.links
        )

    away = [f"{item.device.label} over {item.link.name}" for item in configurations if _asr_leaves(item)]
    held = [frames for frames in FRAMES if on_server(frames)]
    frames = setup.networks[NETWORK_OF_ASR].queries
    unsent = replace(setup, result_sent=False)
    leaving = [f"{item.device.label} over {item.link.name}" for item in unsent.configurations() if _asr_leaves(item)]
    which = "any" if len(held) == len(FRAMES) else _list(held) or "none"
    notes = (
        f"it leaves on {', '.join(away)} with {frames} frames" if away else "",
        f"so with {which} of {_list(FRAMES)} frames",
        f"if device-only sent no result, it would leave on {_all(leaving)} with as many as {frames}",
    )
    return compare(paper.ASR_ON_SERVER, not away, kind="sensitivity", note="; ".join(filter(None, notes)))


def _asr_leaves(configuration: Configuration) -> bool:
    return configuration.network == NETWORK_OF_ASR and fastest(configuration) != 0


def _all(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _list(counts: Sequence[int]) -> str:
    return ", ".join(map(str, counts))


def _table(setup: Setup, configurations: Sequence[Configuration]) -> Table:
    return Table(
        title="The best cuts: after which layer, or server or device alone",
        columns=("network", "device", "link", "fastest", "latency", "speed-up", "of least energy", "energy", "saved"),
        rows=tuple(
            (
                _application(setup, item),
                item.device.label,
                item.link.name,
                item.table.name_of(fastest(item)),
                format_value(float(item.table.latency_s(item.link).min()), "s"),
                format_value(item.gain, "x"),
                item.table.name_of(thriftiest(item)),
                format_value(float(item.table.energy_j(item.link).min()), "J"),
                format_value(item.energy_saved, "share"),
            )
            for item in configurations
        ),
    )


def _chart(setup: Setup, configurations: Sequence[Configuration]) -> Chart:
    return Chart(
        name="figure-07-09",
        title="Where the best cut lies",
        panels=(
            _grid(setup, configurations, "Fastest", fastest),
            _grid(setup, configurations, "Of least energy", thriftiest),
        ),
    )


def _grid(
    setup: Setup, configurations: Sequence[Configuration], title: str, choose: Callable[[Configuration], int]
) -> Grid:
    columns = tuple(f"{device.label}, {link.name}" for device in setup.devices for link in setup.links)
    rows: dict[str, list[tuple[str, float]]] = {}
    for item in configurations:
        cut = choose(item)
        cell = item.table.name_of(cut), _share(item.table.device_s, cut)
        rows.setdefault(_application(setup, item), []).append(cell)
    return Grid(
        title=title,
        columns=columns,
        rows=tuple(rows),
        texts=tuple(tuple(text for text, _ in cells) for cells in rows.values()),
        shares=tuple(tuple(share for _, share in cells) for cells in rows.values()),
        scale="the larger the part of the device's own seconds that stays on the device",
    )


def _share(device_s: FloatArray, cut: int) -> float:
    return float(device_s[cut] / device_s[-1])
