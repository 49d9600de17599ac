"""A scenario from a TOML file: every table as a record, every mistake as one line that says where.

    [study] what is asked    [precision] how surely    [server] workers    then [requests] or [[devices]]

In comes the path of a file; out comes a `Scenario`. Paths in it are relative to its folder. docs/simulation.md lists
every key. Called by `partway simulate`.
"""

import dataclasses
import itertools
from pathlib import Path

from partway.documents import read_document
from partway.errors import InputError
from partway.link import Link, LinkTrace, parse_link
from partway.planning import CostTable, CutCost, PlanDocument
from partway.simulation.arrivals import GOOGLE_SEARCH, Arrivals, Renewal, poisson, read_curve, read_timestamps
from partway.simulation.distributions import Constant, Distribution, LogNormal, Mixture, of_variation, to_mean
from partway.simulation.fleets import Fleet, Group, Pause, Policy
from partway.simulation.paths import LinkPath
from partway.simulation.queues import Batching, Queue
from partway.simulation.replications import Precision
from partway.simulation.scenario import (
    AgainstLoad,
    AsItIs,
    BadHour,
    MostWithin,
    Question,
    Scenario,
    Target,
    WorkersFor,
)
from partway.simulation.scenario_tables import (
    Table,
    choice,
    count,
    duration,
    flag,
    number,
    per_second,
    read_toml,
    several,
    share,
    size,
    text,
)

KINDS = ("run", "load", "throughput", "servers", "hour")
"""Of studies."""

_POLICIES: dict[str, Policy] = {"adaptive": "adaptive", "server": "server", "device": "device"}
_ANY_DEVICES = 10_000_000


def read_scenario(path: Path, *, seed: int | None = None) -> Scenario:
    """The scenario in a file.

    Args:
        path: a TOML file.
        seed: instead of the scenario's.

    Raises:
        ScenarioError: it cannot be read, or something in it is not as expected; the message has the line.
        InputError: a file that it names cannot be used.
    """
    whole = read_toml(path)
    title = whole.may("title", text, path.stem)
    own_seed = whole.may("seed", count(0, 2**63), 0)
    server, requests, groups = whole.table("server"), whole.table("requests"), whole.tables("devices")
    if ("requests" in whole) == bool(groups):
        raise whole.complain(
            "a scenario has either [requests], a stream for a server, or [[devices]], a fleet; give one"
        )
    study = whole.table("study")
    kind = study.may("kind", choice(*KINDS), "run")
    jobs, duration_s, precision = _precision(whole.table("precision"), fleet=bool(groups))
    subject: Queue | Fleet = _fleet(server, groups) if groups else _queue(server, requests, kind)
    question = _question(study, kind, subject, duration_s)
    whole.close()
    return Scenario(
        title=title,
        question=question,
        subject=subject,
        jobs=jobs,
        duration_s=duration_s,
        precision=precision,
        seed=own_seed if seed is None else seed,
    )


def _precision(table: Table, *, fleet: bool) -> tuple[int, float, Precision]:
    jobs, duration_s = 200_000, 600.0
    if fleet:
        duration_s = table.may("duration", duration(), duration_s)
    else:
        jobs = table.may("jobs", count(1000, 50_000_000), jobs)
    precision = Precision(
        mean=table.may("mean", share, 0.01),
        p95=table.may("p95", share, 0.02),
        confidence=table.may("confidence", number(above=0, below=1), 0.95),
        most_runs=table.may("most_runs", count(2, 100_000), 64),
    )
    table.close()
    return jobs, duration_s, precision


def _queue(server: Table, requests: Table, kind: str) -> Queue:
    workers = server.may("workers", count(1, 1_000_000), 1)
    service = _service(requests)
    batching = _batching(server.table("batch")) if "batch" in server else None
    arrivals = _arrivals(requests, 1.0)
    queue = Queue(arrivals=arrivals, service=service, workers=workers, batching=batching)
    if "load" in requests and "rate" in requests:
        raise requests.complain("[requests] has a rate and a load; give one", "load")
    if "load" in requests:
        queue = queue.at_load(requests.want("load", number(above=0)))
    elif "rate" in requests:
        queue = Queue(
            arrivals=arrivals.at_rate(requests.want("rate", per_second)),
            service=service,
            workers=workers,
            batching=batching,
        )
    elif kind in ("run", "hour"):
        raise requests.complain(
            "[requests] has neither a load nor a rate; give one, such as load = 0.7 or rate = '500/s'"
        )
    server.close()
    requests.close()
    if kind == "run" and queue.load >= 1:
        raise requests.complain(
            f"requests come at {queue.load:.3g} of what the workers can do, so the queue grows for ever; keep below 1"
        )
    return queue


def _service(requests: Table) -> Distribution:
    kinds = requests.tables("kinds")
    if not kinds:
        return _one_service(requests)
    weights = [one.want("share", share) for one in kinds]
    parts = tuple(_one_service(one) for one in kinds)
    for one in kinds:
        one.close()
    return Mixture(weights=tuple(weight / sum(weights) for weight in weights), parts=parts)


def _one_service(table: Table) -> Distribution:
    """`service` is a duration, or the path of a cumulative curve; `variation` makes it vary."""

    def read(value: object) -> Distribution:
        if isinstance(value, str) and value.endswith(".cdf"):
            return read_curve(table.folder / value)
        return Constant(mean_s=duration()(value))

    service = table.want("service", read)
    if "variation" in table:
        if not isinstance(service, Constant):
            raise table.complain("a measured curve varies as it was measured; leave 'variation' out", "variation")
        service = of_variation(service.mean_s, table.want("variation", number(least=0)))
    return service


