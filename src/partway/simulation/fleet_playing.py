"""Plays a fleet: lays records out as arrays, hands them to the compiled loop, and keeps what it notes.

In comes a `Fleet`, seconds and a seed; out comes every answer (`Happened`). Called by `fleet_runs`.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from partway.errors import InputError
from partway.simulation.arrivals import Arrivals
from partway.simulation.distributions import FloatArray
from partway.simulation.fleets import Fleet, Group, Pause
from partway.simulation.replications import Progress

if TYPE_CHECKING:
    from partway.simulation.fleet_loops import Answers, Coming, Devices, Rules, World

Number = TypeVar("Number", bound=np.generic)

BINS = 200
"""Of the time that is played, for what the server did in each."""

_NOTED = 2**18  # answers that the loop notes before they are put away
_SPARE = 1024  # slots for requests that come by a rate, at first
_STEPS = 100  # of progress


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Happened:
    """All that was answered while a fleet was played.

    Attributes:
        fleet: what was played.
        duration_s: for how long.
        started_s: when each request was asked, in the order in which answers were known; float64 (answers,).
        latency_s: until its answer, float32 (answers,).
        row: of the fleet's costs, group after group; int32 (answers,).
        busy_s: seconds of service that began in each bin of the time, and after it; float64 (bins + 1,).
        begun: requests that were asked.
        in_flight: those of them whose answer was not known at the end.
        served: requests that arrived at the server in each bin, int64 (bins + 1,).
        waited_s: seconds that these wait for a worker, all together, float64 (bins + 1,).
    """

    fleet: Fleet
    duration_s: float
    started_s: FloatArray = field(repr=False)
    latency_s: npt.NDArray[np.float32] = field(repr=False)
    row: npt.NDArray[np.int32] = field(repr=False)
    busy_s: FloatArray = field(repr=False)
    begun: int
    in_flight: int
    served: npt.NDArray[np.int64] = field(repr=False)
    waited_s: FloatArray = field(repr=False)


def play_fleet(
    fleet: Fleet, duration_s: float, seed: np.random.SeedSequence, *, progress: Progress | None = None
) -> Happened:
    """Play a fleet from an idle server on.

    Args:
        fleet: what to play.
        duration_s: how long, above 0; what is in flight then is not waited for.
        seed: of all that is drawn.
        progress: called with how many of how many parts of the time are played.

    Raises:
        InputError: the duration is not finite or not above 0, or numba is not installed.
    """
    if not 0 < duration_s < math.inf:
        raise InputError(f"a fleet was to be played for {duration_s:g} s; it must be finite and above 0")
    from partway.simulation import fleet_loops as loops  # noqa: PLC0415 - numba: an optional extra, slow to import

    chance = np.random.Generator(np.random.SFC64(seed))
    rules, devices = _rules(fleet, duration_s), _devices(fleet, chance)
    world, coming = _world(fleet, chance), _coming(fleet, duration_s, chance)
    answers = loops.Answers(
        started_s=np.empty(_NOTED), latency_s=np.empty(_NOTED, np.float32), row=np.empty(_NOTED, np.int32)
    )
    noted: list[Answers] = []
    steps = 1 if progress is None else _STEPS
    for step in range(1, steps + 1):
        ended = loops.FULL
        while ended != loops.REACHED:
            ended = loops.advance(rules, devices, world, answers, coming, duration_s * step / steps, chance)
            if ended == loops.CROWDED:
                world = _roomier(world)
            elif ended == loops.FULL or step == steps:
                count = int(world.counts[loops.ANSWERED])
                noted.append(
                    loops.Answers(
                        started_s=answers.started_s[:count].copy(),
                        latency_s=answers.latency_s[:count].copy(),
                        row=answers.row[:count].copy(),
                    )
                )
                world.counts[loops.ANSWERED] = 0
        if progress is not None:
            progress(step, steps)
    row = np.concatenate([some.row for some in noted])
    begun = int(world.counts[loops.BEGUN])
    return Happened(
        fleet=fleet,
        duration_s=duration_s,
        started_s=np.concatenate([some.started_s for some in noted]),
        latency_s=np.concatenate([some.latency_s for some in noted]),
        row=row,
        busy_s=world.busy_s,
        begun=begun,
        in_flight=begun - row.size,
        served=world.served,
        waited_s=world.waited_s,
    )


def first_rows(fleet: Fleet) -> tuple[int, ...]:
    """The first row of each group's costs among all, and the end."""
    return tuple(int(place) for place in np.cumsum([0, *(len(group.table) for group in fleet.groups)]))


def _rules(fleet: Fleet, duration_s: float) -> "Rules":
    from partway.simulation.fleet_loops import Rules  # noqa: PLC0415 - as above

    groups, firsts, reading = fleet.groups, first_rows(fleet), fleet.reading
    series = [one for group in groups for one in group.path.series]
    pauses = [group.requests if isinstance(group.requests, Pause) else None for group in groups]
    fixed = [group.fixed_row() for group in groups]
    variation = fleet.service_variation
    return Rules(
        rows=np.concatenate([group.table.terms for group in groups]),
        first_row=np.array(firsts),
        fixed=np.array([-1 if row is None else first + row for first, row in zip(firsts[:-1], fixed, strict=True)]),
        heeds=np.array([float(group.heeds_load) for group in groups]),
        factor=np.array([group.factor for group in groups]),
        spread=np.array([group.spread for group in groups]),
        pause_s=np.array([math.nan if pause is None else pause.mean_s for pause in pauses]),
        pause_varies=np.array([pause is not None and pause.varies for pause in pauses]),
        starts_s=np.concatenate([one.starts_s for one in series]),
        values=np.concatenate([one.values for one in series]),
        first_stretch=np.cumsum([0, *(len(one.values) for one in series)]),
        period_s=np.array([one.period_s for one in series]),
        service_spread=-1.0 if variation == 1.0 else math.sqrt(math.log1p(variation**2)),
        smoothed_over_s=reading.smoothed_over_s,
        fades_in_s=reading.fades_in_s,
        doubt=reading.doubt,
        doubt_lasts_s=reading.doubt_lasts_s,
        least_weight=reading.least_weight,
        ask_after_s=reading.ask_after_s,
        switch_gain=reading.switch_gain,
        bin_s=duration_s / BINS,
    )


