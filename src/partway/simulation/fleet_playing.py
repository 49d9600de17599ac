"""Plays a fleet: lays records out as arrays, hands them to the compiled loop, and keeps what it notes.

In comes a `Fleet`, seconds and a seed; out comes every answer (`Happened`). Called by `fleet_runs`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from partway.errors import InputError
from partway.simulation.arrivals import Arrivals
from partway.simulation.distributions import FloatArray
from partway.simulation.fleet_world import (
    ANSWER,
    ANSWERED,
    ASK,
    BEGUN,
    BIN,
    COMER,
    CROWDED,
    DEVICE,
    EVENT,
    EVENTS,
    FULL,
    GROUP,
    KINDS,
    REACHED,
    SERIES,
    SLOT,
    SPARE,
    STRETCH,
    Rules,
    World,
)
from partway.simulation.fleets import Fleet, Group, Pause
from partway.simulation.replications import Progress

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
    from partway.simulation.fleet_loops import advance  # noqa: PLC0415 - numba: an optional extra, slow to import

    chance = np.random.Generator(np.random.SFC64(seed))
    rules, world = lay_out(fleet, duration_s, chance)
    noted: list[npt.NDArray[np.void]] = []
    steps = 1 if progress is None else _STEPS
    for step in range(1, steps + 1):
        ended = FULL
        while ended != REACHED:
            ended = advance(rules, world, duration_s * step / steps, chance)
            if ended == CROWDED:
                world = roomier(world)
            elif ended == FULL or step == steps:
                noted.append(world.answers[: int(world.counts[ANSWERED])].copy())
                world.counts[ANSWERED] = 0
        if progress is not None:
            progress(step, steps)
    answers = np.concatenate(noted)
    begun = int(world.counts[BEGUN])
    return Happened(
        fleet=fleet,
        duration_s=duration_s,
        started_s=answers["started_s"],
        latency_s=answers["latency_s"],
        row=answers["row"],
        busy_s=world.bins["busy_s"],
        begun=begun,
        in_flight=begun - answers.size,
        served=world.bins["served"],
        waited_s=world.bins["waited_s"],
    )


def first_rows(fleet: Fleet) -> tuple[int, ...]:
    """The first row of each group's costs among all, and the end."""
    return tuple(int(place) for place in np.cumsum([0, *(len(group.table) for group in fleet.groups)]))


def lay_out(fleet: Fleet, duration_s: float, chance: np.random.Generator) -> tuple[Rules, World]:
    """A fleet as the loop wants it, before anything has happened.

    Args:
        fleet: what to play.
        duration_s: for how long.
        chance: draws what differs between devices, and requests that come by a rate.
    """
    # A device that pauses has the slot of its own number, so these come first.
    ordered = sorted(enumerate(fleet.groups), key=lambda one: not isinstance(one[1].requests, Pause))
    devices = np.zeros(fleet.devices, DEVICE)
    devices["group"] = np.repeat([place for place, _ in ordered], [group.devices for _, group in ordered])
    devices["row"] = -1
    devices["heard_s"] = devices["asked_s"] = -math.inf
    weights = np.exp(fleet.reading.doubt * chance.standard_normal(fleet.devices))
    devices["weight"] = np.maximum(weights, fleet.reading.least_weight)
    groups = [group for _, group in ordered]
    events = _first_events(groups, chance)
    spare = _SPARE if events.size < fleet.devices else 0
    slots = np.zeros(events.size + spare, SLOT)
    slots["device"][: events.size] = np.arange(events.size)
    counts = np.zeros(5, np.int64)
    counts[EVENTS], counts[SPARE] = events.size, spare
    world = World(
        devices=devices,
        slots=slots,
        spare=np.arange(events.size, events.size + spare),
        events=_padded(events, 2 * _SPARE),
        free_s=np.zeros(fleet.workers),
        bins=np.zeros(BINS + 1, BIN),
        answers=np.zeros(_NOTED, ANSWER),
        coming=_coming(groups, duration_s, chance),
        counts=counts,
    )
    return _rules(fleet, duration_s), world


