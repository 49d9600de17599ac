"""Figure 16: how many more queries a data centre answers when devices keep part of the work.

Input: the set-up. Output: throughput over that of server-only, per link and share of devices with a GPU; by the ratio
of mean service times, as the paper's simulator has them, by the rate at which 95 % of the answers keep to a target, and
with partway's planner in the place of the paper's algorithm.

How ASR's query and result are read decides most of it: where device-only sends its result, as in the program of the
paper's authors, ASR stays on the server, as the paper says it does; else it leaves on most devices.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from partway.reporting import Bars, BarSeries, Chart, Level, Table, format_value
from partway.studies import paper
from partway.studies.busy_centre import UNTOLD, simulates
from partway.studies.data_centre import Centre, Pair, left_by_paper, left_by_planner, pairs_of
from partway.studies.findings import Claim, Finding, StudyResult, compare, within
from partway.studies.hardware import PaperLink
from partway.studies.layer_times import server_seconds
from partway.studies.query_sizes import FRAMES, NETWORK_OF_ASR, costs_of_size
from partway.studies.queue_rates import rate_at_target, target_s
from partway.studies.setup import Setup
from partway.studies.study import Study
from partway.studies.turning import nearest_turn

GPU_SHARES = (0.0, 0.3, 0.7, 1.0)
"""Of devices, as in the paper's figure."""

Gains = Mapping[str, tuple[float, ...]]
"""By link, one for each of `GPU_SHARES`."""

_NEAR = 0.2
_TARGET_LOAD = 0.8
_MEASURED = "the same cuts; the server's seconds are those that the paper's authors measured"
_CLAIMS = {"Wi-Fi": paper.THROUGHPUT_WIFI, "LTE": paper.THROUGHPUT_LTE, "3G": paper.THROUGHPUT_3G}


def run(setup: Setup) -> StudyResult:
    """All links and mixes: by the paper's cuts and by partway's; by service times and by a queue."""
    pairs = pairs_of(setup)
    unsent = pairs_of(replace(setup, result_sent=False))
    centres = {link.name: Centre.of(pairs, link, left_by_paper) for link in setup.links}
    free = {link.name: Centre.of(unsent, link, left_by_paper) for link in setup.links}
    planners = {link.name: Centre.of(pairs, link, left_by_planner) for link in setup.links}
    gains, planned = gains_of(centres), gains_of(planners)
    measured = gains_of({name: centre.taking(server_seconds(), setup.networks) for name, centre in centres.items()})
    queued, target = _queued(setup, centres) if simulates() else ({}, UNTOLD)
    return StudyResult(
        findings=(
            *(_by_link(setup, pairs, link, gains, measured, free[link.name]) for link in setup.links),
            *_over_all(setup, gains, measured),
            *(
                _beside(_CLAIMS[name], values, "with measured service times", _MEASURED)
                for name, values in measured.items()
            ),
            *(_beside(_CLAIMS[name], values, "in a queue with a target", "") for name, values in queued.items()),
            *(_planned(_CLAIMS[name], values, gains_of(free)[name]) for name, values in planned.items()),
        ),
        tables=(_table(gains, measured, queued, planned, gains_of(free)), _left_table(setup, centres)),
        charts=(_chart(gains, planned),),
        assumptions=(
            "Queries come equally often for each of the eight networks; all devices have the link and take the "
            "fastest cut for an idle server.",
            f"A link's number is the mean over {_mixes()} of the devices having a GPU: the sources do not say of "
            "which mix the paper's is.",
            target,
        ),
        left_out=len(centres) - len(queued),
    )


STUDY = Study(figures=(16,), title="Throughput of the data centre", short="data centre", run=run)


def gains_of(centres: Mapping[str, Centre]) -> Gains:
    """Throughput over that of server-only, by mean service times.

    Args:
        centres: by link.
    """
    return {name: tuple(centre.gain(share) for share in GPU_SHARES) for name, centre in centres.items()}