def _batching(table: Table) -> Batching:
    batching = Batching(
        seconds=table.want("seconds", several(duration())),
        wait_s=table.may("wait", duration(zero=True), 0.0),
        factor=_factor(table.may("variation", number(least=0), 0.0)),
    )
    table.close()
    return batching


def _factor(variation: float) -> Distribution:
    return LogNormal(mean_s=1.0, variation=variation) if variation else Constant(mean_s=1.0)


def _arrivals(table: Table, rate_per_s: float) -> Arrivals:
    """`arrivals` is a name, or the path of a cumulative curve or of timestamps."""

    def read(value: object) -> Arrivals:
        name = text(value)
        if name.endswith(".cdf"):
            return Renewal(gaps=read_curve(table.folder / name))
        if name.endswith((".csv", ".txt")):
            return read_timestamps(table.folder / name)
        named = choice("poisson", "google-search", "even")(value)
        if named == "google-search":
            return Renewal(gaps=to_mean(GOOGLE_SEARCH, 1.0))
        return poisson(1.0) if named == "poisson" else Renewal(gaps=Constant(mean_s=1.0))

    usual: Arrivals = poisson(1.0)
    return table.may("arrivals", read, usual).at_rate(rate_per_s)


def _fleet(server: Table, groups: tuple[Table, ...]) -> Fleet:
    if "batch" in server:
        raise server.complain("servers of [[devices]] do not batch in the simulator; use [requests] for that", "batch")
    workers = server.may("workers", count(1, 1_000_000), 1)
    variation = server.may("variation", number(least=0), 0.0)
    server.close()
    made = tuple(_group(group, number) for number, group in enumerate(groups, start=1))
    names: set[str] = set()
    for table, one in zip(groups, made, strict=True):
        if one.name in names:
            raise table.complain(f"two groups are called {one.name!r}; give each a name of its own")
        names.add(one.name)
    return Fleet(groups=made, workers=workers, service_variation=variation)


def _group(table: Table, place: int) -> Group:
    name = table.may("name", text, f"devices {place}")
    devices = table.want("count", count(1, _ANY_DEVICES))
    path, costs, requests = _path(table), _costs(table), _requests(table, devices)
    policy = _POLICIES[table.may("cut", choice(*_POLICIES), "adaptive")]
    heeds_load = table.may("heeds_load", flag, default=True)
    factor, spread = table.may("slowdown", number(above=0), 1.0), table.may("spread", number(least=0), 0.05)
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
        return _arrivals(table, devices / table.want("every", duration()))
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
    ways = [key for key in ("cuts", "plan") if key in table]
    if len(ways) != 1:
        raise table.complain(
            "devices need either 'cuts', a list of what each costs, or 'plan', the path of a plan; give one"
        )
    if ways == ["plan"]:
        plan = table.want("plan", lambda value: read_document(table.folder / text(value), PlanDocument))
        return CostTable.of([plan.costs[row] for row in plan.choices])
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


def _question(study: Table, kind: str, subject: Queue | Fleet, duration_s: float) -> Question:
    question: Question = AsItIs()
    if kind == "load":
        question = AgainstLoad(points=_points(study, subject))
    elif kind == "throughput":
        question = MostWithin(target=_target(study))
    elif kind == "servers":
        question = WorkersFor(target=_target(study), points=_crowds(study, subject))
    elif kind == "hour":
        question = _bad_hour(study, subject, duration_s)
    study.close()
    return question


def _target(study: Table) -> Target:
    if ("mean" in study) == ("p95" in study):
        raise study.complain("[study] needs one target: either mean or p95, such as p95 = '100ms'")
    if "mean" in study:
        return Target(quantity="mean", seconds=study.want("mean", duration()))
    return Target(quantity="p95", seconds=study.want("p95", duration()))


def _points(study: Table, subject: Queue | Fleet) -> tuple[float, ...]:
    if isinstance(subject, Fleet):
        return tuple(sorted(study.want("devices", several(count(len(subject.groups), _ANY_DEVICES)))))
    return tuple(sorted(study.want("loads", several(number(above=0, below=1)))))


def _crowds(study: Table, subject: Queue | Fleet) -> tuple[float, ...]:
    if isinstance(subject, Fleet):
        usual: tuple[int, ...] = (subject.devices,)
        return tuple(sorted(study.may("devices", several(count(len(subject.groups), _ANY_DEVICES)), usual)))
    return tuple(sorted(study.want("rates", several(per_second))))


def _bad_hour(study: Table, subject: Queue | Fleet, duration_s: float) -> BadHour:
    if not isinstance(subject, Fleet):
        raise study.complain(
            "a bad hour is one of links, and a stream of [requests] has none; give [[devices]]", "kind"
        )
    changed = [group.path for group in subject.groups if len(group.path.rtt_s.starts_s) > 1]
    if not changed:
        raise study.complain(
            "a bad hour needs links that change; give 'changes' to at least one of [[devices]]", "kind"
        )
    starts_s = [start_s for path in changed for start_s in path.rtt_s.starts_s[1:]]
    from_s, until_s = min(starts_s), max(starts_s)
    if not from_s < until_s < duration_s:
        raise study.complain(
            f"links change from {from_s:g} s to {until_s:g} s of {duration_s:g} s; they have to become as before, too, "
            "and the duration in [precision] must be longer",
            "kind",
        )
    calm = tuple(_calmed(group) if group.path in changed else group for group in subject.groups)
    return BadHour(calm=dataclasses.replace(subject, groups=calm), from_s=from_s, until_s=until_s)


def _calmed(group: Group) -> Group:
    return dataclasses.replace(group, path=LinkPath.of(group.path.at(0.0)))
