"""Figure 15 in a simulated data centre: two devices ask now and then while others keep the server busy.

    eight networks, equally often, at random ──┐
    a device that decides ─────────────────────┼──> one queue ──> one server
    a device that never does ──────────────────┘

Who decides hears of the queue from the answers of its own queries, and asks when it has heard nothing for long, as the
client of partway does; so what it goes by is as old as its last query. That is judged at the load at which one queue
makes server-only as slow as the paper's: at lower loads server-only is itself faster than the device alone, and who
knew the mean load could never be slower. Input: the set-up. Output: findings, and a table. Called by the study of
Figure 15.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np

from partway.planning import CostTable as PlanningTable
from partway.planning import CutCost
from partway.prediction.physical import FloatArray
from partway.reporting import Table, format_value
from partway.simulation import (
    Estimate,
    Fleet,
    FleetRun,
    FleetTask,
    Group,
    GroupRun,
    LinkPath,
    Pause,
    Precision,
    Reading,
    poisson,
    replicate,
)
from partway.simulation.replications import Course
from partway.studies import paper
from partway.studies.cut_costs import CostTable
from partway.studies.findings import Finding, StudyResult, at_most, compare
from partway.studies.hardware import PaperLink
from partway.studies.load_models import residual_s
from partway.studies.planned import paper_costs, paper_path
from partway.studies.setup import Setup

_ADAPTIVE, _SERVER_ONLY = "decides", "never decides"
_PAUSE_S = 4.0  # so that the two add next to nothing to the load
_DURATION_S, _LONG_S = 1000.0, 2000.0  # at loads at which the queue settles in seconds, and in a minute
_LOADS = (0.3, 0.6, 0.9)
_MOST = 1.02  # of device-only
_PRECISION = Precision(mean=0.04, p95=math.inf, most_runs=32)

CLIENT, LAST_REPORT = "as partway's client", "by the last report at its word"
FORGETFUL = "forgetting in 5 s and never turned away"
READINGS: Mapping[str, Reading] = MappingProxyType(
    {
        CLIENT: Reading(),
        LAST_REPORT: Reading(smoothed_over_s=1e-9, fades_in_s=math.inf, doubt=0.0, turns_away=False),
        FORGETFUL: Reading(fades_in_s=5.0, turns_away=False),
    }
)
"""How the device that decides reads what it hears: as partway's client does, which smooths, forgets and doubts, and is
turned away where it would wait too long; the last report as if it were of this moment, and then it waits, which is as
near as we come to the paper's device, which asks now and then; or forgetting about as fast as it asks, and waiting."""

UNTOLD = "Queues were not simulated, since numba is not installed: pip install 'partway[simulate]'."


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """What the two devices saw at one load, their means with 95 % confidence.

    Attributes:
        load: of the server by all that is sent.
        utilisation: of the server, as it was.
        wait_s: of a query in the queue, mean.
        server_only_s: of a query whose device never decides, mean.
        adaptive_s: of a query whose device does.
        adaptive_p95_s: 95 % of these took at most this.
        offloaded: share of its queries that the server answered; what was turned away counts as not.
    """

    load: float
    utilisation: float
    wait_s: float
    server_only_s: Estimate
    adaptive_s: Estimate
    adaptive_p95_s: float
    offloaded: float


def simulates() -> bool:
    """Whether queues can be simulated here."""
    return find_spec("numba") is not None


def simulated(setup: Setup, table: CostTable, link: PaperLink, services_s: FloatArray) -> StudyResult:
    """Findings and a table of both devices, at some loads and at that of the mark.

    Args:
        setup: networks and server.
        table: of the network that the two devices run.
        link: of the two devices.
        services_s: what a query of each network takes on the idle server, float64 (networks,).
    """
    if not simulates():
        return StudyResult(findings=(), assumptions=(UNTOLD,), left_out=len(_LOADS) + len(READINGS))
    device_s = float(table.device_s[-1])
    wanted_s = float(paper.BUSY_SERVER_S.value) - float(table.latency_s(link)[0])
    highest = wanted_s / (wanted_s + residual_s(services_s))
    busiest = {
        name: play_busy(setup, table, link, highest, reading=reading, duration_s=_LONG_S)
        for name, reading in READINGS.items()
    }
    lower = tuple(play_busy(setup, table, link, load) for load in _LOADS)
    return StudyResult(
        findings=(
            _judged(busiest, device_s),
            *(_against(each, device_s, name) for name, each in busiest.items() if name != CLIENT),
            *(_against(each, device_s, CLIENT) for each in lower),
        ),
        tables=(
            Table(
                title="The same simulated: one queue, and devices that hear of the load from answers",
                columns=("load", "busy", "wait", "server-only", "cut anew", "95 %", "offloaded"),
                rows=(
                    *(_row(each, CLIENT) for each in lower),
                    *(_row(each, name) for name, each in busiest.items()),
                ),
            ),
        ),
    )


