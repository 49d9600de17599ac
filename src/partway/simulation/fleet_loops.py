"""The hot loop of fleets: devices that decide, a server that serves and reports, one clock.

    ask ──> head on the device ──> uplink ──> arrive ──> queue, worker ──> leave ──> downlink ──> answer
     ^                                                                      │ report: what a newcomer would wait
     └──────────────────────────── pause <── decision: least latency <──────┘

In come rules, devices and the state of the world as arrays; out come the same arrays, later. Events lie in a heap of
four children a parent, by time. Compiled; imported by `fleet_playing` when something is played.
"""

import math

import numpy as np

from partway.simulation.compiling import compiled
from partway.simulation.fleet_world import (
    ANSWERED,
    ARRIVE,
    ASK,
    BACK,
    BEGUN,
    COMING,
    CROWDED,
    EVENTS,
    FULL,
    KINDS,
    LEAVE,
    PING,
    REACHED,
    SPARE,
    TOLD,
    Rules,
    World,
)
from partway.simulation.queue_loops import replace_first

# Columns of a row of costs, as in `planning.CostTable.terms`.
_DEVICE_S, _OFFLOADED, _UP, _SERVER_S, _DOWN = range(5)


@compiled
def advance(rules: Rules, world: World, until_s: float, chance: np.random.Generator) -> int:
    """Play on.

    Returns:
        `REACHED` when the time has come, `FULL` when no answer can be noted any more, `CROWDED` when there is no room
        for another request.
    """
    counts = world.counts
    while True:
        if counts[ANSWERED] == world.answers.size:
            return FULL
        if counts[EVENTS] + 3 > world.events.size:
            return CROWDED
        event_s = world.events[0]["at_s"] if counts[EVENTS] else np.inf
        coming_s = world.coming[counts[COMING]]["at_s"] if counts[COMING] < world.coming.size else np.inf
        if min(event_s, coming_s) >= until_s:
            return REACHED
        if coming_s <= event_s:
            if counts[SPARE] == 0:
                return CROWDED
            counts[SPARE] -= 1
            slot = world.spare[counts[SPARE]]
            world.slots[slot]["device"] = world.coming[counts[COMING]]["device"]
            counts[COMING] += 1
            _begin(rules, world, slot, coming_s, chance)
            continue
        code = world.events[0]["code"]
        _drop_first(world)
        kind, slot = code % KINDS, code // KINDS
        if kind == ASK:
            _begin(rules, world, slot, event_s, chance)
        elif kind == ARRIVE:
            _serve(rules, world, slot, event_s, chance)
        elif kind == LEAVE:
            _answer(rules, world, slot, event_s, chance)
        elif kind == BACK:
            _end(rules, world, slot, world.slots[slot]["report_s"], world.slots[slot]["left_s"], event_s, chance)
        elif kind == PING:
            _tell(rules, world, slot, event_s)
        else:
            _hear(rules, world, slot, world.devices[slot]["told_s"], event_s, chance)


@compiled
def _begin(rules: Rules, world: World, slot: int, now_s: float, chance: np.random.Generator) -> None:
    """A device is asked: it decides, and runs the head of its choice."""
    request = world.slots[slot]
    device = world.devices[request["device"]]
    group = rules.groups[device["group"]]
    link = 3 * device["group"]
    world.counts[BEGUN] += 1
    row = _choose(rules, world, int(request["device"]), now_s)
    device["row"] = request["row"] = row
    request["started_s"] = now_s
    head_s = _compute(rules, world, request["device"], now_s, rules.rows[row, _DEVICE_S], chance)
    if rules.rows[row, _OFFLOADED] > 0.0:
        sent_s = _sent_s(rules, link, max(head_s, device["sent_s"]), rules.rows[row, _UP])
        device["sent_s"] = sent_s
        _push(world, sent_s + _value(rules, link + 2, sent_s) / 2, KINDS * slot + ARRIVE)
        return
    # Nobody tells a device that computes alone how busy the server is: now and then it asks.
    if group["fixed"] < 0 and now_s - max(device["heard_s"], device["asked_s"]) >= rules.ask_after_s:
        device["asked_s"] = now_s
        _push(world, now_s + _value(rules, link + 2, now_s) / 2, KINDS * request["device"] + PING)
    _note(rules, world, slot, head_s, chance)


@compiled
def _compute(
    rules: Rules, world: World, number: int, now_s: float, seconds: float, chance: np.random.Generator
) -> float:
    """When a device is done with what takes it so long, begun once it is free."""
    device = world.devices[number]
    group = rules.groups[device["group"]]
    took_s = group["factor"] * seconds
    if group["spread"] > 0.0 and took_s > 0.0:
        took_s *= math.exp(group["spread"] * chance.standard_normal() - group["spread"] ** 2 / 2)
    device["busy_s"] = max(now_s, device["busy_s"]) + took_s
    return float(device["busy_s"])


