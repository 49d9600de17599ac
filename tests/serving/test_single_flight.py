import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.serving.support import PATIENCE_S

from partway.errors import EngineError, ServerBusy
from partway.serving.fair_pool import FairPool
from partway.serving.single_flight import SingleFlight


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Work:
    """Counts its runs, each of which waits to be released."""

    def __init__(self) -> None:
        self.runs = 0
        self.released = threading.Event()

    def __call__(self) -> int:
        self.runs += 1
        assert self.released.wait(PATIENCE_S)
        return self.runs


def test_all_who_ask_at_the_same_time_get_one_result(pool: ThreadPoolExecutor) -> None:
    work = Work()

    async def ask() -> list[int]:
        flight: SingleFlight[int] = SingleFlight(FairPool(pool))
        tasks = [asyncio.create_task(flight.do("key", work)) for _ in range(16)]
        asyncio.get_running_loop().call_soon(work.released.set)
        return await asyncio.gather(*tasks)

    assert asyncio.run(ask()) == [1] * 16
    assert work.runs == 1


def test_who_asks_later_starts_anew(pool: ThreadPoolExecutor) -> None:
    work = Work()
    work.released.set()

    async def ask() -> tuple[int, int]:
        flight: SingleFlight[int] = SingleFlight(FairPool(pool))
        return await flight.do("key", work), await flight.do("key", work)

    assert asyncio.run(ask()) == (1, 2)


def test_one_who_leaves_does_not_stop_it_for_the_others(pool: ThreadPoolExecutor) -> None:
    work = Work()

    async def ask() -> int:
        flight: SingleFlight[int] = SingleFlight(FairPool(pool))
        leaving, staying = (asyncio.create_task(flight.do("key", work)) for _ in range(2))
        await asyncio.wait((leaving, staying), timeout=0.0)
        leaving.cancel()
        await asyncio.wait((leaving,))
        assert leaving.cancelled()
        work.released.set()
        return await staying

    assert asyncio.run(ask()) == 1


def test_an_error_reaches_all_and_is_not_kept(pool: ThreadPoolExecutor) -> None:
    def fail() -> int:
        raise EngineError("no graph")

    async def ask() -> list[int | BaseException]:
        flight: SingleFlight[int] = SingleFlight(FairPool(pool))
        found = await asyncio.gather(*(flight.do("key", fail) for _ in range(3)), return_exceptions=True)
        return [*found, await flight.do("key", lambda: 7)]

    *errors, value = asyncio.run(ask())
    assert all(isinstance(error, EngineError) for error in errors)
    assert value == 7


def test_too_many_different_things_at_once_are_refused(pool: ThreadPoolExecutor) -> None:
    work = Work()

    async def ask() -> None:
        flight: SingleFlight[int] = SingleFlight(FairPool(pool), capacity=1)
        flight.start("one", work)
        with pytest.raises(ServerBusy, match="being prepared"):
            flight.start("two", work)
        work.released.set()
        await flight.start("one", work)

    asyncio.run(ask())
