"""One device beside a server that others keep busy: hardly worse off than alone, and there where it has room."""

import math

import numpy as np
import pytest

from partway.client.hedge import Hedge, Outlook
from partway.client.observer import Observer
from partway.link import Link
from partway.planning import CostTable, CutCost, decide
from partway.testing import FakeClock
from partway.wire import Load

LINK = Link(uplink_bytes_per_s=12.5e6, downlink_bytes_per_s=12.5e6, rtt_s=0.004)
UP_BYTES, TAIL_S, OTHERS_S, PAUSE_S = 600_000, 0.057, 0.045, 0.4


class Server:
    """One worker, first come, first served; others come at random.

    Args:
        utilisation: the share of its time that they take.
    """

    def __init__(self, utilisation: float, generator: np.random.Generator) -> None:
        count = int(400.0 * utilisation / OTHERS_S)
        self._others_s = iter(np.cumsum(generator.exponential(OTHERS_S / utilisation, count)))
        self._next_s = next(self._others_s)
        self._free_s = 0.0

    def queue_delay_s(self, now_s: float) -> float:
        """What a newcomer waits."""
        while self._next_s <= now_s:
            self._free_s = max(self._free_s, self._next_s) + OTHERS_S
            self._next_s = next(self._others_s)
        return max(0.0, self._free_s - now_s)

    def serve(self, now_s: float, within_s: float) -> float | None:
        """When a request that comes now is answered; None where it is turned away."""
        queue_s = self.queue_delay_s(now_s)
        if queue_s > within_s:
            return None
        self._free_s = now_s + queue_s + TAIL_S
        return self._free_s


def mean_over_alone(utilisation: float, alone_s: float, seed: int, *, turns_away: bool = True) -> float:
    """Mean latency of five minutes, over what the device takes alone.

    Args:
        utilisation: of the server by others.
        alone_s: what the device takes.
        seed: of chance.
        turns_away: whether the server knows how to, as one of Partway's does.
    """
    clock, hedge = FakeClock(), Hedge()
    server = Server(utilisation, np.random.default_rng(seed))
    observer = Observer(prior=LINK, clock=clock, generator=np.random.default_rng(seed + 1))
    remote = CutCost(crossing=("x",), device_s=0.0, up_bytes=UP_BYTES, server_s=TAIL_S, down_bytes=4000, offloaded=True)
    local = CutCost(crossing=(), device_s=alone_s, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
    table = CostTable.of([remote, local])
    up_s, back_s = UP_BYTES / LINK.uplink_bytes_per_s, LINK.rtt_s / 2 + 4000 / LINK.downlink_bytes_per_s
    taken_s, heard_s = [], 0.0

    def hear(at_s: float, up_bytes: int, down_bytes: int) -> None:
        clock.now_s = at_s
        network_s = LINK.rtt_s + up_bytes / LINK.uplink_bytes_per_s + down_bytes / LINK.downlink_bytes_per_s
        load = Load(queue_delay_s=server.queue_delay_s(at_s - back_s), slowdown=1.0, service_s=TAIL_S, queue_s=0.0)
        observer.saw_answer(up_bytes=up_bytes, down_bytes=down_bytes, network_s=network_s, load=load)

    while clock.now_s < 300.0:
        start_s, conditions = clock.now_s, observer.conditions()
        if not table.costs[decide(table, conditions).index].offloaded:
            if start_s - heard_s >= 1.0:  # a question, as the session asks
                hear(start_s + LINK.rtt_s, 0, 0)
                heard_s = start_s
            took_s = alone_s
        else:
            outlook = Outlook.of(remote, local, conditions, observer.link)
            wait_s = hedge.wait_s(outlook)
            within_s = outlook.bearable_queue_s if turns_away else None
            arrived_s = start_s + up_s + LINK.rtt_s / 2
            done_s = server.serve(arrived_s, math.inf if within_s is None else within_s)
            if done_s is None:
                hear(arrived_s + back_s, UP_BYTES, 0)
                heard_s = clock.now_s
                took_s = heard_s - start_s + alone_s
            else:
                answered_s = done_s + back_s - start_s
                took_s = min(answered_s, wait_s + alone_s)
                hedge.saw(outlook, took_s)
            if done_s is not None and took_s == answered_s:
                hear(start_s + took_s, UP_BYTES, 4000)
                heard_s = clock.now_s
            elif done_s is not None:
                clock.now_s = start_s + took_s
                observer.saw_silence(up_bytes=UP_BYTES, waited_s=took_s, rest_s=outlook.rest_s, queue_s=outlook.queue_s)
        taken_s.append(took_s)
        clock.now_s = start_s + took_s + PAUSE_S
    return float(np.mean(taken_s)) / alone_s


@pytest.mark.parametrize(
    ("utilisation", "turns_away", "most"), [(0.5, True, 0.9), (0.8, True, 1.0), (0.9, True, 1.02), (0.9, False, 1.05)]
)
def test_a_device_beside_a_busy_server_is_hardly_slower_than_alone(
    utilisation: float, turns_away: bool, most: float
) -> None:
    ratios = [mean_over_alone(utilisation, 0.17, seed, turns_away=turns_away) for seed in range(6)]
    assert np.mean(ratios) <= most


def test_a_device_that_would_take_long_alone_goes_on_asking_a_busy_server() -> None:
    assert np.mean([mean_over_alone(0.8, 0.43, seed) for seed in range(4)]) < 0.6
