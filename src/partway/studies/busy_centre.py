"""Figure 15 in a simulated data centre: two devices ask now and then while others keep the server busy.

    eight networks, equally often, at random ──┐
    a device that decides ─────────────────────┼──> one queue ──> one server
    a device that never does ──────────────────┘

Who decides hears of the queue from the answers of its own queries, and asks when it has heard nothing for long, as the
client of partway does. Input: the set-up and loads. Output: what queries of both took. Called by the study of Figure
15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from partway.planning import CostTable as PlanningTable
from partway.planning import CutCost
from partway.simulation import Fleet, FleetTask, Group, LinkPath, Pause, poisson
from partway.studies.planned import paper_costs, paper_path
from partway.studies.setup import CostTable, PaperLink, Setup

_ADAPTIVE, _SERVER_ONLY = "decides", "never decides"
_PAUSE_S = 4.0  # so that the two add next to nothing to the load
_DURATION_S, _RUNS = 2000.0, 3

UNTOLD = "Queues were not simulated, since numba is not installed: pip install 'partway[simulate]'."


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """What the two devices saw at one load.

    Attributes:
        load: that others put on the server.
        utilisation: of the server by all.
        wait_s: of a query in the queue, mean.
        server_only_s: of a query whose device never decides, mean.
        adaptive_s: of a query whose device does.
        offloaded: share of its queries that it sent.
    """

    load: float
    utilisation: float
    wait_s: float
    server_only_s: float
    adaptive_s: float
    offloaded: float


def simulates() -> bool:
    """Whether queues can be simulated here."""
    return find_spec("numba") is not None


def play_busy(
    setup: Setup, table: CostTable, link: PaperLink, *, loads: Sequence[float], duration_s: float = _DURATION_S
) -> tuple[tuple[Busy, ...], tuple[str, ...]]:
    """Both devices at some loads, and what could not be told.

    Args:
        setup: networks and server.
        table: of the network that the two devices run.
        link: of the two devices.
        loads: in (0, 1).
        duration_s: of a run.
    """
    if not simulates():
        return (), (UNTOLD,)
    return tuple(_play(setup, table, link, load, duration_s) for load in loads), ()


def _play(setup: Setup, table: CostTable, link: PaperLink, load: float, duration_s: float) -> Busy:
    task = FleetTask(fleet=_fleet(setup, table, link, load), duration_s=duration_s)
    runs = [task(np.random.SeedSequence(setup.seed, spawn_key=(15, number))) for number in range(_RUNS)]
    groups = [{group.name: group for group in run.groups} for run in runs]
    return Busy(
        load=load,
        utilisation=float(np.mean([run.utilisation for run in runs])),
        wait_s=float(np.mean([run.mean_wait_s for run in runs])),
        server_only_s=float(np.mean([group[_SERVER_ONLY].mean_s for group in groups])),
        adaptive_s=float(np.mean([group[_ADAPTIVE].mean_s for group in groups])),
        offloaded=float(np.mean([group[_ADAPTIVE].offloaded for group in groups])),
    )


def _fleet(setup: Setup, table: CostTable, link: PaperLink, load: float) -> Fleet:
    device = setup.devices[0]
    services_s = {name: float(setup.table(name, device).server_s[0]) for name in setup.networks}
    each_per_s = load / sum(services_s.values())
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
    asking = Pause(mean_s=_PAUSE_S)
    costs = paper_costs(table)
    return Fleet(
        groups=(
            *others,
            Group(name=_ADAPTIVE, devices=1, table=costs, path=at_once, requests=asking, spread=0.0),
            Group(
                name=_SERVER_ONLY, devices=1, table=costs, path=at_once, requests=asking, policy="server", spread=0.0
            ),
        )
    )


def _served(service_s: float) -> PlanningTable:
    # Others' queries are only what they take: how they came does not matter to those that wait behind them.
    return PlanningTable.of(
        [CutCost(crossing=("query",), device_s=0.0, up_bytes=0, server_s=service_s, down_bytes=0, offloaded=True)]
    )
