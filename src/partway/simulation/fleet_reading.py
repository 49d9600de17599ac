"""The fleet of a scenario: groups of devices, their links, what their cuts cost, and when they ask.

In come the tables `[server]` and `[[devices]]`; out comes a `Fleet`. Called by `scenario_reading`.
"""

import itertools
from pathlib import Path

from partway.documents import read_document
from partway.errors import InputError
from partway.link import Link, LinkTrace, parse_link
from partway.planning import CostTable, CutCost, PlanDocument
from partway.simulation.arrival_reading import read_arrivals
from partway.simulation.arrivals import Arrivals
from partway.simulation.fleets import MOST_SPREAD, Fleet, Group, Pause, Policy
from partway.simulation.networks import best_of_chain, machine_of
from partway.simulation.paths import LinkPath
from partway.simulation.scenario_tables import Table
from partway.simulation.scenario_values import choice, count, duration, flag, number, size, text, variation
from partway.zoo import named_network

ANY_DEVICES = 10_000_000
"""At most, in a group or in all: 60 bytes each."""

_POLICIES: dict[str, Policy] = {"adaptive": "adaptive", "server": "server", "device": "device"}


def read_fleet(server: Table, groups: tuple[Table, ...]) -> Fleet:
    """The fleet of a scenario.

    Args:
        server: its workers.
        groups: of devices, at least one.

    Raises:
        ScenarioError: something in them is not as expected.
        InputError: a file that they name cannot be used.
    """
    if "batch" in server:
        raise server.complain("servers of [[devices]] do not batch in the simulator; use [requests] for that", "batch")
    workers = server.may("workers", count(1, 1_000_000), 1)
    service_variation = server.may("variation", variation, 0.0)
    server.close()
    made = tuple(_group(group, number) for number, group in enumerate(groups, start=1))
    names: set[str] = set()
    for table, one in zip(groups, made, strict=True):
        if one.name in names:
            raise table.complain(f"two groups are called {one.name!r}; give each a name of its own")
        names.add(one.name)
    return Fleet(groups=made, workers=workers, service_variation=service_variation)


def _group(table: Table, place: int) -> Group:
    name = table.may("name", text, f"devices {place}")
    devices = table.want("count", count(1, ANY_DEVICES))
    path, costs, requests = _path(table), _costs(table), _requests(table, devices)
    policy = _POLICIES[table.may("cut", choice(*_POLICIES), "adaptive")]
    heeds_load = table.may("heeds_load", flag, default=True)
    factor = table.may("slowdown", number(above=0), 1.0)
    spread = table.may("spread", number(least=0, below=MOST_SPREAD), 0.05)
    table.close()
    try:
        return Group(
            name=name,
            devices=devices,
            table=costs,
            path=path,
            requests=requests,
            policy=policy,
            heeds_load=heeds_load,
            factor=factor,
            spread=spread,
        )
    except InputError as error:
        raise table.complain(str(error)) from error


def _requests(table: Table, devices: int) -> Pause | Arrivals:
    if ("pause" in table) == ("every" in table):
        raise table.complain(
            "devices have either 'pause', from an answer to their next request, or 'every', from one request to the "
            "next; give one"
        )
    if "every" in table:
        return read_arrivals(table, devices / table.want("every", duration()))
    return Pause(mean_s=table.want("pause", duration()), varies=table.may("pause_varies", flag, default=True))


def _path(table: Table) -> LinkPath:
    link = table.want("link", _LinkParser(table.folder))
    changes = [
        (one.want("from", duration()), one.want("link", _LinkParser(table.folder)), one)
        for one in table.tables("changes")
    ]
    if not changes:
        return LinkPath.of(link)
    if not isinstance(link, Link) or not all(isinstance(changed, Link) for _, changed, _ in changes):
        raise table.complain("links that change are rates, not traces; leave 'changes' out, or give rates", "changes")
    for (before_s, _, _), (after_s, _, one) in itertools.pairwise(changes):
        if after_s <= before_s:
            raise one.complain("changes must follow each other in time")
    for _, _, one in changes:
        one.close()
    followed = [(from_s, changed) for from_s, changed, _ in changes if isinstance(changed, Link)]
    return LinkPath.changing([(0.0, link), *followed])


class _LinkParser:
    """Links as the command line takes them; traces lie beside the scenario."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, value: object) -> Link | LinkTrace:
        words = text(value).split(",")
        placed = [self._placed(word) if word.strip().endswith(".csv") else word for word in words]
        return parse_link(",".join(placed))

    def _placed(self, word: str) -> str:
        key, equals, path = word.rpartition("=")
        return f"{key}{equals}{self._folder / path.strip()}"


def _costs(table: Table) -> CostTable:
    ways = [key for key in ("cuts", "plan", "network") if key in table]
    if len(ways) != 1:
        raise table.complain(
            "devices need either 'cuts', a list of what each costs, 'plan', the path of a plan, or 'network', the name "
            "of one, with the machines 'device' and 'server'; give one"
        )
    if ways == ["plan"]:
        plan = table.want("plan", lambda value: read_document(table.folder / text(value), PlanDocument))
        return CostTable.of([plan.costs[row] for row in plan.choices])
    if ways == ["network"]:
        network = table.want("network", lambda value: named_network(text(value)))
        device, server = (table.want(key, lambda value: machine_of(text(value))) for key in ("device", "server"))
        return best_of_chain(network, device, server)
    costs = [_cost(one) for one in table.tables("cuts")]
    if not costs:
        raise table.complain("'cuts' is empty; give at least one cut", "cuts")
    return CostTable.of(costs)


def _cost(table: Table) -> CutCost:
    offloaded = "up" in table
    cost = CutCost(
        crossing=(table.want("name", text),) if offloaded else (),
        device_s=table.want("device", duration(zero=True)),
        up_bytes=table.want("up", size) if offloaded else 0,
        server_s=table.want("server", duration(zero=True)) if offloaded else 0.0,
        down_bytes=table.may("down", size, 0) if offloaded else 0,
        offloaded=offloaded,
    )
    if not offloaded:
        table.may("name", text, "")
    table.close()
    return cost