def _pausing_first(fleet: Fleet) -> list[tuple[int, Group]]:
    # A device that pauses has the slot of its own number, so these come first.
    return sorted(enumerate(fleet.groups), key=lambda one: not isinstance(one[1].requests, Pause))


def _pausing(fleet: Fleet) -> int:
    return sum(group.devices for group in fleet.groups if isinstance(group.requests, Pause))


def _devices(fleet: Fleet, chance: np.random.Generator) -> "Devices":
    from partway.simulation import fleet_loops as loops  # noqa: PLC0415 - as above

    ordered = _pausing_first(fleet)
    places, counts = [place for place, _ in ordered], [group.devices for _, group in ordered]
    numbers = np.zeros((fleet.devices, 6))
    numbers[:, loops.HEARD] = numbers[:, loops.ASKED] = -math.inf
    drawn = np.exp(fleet.reading.doubt * chance.standard_normal(fleet.devices))
    numbers[:, loops.WEIGHT] = np.maximum(drawn, fleet.reading.least_weight)
    return loops.Devices(
        group=np.repeat(np.array(places, np.int32), counts),
        row=np.full(fleet.devices, -1, np.int32),
        numbers=numbers,
    )


def _world(fleet: Fleet, chance: np.random.Generator) -> "World":
    from partway.simulation import fleet_loops as loops  # noqa: PLC0415 - as above

    # Each begins somewhere within one round of its own, so that they do not all come at once.
    rounds = [
        (group.requests.mean_s + group.usual_s(), group.devices)
        for _, group in _pausing_first(fleet)
        if isinstance(group.requests, Pause)
    ]
    pausing = _pausing(fleet)
    first_s = chance.random(pausing) * np.repeat([seconds for seconds, _ in rounds], [count for _, count in rounds])
    order = np.argsort(first_s)
    capacity = pausing + 2 * _SPARE
    times_s, codes = np.zeros(capacity), np.zeros(capacity, np.int64)
    times_s[:pausing], codes[:pausing] = first_s[order], 4 * order + loops.ASK
    spare = _SPARE if pausing < fleet.devices else 0
    counts = np.zeros(5, np.int64)
    counts[loops.EVENTS], counts[loops.SPARE] = pausing, spare
    return loops.World(
        times_s=times_s,
        codes=codes,
        device=np.arange(pausing + spare, dtype=np.int32),
        row=np.zeros(pausing + spare, np.int32),
        started_s=np.zeros(pausing + spare),
        spare=np.arange(pausing, pausing + spare),
        free_s=np.zeros(fleet.workers),
        busy_s=np.zeros(BINS + 1),
        waited_s=np.zeros(BINS + 1),
        served=np.zeros(BINS + 1, np.int64),
        counts=counts,
    )


def _roomier(world: "World") -> "World":
    """The same world with twice the room for events and for requests that come by a rate."""
    from partway.simulation import fleet_loops as loops  # noqa: PLC0415 - as above

    more = world.spare.size
    slots = world.device.size
    spare = np.zeros(2 * more, np.int64)
    unused = int(world.counts[loops.SPARE])
    spare[:unused] = world.spare[:unused]
    spare[unused : unused + more] = np.arange(slots, slots + more)
    world.counts[loops.SPARE] += more
    capacity = world.times_s.size
    return world._replace(
        times_s=_padded(world.times_s, capacity),
        codes=_padded(world.codes, capacity),
        device=_padded(world.device, more),
        row=_padded(world.row, more),
        started_s=_padded(world.started_s, more),
        spare=spare,
    )


def _coming(fleet: Fleet, duration_s: float, chance: np.random.Generator) -> "Coming":
    from partway.simulation.fleet_loops import Coming  # noqa: PLC0415 - as above

    times_s, devices = [np.empty(0)], [np.empty(0, np.int32)]
    first = 0
    for _, group in _pausing_first(fleet):
        if not isinstance(group.requests, Pause):
            drawn_s = _until(group.requests, duration_s, chance)
            times_s.append(drawn_s)
            devices.append(chance.integers(first, first + group.devices, drawn_s.size, dtype=np.int32))
        first += group.devices
    together_s = np.concatenate(times_s)
    order = np.argsort(together_s, kind="stable")
    return Coming(times_s=together_s[order], device=np.concatenate(devices)[order])


def _until(arrivals: Arrivals, duration_s: float, chance: np.random.Generator) -> FloatArray:
    expected = arrivals.rate_per_s * duration_s
    pieces = [arrivals.times_s(chance, math.ceil(expected + 4.0 * math.sqrt(expected)) + 16)]
    while pieces[-1][-1] < duration_s:
        pieces.append(pieces[-1][-1] + arrivals.times_s(chance, math.ceil(math.sqrt(expected)) + 16))
    together_s = np.concatenate(pieces)
    return together_s[: np.searchsorted(together_s, duration_s)]


def _padded(array: npt.NDArray[Number], more: int) -> npt.NDArray[Number]:
    return np.concatenate([array, np.zeros(more, array.dtype)])
