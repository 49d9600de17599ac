"""A scenario from a TOML file: every table as a record, every mistake as one line that says where.

    [study] what is asked    [precision] how surely    [server] workers    then [requests] or [[devices]]

In comes the path of a file; out comes a `Scenario`. Paths in it are relative to its folder. docs/simulation.md lists
every key. Called by `partway simulate`.
"""

import dataclasses
from pathlib import Path

from partway.simulation.arrival_reading import read_arrivals
from partway.simulation.arrivals import read_curve
from partway.simulation.compound_distributions import Mixture
from partway.simulation.distributions import Constant, Distribution, LogNormal, of_variation
from partway.simulation.fleet_reading import ANY_DEVICES, read_fleet
from partway.simulation.fleets import Fleet, Group
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
from partway.simulation.scenario_tables import Table, read_toml
from partway.simulation.scenario_values import (
    choice,
    count,
    duration,
    number,
    per_second,
    several,
    share,
    text,
    variation,
)

KINDS = ("run", "load", "throughput", "servers", "hour")
"""Of studies."""


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
    whole.only("title", "seed", "study", "precision", "server", "requests", "devices")
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
    subject: Queue | Fleet = read_fleet(server, groups) if groups else _queue(server, requests, kind)
    question = _question(study, kind, subject, duration_s)
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
    arrivals = read_arrivals(requests, 1.0)
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
        requests.close()  # a key that was mistyped may have been one of these
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
        service = of_variation(service.mean_s, table.want("variation", variation))
    return service


def _batching(table: Table) -> Batching:
    batching = Batching(
        seconds=table.want("seconds", several(duration())),
        wait_s=table.may("wait", duration(zero=True), 0.0),
        factor=_factor(table.may("variation", variation, 0.0)),
    )
    table.close()
    return batching


def _factor(varies: float) -> Distribution:
    return LogNormal(mean_s=1.0, variation=varies) if varies else Constant(mean_s=1.0)


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
        return tuple(sorted(study.want("devices", several(count(len(subject.groups), ANY_DEVICES)))))
    return tuple(sorted(study.want("loads", several(number(above=0, below=1)))))


def _crowds(study: Table, subject: Queue | Fleet) -> tuple[float, ...]:
    if isinstance(subject, Fleet):
        usual: tuple[int, ...] = (subject.devices,)
        return tuple(sorted(study.may("devices", several(count(len(subject.groups), ANY_DEVICES)), usual)))
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
    for group in subject.groups:
        first, last = group.path.at(0.0), group.path.at(max(group.path.rtt_s.starts_s))
        if group.path in changed and first != last:
            raise study.complain(
                f"the last of the 'changes' of {group.name} is another link than its first; after a bad hour they have "
                "to become as before",
                "kind",
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