@compiled
def _choose(rules: Rules, world: World, number: int, now_s: float) -> int:
    """The row of least latency by what the device knows; the one in use where that is hardly slower."""
    device = world.devices[number]
    group = rules.groups[device["group"]]
    link = 3 * device["group"]
    if group["fixed"] >= 0:
        return int(group["fixed"])
    delay_s = 0.0
    if group["heeds"] > 0 and device["heard_s"] > -np.inf:
        faded = math.exp(-max(now_s - device["heard_s"], 0.0) / rules.fades_in_s)
        delay_s = device["weight"] * faded * device["delay_s"]
    uplink, downlink = _value(rules, link, now_s), _value(rules, link + 1, now_s)
    wait_s = _value(rules, link + 2, now_s) + delay_s
    best, best_s, current_s = -1, np.inf, np.inf
    for row in range(group["first_row"], group["end_row"]):
        seconds = (
            group["factor"] * rules.rows[row, _DEVICE_S]
            + rules.rows[row, _OFFLOADED] * wait_s
            + rules.rows[row, _UP] / uplink
            + rules.rows[row, _SERVER_S]
            + rules.rows[row, _DOWN] / downlink
        )
        if seconds < best_s:
            best, best_s = row, seconds
        if row == device["row"]:
            current_s = seconds
    if current_s < np.inf and best_s >= (1.0 - rules.switch_gain) * current_s:
        return int(device["row"])
    return best


@compiled
def _serve(rules: Rules, world: World, slot: int, now_s: float, chance: np.random.Generator) -> None:
    """A request arrives: the worker that is free first takes it, which is what first come, first served comes to."""
    if _turned_away(rules, world, slot, now_s, chance):
        return
    seconds = rules.rows[world.slots[slot]["row"], _SERVER_S]
    if rules.service_spread < 0.0:
        seconds *= chance.standard_exponential()
    elif rules.service_spread > 0.0:
        seconds *= math.exp(rules.service_spread * chance.standard_normal() - rules.service_spread**2 / 2)
    start_s = max(now_s, world.free_s[0])
    replace_first(world.free_s, start_s + seconds)
    last = world.bins.size - 1
    world.bins[min(int(start_s / rules.bin_s), last)]["busy_s"] += seconds
    arrived = world.bins[min(int(now_s / rules.bin_s), last)]
    arrived["waited_s"] += start_s - now_s
    arrived["served"] += 1
    _push(world, start_s + seconds, KINDS * slot + LEAVE)


@compiled
def _turned_away(rules: Rules, world: World, slot: int, now_s: float, chance: np.random.Generator) -> bool:
    """Whether a request would be answered later than its device is done alone; it is told, and finishes there.

    As `client.hedge.Outlook.bearable_queue_s`, which a test holds this against.
    """
    request = world.slots[slot]
    number, row = request["device"], request["row"]
    group = rules.groups[world.devices[number]["group"]]
    link = 3 * world.devices[number]["group"]
    if group["alone"] < 0:
        return False
    left_s = rules.rows[group["alone"], _DEVICE_S] - rules.rows[row, _DEVICE_S]
    there_s = rules.rows[row, _SERVER_S] + rules.rows[row, _DOWN] / _value(rules, link + 1, now_s)
    wait_s = max(0.0, world.free_s[0] - now_s)
    if wait_s <= max(0.0, group["factor"] * left_s - there_s):
        return False
    request["row"] = group["alone"]
    _send_back(rules, world, slot, wait_s, left_s, now_s + _value(rules, link + 2, now_s) / 2, chance)
    return True


@compiled
def _answer(rules: Rules, world: World, slot: int, now_s: float, chance: np.random.Generator) -> None:
    """A worker is done: the answer leaves, with what a newcomer would wait."""
    request = world.slots[slot]
    group = world.devices[request["device"]]["group"]
    back_s = _sent_s(rules, 3 * group + 1, now_s, rules.rows[request["row"], _DOWN])
    back_s += _value(rules, 3 * group + 2, now_s) / 2
    _send_back(rules, world, slot, max(0.0, world.free_s[0] - now_s), 0.0, back_s, chance)


@compiled
def _send_back(
    rules: Rules, world: World, slot: int, report_s: float, left_s: float, at_s: float, chance: np.random.Generator
) -> None:
    """A device will hear at a time: an answer, or that it has to compute what is left."""
    request = world.slots[slot]
    if math.isnan(rules.groups[world.devices[request["device"]]["group"]]["pause_s"]):
        # It may decide about its next request before it hears of this one.
        request["report_s"], request["left_s"] = report_s, left_s
        _push(world, at_s, KINDS * slot + BACK)
    else:
        _end(rules, world, slot, report_s, left_s, at_s, chance)


@compiled
def _end(
    rules: Rules, world: World, slot: int, report_s: float, left_s: float, at_s: float, chance: np.random.Generator
) -> None:
    """What was sent back is there."""
    number = int(world.slots[slot]["device"])
    if rules.groups[world.devices[number]["group"]]["fixed"] < 0:
        _hear(rules, world, number, report_s, at_s, chance)
    if left_s > 0.0:
        at_s = _compute(rules, world, number, at_s, left_s, chance)
    _note(rules, world, slot, at_s, chance)


