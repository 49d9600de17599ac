from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models import chain_model, diamond_model, loop_model

from partway.engine import OrtRuntime
from partway.graph import Cache, Model, Piece, Source, candidate_cuts, canonicalise, single_tensor_cuts, whole
from partway.serving.costs import TailCosts


def model_at(path: Path) -> Model:
    source = Source.open(path)
    return canonicalise(source, source.bind(), OrtRuntime(threads=1))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("costs")
    source = Source.open(chain_model(folder), cache=Cache(folder))
    return canonicalise(source, source.bind(), OrtRuntime(threads=1), cache=Cache(folder))


def tail_of(model: Model, name: str) -> Piece:
    cut = next(cut for cut in single_tensor_cuts(model) if cut.crossing == (name,))
    assert cut.tail is not None
    return cut.tail


def test_nothing_is_known_at_first(chain: Model) -> None:
    answer = TailCosts(chain).answer([("image",), ("pool1",)])
    assert answer.server_s == (None, None)
    assert answer.measured == (False, False)


def test_nothing_is_guessed_before_the_whole_model_ran(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.observe(tail_of(chain, "pool1"), 0.25)
    answer = costs.answer([("image",), ("pool1",), ("mean",)])
    assert answer.server_s == (None, 0.25, None)
    assert answer.measured == (False, True, False)


def test_a_model_that_cannot_be_timed_is_guessed_from_its_size(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.allow_guesses(2**20)
    cuts = [cut.crossing for cut in candidate_cuts(chain) if cut.offloaded]
    answer = costs.answer([*cuts, ("no", "cut")])
    assert not any(answer.measured)
    seconds = [cost for cost in answer.server_s[:-1] if cost is not None]
    assert len(seconds) == len(cuts)
    assert answer.server_s[-1] is None
    size_s = chain.macs / 1e10 + chain.weight_bytes / 5e9 + 1e-4 * len(chain.nodes)
    assert seconds[0] == pytest.approx(size_s)
    assert seconds == sorted(seconds, reverse=True)
    costs.observe(whole(chain), 7.0)
    corrected = costs.answer([whole(chain).inputs])
    assert (corrected.server_s, corrected.measured) == ((7.0,), (True,))


def test_a_large_tail_that_ran_tells_the_guess_of_the_whole(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.allow_guesses(2**20)
    cut = next(cut for cut in single_tensor_cuts(chain) if cut.crossing == ("pool1",))
    costs.observe(tail_of(chain, "pool1"), 3.0)
    estimate = costs.estimate(whole(chain))
    assert estimate is not None
    assert not estimate.measured
    assert estimate.seconds == pytest.approx(3.0 * chain.macs / (chain.macs - cut.macs))


def test_cuts_that_no_message_can_send_are_not_guessed(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.allow_guesses(100)
    (image, logits) = costs.estimates([("image",), ("logits",)])
    assert image is None
    assert logits is not None


def test_cuts_that_were_not_run_follow_the_work_that_is_left(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.observe(whole(chain), 1.0)
    (estimate,) = costs.estimates([("pool1",)])
    assert estimate is not None
    assert not estimate.measured
    head_macs = next(cut.macs for cut in single_tensor_cuts(chain) if cut.crossing == ("pool1",))
    assert estimate.seconds == pytest.approx(1.0 - head_macs / chain.macs)


def test_deeper_cuts_never_cost_more(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.observe(whole(chain), 1.0)
    costs.observe(tail_of(chain, "pool1"), 0.3)
    cuts = [cut.crossing for cut in candidate_cuts(chain) if cut.offloaded]
    seconds = [estimate.seconds for estimate in costs.estimates(cuts) if estimate is not None]
    assert len(seconds) == len(cuts)
    assert seconds == sorted(seconds, reverse=True)


def test_what_is_no_cut_has_no_cost(tmp_path: Path) -> None:
    model = model_at(diamond_model(tmp_path))
    costs = TailCosts(model)
    costs.observe(whole(model), 1.0)
    answer = costs.answer([("left1",), ("nothing",), (), ("left2", "right2", "stem")])
    assert answer.server_s[:3] == (None, None, None)
    assert answer.server_s[3] is not None


def test_a_tail_for_some_outputs_counts_as_the_whole_tail_until_it_ran(chain: Model) -> None:
    costs = TailCosts(chain)
    costs.observe(whole(chain), 2.0)
    other = Piece(inputs=("image",), outputs=("logits",))
    estimate = costs.estimate(other)
    assert estimate is not None
    assert estimate.seconds == 2.0
    costs.observe(other, 1.0)
    estimate = costs.estimate(other)
    assert estimate is not None
    assert (estimate.seconds, estimate.measured) == (1.0, True)


def test_a_model_without_multiplications_is_shared_out_by_its_nodes(tmp_path: Path) -> None:
    model = model_at(loop_model(tmp_path))
    costs = TailCosts(model)
    costs.observe(whole(model), 1.0)
    estimates = costs.estimates([cut.crossing for cut in single_tensor_cuts(model)])
    assert all(estimate is not None and 0.0 <= estimate.seconds <= 1.0 for estimate in estimates)


@given(quick_s=st.floats(1e-6, 1.0), slow=st.lists(st.floats(1.0, 50.0), max_size=12))
def test_runs_beside_others_do_not_raise_the_estimate(chain: Model, quick_s: float, slow: list[float]) -> None:
    costs = TailCosts(chain)
    for factor in slow:
        costs.observe(whole(chain), quick_s * factor)
    for _ in range(len(slow) + 1):
        costs.observe(whole(chain), quick_s)
    estimate = costs.estimate(whole(chain))
    assert estimate is not None
    assert estimate.seconds == pytest.approx(quick_s)


def test_after_a_piece_was_renewed_its_next_runs_count_for_more(chain: Model) -> None:
    costs = TailCosts(chain)
    for _ in range(32):
        costs.observe(whole(chain), 1.0)
    costs.renew((whole(chain), tail_of(chain, "pool1")))
    assert costs.observed(whole(chain)) == 1
    costs.observe(whole(chain), 0.5)
    estimate = costs.estimate(whole(chain))
    assert estimate is not None
    assert estimate.seconds == 0.5


def test_the_table_stays_bounded(chain: Model) -> None:
    costs = TailCosts(chain)
    pieces = [Piece(inputs=(str(number),), outputs=("scores",)) for number in range(1000)]
    for piece in pieces:
        costs.observe(piece, 1.0)
    assert costs.observed(pieces[0]) == 0
    assert costs.observed(pieces[-1]) == 1
