"""A server with a profile of its machine knows what tails cost before they ran."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model_profiles import profile_of, stored
from tests.models import chain_model, diamond_model, random_feeds
from tests.processes import serving
from tests.serving.support import PATIENCE_S, Client, Clock, request_of

from partway.engine import OrtRuntime
from partway.errors import InputError
from partway.graph import Source, candidate_cuts, canonicalise, cut_at, server_only
from partway.prediction.foresight import Foresight
from partway.prediction.profile import Profile
from partway.serving import Server, ServerOptions, run_server
from partway.serving.background import Background
from partway.serving.executor import Executor
from partway.serving.learning import Learner
from partway.serving.models import BoundModel
from partway.serving.predicted import Forecaster
from partway.wire import CostAnswer, CostQuery

KERNEL_S = 1e-3
Make = Callable[..., BoundModel]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_model(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def fresh(chain: Path) -> Make:
    """Makes the chain anew, nothing seen of it yet."""
    return maker(chain)


def maker(path: Path, *, spread: float = 0.02) -> Make:
    runtime = OrtRuntime(threads=1)
    foresight = Foresight.of(profile_of(path, kernel_s=KERNEL_S, spread=spread), runtime)
    source = Source.open(path)
    model = canonicalise(source, source.bind(), runtime)

    def make(*, clock: Clock | None = None, message_bytes: int = 2**20) -> BoundModel:
        forecaster = Forecaster(foresight=foresight, message_bytes=message_bytes, clock=clock or Clock())
        return BoundModel(model, runtime, forecaster)

    return make


def offloaded(bound: BoundModel) -> list[tuple[str, ...]]:
    return [cut.crossing for cut in candidate_cuts(bound.model) if cut.offloaded]


def one(bound: BoundModel, crossing: tuple[str, ...]) -> float:
    (seconds,) = bound.costs.answer([crossing]).server_s
    assert seconds is not None
    return seconds


def run_tail(
    bound: BoundModel, crossing: tuple[str, ...], seconds: float, *, times: int = 1, alone: bool = True
) -> None:
    tail = cut_at(bound.model, crossing).tail
    assert tail is not None
    for _ in range(times):
        bound.costs.observe(tail, seconds, alone=alone)


def test_every_tail_has_a_predicted_cost_before_anything_ran(fresh: Make) -> None:
    bound = fresh()
    cuts = offloaded(bound)
    answer = bound.costs.answer([*cuts, ("no", "cut")])
    assert not any(answer.measured)
    assert answer.server_s[-1] is None
    for crossing, seconds in zip(cuts, answer.server_s, strict=False):
        tail = cut_at(bound.model, crossing).tail
        assert tail is not None
        assert seconds == pytest.approx(KERNEL_S * len(bound.store.kernels(tail).kernels), rel=0.1)
        estimate = bound.costs.estimate(tail)
        assert estimate is not None
        assert (estimate.seconds, estimate.measured) == (seconds, False)


def test_predictions_follow_the_optimised_graph(tmp_path: Path) -> None:
    bound = maker(diamond_model(tmp_path))()
    whole = server_only(bound.model)
    assert whole.tail is not None
    plain_s = one(bound, whole.crossing)
    bound.store.want_candidates()
    bound.store.promote()
    bound.costs.predict_anew()
    optimised_s = one(bound, whole.crossing)
    assert optimised_s > 1.1 * plain_s, "changes of layout have joined it"
    assert optimised_s == pytest.approx(KERNEL_S * len(bound.store.kernels(whole.tail).kernels), rel=0.1)


def test_a_tail_that_ran_is_measured_and_tells_of_the_others(fresh: Make) -> None:
    bound = fresh()
    cuts = offloaded(bound)
    before = [one(bound, crossing) for crossing in cuts]
    run_tail(bound, cuts[0], 1.5 * before[0], times=8)
    answer = bound.costs.answer(cuts)
    assert answer.measured == (True, *(False for _ in cuts[1:]))
    assert answer.server_s[0] == pytest.approx(1.5 * before[0], rel=0.05)
    for seconds, was_s in zip(answer.server_s[1:], before[1:], strict=True):
        assert seconds is not None
        assert 1.2 * was_s < seconds < 1.6 * was_s


@given(factor=st.floats(1 / 3, 3.0))
def test_more_runs_come_closer_to_what_they_took(fresh: Make, factor: float) -> None:
    bound = fresh()
    whole = server_only(bound.model).crossing
    took_s = factor * one(bound, whole)
    off = abs(math.log(factor))
    for _ in range(32):
        run_tail(bound, whole, took_s)
        closer = abs(math.log(took_s / one(bound, whole)))
        assert closer <= off + 1e-6
        off = closer
    assert off < 0.05


def test_one_absurd_run_moves_an_estimate_little_and_the_others_hardly(fresh: Make) -> None:
    bound = fresh()
    cuts = offloaded(bound)
    before = [one(bound, crossing) for crossing in cuts]
    run_tail(bound, cuts[0], 1000.0 * before[0])
    after = [one(bound, crossing) for crossing in cuts]
    assert max(a / b for a, b in zip(after, before, strict=True)) < 2.0


def test_after_a_busy_minute_estimates_return(fresh: Make) -> None:
    clock = Clock()
    bound = fresh(clock=clock)
    cuts = offloaded(bound)
    before = [one(bound, crossing) for crossing in cuts]
    for factor in [5.0] * 60 + [1.0] * 120:
        run_tail(bound, cuts[0], factor * before[0], alone=factor == 1.0)
        clock.advance(1.0)
    after = [one(bound, crossing) for crossing in cuts]
    np.testing.assert_allclose(after, before, rtol=0.1)


def test_cuts_that_no_message_can_send_are_not_predicted(fresh: Make) -> None:
    bound = fresh(message_bytes=100)
    assert bound.costs.answer([("image",)]).server_s == (None,)
    assert bound.costs.answer([("logits",)]).server_s != (None,)


class Ticks:
    """A clock by which every run takes what the profile says of the whole chain."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 9 * KERNEL_S
        return self.now_s


