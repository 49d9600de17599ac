"""Who waits how long, played on an executor whose time passes only while jobs run."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.serving.support import PATIENCE_S, Clock

from partway.errors import ServerBusy, TooManyRequests
from partway.serving.executor import Executor
from partway.serving.jobs import Served

NAMES = tuple(f"client-{number}" for number in range(64))


@dataclass(frozen=True)
class Arrival:
    """A job that comes while the one before it in the list runs, or while the first does.

    Attributes:
        share: whose.
        takes_s: how long it runs.
        after: how many jobs have run when it comes.
    """

    share: str
    takes_s: float
    after: int


arrivals = st.lists(
    st.builds(
        Arrival,
        share=st.sampled_from("abcdef"),
        takes_s=st.integers(1, 9).map(float),
        after=st.integers(0, 12),
    ),
    min_size=1,
    max_size=25,
)


@contextmanager
def executor_at(clock: Clock, *, capacity: int = 64) -> Iterator[Executor]:
    executor = Executor(clock=clock, capacity=capacity)
    try:
        yield executor
    finally:
        executor.close()


class Play:
    """Jobs of known length on one worker, each submitted in the middle of the run of another.

    Attributes:
        foretold_s: what a newcomer would wait as the executor said, just before each job was submitted.
        waited_s: what it waited.
    """

    def __init__(self, plan: list[Arrival]) -> None:
        self.foretold_s: list[float] = []
        self.waited_s: list[float] = []
        self.first_of_share: list[bool] = []
        self._clock = Clock()
        self._plan = sorted(plan, key=lambda arrival: arrival.after)
        self._futures: list[Future[Served[None]]] = []
        self._pending: defaultdict[str, int] = defaultdict(int)
        self._ran = 0

    def run(self) -> None:
        with executor_at(self._clock) as self._executor:
            while self._plan:  # it may wait for more jobs than there are
                self._ran = self._plan[0].after
                self._executor.submit(lambda: self._busy("", 2.0), expected_s=2.0).result(PATIENCE_S)
                self._executor.wait_idle(PATIENCE_S)
            self.waited_s = [future.result(PATIENCE_S).load.queue_s for future in self._futures]

    def _busy(self, share: str, takes_s: float) -> None:
        # On the worker's thread: the others come while this one runs.
        self._pending[share] -= 1
        self._clock.advance(takes_s / 2)
        while self._plan and self._plan[0].after <= self._ran:
            self._arrive(self._plan.pop(0))
        self._clock.advance(takes_s / 2)
        self._ran += 1

    def _arrive(self, arrival: Arrival) -> None:
        self.foretold_s.append(self._executor.load().queue_delay_s)
        self.first_of_share.append(self._pending[arrival.share] == 0)
        self._pending[arrival.share] += 1
        self._futures.append(
            self._executor.submit(
                lambda: self._busy(arrival.share, arrival.takes_s),
                share=arrival.share,
                expected_s=arrival.takes_s,
            )
        )


@settings(max_examples=60)
@given(arrivals)
def test_the_reported_delay_is_what_somebody_of_whom_nothing_waits_then_waits(plan: list[Arrival]) -> None:
    play = Play(plan)
    play.run()
    assert len(play.waited_s) == len(plan)
    for foretold_s, waited_s, first in zip(play.foretold_s, play.waited_s, play.first_of_share, strict=True):
        if first:
            assert waited_s == pytest.approx(foretold_s)
        else:
            assert waited_s > foretold_s - 1e-9


@given(st.integers(1, 6), st.integers(0, 20))
def test_whatever_one_client_floods_each_other_is_served_in_the_first_round(others: int, flood: int) -> None:
    clock = Clock()
    order: list[str] = []
    held, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert held.wait(PATIENCE_S)

    with executor_at(clock) as executor:
        executor.submit(hold)
        assert began.wait(PATIENCE_S)
        floods = [executor.submit(lambda: order.append("flood"), share="flood") for _ in range(flood)]
        rest = [executor.submit(partial(order.append, name), share=name) for name in NAMES[:others]]
        held.set()
        for future in (*floods, *rest):
            future.result(PATIENCE_S)
    assert set(order[: others + 1]) >= set(NAMES[:others])


def test_64_clients_find_room_and_an_equal_share_beside_one_that_floods() -> None:
    clock = Clock()
    served: defaultdict[str, int] = defaultdict(int)
    held, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert held.wait(PATIENCE_S)

    def serve(name: str) -> None:
        served[name] += 1

    with executor_at(clock, capacity=64) as executor:
        executor.submit(hold)
        assert began.wait(PATIENCE_S)
        floods = [executor.submit(lambda: serve("flood"), share="flood") for _ in range(64)]
        with pytest.raises(ServerBusy, match="64 requests wait already"):
            executor.submit(lambda: serve("flood"), share="flood")
        rest = [executor.submit(partial(serve, name), share=name) for name in NAMES[:63]]
        held.set()
        for future in rest:
            future.result(PATIENCE_S)
        floods[0].result(PATIENCE_S)
        for future in floods[1:]:
            with pytest.raises(TooManyRequests, match="flood has most of them"):
                future.result(PATIENCE_S)
    assert served == dict.fromkeys(("flood", *NAMES[:63]), 1)


def test_one_address_has_one_share_however_many_connections_it_opens() -> None:
    clock = Clock()
    order: list[str] = []
    held, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert held.wait(PATIENCE_S)

    with executor_at(clock, capacity=64) as executor:
        executor.submit(hold)
        assert began.wait(PATIENCE_S)
        floods = [
            executor.submit(partial(order.append, "flood"), share="10.0.0.66", line=f"10.0.0.66:{port}")
            for port in range(64)
        ]
        honest = executor.submit(partial(order.append, "honest"), share="10.0.0.7", line="10.0.0.7:4000")
        assert executor.waiting == 64
        held.set()
        honest.result(PATIENCE_S)
        with pytest.raises(TooManyRequests, match=r"10\.0\.0\.66 has most of them"):
            floods[-1].result(PATIENCE_S)
    assert order.index("honest") <= 1


def test_the_longest_connection_of_an_address_makes_room_for_its_others() -> None:
    clock = Clock()
    held, began = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert held.wait(PATIENCE_S)

    with executor_at(clock, capacity=4) as executor:
        executor.submit(hold)
        assert began.wait(PATIENCE_S)
        floods = [executor.submit(lambda: None, share="::1", line="one") for _ in range(4)]
        other = executor.submit(lambda: None, share="::1", line="two")
        held.set()
        other.result(PATIENCE_S)
        with pytest.raises(TooManyRequests):
            floods[-1].result(PATIENCE_S)


def test_who_has_several_waiting_is_told_what_the_next_of_theirs_waits() -> None:
    clock = Clock()
    with executor_at(clock) as executor:
        held, began = threading.Event(), threading.Event()

        def hold() -> None:
            began.set()
            assert held.wait(PATIENCE_S)

        first = executor.submit(hold, share="a", expected_s=1.0)
        assert began.wait(PATIENCE_S)
        for share in "aabb":
            executor.submit(lambda: clock.advance(1.0), share=share, expected_s=1.0)
        clock.advance(1.0)
        held.set()
        assert first.result(PATIENCE_S).load.queue_delay_s == pytest.approx(4.0)


def test_the_delay_with_two_workers_is_that_of_the_one_that_is_free_first() -> None:
    clock = Clock()
    executor = Executor(clock=clock, workers=2)
    held = threading.Event()
    began = [threading.Event(), threading.Event()]

    def hold(number: int) -> None:
        began[number].set()
        assert held.wait(PATIENCE_S)

    try:
        executor.submit(lambda: hold(0), expected_s=5.0)
        executor.submit(lambda: hold(1), expected_s=2.0)
        assert all(event.wait(PATIENCE_S) for event in began)
        assert executor.load().queue_delay_s == pytest.approx(2.0)
        executor.submit(lambda: None, expected_s=4.0)
        assert executor.load().queue_delay_s == pytest.approx(5.0)
    finally:
        held.set()
        executor.close()
