"""Event loops and threads share a session; whoever goes away leaves nothing running."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.client.loopback import LoopbackServer
from tests.models import chain_model, random_feeds, run_whole

import partway
from partway.client.awaiting import AwaitedWork
from partway.engine import Stop
from partway.errors import BindingError, InputError
from partway.link import Link
from partway.testing import FakeCall
from partway.wire import COSTS_MODEL, InferRequest

PATIENCE_S = 60.0
SLOW = 20.0
FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)
Feeds = dict[str, np.ndarray]


class SilentServer(LoopbackServer):
    """Says what its tails take, and answers requests only while `silent` is not set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.silent = threading.Event()
        self.asked = threading.Event()
        self.calls: list[FakeCall] = []

    def start(self, request: InferRequest, timeout_s: float) -> FakeCall:
        if request.model_name == COSTS_MODEL or not self.silent.is_set():
            return super().start(request, timeout_s)
        call = FakeCall()
        self.calls.append(call)
        self.asked.set()
        return call

    def close(self) -> None:
        for call in self.calls:
            call.cancel()


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return chain_model(tmp_path)


@pytest.fixture
def server(chain: Path) -> SilentServer:
    return SilentServer(chain)


@pytest.fixture
def session(chain: Path, server: SilentServer) -> Iterator[partway.InferenceSession]:
    with partway.InferenceSession(chain, transport=server, device_slowdown=SLOW, prior_link=FAST_LINK) as session:
        assert session.wait_until_ready(random_feeds(chain))
        yield session


def assert_the_models_own(chain: Path, feeds: Feeds, outputs: list[np.ndarray]) -> None:
    for output, expected in zip(outputs, run_whole(chain, feeds).values(), strict=True):
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)


def test_many_awaited_at_once_are_all_answered_beside_threads(chain: Path, session: partway.InferenceSession) -> None:
    requests = [random_feeds(chain, seed=seed) for seed in range(100)]

    async def ask() -> list[list[np.ndarray]]:
        return await asyncio.gather(*(session.run_async(None, feeds) for feeds in requests))

    with ThreadPoolExecutor(8) as pool:
        beside = pool.map(lambda feeds: session.run(None, feeds), requests)
        for answers in (asyncio.run(ask()), list(beside)):
            for feeds, outputs in zip(requests, answers, strict=True):
                assert_the_models_own(chain, feeds, outputs)


def test_an_awaited_result_says_where_it_ran_and_errors_come_through(
    chain: Path, session: partway.InferenceSession
) -> None:
    assert asyncio.run(session.run_detailed_async(None, random_feeds(chain))).won_by in ("device", "server")
    with pytest.raises(BindingError):
        asyncio.run(session.run_async(None, {}))


def test_a_cancelled_task_withdraws_its_request_and_stops_the_device(
    chain: Path, server: SilentServer, session: partway.InferenceSession
) -> None:
    server.silent.set()
    withdrawn = threading.Event()

    async def scene() -> None:
        task = asyncio.create_task(session.run_async(None, random_feeds(chain)))
        assert await asyncio.to_thread(server.asked.wait, PATIENCE_S)
        server.calls[-1].on_done(withdrawn.set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert withdrawn.wait(PATIENCE_S)
    server.silent.clear()
    assert_the_models_own(chain, random_feeds(chain), session.run(None, random_feeds(chain)))


def test_cancelling_tells_the_work_to_stop() -> None:
    work, begun, stopped = AwaitedWork(), threading.Event(), threading.Event()

    def wait(stop: Stop) -> bool:
        begun.set()
        stop.on_stop(stopped.set)
        return stopped.wait(PATIENCE_S)

    async def scene() -> None:
        task = asyncio.create_task(work.run(wait))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert stopped.is_set()
    work.close()


def test_closing_while_requests_run_leaves_nobody_waiting(
    chain: Path, server: SilentServer, session: partway.InferenceSession
) -> None:
    requests = [random_feeds(chain, seed=seed) for seed in range(16)]
    server.silent.set()

    def ask(feeds: Feeds) -> list[np.ndarray] | None:
        try:
            return session.run(None, feeds)
        except InputError:  # it says that the session is closed
            return None

    with ThreadPoolExecutor(16) as pool:
        pending = [pool.submit(ask, feeds) for feeds in requests]
        assert server.asked.wait(PATIENCE_S)
        session.close()
        answers = [one.result(PATIENCE_S) for one in pending]
    assert any(answers), "the request that was on its way is finished by the device"
    for feeds, outputs in zip(requests, answers, strict=True):
        if outputs is not None:
            assert_the_models_own(chain, feeds, outputs)


def test_a_closed_session_takes_no_awaited_requests(chain: Path, session: partway.InferenceSession) -> None:
    session.close()
    with pytest.raises(InputError, match="closed"):
        asyncio.run(session.run_async(None, random_feeds(chain)))