def _judged(busiest: Mapping[str, Busy], device_s: float) -> Finding:
    """The mark: partway's client where the paper's server-only is, which server-only misses and device-only meets."""
    told, server_only_s = busiest[CLIENT], float(paper.BUSY_SERVER_S.value)
    of_device = told.adaptive_s.value / device_s
    seconds = [each.adaptive_s.value for each in busiest.values()]
    others = ", ".join(
        f"{format_value(each.adaptive_s.value / device_s, 'x')} {name}"
        for name, each in busiest.items()
        if name != CLIENT
    )
    forgotten = 1.0 - math.exp(-_PAUSE_S / READINGS[CLIENT].fades_in_s)
    return compare(
        paper.CUT_UNDER_LOAD_S,
        told.adaptive_s.value,
        kind="sensitivity",
        mark=at_most(_MOST * device_s, f"under {_MOST:g}x device-only, as device-only is", nothing=server_only_s),
        note=f"simulated, {CLIENT}, at a load of {format_value(told.load, 'share')}, where one queue makes server-only "
        f"the paper's {format_value(server_only_s, 's')}: {_known(told.adaptive_s)} on average, "
        f"{format_value(of_device, 'x')} device-only, with {told.offloaded:.0%} of its queries answered by the server. "
        f"A device that never asks the server would meet the mark, too; beside it {1 - of_device:.1%} is gained. "
        f"What it heard is as old as its last query, some {_PAUSE_S:g} s, and it forgets {forgotten:.0%} of that; but "
        f"where it would wait too long it is turned away. {others}, spanned. Who knew the mean load could not be "
        f"slower than device-only",
        span=(min(seconds), max(seconds)),
    )


def _against(each: Busy, device_s: float, who: str) -> Finding:
    return Finding(
        figure="15",
        quantity=f"simulated at {format_value(each.load, 'share')}: cut anew {who}, over device-only",
        paper=None,
        ours=each.adaptive_s.value / device_s,
        unit="x",
        kind="sensitivity",
        certainty="computed",
        note=f"{_known(each.adaptive_s)} on average, {each.offloaded:.0%} of the queries answered by the server; "
        f"server-only {_known(each.server_only_s)}, of which {format_value(each.wait_s, 's')} waiting",
    )


def _known(value: Estimate) -> str:
    return f"{format_value(value.value, 's')} ± {format_value(value.half_width, 's')}"


def _row(each: Busy, who: str) -> tuple[str, ...]:
    return (
        f"{format_value(each.load, 'share')}, {who}",
        f"{each.utilisation:.1%}",
        format_value(each.wait_s, "s"),
        _known(each.server_only_s),
        _known(each.adaptive_s),
        format_value(each.adaptive_p95_s, "s"),
        f"{each.offloaded:.0%}",
    )


def play_busy(
    setup: Setup,
    table: CostTable,
    link: PaperLink,
    load: float,
    *,
    reading: Reading | None = None,
    duration_s: float = _DURATION_S,
) -> Busy:
    """Both devices at a load.

    Args:
        setup: networks and server.
        table: of the network that the two devices run.
        link: of the two devices.
        load: in (0, 1).
        reading: how the one that decides reads what it hears; without one, as partway's client.
        duration_s: of a run.

    Raises:
        InputError: numba is not installed.
    """
    fleet = _fleet(setup, table, link, load, reading or READINGS[CLIENT])
    task = _Watched(task=FleetTask(fleet=fleet, duration_s=duration_s))
    found = replicate(task, seed=setup.seed, precision=_PRECISION)
    return Busy(
        load=load,
        utilisation=found.of(lambda run: run.fleet.utilisation).value,
        wait_s=found.of(lambda run: run.fleet.mean_wait_s).value,
        server_only_s=found.of(lambda run: run.fleet.groups[-2].mean_s),
        adaptive_s=found.mean_s,
        adaptive_p95_s=found.p95_s.value,
        offloaded=found.of(lambda run: run.adaptive.offloaded).value,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    # A run, as the device that decides sees it: how well that is known says when no more is played.
    fleet: FleetRun

    @property
    def adaptive(self) -> GroupRun:
        return self.fleet.groups[-1]

    @property
    def mean_s(self) -> float:
        return self.adaptive.mean_s

    @property
    def p95_s(self) -> float:
        return self.adaptive.p95_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    task: FleetTask

    def course(self, seed: np.random.SeedSequence) -> Course:
        return self.task.course(seed)

    def __call__(self, seed: np.random.SeedSequence, settled: float) -> _Seen:
        return _Seen(fleet=self.task(seed, settled))


def _fleet(setup: Setup, table: CostTable, link: PaperLink, load: float, reading: Reading) -> Fleet:
    device = setup.devices[0]
    services_s = {name: float(setup.table(name, device).server_s[0]) for name in setup.networks}
    asked = 2 * float(table.server_s[0]) / _PAUSE_S  # of the server by the two, at most
    each_per_s = (load - asked) / sum(services_s.values())
    at_once = LinkPath.of(paper_path(link))
    others = (
        Group(
            name=name,
            devices=1,
            table=_served(service_s),
            path=at_once,
            requests=poisson(each_per_s),
            policy="server",
            spread=0.0,
        )
        for name, service_s in services_s.items()
    )
    costs = paper_costs(table)
    return Fleet(
        groups=(
            *others,
            Group(
                name=_SERVER_ONLY,
                devices=1,
                table=costs,
                path=at_once,
                # Asks whether or not it was answered: else it would ask less often the longer it waits.
                requests=poisson(1 / _PAUSE_S),
                policy="server",
                spread=0.0,
            ),
            Group(name=_ADAPTIVE, devices=1, table=costs, path=at_once, requests=Pause(mean_s=_PAUSE_S), spread=0.0),
        ),
        reading=reading,
    )


def _served(service_s: float) -> PlanningTable:
    # Others' queries are only what they take: how they came does not matter to those that wait behind them.
    return PlanningTable.of(
        [CutCost(crossing=("query",), device_s=0.0, up_bytes=0, server_s=service_s, down_bytes=0, offloaded=True)]
    )
