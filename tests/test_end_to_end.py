"""The main job: a real client, a real server process, a real model, and what happens when the server dies."""

import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.models import chain_model, light_model, random_feeds, run_whole
from tests.processes import ServerProcess, serving

import partway
from partway.link import NAMED_LINKS, Link, run_emulator

Feeds = dict[str, np.ndarray]
FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=1e-3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return light_model("squeezenet", folder).rename(folder / "squeezenet.onnx")


@pytest.fixture
def server(model: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(model, repository)
    with serving(repository, "--threads", "1") as running:
        yield running


def assert_the_models_own(model: Path, feeds: Feeds, result: partway.Result) -> None:
    for name, expected in run_whole(model, feeds).items():
        given = dict(zip(result.output_names, result.outputs, strict=True))[name]
        np.testing.assert_allclose(given, expected, rtol=0, atol=1e-4 * float(np.abs(expected).max()))


def test_a_request_runs_partway_on_the_device_and_partway_on_the_server(model: Path, server: ServerProcess) -> None:
    feeds = random_feeds(model)
    with (
        run_emulator(server.address, NAMED_LINKS["wifi"]) as link,
        partway.InferenceSession(
            model, server=f"grpc://{link.address[0]}:{link.address[1]}", device_slowdown=20.0, threads=1
        ) as session,
    ):
        assert session.wait_until_ready(feeds)
        results = [session.run_detailed(None, feeds) for _ in range(4)]
    for result in results:
        assert_the_models_own(model, feeds, result)
    assert any(result.offloaded and result.crossing != tuple(feeds) for result in results)


def test_sigkill_between_requests_loses_nothing(model: Path, server: ServerProcess) -> None:
    feeds = random_feeds(model)
    with partway.InferenceSession(
        model, server=server.url, device_slowdown=20.0, threads=1, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(feeds)
        assert session.run_detailed(None, feeds).offloaded
        server.kill()
        results = [session.run_detailed(None, feeds) for _ in range(4)]
    for result in results:
        assert not result.offloaded
        assert_the_models_own(model, feeds, result)


def test_sigkill_in_the_middle_of_a_request_loses_nothing(model: Path, server: ServerProcess) -> None:
    feeds = random_feeds(model)
    with (
        run_emulator(server.address, FAST_LINK) as link,
        partway.InferenceSession(
            model,
            server=f"grpc://{link.address[0]}:{link.address[1]}",
            device_slowdown=20.0,
            threads=1,
            prior_link=FAST_LINK,
        ) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        assert session.wait_until_ready(feeds)
        assert session.run_detailed(None, feeds).offloaded
        server.signal(signal.SIGSTOP)  # it can take the request in, and will never answer it
        sent_bytes = link.counters.up_bytes
        pending = pool.submit(session.run_detailed, None, feeds)
        waiting = threading.Event()
        while link.counters.up_bytes == sent_bytes and not pending.done():
            waiting.wait(0.001)
        assert not pending.done(), "the request should be on its way"
        server.kill()
        result = pending.result()
    assert result.fell_back
    assert_the_models_own(model, feeds, result)


def test_a_server_that_starts_later_is_found(model: Path, tmp_path: Path) -> None:
    feeds = random_feeds(model)
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(model, repository)
    with serving(repository) as first:
        port = first.address[1]
    with partway.InferenceSession(
        model, server=f"grpc://127.0.0.1:{port}", device_slowdown=20.0, threads=1, prior_link=FAST_LINK
    ) as session:
        assert not session.wait_until_ready(feeds, timeout_s=2.0)
        assert_the_models_own(model, feeds, session.run_detailed(None, feeds))
        with serving(repository, "--port", str(port)):
            assert session.wait_until_ready(feeds)
            assert session.run_detailed(None, feeds).offloaded


def test_several_clients_share_a_server(tmp_path: Path) -> None:
    path = chain_model(tmp_path / "repository")
    requests = [random_feeds(path, seed=seed) for seed in range(4)]

    def ask(feeds: Feeds, url: str) -> list[partway.Result]:
        with partway.InferenceSession(
            path, server=url, device_slowdown=20.0, threads=1, prior_link=FAST_LINK
        ) as session:
            session.wait_until_ready(feeds)
            return [session.run_detailed(None, feeds) for _ in range(10)]

    with serving(path.parent) as server, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda feeds: ask(feeds, server.url), requests))
    for feeds, results in zip(requests, answers, strict=True):
        for result in results:
            for name, expected in run_whole(path, feeds).items():
                given = dict(zip(result.output_names, result.outputs, strict=True))[name]
                np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)
