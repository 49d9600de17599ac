"""Questions about a queue or a fleet, answered by playing it at as many points as they take.

    as it is             one point                     most within a target    bisection over load, or devices
    against the load     a point each                  workers for a target    bisection over workers, for each point
    a bad hour           before, during, after, and during it had links not changed

In comes a `Scenario`; out comes a `Report`. All points share their seed, so differences between them are less those of
chance. Called by `partway simulate`.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from partway.errors import InputError, NothingFits
from partway.simulation.bad_hours import HourTask, Timeline, timeline
from partway.simulation.fleet_runs import FleetTask
from partway.simulation.fleets import Fleet
from partway.simulation.points import Point, fleet_point, queue_point
from partway.simulation.queues import Queue, QueueTask
from partway.simulation.replications import Crew, Progress, replicate
from partway.simulation.scenario import AgainstLoad, AsItIs, BadHour, MostWithin, Question, Scenario, Target, WorkersFor
from partway.simulation.searching import least_that, most_load_that, most_that
from partway.simulation.statistics import Estimate
from partway.units import format_duration

_MOST_DEVICES, _MOST_WORKERS = 2**26, 2**20
_UNANSWERED = 0.1  # share of the requests, from which on it is told

Tell = Callable[[str, int, int], None]
"""Called with what is played, and how many of about how many runs were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer.

    Attributes:
        scenario: what was asked.
        points: what to show, in order.
        answer: which of them answers: the only one, the last, or `during`.
        jobs: requests of all that was played, also on the way and to find the warm-up.
        wall_s: seconds that it took here.
        timeline: of a bad hour; None of others.
        lost_s: of a bad hour: seconds that its requests took longer, because of it, all together.
        notes: what one should know before one believes the points; a sentence each.
    """

    scenario: Scenario
    points: tuple[Point, ...]
    answer: int
    jobs: int
    wall_s: float
    timeline: Timeline | None = None
    lost_s: float | None = None
    notes: tuple[str, ...] = ()


def answer(scenario: Scenario, *, crew: Crew | None = None, tell: Tell | None = None) -> Report:
    """Play what it takes.

    Args:
        scenario: what is asked.
        crew: who plays; without one, this process.
        tell: told about progress.

    Raises:
        NothingFits: not even a server that is nearly idle, or that has all workers that are tried, keeps to the target.
        InputError: something cannot be played, or numba is not installed.
    """
    started_s = time.monotonic()
    player = _Player(scenario, crew or Crew(), tell)
    question = scenario.question
    hour: tuple[Timeline, float] | None = None
    place = -1
    if isinstance(question, AsItIs):
        points = [player.play(scenario.subject, "as it is")]
    elif isinstance(question, AgainstLoad):
        points = [player.play(*_loaded(scenario.subject, at)) for at in question.points]
    elif isinstance(question, MostWithin):
        points = [_most_within(player, question.target)]
    elif isinstance(question, WorkersFor):
        points = [_workers_for(player, question.target, at) for at in question.points]
    else:
        points, hour = _bad_hour(player, question)
        place = 1
    return Report(
        scenario=scenario,
        points=tuple(points),
        answer=range(len(points))[place],
        jobs=player.jobs,
        wall_s=time.monotonic() - started_s,
        timeline=None if hour is None else hour[0],
        lost_s=None if hour is None else hour[1],
        notes=tuple(_notes(points, question)),
    )


class _Player:
    """Plays points of one scenario, and counts."""

    def __init__(self, scenario: Scenario, crew: Crew, tell: Tell | None) -> None:
        self.scenario = scenario
        self.crew = crew
        self.jobs = 0
        self._tell = tell

    def play(self, subject: Queue | Fleet, name: str) -> Point:
        scenario = self.scenario
        if isinstance(subject, Queue):
            task = QueueTask(queue=subject, jobs=scenario.jobs)
            queue_runs = replicate(
                task, seed=scenario.seed, precision=scenario.precision, crew=self.crew, progress=self.progress(name)
            )
            point, trial_jobs = queue_point(queue_runs, subject, name), queue_runs.trial_jobs
        else:
            _refuse_overload(subject, name)
            fleet_task = FleetTask(fleet=subject, duration_s=scenario.duration_s)
            fleet_runs = replicate(
                fleet_task,
                seed=scenario.seed,
                precision=scenario.precision,
                crew=self.crew,
                progress=self.progress(name),
            )
            point, trial_jobs = fleet_point(fleet_runs, subject, name), fleet_runs.trial_jobs
        self.jobs += point.jobs + trial_jobs
        return point

    def progress(self, name: str) -> Progress | None:
        tell = self._tell
        return None if tell is None else lambda done, total: tell(name, done, total)


def _most_within(player: _Player, target: Target) -> Point:
    subject = player.scenario.subject
    known: dict[float, Point] = {}

    def keeps(at: float) -> bool:
        loaded, name = _loaded(subject, at)
        if _overloaded(loaded):
            return False
        known[at] = player.play(loaded, name)
        return _keeps(known[at], target)

    if isinstance(subject, Queue):
        best: float | None = most_load_that(keeps)
    else:
        best = most_that(keeps, start=subject.devices, least=len(subject.groups), most=_MOST_DEVICES)
    if best is None:
        raise _unreachable(target, "even with next to no load")
    return known[best]


def _workers_for(player: _Player, target: Target, at: float) -> Point:
    subject, name = _crowded(player.scenario.subject, at)
    known: dict[int, Point] = {}

    def keeps(workers: int) -> bool:
        named = f"{name}, {workers:,} {'worker' if workers == 1 else 'workers'}"
        manned = dataclasses.replace(subject, workers=workers)
        if _overloaded(manned):
            return False
        known[workers] = player.play(manned, named)
        return _keeps(known[workers], target)

    # Below the load that they have to carry, workers fall behind for ever.
    least = math.floor(subject.load * subject.workers) + 1
    best = least_that(keeps, least=least, most=_MOST_WORKERS)
    if best is None:
        raise _unreachable(target, f"with {_MOST_WORKERS:,} workers")
    return known[best]


def _bad_hour(player: _Player, question: BadHour) -> tuple[list[Point], tuple[Timeline, float]]:
    scenario = player.scenario
    fleet, duration_s = scenario.subject, scenario.duration_s
    if not isinstance(fleet, Fleet):
        raise InputError("a bad hour of links was asked of a queue that has none; give devices with links")
    _refuse_overload(fleet, "with the hour")
    windows = (
        (question.from_s / 2, question.from_s),
        (question.from_s, question.until_s),
        (question.until_s, duration_s),
    )
    bad, calm = (
        replicate(
            HourTask(fleet=one, duration_s=duration_s, windows=windows),
            seed=scenario.seed,
            precision=scenario.precision,
            crew=player.crew,
            progress=player.progress(name),
        )
        for one, name in ((fleet, "with the hour"), (question.calm, "without it"))
    )
    before, during, after = (
        fleet_point(bad.part(lambda run, place=place: run.windows[place]), fleet, name)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for place, name in enumerate(("before", "during", "after"))
    )
    without = fleet_point(calm.part(lambda run: run.windows[1]), question.calm, "during, had it not been")
    answers = during.throughput_per_s.value * (question.until_s - question.from_s)
    lost_s = answers * (during.mean_s.value - without.mean_s.value)
    player.jobs += during.jobs + without.jobs
    return [before, during, after, without], (timeline(bad.runs, duration_s), lost_s)


def _loaded(subject: Queue | Fleet, at: float) -> tuple[Queue | Fleet, str]:
    if isinstance(subject, Queue):
        return subject.at_load(at), f"load {at:.3g}"
    return subject.with_devices(round(at)), f"{round(at):,} devices"


def _crowded(subject: Queue | Fleet, at: float) -> tuple[Queue | Fleet, str]:
    if isinstance(subject, Queue):
        return dataclasses.replace(subject, arrivals=subject.arrivals.at_rate(at)), f"{at:,.6g} requests/s"
    return subject.with_devices(round(at)), f"{round(at):,} devices"


def _keeps(point: Point, target: Target) -> bool:
    return _aimed(point, target).value <= target.seconds


def _aimed(point: Point, target: Target) -> Estimate:
    return point.mean_s if target.quantity == "mean" else point.p95_s


def _overloaded(subject: Queue | Fleet) -> bool:
    return isinstance(subject, Fleet) and subject.load >= 1


def _refuse_overload(fleet: Fleet, name: str) -> None:
    if _overloaded(fleet):
        raise InputError(
            f"{name}: requests that come by a rate ask {fleet.load:.3g} of what the workers can do, so the queue grows "
            "for ever; keep below 1, by more workers, fewer devices, or more time between requests"
        )


def _notes(points: Sequence[Point], question: Question) -> Iterator[str]:
    for point in points:
        if point.unanswered > _UNANSWERED:
            yield (
                f"{point.name}: {point.unanswered:.0%} of the requests had no answer yet when a run ended, so these "
                "numbers are of the quicker ones; make the duration longer, and where that does not help, something "
                "falls behind for ever"
            )
        if isinstance(question, MostWithin | WorkersFor):
            found, target = _aimed(point, question.target), question.target
            if found.covers(target.seconds):
                yield (
                    f"{point.name}: the target of {format_duration(target.seconds)} lies within the interval of "
                    f"{target.quantity}, so by chance the answer may be a little off; play longer to be surer"
                )


def _unreachable(target: Target, how: str) -> NothingFits:
    return NothingFits(
        f"{target.quantity} stays above {format_duration(target.seconds)} {how}; allow more, or make requests shorter"
    )
