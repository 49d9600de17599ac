import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.support import PATIENCE_S

from partway.errors import EngineError, TooManyRequests
from partway.serving.fair_pool import FairPool


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_who_asks_for_much_leaves_a_thread_to_others(threads: ThreadPoolExecutor) -> None:
    pool, opened, order = FairPool(threads), threading.Event(), list[str]()

    def work(name: str) -> None:
        order.append(name)
        if name == "flood":
            assert opened.wait(PATIENCE_S)

    floods = [pool.submit("flood", partial(work, "flood")) for _ in range(20)]
    pool.submit("other", partial(work, "other")).result(PATIENCE_S)
    assert order.count("flood") <= 2
    opened.set()
    for future in floods:
        future.result(PATIENCE_S)
    assert order.count("flood") == 20


def test_so_much_of_one_name_waits_and_no_more(threads: ThreadPoolExecutor) -> None:
    pool, opened = FairPool(threads, most_each=1, most_waiting=2), threading.Event()
    futures = [pool.submit("a", lambda: opened.wait(PATIENCE_S)) for _ in range(3)]
    with pytest.raises(TooManyRequests, match="2 cuts or shapes that a asked for wait"):
        pool.submit("a", lambda: None)
    pool.submit("b", lambda: None).result(PATIENCE_S)
    opened.set()
    assert all(future.result(PATIENCE_S) for future in futures)


@given(st.lists(st.sampled_from("abc"), max_size=25), st.integers(1, 4), st.integers(1, 3))
def test_everything_is_done_once_and_never_more_at_once_than_may(names: list[str], most: int, most_each: int) -> None:
    running: Counter[str] = Counter()
    lock = threading.Lock()
    done = []

    def work(name: str, number: int) -> None:
        with lock:
            running[name] += 1
            assert running[name] <= most_each
            assert running.total() <= most
        with lock:
            done.append(number)
            running[name] -= 1

    with ThreadPoolExecutor(4) as threads:
        pool = FairPool(threads, most=most, most_each=most_each)
        for future in [pool.submit(name, partial(work, name, number)) for number, name in enumerate(names)]:
            future.result(PATIENCE_S)
    assert sorted(done) == list(range(len(names)))


def test_errors_reach_who_waits_and_what_was_cancelled_is_left_out(threads: ThreadPoolExecutor) -> None:
    pool, opened, ran = FairPool(threads, most=1), threading.Event(), list[str]()

    def fail() -> None:
        assert opened.wait(PATIENCE_S)
        raise EngineError("no graph")

    failing: Future[None] = pool.submit("a", fail)
    left = pool.submit("a", lambda: ran.append("left"))
    assert left.cancel()
    opened.set()
    with pytest.raises(EngineError, match="no graph"):
        failing.result(PATIENCE_S)
    assert pool.submit("a", lambda: "next").result(PATIENCE_S) == "next"
    assert ran == []


def test_what_still_waits_when_the_threads_are_gone_is_cancelled() -> None:
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    with pytest.raises(CancelledError):
        FairPool(threads).submit("a", lambda: None).result(PATIENCE_S)
