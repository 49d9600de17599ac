"""The hot loop of fleets: devices that decide, a server that serves and reports, one clock.

    ask ──> head on the device ──> uplink ──> arrive ──> queue, worker ──> leave ──> downlink ──> answer
     ^                                                                      │ report: what a newcomer would wait
     └──────────────────────────── pause <── decision: least latency <──────┘

In come rules, devices and the state of the world as arrays; out come the same arrays, later. Events lie in a heap of
four children a parent, by time. Compiled; imported by `fleet_playing` when something is played.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from partway.simulation.compiling import compiled
from partway.simulation.distributions import FloatArray
from partway.simulation.queue_loops import replace_first

IntArray = npt.NDArray[np.int64]
SmallIntArray = npt.NDArray[np.int32]

# Kinds of events; an event's code is its slot, or device, times four plus its kind.
ASK, ARRIVE, LEAVE, PING = 0, 1, 2, 3
# Columns of a row of costs, as in `planning.CostTable.terms`.
_DEVICE_S, _OFFLOADED, _UP, _SERVER_S, _DOWN = range(5)
# Columns of what a device knows and does.
DELAY, HEARD, WEIGHT, BUSY, SENT, ASKED = range(6)
# Places in `World.counts`.
EVENTS, SPARE, COMING, ANSWERED, BEGUN = range(5)
# How `advance` ends.
REACHED, FULL, CROWDED = range(3)


class Rules(NamedTuple):
    """What does not change: costs, links and habits, of groups g.

    Attributes:
        rows: costs of cuts, float64 (rows, 5), group after group.
        first_row: of each group, and one more for the end, int64 (groups + 1,).
        fixed: the row that a group always takes; -1 where it decides. int64 (groups,).
        heeds: 1 where decisions reckon with the load, else 0. float64 (groups,).
        factor: of the device's seconds. float64 (groups,).
        spread: standard deviation of the logarithm of what chance makes of them. float64 (groups,).
        pause_s: mean time from an answer to the next request; `nan` for open groups. float64 (groups,).
        pause_varies: whether it is exponential, else constant. bool (groups,).
        starts_s: of the stretches of all series. A group has three: uplink, downlink, round trip.
        values: of the series from then on.
        first_stretch: of each series, and one more for the end, int64 (3 * groups + 1,).
        period_s: after which each series begins anew; infinite for never. float64 (3 * groups,).
        service_spread: standard deviation of the logarithm of what chance makes of the server's seconds; negative for
            an exponential.
        smoothed_over_s, fades_in_s, doubt, doubt_lasts_s, least_weight, ask_after_s, switch_gain: see `fleets.Reading`.
        bin_s: width of the bins of `World.busy_s`.
    """

    rows: FloatArray
    first_row: IntArray
    fixed: IntArray
    heeds: FloatArray
    factor: FloatArray
    spread: FloatArray
    pause_s: FloatArray
    pause_varies: npt.NDArray[np.bool_]
    starts_s: FloatArray
    values: FloatArray
    first_stretch: IntArray
    period_s: FloatArray
    service_spread: float
    smoothed_over_s: float
    fades_in_s: float
    doubt: float
    doubt_lasts_s: float
    least_weight: float
    ask_after_s: float
    switch_gain: float
    bin_s: float


class Devices(NamedTuple):
    """What each device is, knows and does.

    Attributes:
        group: int32 (devices,).
        row: the cut it used last, -1 before the first; int32 (devices,).
        numbers: float64 (devices, 6), see the columns above.
    """

    group: SmallIntArray
    row: SmallIntArray
    numbers: FloatArray


class World(NamedTuple):
    """All that moves. Devices that pause between requests have the slot of their own number.

    Attributes:
        times_s: of events, a heap; float64 (capacity,).
        codes: of events, beside it; int64 (capacity,).
        device: of the request in each slot, int32 (slots,).
        row: the cut it goes by, int32 (slots,).
        started_s: when it was asked, float64 (slots,).
        spare: slots that nobody uses, a stack; int64 (slots,).
        free_s: when each worker will be free, a heap; float64 (workers,).
        busy_s: seconds of service that began in each bin, the last for all later ones; float64 (bins,).
        waited_s: seconds that requests which arrived in each bin wait for a worker, all together; float64 (bins,).
        served: how many these are, int64 (bins,).
        counts: see the places above; int64 (5,).
    """

    times_s: FloatArray
    codes: IntArray
    device: SmallIntArray
    row: SmallIntArray
    started_s: FloatArray
    spare: IntArray
    free_s: FloatArray
    busy_s: FloatArray
    waited_s: FloatArray
    served: IntArray
    counts: IntArray


class Answers(NamedTuple):
    """What was answered, in the order in which it was known.

    Attributes:
        started_s: when the request was asked, float64 (capacity,).
        latency_s: until its answer, float32 (capacity,).
        row: of the costs, int32 (capacity,).
    """

    started_s: FloatArray
    latency_s: npt.NDArray[np.float32]
    row: SmallIntArray


class Coming(NamedTuple):
    """Requests that come whether or not others were answered, a stretch of time of them.

    Attributes:
        times_s: not descending, float64 (requests,).
        device: whose, int32 (requests,).
    """

    times_s: FloatArray
    device: SmallIntArray


@compiled
def advance(
    rules: Rules,
    devices: Devices,
    world: World,
    answers: Answers,
    coming: Coming,
    until_s: float,
    chance: np.random.Generator,
) -> int:
    """Play on.

    Returns:
        `REACHED` when the time has come, `FULL` when no answer can be noted any more, `CROWDED` when there is no room
        for another request.
    """
    counts = world.counts
    closed = world.device.size - world.spare.size
    while True:
        if counts[ANSWERED] == answers.row.size:
            return FULL
        if counts[EVENTS] + 3 > world.times_s.size:
            return CROWDED
        event_s = world.times_s[0] if counts[EVENTS] else np.inf
        coming_s = coming.times_s[counts[COMING]] if counts[COMING] < coming.times_s.size else np.inf
        if min(event_s, coming_s) >= until_s:
            return REACHED
        if coming_s <= event_s:
            if counts[SPARE] == 0:
                return CROWDED
            counts[SPARE] -= 1
            slot = world.spare[counts[SPARE]]
            world.device[slot] = coming.device[counts[COMING]]
            counts[COMING] += 1
            _begin(rules, devices, world, answers, slot, coming_s, closed, chance)
            continue
        code = world.codes[0]
        _drop_first(world)
        kind, slot = code & 3, code >> 2
        if kind == ASK:
            _begin(rules, devices, world, answers, slot, event_s, closed, chance)
        elif kind == ARRIVE:
            _serve(rules, world, slot, event_s, chance)
        elif kind == LEAVE:
            _answer(rules, devices, world, answers, slot, event_s, closed, chance)
        else:
            _hear(rules, devices, slot, max(0.0, world.free_s[0] - event_s), event_s, chance)


@compiled
def _begin(
    rules: Rules,
    devices: Devices,
    world: World,
    answers: Answers,
    slot: int,
    now_s: float,
    closed: int,
    chance: np.random.Generator,
) -> None:
    """A device is asked: it decides, and runs the head of its choice."""
    device = world.device[slot]
    group, numbers = devices.group[device], devices.numbers[device]
    world.counts[BEGUN] += 1
    row = _choose(rules, devices, device, now_s)
    devices.row[device] = row
    seconds = rules.factor[group] * rules.rows[row, _DEVICE_S]
    if rules.spread[group] > 0.0 and seconds > 0.0:
        seconds *= math.exp(rules.spread[group] * chance.standard_normal() - rules.spread[group] ** 2 / 2)
    head_s = max(now_s, numbers[BUSY]) + seconds
    numbers[BUSY] = head_s
    world.started_s[slot], world.row[slot] = now_s, row
    if rules.rows[row, _OFFLOADED] > 0.0:
        sent_s = _sent_s(rules, 3 * group, max(head_s, numbers[SENT]), rules.rows[row, _UP])
        numbers[SENT] = sent_s
        _push(world, sent_s + _value(rules, 3 * group + 2, sent_s) / 2, 4 * slot + ARRIVE)
        return
    # Nobody tells a device that computes alone how busy the server is: now and then it asks.
    if rules.fixed[group] < 0 and now_s - max(numbers[HEARD], numbers[ASKED]) >= rules.ask_after_s:
        numbers[ASKED] = now_s
        _push(world, now_s + _value(rules, 3 * group + 2, now_s) / 2, 4 * device + PING)
    _note(rules, devices, world, answers, slot, head_s, closed, chance)


@compiled
def _choose(rules: Rules, devices: Devices, device: int, now_s: float) -> int:
    """The row of least latency by what the device knows; the one in use where that is hardly slower."""
    group, numbers = devices.group[device], devices.numbers[device]
    if rules.fixed[group] >= 0:
        return int(rules.fixed[group])
    delay_s = 0.0
    if rules.heeds[group] > 0.0 and numbers[HEARD] > -np.inf:
        faded = math.exp(-max(now_s - numbers[HEARD], 0.0) / rules.fades_in_s)
        delay_s = numbers[WEIGHT] * faded * numbers[DELAY]
    uplink, downlink = _value(rules, 3 * group, now_s), _value(rules, 3 * group + 1, now_s)
    wait_s = _value(rules, 3 * group + 2, now_s) + delay_s
    best, best_s, current_s = -1, np.inf, np.inf
    for row in range(rules.first_row[group], rules.first_row[group + 1]):
        cost = rules.rows[row]
        seconds = (
            rules.factor[group] * cost[_DEVICE_S]
            + cost[_OFFLOADED] * wait_s
            + cost[_UP] / uplink
            + cost[_SERVER_S]
            + cost[_DOWN] / downlink
        )
        if seconds < best_s:
            best, best_s = row, seconds
        if row == devices.row[device]:
            current_s = seconds
    if current_s < np.inf and best_s >= (1.0 - rules.switch_gain) * current_s:
        return int(devices.row[device])
    return best


@compiled
def _serve(rules: Rules, world: World, slot: int, now_s: float, chance: np.random.Generator) -> None:
    """A request arrives: the worker that is free first takes it, which is what first come, first served comes to."""
    seconds = rules.rows[world.row[slot], _SERVER_S]
    if rules.service_spread < 0.0:
        seconds *= chance.standard_exponential()
    elif rules.service_spread > 0.0:
        seconds *= math.exp(rules.service_spread * chance.standard_normal() - rules.service_spread**2 / 2)
    start_s = max(now_s, world.free_s[0])
    replace_first(world.free_s, start_s + seconds)
    last = world.busy_s.size - 1
    world.busy_s[min(int(start_s / rules.bin_s), last)] += seconds
    arrived = min(int(now_s / rules.bin_s), last)
    world.waited_s[arrived] += start_s - now_s
    world.served[arrived] += 1
    _push(world, start_s + seconds, 4 * slot + LEAVE)


@compiled
def _answer(
    rules: Rules,
    devices: Devices,
    world: World,
    answers: Answers,
    slot: int,
    now_s: float,
    closed: int,
    chance: np.random.Generator,
) -> None:
    """A worker is done: the answer leaves, with what a newcomer would wait."""
    device = world.device[slot]
    group = devices.group[device]
    back_s = _sent_s(rules, 3 * group + 1, now_s, rules.rows[world.row[slot], _DOWN])
    back_s += _value(rules, 3 * group + 2, now_s) / 2
    if rules.fixed[group] < 0:
        _hear(rules, devices, device, max(0.0, world.free_s[0] - now_s), back_s, chance)
    _note(rules, devices, world, answers, slot, back_s, closed, chance)


@compiled
def _hear(
    rules: Rules, devices: Devices, device: int, report_s: float, at_s: float, chance: np.random.Generator
) -> None:
    """A report reaches a device: as `client.load_view.LoadView.saw`, which a test holds this against."""
    numbers = devices.numbers[device]
    since_s = max(at_s - numbers[HEARD], 0.0)
    keep = math.exp(-since_s / rules.smoothed_over_s)
    numbers[DELAY] = keep * numbers[DELAY] + (1.0 - keep) * report_s
    numbers[HEARD] = max(at_s, numbers[HEARD])
    if rules.doubt > 0.0 and chance.random() < 1.0 - math.exp(-min(since_s, 1e6) / rules.doubt_lasts_s):
        numbers[WEIGHT] = max(rules.least_weight, math.exp(rules.doubt * chance.standard_normal()))


@compiled
def _note(
    rules: Rules,
    devices: Devices,
    world: World,
    answers: Answers,
    slot: int,
    at_s: float,
    closed: int,
    chance: np.random.Generator,
) -> None:
    """An answer is there: it is noted, and whoever pauses between requests begins to."""
    place = world.counts[ANSWERED]
    answers.started_s[place] = world.started_s[slot]
    answers.latency_s[place] = at_s - world.started_s[slot]
    answers.row[place] = world.row[slot]
    world.counts[ANSWERED] += 1
    if slot >= closed:
        world.spare[world.counts[SPARE]] = slot
        world.counts[SPARE] += 1
        return
    group = devices.group[slot]
    pause_s = rules.pause_s[group]
    if rules.pause_varies[group]:
        pause_s *= chance.standard_exponential()
    _push(world, at_s + pause_s, 4 * slot + ASK)


@compiled
def _stretch(rules: Rules, series: int, position_s: float) -> int:
    """Which stretch of a series a time lies in."""
    low, high = rules.first_stretch[series], rules.first_stretch[series + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if rules.starts_s[middle] <= position_s:
            low = middle
        else:
            high = middle
    return int(low)


@compiled
def _value(rules: Rules, series: int, now_s: float) -> float:
    """A series at a time."""
    first = rules.first_stretch[series]
    if rules.first_stretch[series + 1] - first == 1:
        return float(rules.values[first])
    position_s = now_s % rules.period_s[series] if rules.period_s[series] < np.inf else now_s
    return float(rules.values[_stretch(rules, series, position_s)])


@compiled
def _sent_s(rules: Rules, series: int, now_s: float, size_bytes: float) -> float:
    """When the last of some bytes is sent if the first is sent now: as `link.Trace.finish_s`."""
    first, end = rules.first_stretch[series], rules.first_stretch[series + 1]
    if end - first == 1:
        return float(now_s + size_bytes / rules.values[first])
    period_s = rules.period_s[series]
    position_s = now_s % period_s if period_s < np.inf else now_s
    stretch = _stretch(rules, series, position_s)
    while True:
        until_s = rules.starts_s[stretch + 1] if stretch + 1 < end else period_s
        room_bytes = (until_s - position_s) * rules.values[stretch]
        if size_bytes <= room_bytes:
            return float(now_s + size_bytes / rules.values[stretch])
        size_bytes -= room_bytes
        now_s += until_s - position_s
        stretch += 1
        position_s = until_s
        if stretch == end:
            stretch, position_s = first, 0.0


@compiled
def _push(world: World, at_s: float, code: int) -> None:
    """Put an event into the heap."""
    place = world.counts[EVENTS]
    world.counts[EVENTS] += 1
    while place > 0:
        parent = (place - 1) >> 2
        if world.times_s[parent] <= at_s:
            break
        world.times_s[place], world.codes[place] = world.times_s[parent], world.codes[parent]
        place = parent
    world.times_s[place], world.codes[place] = at_s, code


@compiled
def _drop_first(world: World) -> None:
    """Take the earliest event out of the heap."""
    size = world.counts[EVENTS] - 1
    world.counts[EVENTS] = size
    at_s, code = world.times_s[size], world.codes[size]
    place = 0
    while True:
        first = 4 * place + 1
        if first >= size:
            break
        least = first
        for child in range(first + 1, min(first + 4, size)):
            if world.times_s[child] < world.times_s[least]:
                least = child
        if world.times_s[least] >= at_s:
            break
        world.times_s[place], world.codes[place] = world.times_s[least], world.codes[least]
        place = least
    world.times_s[place], world.codes[place] = at_s, code