def _rules(fleet: Fleet, duration_s: float) -> Rules:
    firsts, reading, variation = first_rows(fleet), fleet.reading, fleet.service_variation
    groups = np.zeros(len(fleet.groups), GROUP)
    for place, group in enumerate(fleet.groups):
        fixed, pause = group.fixed_row(), group.requests if isinstance(group.requests, Pause) else None
        alone = group.row_when_turned_away() if reading.turns_away else None
        groups[place] = (
            firsts[place],
            firsts[place + 1],
            -1 if fixed is None else firsts[place] + fixed,
            -1 if alone is None else firsts[place] + alone,
            group.heeds_load,
            pause is not None and pause.varies,
            math.nan if pause is None else pause.mean_s,
            group.factor,
            group.spread,
        )
    every = [one for group in fleet.groups for one in group.path.series]
    ends = np.cumsum([len(one.values) for one in every])
    series, stretches = np.zeros(len(every), SERIES), np.zeros(ends[-1], STRETCH)
    series["first"], series["end"] = ends - [len(one.values) for one in every], ends
    series["period_s"] = [one.period_s for one in every]
    stretches["start_s"] = np.concatenate([one.starts_s for one in every])
    stretches["value"] = np.concatenate([one.values for one in every])
    return Rules(
        rows=np.concatenate([group.table.terms for group in fleet.groups]),
        groups=groups,
        series=series,
        stretches=stretches,
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


def _first_events(groups: Sequence[Group], chance: np.random.Generator) -> npt.NDArray[np.void]:
    """When each device that pauses is asked first: somewhere within a round of its own, so not all at once."""
    rounds_s = [
        np.full(group.devices, group.requests.mean_s + group.usual_s())
        for group in groups
        if isinstance(group.requests, Pause)
    ]
    first_s = np.concatenate(rounds_s) if rounds_s else np.empty(0)
    first_s *= chance.random(first_s.size)
    order = np.argsort(first_s)  # what is in order is a heap
    events = np.zeros(first_s.size, EVENT)
    events["at_s"], events["code"] = first_s[order], KINDS * order + ASK
    return events


def _coming(groups: Sequence[Group], duration_s: float, chance: np.random.Generator) -> npt.NDArray[np.void]:
    """All requests that come by a rate, each of a device that is drawn."""
    pieces = [np.zeros(0, COMER)]
    first = 0
    for group in groups:
        if not isinstance(group.requests, Pause):
            times_s = _until(group.requests, duration_s, chance)
            comers = np.zeros(times_s.size, COMER)
            comers["at_s"] = times_s
            comers["device"] = chance.integers(first, first + group.devices, times_s.size)
            pieces.append(comers)
        first += group.devices
    together = np.concatenate(pieces)
    return together[np.argsort(together["at_s"], kind="stable")]


def roomier(world: World) -> World:
    """The same world with twice the room for requests that come by a rate, and as much more for events."""
    more, slots = world.spare.size, world.slots.size
    unused = int(world.counts[SPARE])
    spare = np.zeros(2 * more, np.int64)
    spare[:unused] = world.spare[:unused]
    spare[unused : unused + more] = np.arange(slots, slots + more)
    world.counts[SPARE] += more
    return world._replace(
        slots=_padded(world.slots, more), spare=spare, events=_padded(world.events, world.events.size)
    )


def _until(arrivals: Arrivals, duration_s: float, chance: np.random.Generator) -> FloatArray:
    expected = arrivals.rate_per_s * duration_s
    pieces = [arrivals.times_s(chance, math.ceil(expected + 4.0 * math.sqrt(expected)) + 16)]
    while pieces[-1][-1] < duration_s:
        pieces.append(pieces[-1][-1] + arrivals.times_s(chance, math.ceil(math.sqrt(expected)) + 16))
    together_s = np.concatenate(pieces)
    return together_s[: np.searchsorted(together_s, duration_s)]


def _padded(array: npt.NDArray[np.void], more: int) -> npt.NDArray[np.void]:
    return np.concatenate([array, np.zeros(more, array.dtype)])
