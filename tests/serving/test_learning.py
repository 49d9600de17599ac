import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.models import chain_model, diamond_model
from tests.serving.support import PATIENCE_S, CountingRuntime

from partway.engine import Clock
from partway.graph import Source, candidate_cuts, canonicalise, cut_at, single_tensor_cuts, whole
from partway.serving.background import Background
from partway.serving.executor import Executor
from partway.serving.learning import Learner
from partway.serving.models import BoundModel


class Ticks:
    """A clock that moves by one second whenever it is read, so that every run takes one."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


class Bench:
    """A learner with all that it needs, and one model."""

    def __init__(self, path: Path, *, clock: Clock, message_bytes: int = 2**20) -> None:
        self.runtime = CountingRuntime()
        source = Source.open(path)
        self.bound = BoundModel(canonicalise(source, source.bind(), self.runtime), self.runtime)
        self.executor = Executor(clock=Ticks())
        self.background = Background(self.executor.wait_idle)
        self.learner = Learner(
            self.background,
            self.executor,
            clock=clock,
            generator=np.random.default_rng(0),
            message_bytes=message_bytes,
        )

    def settle(self) -> None:
        self.background.wait(PATIENCE_S)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(diamond_model(tmp_path), clock=Ticks())


def test_the_first_use_has_the_candidates_optimised_and_timed(bench: Bench) -> None:
    bench.bound.build(whole(bench.bound.model))
    bench.learner.note_use(bench.bound, whole(bench.bound.model))
    bench.settle()
    candidates = [cut.crossing for cut in candidate_cuts(bench.bound.model) if cut.offloaded]
    answer = bench.bound.costs.answer(candidates)
    assert all(answer.measured)
    assert set(answer.server_s) == {1.0}
    assert not bench.bound.store.unmarked


def test_a_cost_query_has_its_cuts_timed_too(bench: Bench) -> None:
    asked = ("left2", "right2", "stem")
    bench.learner.note_interest(bench.bound, (asked, ("no", "cut")))
    bench.settle()
    assert bench.bound.costs.answer([asked, ("no", "cut")]).measured == (True, False)


def test_a_cut_is_optimised_for_after_it_was_used_twice_and_later_ones_after_more(bench: Bench) -> None:
    model, store = bench.bound.model, bench.bound.store
    bench.learner.note_use(bench.bound, whole(model))
    bench.settle()
    cuts = [cut.tail for cut in single_tensor_cuts(model) if cut.tail is not None]
    used = []
    for piece in cuts:
        bench.bound.build(piece)
        uses = 0
        while store.unmarked.intersection(piece.inputs):
            bench.learner.note_use(bench.bound, piece)
            bench.settle()
            uses += 1
        used.append(uses)
    extra = [uses for uses in used if uses]
    assert extra == [2 ** (index + 1) for index in range(len(extra))]
    assert extra


def test_pieces_that_were_in_use_are_there_again_after_an_optimisation(bench: Bench) -> None:
    piece = whole(bench.bound.model)
    bench.bound.build(piece)
    bench.learner.note_use(bench.bound, piece)
    bench.settle()
    made = bench.runtime.made.copy()
    bench.bound.store.session(piece)
    assert bench.runtime.made == made


def test_a_model_that_is_made_anew_is_optimised_anew(bench: Bench) -> None:
    bench.learner.note_use(bench.bound, whole(bench.bound.model))
    bench.settle()
    again = BoundModel(bench.bound.model, bench.runtime)
    bench.learner.note_use(again, whole(again.model))
    bench.settle()
    assert again.costs.observed(whole(again.model)) > 0


def test_cuts_too_large_for_a_message_are_not_timed(tmp_path: Path) -> None:
    bench = Bench(chain_model(tmp_path), clock=Ticks(), message_bytes=100)
    bench.learner.note_use(bench.bound, whole(bench.bound.model))
    bench.settle()
    assert bench.bound.costs.observed(whole(bench.bound.model)) == 0
    deepest = cut_at(bench.bound.model, ["logits"]).tail
    assert deepest is not None
    bench.learner.note_interest(bench.bound, (("logits",),))
    bench.settle()
    assert bench.bound.costs.observed(deepest) > 0


def test_a_server_that_is_never_idle_optimises_and_guesses_and_times_later(bench: Bench) -> None:
    began, released, came = threading.Event(), threading.Event(), threading.Event()

    def occupy() -> None:
        began.set()
        assert released.wait(PATIENCE_S)

    def impatient() -> bool:
        return bench.executor.wait_idle(0.0 if not released.is_set() else PATIENCE_S)

    job = bench.executor.submit(occupy)
    assert began.wait(PATIENCE_S)
    bench.background.turn = impatient
    model, costs = bench.bound.model, bench.bound.costs
    bench.learner.note_use(bench.bound, whole(model))
    for number in range(3):  # tasks come in turn: after these the graph was optimised and timing was put off
        came.clear()
        bench.background.submit(number, came.set)
        assert came.wait(PATIENCE_S)
    assert not bench.bound.store.unmarked
    answer = costs.answer([whole(model).inputs])
    assert answer.server_s[0] is not None
    assert answer.measured == (False,)
    released.set()
    job.result(PATIENCE_S)
    bench.settle()
    assert costs.answer([whole(model).inputs]).measured == (True,)


def test_a_model_that_no_made_up_input_suits_is_guessed_until_a_request_ran(tmp_path: Path) -> None:
    path = tmp_path / "reshape.onnx"
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Reshape", ["a", "shape"], ["y"])],
        "reshape",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [6, 6]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["length"])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    bench = Bench(path, clock=Ticks())
    piece, costs = whole(bench.bound.model), bench.bound.costs
    bench.learner.note_interest(bench.bound, (piece.inputs,))
    bench.settle()
    guess = costs.answer([piece.inputs])
    assert guess.server_s[0] is not None
    assert guess.measured == (False,)
    costs.observe(piece, 5.0)
    assert costs.answer([piece.inputs]).server_s == (5.0,)


def test_runs_that_a_request_disturbed_do_not_count(tmp_path: Path) -> None:
    class Disturbing(Ticks):
        """Sends a request whenever the time is read on the background thread, within a run as well."""

        executor: Executor | None = None

        def __call__(self) -> float:
            if self.executor is not None:
                executor, self.executor = self.executor, None
                executor.submit(lambda: None).result(PATIENCE_S)
                self.executor = executor
            return super().__call__()

    clock = Disturbing()
    bench = Bench(chain_model(tmp_path), clock=clock)
    clock.executor = bench.executor
    bench.learner.note_interest(bench.bound, ())
    bench.settle()
    assert bench.bound.costs.observed(whole(bench.bound.model)) == 0
