"""Codec and cut are chosen together; answers stay what they are without any codec."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.client.loopback import LoopbackServer, decoded
from tests.client.sparse import SIDE, sparse_model
from tests.models import chain_model, diamond_model, random_feeds, run_whole
from tests.processes import serving

import partway
from partway.client import Answer, connect
from partway.engine import OrtRuntime
from partway.errors import InputError, PartwayError, ServerRefused
from partway.graph import Model, Source, canonicalise
from partway.link import Link
from partway.planning import CutCost
from partway.testing import FakeCall
from partway.wire import CODEC, COSTS_MODEL, InferRequest, InferResponse, Tensor

pytest.importorskip("zstandard")

Feeds = dict[str, np.ndarray]

SLOW = 10.0
UPLINK = 1e5
SLOW_LINK = Link(uplink_bytes_per_s=UPLINK, downlink_bytes_per_s=UPLINK, rtt_s=0.001)


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    return sparse_model(tmp_path / "repository")


def noise(seed: int = 0, scale: float = 1.0) -> Feeds:
    image = np.random.default_rng(seed).standard_normal((1, 3, SIDE, SIDE), np.float32)
    return {"image": image * np.float32(scale)}


def model_of(path: Path) -> Model:
    source = Source.open(path)
    return canonicalise(source, source.bind(), OrtRuntime(threads=1))


@contextmanager
def session_to(
    path: Path, server: LoopbackServer, feeds: Feeds, *, codecs: tuple[str, ...] | None = None
) -> Iterator[partway.InferenceSession]:
    with partway.InferenceSession(
        path, transport=server, threads=1, device_slowdown=SLOW, prior_link=SLOW_LINK, codecs=codecs
    ) as session:
        assert session.wait_until_ready(feeds)
        yield session


def rows(session: partway.InferenceSession, feeds: Feeds) -> dict[tuple[tuple[str, ...], str], CutCost]:
    table = session.costs(feeds)
    assert table is not None
    return {(cost.crossing, cost.codec): cost for cost in table.costs}


def slow_server(path: Path) -> LoopbackServer:
    return LoopbackServer(path, uplink_bytes_per_s=UPLINK, rtt_s=0.001)


def test_on_a_slow_link_the_codec_is_chosen_together_with_the_cut(sparse: Path) -> None:
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds) as session:
        result = session.run_detailed(None, feeds)
        costs = rows(session, feeds)
    assert (result.crossing, result.codec, result.offloaded) == (("sparse",), "zstd", True)
    assert "as zstd" in result.reason
    assert server.inferred[-1].tensors[0].parameters[CODEC] == "zstd"
    raw, coded = costs[("sparse",), "raw"], costs[("sparse",), "zstd"]
    assert result.up_bytes < raw.up_bytes / 20
    assert coded.up_bytes < raw.up_bytes / 20
    assert coded.device_s > raw.device_s, "encoding is the device's"
    assert coded.server_s > raw.server_s, "decoding is the server's"
    np.testing.assert_allclose(result.outputs[0], run_whole(sparse, feeds)["scores"], rtol=1e-4, atol=1e-6)


def test_without_codecs_raw_tensors_travel(sparse: Path) -> None:
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds, codecs=()) as session:
        result = session.run_detailed(None, feeds)
        assert {codec for _, codec in rows(session, feeds)} == {"raw"}
    assert result.codec == "raw"
    assert not any(CODEC in tensor.parameters for request in server.inferred for tensor in request.tensors)


@pytest.mark.parametrize("codecs", [("raw",), ("raw", "float16", "int8")])
def test_a_server_that_does_not_decode_a_codec_is_never_sent_it(sparse: Path, codecs: tuple[str, ...]) -> None:
    server, feeds = slow_server(sparse), noise()
    server.codecs = codecs
    with session_to(sparse, server, feeds) as session:
        assert not any(session.run_detailed(None, feeds).fell_back for _ in range(3))
        assert {codec for _, codec in rows(session, feeds)} == {"raw"}
    assert not any(CODEC in tensor.parameters for request in server.inferred for tensor in request.tensors)


def test_a_device_without_the_extra_sends_raw_tensors(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("partway.client.packing.available_codecs", lambda: ("raw", "float16"))
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds) as session:
        assert session.run_detailed(None, feeds).codec == "raw"
        assert {codec for _, codec in rows(session, feeds)} == {"raw"}


def test_a_lossy_codec_needs_a_plan(sparse: Path) -> None:
    with pytest.raises(InputError, match=r"'int8' changes answers.*a plan whose error was checked"):
        partway.InferenceSession(sparse, codecs=("zstd", "int8"))


def test_expected_sizes_follow_what_requests_really_send(sparse: Path) -> None:
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds) as session:
        expected = rows(session, feeds)[("sparse",), "zstd"].up_bytes
        result = session.run_detailed(None, noise(scale=3.0))
        assert (result.crossing, result.codec) == (("sparse",), "zstd")
        assert result.up_bytes > 3 * expected
        assert expected < rows(session, feeds)[("sparse",), "zstd"].up_bytes < result.up_bytes


def test_a_server_that_lost_the_extra_is_sent_raw_tensors_from_the_next_request_on(sparse: Path) -> None:
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds) as session:
        assert session.run_detailed(None, feeds).codec == "zstd"
        server.codecs = ("raw",)
        refused = session.run_detailed(None, feeds)
        assert refused.fell_back
        assert "coded as 'zstd'" in refused.reason
        np.testing.assert_allclose(refused.outputs[0], run_whole(sparse, feeds)["scores"], rtol=1e-4, atol=1e-6)
        assert {codec for _, codec in rows(session, feeds)} == {"raw"}
        after = [session.run_detailed(None, feeds) for _ in range(5)]
    assert {result.codec for result in after} == {"raw"}
    assert not any(result.fell_back for result in after)


def test_another_refusal_is_not_put_down_to_the_codec(sparse: Path) -> None:
    server, feeds = slow_server(sparse), noise()
    with session_to(sparse, server, feeds) as session:

        def busy(request: InferRequest) -> None:
            if request.model_name != COSTS_MODEL:
                raise ServerRefused("RESOURCE_EXHAUSTED", "the queue is full")

        server.before = busy
        assert session.run_detailed(None, feeds).fell_back
        assert "zstd" in {codec for _, codec in rows(session, feeds)}


class Comparing:
    """A transport to a real server over a link made of numbers; what travels coded is asked for raw, too.

    Args:
        url: of the server.
        path: the model.
    """

    def __init__(self, url: str, path: Path) -> None:
        self._inner = connect(url, clock=time.perf_counter)
        self._model = model_of(path)
        self.compared = 0

    def start(self, request: InferRequest, timeout_s: float) -> FakeCall:
        call = FakeCall()
        try:
            answer = self._ask(request, timeout_s)
        except PartwayError as error:
            call.fail(error)
        else:
            call.settle(lambda: answer)
        return call

    def _ask(self, request: InferRequest, timeout_s: float) -> Answer:
        answer = self._inner.start(request, timeout_s).result()
        if any(CODEC in tensor.parameters for tensor in request.tensors):
            plain = replace(request, tensors=self._raw(request.tensors))
            raw = self._inner.start(plain, timeout_s).result().response
            assert arrays(answer.response) == arrays(raw), "bit for bit"
            self.compared += 1
        return replace(answer, round_trip_s=answer.round_trip_s + answer.up_bytes / UPLINK)

    def close(self) -> None:
        self._inner.close()

    def _raw(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(
            Tensor(name=tensor.name, array=decoded(tensor, self._model) if CODEC in tensor.parameters else tensor.array)
            for tensor in tensors
        )


def arrays(response: InferResponse) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {t.name: (t.array.dtype.str, t.array.shape, t.array.tobytes()) for t in response.tensors}


def test_a_real_server_answers_coded_tensors_bit_for_bit_as_raw_ones(sparse: Path, tmp_path: Path) -> None:
    feeds = noise()
    with serving(sparse.parent, "--threads", "1") as server:
        transport = Comparing(server.url, sparse)
        with partway.InferenceSession(
            sparse, transport=transport, threads=1, device_slowdown=SLOW, prior_link=SLOW_LINK
        ) as session:
            assert session.wait_until_ready(feeds)
            results = [session.run_detailed(None, noise(seed)) for seed in range(5)]
    assert transport.compared > 0
    assert "zstd" in {result.codec for result in results}
    for seed, result in enumerate(results):
        expected = run_whole(sparse, noise(seed))["scores"]
        np.testing.assert_allclose(result.outputs[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("uplink_bytes_per_s", [1e3, 1e5, 1e7])
def test_answers_are_the_models_own_with_codecs_on_every_link(tmp_path: Path, uplink_bytes_per_s: float) -> None:
    for path in (chain_model(tmp_path), diamond_model(tmp_path)):
        feeds = {name: np.zeros_like(array) for name, array in random_feeds(path).items()}
        server = LoopbackServer(path, uplink_bytes_per_s=uplink_bytes_per_s)
        with session_to(path, server, feeds) as session:
            for _ in range(3):
                outputs = session.run(None, feeds)
                for found, expected in zip(outputs, run_whole(path, feeds).values(), strict=True):
                    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