@pytest.mark.parametrize(("spread", "every"), [(0.02, False), (0.9, True)])
def test_only_the_whole_and_what_is_unsure_or_in_use_is_timed(chain: Path, spread: float, every: bool) -> None:
    bound = maker(chain, spread=spread)()
    executor = Executor(clock=Ticks())
    background = Background(executor.wait_idle)
    learner = Learner(background, executor, clock=Ticks(), generator=np.random.default_rng(0), message_bytes=2**20)
    cuts = offloaded(bound)
    learner.note_interest(bound, tuple(cuts))
    background.wait(PATIENCE_S)
    answer = bound.costs.answer(cuts)
    assert None not in answer.server_s
    assert answer.measured[0]
    assert all(answer.measured) is every
    used = cut_at(bound.model, cuts[-1]).tail
    assert used is not None
    bound.build(used)
    learner.note_interest(bound, (cuts[-1],))
    background.wait(PATIENCE_S)
    assert bound.costs.answer([cuts[-1]]).measured == (True,)


def ask(client: Client, path: Path, cuts: tuple[tuple[str, ...], ...]) -> CostAnswer:
    source = Source.open(path)
    query = CostQuery(model_name=path.stem, digest=source.digest, binding=source.bind().encode(), cuts=cuts)
    while not client.ready(path.stem):
        pass
    client.infer(request_of(path.stem, random_feeds(path)))  # so that its binding is there
    return client.costs(query)


@pytest.fixture(scope="module")
def profile(chain: Path) -> Profile:
    return profile_of(chain, kernel_s=KERNEL_S)


def test_a_server_that_times_nothing_answers_with_predictions(chain: Path, profile: Profile) -> None:
    options = ServerOptions(runtime=OrtRuntime(threads=1), learn=False, profile=profile)
    with run_server(chain.parent, options=options) as server, Client(server.address) as client:
        server.settle(PATIENCE_S)
        answer = ask(client, chain, (("image",), ("pool1",), ("no", "cut")))
    assert answer.measured == (True, False, False), "the request was a run of the whole"
    assert None not in answer.server_s[:2]
    assert answer.server_s[2] is None


def test_a_server_process_takes_a_profile(chain: Path, profile: Profile, tmp_path: Path) -> None:
    path = stored(profile, tmp_path)
    with (
        serving(chain.parent, "--threads", "1", "--profile", str(path)) as server,
        Client(f"127.0.0.1:{server.address[1]}") as client,
    ):
        assert None not in ask(client, chain, (("image",), ("pool1",))).server_s


def test_a_profile_of_other_threads_is_refused_before_anything_is_served(chain: Path, profile: Profile) -> None:
    options = ServerOptions(runtime=OrtRuntime(threads=2), profile=profile)
    with pytest.raises(InputError, match="no samples with 2 threads"):
        Server(chain.parent, options=options)