@compiled
def _tell(rules: Rules, world: World, number: int, now_s: float) -> None:
    """A device's question arrives: the report goes back."""
    device = world.devices[number]
    device["told_s"] = max(0.0, world.free_s[0] - now_s)
    back_s = now_s + _value(rules, 3 * device["group"] + 2, now_s) / 2
    _push(world, back_s, KINDS * number + TOLD)


@compiled
def _hear(rules: Rules, world: World, number: int, report_s: float, at_s: float, chance: np.random.Generator) -> None:
    """A report reaches a device: as `client.load_view.LoadView.saw`, which a test holds this against."""
    device = world.devices[number]
    since_s = max(at_s - device["heard_s"], 0.0)
    keep = math.exp(-since_s / rules.smoothed_over_s)
    device["delay_s"] = keep * device["delay_s"] + (1.0 - keep) * report_s
    device["heard_s"] = max(at_s, device["heard_s"])
    if rules.doubt > 0.0 and chance.random() < 1.0 - math.exp(-min(since_s, 1e6) / rules.doubt_lasts_s):
        device["weight"] = max(rules.least_weight, math.exp(rules.doubt * chance.standard_normal()))


@compiled
def _note(rules: Rules, world: World, slot: int, at_s: float, chance: np.random.Generator) -> None:
    """An answer is there: it is noted, and whoever pauses between requests begins to."""
    request, answer = world.slots[slot], world.answers[world.counts[ANSWERED]]
    answer["started_s"] = request["started_s"]
    answer["latency_s"] = at_s - request["started_s"]
    answer["row"] = request["row"]
    world.counts[ANSWERED] += 1
    group = rules.groups[world.devices[request["device"]]["group"]]
    if math.isnan(group["pause_s"]):
        world.spare[world.counts[SPARE]] = slot
        world.counts[SPARE] += 1
        return
    pause_s = group["pause_s"]
    if group["pause_varies"] > 0:
        pause_s *= chance.standard_exponential()
    _push(world, at_s + pause_s, KINDS * slot + ASK)


@compiled
def _stretch(rules: Rules, number: int, position_s: float) -> int:
    """Which stretch of a series a time lies in."""
    low, high = rules.series[number]["first"], rules.series[number]["end"]
    while high - low > 1:
        middle = (low + high) // 2
        if rules.stretches[middle]["start_s"] <= position_s:
            low = middle
        else:
            high = middle
    return int(low)


@compiled
def _value(rules: Rules, number: int, now_s: float) -> float:
    """A series at a time."""
    series = rules.series[number]
    if series["end"] - series["first"] == 1:
        return float(rules.stretches[series["first"]]["value"])
    position_s = now_s % series["period_s"] if series["period_s"] < np.inf else now_s
    return float(rules.stretches[_stretch(rules, number, position_s)]["value"])


@compiled
def _sent_s(rules: Rules, number: int, now_s: float, size_bytes: float) -> float:
    """When the last of some bytes is sent if the first is sent now: as `link.Trace.finish_s`."""
    series = rules.series[number]
    first, end, period_s = series["first"], series["end"], series["period_s"]
    if end - first == 1:
        return float(now_s + size_bytes / rules.stretches[first]["value"])
    position_s = now_s % period_s if period_s < np.inf else now_s
    stretch = _stretch(rules, number, position_s)
    while True:
        until_s = rules.stretches[stretch + 1]["start_s"] if stretch + 1 < end else period_s
        rate = rules.stretches[stretch]["value"]
        room_bytes = (until_s - position_s) * rate
        if size_bytes <= room_bytes:
            return float(now_s + size_bytes / rate)
        size_bytes -= room_bytes
        now_s += until_s - position_s
        stretch += 1
        position_s = until_s
        if stretch == end:
            stretch, position_s = first, 0.0


@compiled
def _push(world: World, at_s: float, code: int) -> None:
    """Put an event into the heap."""
    events = world.events
    place = world.counts[EVENTS]
    world.counts[EVENTS] += 1
    while place > 0:
        parent = (place - 1) >> 2
        if events[parent]["at_s"] <= at_s:
            break
        events[place] = events[parent]
        place = parent
    events[place]["at_s"] = at_s
    events[place]["code"] = code


@compiled
def _drop_first(world: World) -> None:
    """Take the earliest event out of the heap."""
    events = world.events
    size = world.counts[EVENTS] - 1
    world.counts[EVENTS] = size
    at_s = events[size]["at_s"]
    place = 0
    while True:
        first = 4 * place + 1
        if first >= size:
            break
        least = first
        for child in range(first + 1, min(first + 4, size)):
            if events[child]["at_s"] < events[least]["at_s"]:
                least = child
        if events[least]["at_s"] >= at_s:
            break
        events[place] = events[least]
        place = least
    events[place] = events[size]