def _queued(setup: Setup, centres: Mapping[str, Centre]) -> tuple[Gains, str]:
    """The same by the rate at which a queue keeps to a target, and what that is."""
    status_quo = next(iter(centres.values())).status_quo
    within_s = target_s(status_quo, _TARGET_LOAD, setup.seed)
    usual_per_s = rate_at_target(status_quo, within_s, setup.seed)
    queued = {
        name: tuple(rate_at_target(centre.work(share), within_s, setup.seed) / usual_per_s for share in GPU_SHARES)
        for name, centre in centres.items()
    }
    return queued, (
        f"The queue's target: 95 % of the server's answers within {format_value(within_s, 's')}, which server-only "
        f"keeps at a load of {_TARGET_LOAD:.0%}; Google's arrivals, constant service times, one server."
    )


def _by_link(
    setup: Setup, pairs: Mapping[str, Pair], link: PaperLink, gains: Gains, measured: Gains, free: Centre
) -> Finding:
    claim, own = _CLAIMS[link.name], gains[link.name]
    mark = within(_NEAR, float(claim.value), nothing=1.0)
    ours = float(np.mean(own))
    told = ", ".join(f"{gain:.3g}x with {share:.0%}" for share, gain in zip(GPU_SHARES, own, strict=True))
    missed = "" if mark.met(ours) else f". {_needed(setup, pairs, link, float(np.mean(measured[link.name])))}"
    idle = ". The mark would be met if nothing were gained" if mark.idle else ""
    return compare(
        claim,
        ours,
        kind="sensitivity",
        mark=mark,
        note=f"{told} of the devices having a GPU; if device-only sent no result, {_freely(free)}{missed}{idle}",
        span=(min(own), max(own)),
    )


def _freely(centre: Centre) -> str:
    gains = [centre.gain(share) for share in GPU_SHARES]
    if math.isinf(min(gains)):
        return "nothing would be left to the server"
    most = "without bound" if math.isinf(max(gains)) else f"{max(gains):.3g}x"
    return f"{min(gains):.3g}x to {most}"


def _needed(setup: Setup, pairs: Mapping[str, Pair], link: PaperLink, measured: float) -> str:
    """What would have to differ: the device, the server's seconds, or ASR's query, which is much of its time."""
    mark = within(_NEAR, float(_CLAIMS[link.name].value))

    def mean_gain(changed: Mapping[str, Pair]) -> float:
        centre = Centre.of(changed, link, left_by_paper)
        return float(np.mean([centre.gain(share) for share in GPU_SHARES]))

    def with_device(speed: float) -> float:
        return mean_gain(
            {name: (cpu.faster(device=speed), gpu.faster(device=speed)) for name, (cpu, gpu) in pairs.items()}
        )

    lengths = []
    for frames in FRAMES:
        cpu, gpu = costs_of_size(setup, NETWORK_OF_ASR, frames)
        gain = mean_gain({**pairs, NETWORK_OF_ASR: (cpu, gpu)})
        lengths += [f"{frames} frames ({gain:.3g}x)"] if mark.met(gain) else []
    wanted = float(_CLAIMS[link.name].value)
    speed = nearest_turn(lambda factor: with_device(factor) >= wanted)
    ways = (
        f"with none of {', '.join(map(str, FRAMES))} frames in a query of ASR"
        if not lengths
        else f"with {' or '.join(lengths)} in a query of ASR",
        "not reached with devices up to 16 times as fast"
        if speed is None
        else f"passed with devices {speed:.3g} times as fast, to {with_device(1.01 * speed):.3g}x",
    )
    verdict = "met" if mark.met(measured) else "not met"
    return (
        f"It is met {', '.join(ways)}; and {verdict} with the seconds that the authors measured on the server "
        f"({measured:.3g}x)"
    )


def _over_all(setup: Setup, gains: Gains, measured: Gains) -> tuple[Finding, Finding]:
    every = {
        (name, share): gain for name, values in gains.items() for share, gain in zip(GPU_SHARES, values, strict=True)
    }
    where = max(every, key=lambda key: every[key])
    held = setup.networks[NETWORK_OF_ASR].queries
    return (
        compare(
            paper.THROUGHPUT_MEAN,
            float(np.mean(list(every.values()))),
            kind="sensitivity",
            note=f"over links and mixes; the paper's numbers of the three links have a mean of {_paper_mean():.3g}x "
            "themselves",
        ),
        compare(
            paper.THROUGHPUT_MAX,
            every[where],
            kind="sensitivity",
            note=f"ours is with {where[1]:.0%} of the devices having a GPU, over {where[0]}; what stays is mostly "
            f"ASR, of which {held} frames a query are assumed; "
            f"{max(max(values) for values in measured.values()):.3g}x with the seconds that the authors measured on "
            "the server",
        ),
    )


