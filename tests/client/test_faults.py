"""Real faults between a real client and a real server process: no request is lost, and none answered wrongly."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.client.tampering import tampering, untouched
from tests.models import chain_model, diamond_model, random_feeds, run_whole
from tests.processes import ServerProcess, serving

import partway
from partway.link import Link, RunningEmulator, run_emulator
from partway.serving import run_server

Feeds = dict[str, np.ndarray]
FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=1e-3)
DRIP = Link(uplink_bytes_per_s=1.0, downlink_bytes_per_s=1.0, rtt_s=1e-3)
REQUESTS = 4
SLOW = 200.0  # so that the device sleeps for most of a request, and has reason to send it


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def expected(model: Path) -> dict[str, np.ndarray]:
    return run_whole(model, random_feeds(model))


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[ServerProcess]:
    with serving(model.parent, "--threads", "1") as running:
        yield running


@contextmanager
def offloading(model: Path, address: tuple[str, int]) -> Iterator[tuple[partway.InferenceSession, Feeds]]:
    """A session of a slow device that has learnt to offload to that address."""
    feeds = random_feeds(model)
    with partway.InferenceSession(
        model, server=f"grpc://{address[0]}:{address[1]}", device_slowdown=SLOW, threads=1, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(feeds)
        assert any(session.run_detailed(None, feeds).offloaded for _ in range(20))
        yield session, feeds


def ask(session: partway.InferenceSession, feeds: Feeds, expected: dict[str, np.ndarray]) -> list[partway.Result]:
    """A few requests, all answered rightly."""
    results = [session.run_detailed(None, feeds) for _ in range(REQUESTS)]
    for result in results:
        for name, array in zip(result.output_names, result.outputs, strict=True):
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-4 * float(np.abs(expected[name]).max()))
    return results


def offloads_again(session: partway.InferenceSession, feeds: Feeds) -> bool:
    """Whether a request goes to the server again, some time."""
    waiting = threading.Event()
    for _ in range(600):
        if session.run_detailed(None, feeds).offloaded:
            return True
        waiting.wait(0.05)
    return False


LINK_FAULTS: dict[str, Callable[[RunningEmulator], object]] = {
    "blackhole": lambda link: link.blackhole(),
    "reset": lambda link: link.drop(),
}


@pytest.mark.parametrize("fault", LINK_FAULTS.values(), ids=LINK_FAULTS.keys())
def test_a_link_that_fails_loses_nothing_and_is_used_again_when_it_is_back(
    model: Path, server: ServerProcess, expected: dict[str, np.ndarray], fault: Callable[[RunningEmulator], object]
) -> None:
    with run_emulator(server.address, FAST_LINK) as link, offloading(model, link.address) as (session, feeds):
        fault(link)
        ask(session, feeds, expected)
        link.restore()
        assert offloads_again(session, feeds)


def test_a_link_that_drips_a_byte_a_second_loses_nothing(
    model: Path, server: ServerProcess, expected: dict[str, np.ndarray]
) -> None:
    with run_emulator(server.address, FAST_LINK) as link, offloading(model, link.address) as (session, feeds):
        link.set_link(DRIP)
        assert not any(result.offloaded for result in ask(session, feeds, expected))


def test_a_server_that_swallows_requests_is_outrun_by_the_device(
    model: Path, server: ServerProcess, expected: dict[str, np.ndarray]
) -> None:
    with run_emulator(server.address, FAST_LINK) as link, offloading(model, link.address) as (session, feeds):
        link.blackhole()
        results = ask(session, feeds, expected)
    assert results[0].hedged
    assert results[0].fell_back
    assert results[0].won_by == "device"
    assert results[0].hedge_wait_s is not None


def flip(data: bytes) -> bytes:
    """One bit of everything that is long enough to be more than a frame about the connection."""
    middle = len(data) // 2
    return data if len(data) < 100 else data[:middle] + bytes((data[middle] ^ 1,)) + data[middle + 1 :]


def test_bits_that_flip_on_the_way_are_noticed_both_ways(
    model: Path, server: ServerProcess, expected: dict[str, np.ndarray]
) -> None:
    for way in ("up", "down"):
        with tampering(server.address) as proxy, offloading(model, proxy.address) as (session, feeds):
            setattr(proxy, way, flip)
            results = ask(session, feeds, expected)
            assert any(result.fell_back for result in results)
            setattr(proxy, way, untouched)
            assert offloads_again(session, feeds)


def test_a_half_closed_connection_loses_nothing(
    model: Path, server: ServerProcess, expected: dict[str, np.ndarray]
) -> None:
    with tampering(server.address) as proxy, offloading(model, proxy.address) as (session, feeds):
        proxy.down = lambda _data: b""
        proxy.half_close()
        ask(session, feeds, expected)
        proxy.down = untouched
        assert offloads_again(session, feeds)


def test_a_server_that_is_nowhere_costs_requests_nothing(model: Path, expected: dict[str, np.ndarray]) -> None:
    feeds = random_feeds(model)
    with partway.InferenceSession(model, server="grpc://127.0.0.1:9", threads=1) as session:
        assert not session.wait_until_ready(feeds, timeout_s=5.0)
        results = ask(session, feeds, expected)
    assert all(result.hedge_wait_s is None for result in results)


@contextmanager
def listening(folder: Path, port: int = 0) -> Iterator[tuple[str, int]]:
    """A server in this process, which starts sooner than one of its own."""
    with run_server(folder, port=port) as server:
        host, found = server.address.rsplit(":", 1)
        yield host, int(found)


def test_a_server_restarted_with_another_model_of_that_name_is_noticed_and_so_is_its_return(
    model: Path, tmp_path: Path, expected: dict[str, np.ndarray]
) -> None:
    diamond_model(tmp_path).rename(tmp_path / model.name)
    with ExitStack() as first:
        address = first.enter_context(listening(model.parent))
        with offloading(model, address) as (session, feeds):
            first.close()
            with listening(tmp_path, address[1]):
                for _ in range(3):
                    assert not any(result.offloaded for result in ask(session, feeds, expected))
            with listening(model.parent, address[1]):
                assert offloads_again(session, feeds)
                ask(session, feeds, expected)
