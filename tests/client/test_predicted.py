"""A session with a profile of its device knows what heads cost without timing them all."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.client.loopback import LoopbackServer
from tests.model_profiles import profile_of, stored
from tests.models import chain_model, random_feeds, run_whole
from tests.processes import serving

import partway
from partway.client.predicted import HeadForecast
from partway.engine import OrtRuntime, PieceStore
from partway.errors import DocumentError, InputError
from partway.graph import Source, candidate_cuts, canonicalise
from partway.link import Link
from partway.prediction.foresight import Foresight
from partway.prediction.profile import Profile
from partway.testing import FakeClock

KERNEL_S = 1e-3
FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return chain_model(tmp_path / "repository")


@pytest.fixture
def profile(chain: Path) -> Profile:
    return profile_of(chain, kernel_s=KERNEL_S)


@pytest.fixture
def store(chain: Path) -> PieceStore:
    runtime = OrtRuntime(threads=1)
    source = Source.open(chain)
    store = PieceStore(canonicalise(source, source.bind(), runtime), runtime)
    store.want_candidates()
    store.promote()
    return store


@pytest.fixture
def forecast(profile: Profile, store: PieceStore) -> HeadForecast:
    return HeadForecast.maker(Foresight.of(profile, OrtRuntime(threads=1)), clock=FakeClock())(
        store, candidate_cuts(store.model)
    )


def seconds_of(forecast: HeadForecast, timed_s: dict[int, float] | None = None) -> list[float]:
    heads = forecast.heads(timed_s or {0: 0.0})
    assert heads is not None
    return [head.seconds for head in heads]


def test_heads_are_predicted_and_not_timed_where_the_profile_is_sure(chain: Path, profile: Profile) -> None:
    feeds = random_feeds(chain)
    with partway.InferenceSession(
        chain, transport=LoopbackServer(chain), threads=1, profile=profile, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(feeds)
        session.settle()
        table = session.costs(feeds)
    assert table is not None
    assert {cost.how for cost in table.costs[1:-1]} == {"predicted"}
    assert table.costs[-1].how == "measured", "the whole is always timed"
    assert all(0.0 < cost.device_s < 10.0 * table.costs[-1].device_s for cost in table.costs[1:-1])


def test_heads_that_the_profile_is_unsure_of_are_timed(chain: Path) -> None:
    unsure = profile_of(chain, spread=2.0)
    feeds = random_feeds(chain)
    with partway.InferenceSession(
        chain, transport=LoopbackServer(chain), threads=1, profile=unsure, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(feeds)
        table = session.costs(feeds)
    assert table is not None
    assert "measured" in {cost.how for cost in table.costs[1:-1]}


def test_a_profile_that_knows_none_of_the_kernels_leaves_all_as_it_was(tmp_path: Path, chain: Path) -> None:
    unknowing = profile_of()
    feeds = random_feeds(chain)
    with partway.InferenceSession(
        chain, transport=LoopbackServer(chain), threads=1, profile=unknowing, prior_link=FAST_LINK
    ) as session:
        assert session.wait_until_ready(feeds)
        (scores,) = session.run(None, feeds)
    np.testing.assert_allclose(scores, run_whole(chain, feeds)["scores"], rtol=1e-4, atol=1e-6)


def test_timing_the_whole_corrects_every_head(forecast: HeadForecast, store: PieceStore) -> None:
    cuts = candidate_cuts(store.model)
    before = seconds_of(forecast)
    forecast.timed(cuts[-1], 1.5 * before[-1])
    after = seconds_of(forecast, {0: 0.0, len(cuts) - 1: 1.5 * before[-1]})
    assert after[-1] == 1.5 * before[-1]
    np.testing.assert_allclose(after[1:], np.multiply(1.5, before[1:]), rtol=0.05)
    assert forecast.sure(cuts[-1])


def test_heads_of_requests_correct_slowly_when_they_are_taken_in(forecast: HeadForecast, store: PieceStore) -> None:
    cuts = candidate_cuts(store.model)
    before = seconds_of(forecast)
    forecast.ran(cuts[1], 2.0 * before[1], alone=True)
    once = seconds_of(forecast)
    assert before[1] < once[1] < 1.5 * before[1]
    for _ in range(60):
        forecast.ran(cuts[1], 2.0 * before[1], alone=True)
    assert seconds_of(forecast)[1] == pytest.approx(2.0 * before[1], rel=0.05)


def test_one_absurd_head_moves_little_and_a_disturbed_one_less(forecast: HeadForecast, store: PieceStore) -> None:
    cuts = candidate_cuts(store.model)
    before = seconds_of(forecast)
    forecast.ran(cuts[1], 1e6, alone=True)
    assert seconds_of(forecast)[1] < 1.3 * before[1]


def test_an_emulated_device_is_predicted_as_slow_as_it_is(profile: Profile, store: PieceStore) -> None:
    foresight = Foresight.of(profile, OrtRuntime(threads=1))
    plain, slow = (
        HeadForecast.maker(foresight, slowdown=factor, clock=FakeClock())(store, candidate_cuts(store.model))
        for factor in (1.0, 8.0)
    )
    np.testing.assert_allclose(seconds_of(slow), np.multiply(8.0, seconds_of(plain)))


def test_a_profile_that_does_not_fit_is_an_error_when_the_session_is_made(
    chain: Path, profile: Profile, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no samples with the default number of threads, only with 1"):
        partway.InferenceSession(chain, profile=profile)
    other = msgspec.structs.replace(profile, providers=("CUDAExecutionProvider",))
    with pytest.raises(InputError, match="choose the same providers"):
        partway.InferenceSession(chain, threads=1, profile=other)
    with pytest.raises(DocumentError, match="cannot read"):
        partway.InferenceSession(chain, threads=1, profile=tmp_path / "absent.json")


def test_device_and_server_with_profiles_answer_as_the_model_does(
    chain: Path, profile: Profile, tmp_path: Path
) -> None:
    path = stored(profile, tmp_path)
    feeds = random_feeds(chain)
    shutil.copy(chain, tmp_path / "device.onnx")
    with (
        serving(chain.parent, "--threads", "1", "--profile", str(path)) as server,
        partway.InferenceSession(
            tmp_path / "device.onnx",
            server=server.url,
            model_name=chain.stem,
            threads=1,
            profile=str(path),
            device_slowdown=20.0,
            prior_link=FAST_LINK,
        ) as session,
    ):
        assert session.wait_until_ready(feeds)
        results = [session.run_detailed(None, feeds) for _ in range(20)]
    for result in results:
        np.testing.assert_allclose(result.outputs[0], run_whole(chain, feeds)["scores"], rtol=1e-4, atol=1e-6)