def _paper_mean() -> float:
    return float(np.mean([float(claim.value) for claim in _CLAIMS.values()]))


def _beside(claim: Claim, gains: Sequence[float], how: str, note: str) -> Finding:
    """Another way to the same number: the mean over the mixes, or over all devices together where one has no bound."""
    bounded = not math.isinf(max(gains))
    unbounded = "of all mixes together, since one of them leaves nothing to the server"
    return compare(
        replace(claim, quantity=f"{claim.quantity}, {how}"),
        _over_mixes(gains, together=not bounded),
        kind="sensitivity",
        note=note if bounded else f"{note}; {unbounded}",
        span=(min(gains), max(gains)) if bounded else None,
    )


def _over_mixes(gains: Sequence[float], *, together: bool) -> float:
    """The mean over the mixes, or the gain of all their devices together."""
    return float(1.0 / np.mean([1.0 / gain for gain in gains])) if together else float(np.mean(gains))


def _planned(claim: Claim, gains: Sequence[float], paper_gains: Sequence[float]) -> Finding:
    """The planner's, beside the paper's cuts by the same reading and not its number, which was of other terms."""
    own = format_value(_over_mixes(paper_gains, together=math.isinf(max(gains))), "x")
    note = (
        f"its own cuts, all counted, packed where that pays; {own} at the paper's cuts where device-only sends no "
        "result, as here"
    )
    return replace(_beside(claim, gains, "with partway's planner", note), paper=None, certainty="computed")


def _table(gains: Gains, measured: Gains, queued: Gains, planned: Gains, free: Gains) -> Table:
    ways = (
        ("mean service times", gains),
        ("measured service times", measured),
        ("a queue with a target", queued),
        ("partway's planner", planned),
        ("device-only sends no result", free),
    )
    return Table(
        title="Throughput over that of server-only, by how many devices have a GPU",
        columns=("link", *(f"{share:.0%}" for share in GPU_SHARES), "mean"),
        rows=tuple(
            (f"{link}, {way}", *map(_factor, values), _factor(float(np.mean(values))))
            for way, by_link in ways
            for link, values in by_link.items()
        ),
    )


def _factor(gain: float) -> str:
    return "no bound" if math.isinf(gain) else format_value(gain, "x")


def _left_table(setup: Setup, centres: Mapping[str, Centre]) -> Table:
    """Where the server's time goes: which networks leave it."""
    rows = []
    for place, network in enumerate(setup.networks.values()):
        whole_s = float(next(iter(centres.values())).whole_s[place])
        left = (
            f"{centre.left_s[side, place] / whole_s:.0%}"
            for centre in centres.values()
            for side in range(len(setup.devices))
        )
        rows.append((network.application, format_value(whole_s, "s"), *left))
    return Table(
        title="What the fastest cuts leave to the server of a query",
        columns=("network", "whole", *(f"{link}, {device.label}" for link in centres for device in setup.devices)),
        rows=tuple(rows),
    )


def _chart(gains: Gains, planned: Gains) -> Chart:
    def bars(title: str, by_link: Gains) -> Bars:
        return Bars(
            title=title,
            categories=tuple(f"{share:.0%} GPU" for share in GPU_SHARES),
            series=tuple(BarSeries(name=link, values=values) for link, values in by_link.items()),
            unit="x",
            axis="throughput",
            levels=(Level(name="server-only", value=1.0),),
        )

    return Chart(
        name="figure-16",
        title="Throughput of the data centre over that of server-only",
        panels=(bars("As in the paper", gains), bars("With partway's planner", planned)),
        caption="The paper's, by link: "
        + ", ".join(f"{name} {claim.value:g}x" for name, claim in _CLAIMS.items())
        + ".",
    )


def _mixes() -> str:
    *others, last = (f"{share:.0%}" for share in GPU_SHARES)
    return f"{', '.join(others)} and {last}"
