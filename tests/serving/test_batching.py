"""A batch gives every member what it gives alone, or there is no batch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models import chain_model, dynamic_model, if_model
from tests.serving.batches import (
    Bench,
    largest_model,
    lookup_model,
    mean_model,
    pick_model,
    quantised_model,
    roi_model,
)
from tests.serving.support import PATIENCE_S, assert_close

from partway.codecs import Coded, codec_named
from partway.errors import CodecError, EngineError, PartwayError, RequestExpired
from partway.graph import Piece
from partway.serving.batching import TailGroup
from partway.serving.decoding import CodedTensor

SHAPES = {"image": (1, 3, 8, 8)}


@pytest.fixture(scope="module", params=("image", "pool1", "logits"))
def proved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, Piece]]:
    """A chain of open dimensions whose tail from one tensor on is batched by 2, 4 and 8."""
    bench = Bench(dynamic_model(tmp_path_factory.mktemp("dynamic")), shapes=SHAPES)
    piece = bench.bound.tail((request.param,), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator))
    bench.rest(piece)
    yield bench, piece
    bench.close()


def feeds_of(bench: Bench, piece: Piece, generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        name: generator.standard_normal(bench.bound.model.tensors[name].static_shape or ()).astype(np.float32)
        for name in piece.inputs
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(("fine", "fine", "fine", "late", "cancelled", "damaged")), min_size=1, max_size=13),
    st.integers(0, 2**32 - 1),
)
def test_every_member_gets_its_own_answer_whatever_becomes_of_the_others(
    proved: tuple[Bench, Piece], members: list[str], seed: int
) -> None:
    bench, piece = proved
    generator = np.random.default_rng(seed)
    held = bench.hold()
    futures, expected = [], []
    for number, kind in enumerate(members):
        feeds = feeds_of(bench, piece, generator)
        coded = None
        if kind == "damaged":
            (name,) = piece.inputs
            feeds, coded = {}, {name: CodedTensor(codec=codec_named("float16"), coded=Coded(array=np.zeros(1)))}
        expected.append(None if coded else bench.alone(piece, feeds))
        futures.append(
            bench.submit(
                piece,
                feeds,
                share=f"client-{generator.integers(4)}",
                deadline_s=bench.clock() + 0.5 if kind == "late" else None,
                coded=coded,
            )
        )
        if kind == "cancelled":
            assert futures[number].cancel()
    if "late" in members:
        bench.clock.advance(1.0)
    held.set()
    for future, answer, kind in zip(futures, expected, members, strict=True):
        if kind == "fine":
            assert answer is not None
            assert_close(future.result(PATIENCE_S).value, answer)
        elif kind == "late":
            with pytest.raises(RequestExpired):
                future.result(PATIENCE_S)
        elif kind == "damaged":
            with pytest.raises(CodecError):
                future.result(PATIENCE_S)
    bench.executor.wait_idle(PATIENCE_S)


def test_what_waits_together_runs_as_one_and_what_is_left_over_is_split_down(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    generator = np.random.default_rng(1)
    bench.rest(piece)
    bench.runtime.rows.clear()
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(15)])
    assert bench.runtime.rows == [8, 4, 2, 1]


def test_a_request_that_is_alone_runs_alone(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    bench.runtime.rows.clear()
    bench.submit(piece, feeds_of(bench, piece, np.random.default_rng(2))).result(PATIENCE_S)
    assert bench.runtime.rows == [1]


def test_members_of_a_batch_are_told_what_the_next_of_their_kind_takes(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    generator = np.random.default_rng(3)
    for _ in range(8):
        held = bench.hold()
        futures = [bench.submit(piece, feeds_of(bench, piece, generator), share=f"{n}") for n in range(8)]
        held.set()
        loads = [future.result(PATIENCE_S).load for future in futures]
        bench.executor.wait_idle(PATIENCE_S)
    assert all(load.service_s == pytest.approx(1.8) for load in loads)
    assert loads[0].slowdown == pytest.approx(1.8 / 1.1, rel=0.05)
    assert bench.executor.load().slowdown == pytest.approx(1.0, abs=0.02)
    assert loads[0].queue_delay_s == 0.0


def test_the_delay_ahead_of_a_newcomer_counts_batches_as_they_will_run(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    held = bench.hold()
    generator = np.random.default_rng(4)
    futures = [bench.submit(piece, feeds_of(bench, piece, generator), share=f"{n}") for n in range(8)]
    slowdown = bench.executor.load().slowdown
    waits_s = bench.executor.load().queue_delay_s
    newcomer = bench.executor.submit(lambda: None, share="new")
    held.set()
    for future in futures:
        future.result(PATIENCE_S)
    assert newcomer.result(PATIENCE_S).load.queue_s == pytest.approx(1.8)
    assert waits_s == pytest.approx(1.8 * slowdown, rel=0.05)


def test_batches_that_do_not_pay_are_not_used(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), seconds=float, shapes=SHAPES)
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator))
    bench.runtime.rows.clear()
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(8)])
    assert bench.runtime.rows == [1] * 8
    bench.close()


def test_a_batch_that_stops_paying_is_given_up_when_it_is_tried_again(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), shapes=SHAPES)
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator), sizes=(2,))
    bench.runtime.seconds = lambda rows: float(rows**2)
    for _ in range(18):  # sixteen uses, one whose numbers are imitated, and one that finds it out
        bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    bench.runtime.rows.clear()
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    assert bench.runtime.rows == [1, 1]
    bench.close()


FLAT = st.sampled_from((0.0, 1.0, -5.0))
Make = Callable[[float], dict[str, np.ndarray]]
RUDE: dict[str, tuple[Callable[[Path], Path], Make]] = {
    "mean": (mean_model, lambda value: {"x": np.full((1, 3), value, np.float32)}),
    "largest": (largest_model, lambda value: {"x": np.full((1, 3), 40 * value, np.float32)}),
    "pick": (pick_model, lambda value: {"x": np.full((1, 3), value, np.float32), "which": np.zeros(1, np.int64)}),
    "roi": (
        roi_model,
        lambda value: {
            "image": np.full((1, 1, 8, 8), value, np.float32),
            "rois": np.array([[0, 0, 4, 4]], np.float32),
            "which": np.zeros(1, np.int64),
        },
    ),
    "quantised": (quantised_model, lambda value: {"x": np.full((1, 3), value, np.float32)}),
}


@pytest.fixture(scope="module", params=RUDE)
def rude(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Bench, Piece, Make]]:
    """A model whose rows look at each other, and its feeds of one number."""
    build, make = RUDE[request.param]
    shapes = {name: array.shape for name, array in make(1.0).items()}
    bench = Bench(build(tmp_path_factory.mktemp(request.param)), shapes=shapes)
    yield bench, bench.bound.tail(shapes, ()), make
    bench.close()


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FLAT, min_size=2, max_size=4), st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=4))
def test_rows_that_look_at_each_other_are_never_batched_however_alike_requests_were_before(
    rude: tuple[Bench, Piece, Make], before: list[float], after: list[float]
) -> None:
    bench, piece, make = rude
    for values in (*[before] * 4, after):
        members = [make(value) for value in values]
        bench.runtime.rows.clear()
        answers = bench.pile(piece, members)
        for found, feeds in zip(answers, members, strict=True):
            for name, array in bench.alone(piece, feeds).items():
                np.testing.assert_array_equal(found[name], array)
        assert set(bench.runtime.rows) == {1}


def test_a_batch_that_the_graph_allows_and_the_numbers_do_not_ends_batching_of_the_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("partway.serving.batching.row_independent", lambda model, piece: None)
    for name in ("mean", "quantised"):
        build, make = RUDE[name]
        bench = Bench(build(tmp_path), shapes={tensor: array.shape for tensor, array in make(1.0).items()})
        piece = bench.bound.tail(make(1.0), ())
        caplog.clear()
        for _ in range(4):
            bench.pile(piece, [make(0.0)] * 2)
        assert "batching_refused" in caplog.text, name
        assert bench.bound.unbatchable
        bench.close()


def test_what_one_tail_is_found_to_do_stops_batches_of_others_that_wait_already(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    generator = np.random.default_rng(5)
    held = bench.hold()
    members = [feeds_of(bench, piece, generator) for _ in range(4)]
    futures = [bench.submit(piece, feeds, share=f"{number}") for number, feeds in enumerate(members)]
    bench.runtime.rows.clear()
    bench.bound.unbatchable = True
    held.set()
    for future, feeds in zip(futures, members, strict=True):
        assert_close(future.result(PATIENCE_S).value, bench.alone(piece, feeds))
    bench.bound.unbatchable = False
    assert 4 not in bench.runtime.rows


def test_what_cannot_be_tried_is_tried_again_a_few_times_and_no_request_feels_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench = Bench(dynamic_model(tmp_path), size=2, shapes=SHAPES)
    piece = bench.bound.tail(("logits",), ())
    generator = np.random.default_rng(0)
    failures = [MemoryError("none left"), EngineError("busy")]

    def prove_later(*given: object) -> str | None:
        if failures:
            raise failures.pop()
        return None

    monkeypatch.setattr("partway.serving.batching.prove", prove_later)
    for _ in range(3 + 1 + 16 + 1 + 64 + 1):
        bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    assert caplog.text.count("batch_not_tried") == 2
    assert caplog.text.count("batch_tried") == 1
    bench.runtime.rows.clear()
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    assert bench.runtime.rows == [2]
    bench.close()


def test_who_sends_nonsense_keeps_nobody_from_being_batched(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), size=2, shapes=SHAPES)
    piece = bench.bound.tail(("logits",), ())
    damaged = {"logits": CodedTensor(codec=codec_named("float16"), coded=Coded(array=np.zeros(1)))}
    for _ in range(3 + 1 + 16 + 1):
        held = bench.hold()
        futures = [bench.submit(piece, {}, share=f"{number}", coded=damaged) for number in range(2)]
        held.set()
        for future in futures:
            with pytest.raises(CodecError):
                future.result(PATIENCE_S)
        bench.background.wait(PATIENCE_S)
    generator = np.random.default_rng(0)
    bench.runtime.rows.clear()
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    assert bench.runtime.rows == [2]
    bench.close()


def test_only_what_is_used_comes_nearer_to_being_timed_again(proved: tuple[Bench, Piece]) -> None:
    bench, piece = proved
    bench.rest(piece)
    generator = np.random.default_rng(6)
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(8)])
    group = bench.bound.groups[piece]
    assert isinstance(group, TailGroup)
    assert {size: batch.rest for size, batch in group._batches.items()} == {8: 999, 4: 1000, 2: 1000}


def test_a_proof_that_ends_after_the_model_was_given_up_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(dynamic_model(tmp_path), size=2, shapes=SHAPES)
    piece = bench.bound.tail(("logits",), ())
    generator = np.random.default_rng(0)

    def prove_too_late(*given: object) -> None:
        bench.bound.unbatchable = True

    monkeypatch.setattr("partway.serving.batching.prove", prove_too_late)
    for _ in range(4):
        bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    group = bench.bound.groups[piece]
    assert isinstance(group, TailGroup)
    assert bench.bound.unbatchable
    assert all(batch.ratio is None for batch in group._batches.values())
    bench.close()


def test_no_request_waits_while_a_batch_is_tried(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), size=2, shapes=SHAPES)
    piece = bench.bound.tail(("logits",), ())
    generator = np.random.default_rng(0)
    for _ in range(3):
        bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    bench.submit(piece, feeds_of(bench, piece, generator)).result(PATIENCE_S)
    bench.executor.wait_idle(PATIENCE_S)
    before = bench.executor.started
    bench.background.wait(PATIENCE_S)
    assert max(bench.runtime.rows) == 2
    assert bench.executor.started == before
    bench.close()


def test_models_that_fix_their_rows_have_no_group(tmp_path: Path) -> None:
    for path, shapes in ((chain_model(tmp_path), None), (if_model(tmp_path), None)):
        bench = Bench(path, shapes=shapes)
        piece = bench.bound.tail([tensor.name for tensor in bench.bound.model.inputs], ())
        future = bench.submit(piece, feeds_of(bench, piece, np.random.default_rng(0)))
        future.cancel()
        assert bench.bound.unbatchable
        bench.close()


def test_a_member_that_the_runtime_refuses_harms_no_other(tmp_path: Path) -> None:
    bench = Bench(lookup_model(tmp_path))
    piece = bench.bound.tail(("index",), ())

    def index(number: int) -> dict[str, np.ndarray]:
        return {"index": np.array([[number, number]], np.int64)}

    bench.prove(piece, lambda: index(1), sizes=(4,))
    held = bench.hold()
    futures = [bench.submit(piece, index(number), share=f"{number}") for number in (0, 1, 7, 2)]
    held.set()
    for number in (0, 1, 3):
        assert futures[number].result(PATIENCE_S).value["y"].shape == (1, 2)
    assert [futures[n].result(PATIENCE_S).value["y"][0, 0] for n in (0, 1, 3)] == [10.0, 20.0, 30.0]
    with pytest.raises(PartwayError):
        futures[2].result(PATIENCE_S)
    bench.executor.wait_idle(PATIENCE_S)
    bench.runtime.rows.clear()
    bench.pile(piece, [index(1)] * 4)
    assert 4 not in bench.runtime.rows  # it has to prove itself again, and not at once
    bench.close()


def test_one_is_the_size_of_no_batches(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), size=1, shapes=SHAPES)
    piece = bench.bound.tail(("pool1",), ())
    bench.pile(piece, [feeds_of(bench, piece, np.random.default_rng(0)) for _ in range(8)])
    assert not bench.bound.groups
    bench.close()


def test_requests_of_several_rows_are_batched_too(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), shapes={"image": (3, 3, 8, 8)})
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator), sizes=(2,))
    members = [feeds_of(bench, piece, generator) for _ in range(2)]
    bench.runtime.rows.clear()
    answers = bench.pile(piece, members)
    assert bench.runtime.rows == [6]
    for found, feeds in zip(answers, members, strict=True):
        assert_close(found, bench.alone(piece, feeds))
    bench.close()


def test_the_worker_waits_for_whoever_is_about_to_ask_again_and_for_nobody_else(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), wait_s=PATIENCE_S, shapes=SHAPES)
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator), sizes=(2,))
    bench.rest(piece)
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    bench.runtime.rows.clear()
    together = [bench.submit(piece, feeds_of(bench, piece, generator), share=f"client-{n}") for n in range(2)]
    for future in together:
        future.result(PATIENCE_S)
    assert bench.runtime.rows == [2]
    bench.clock.advance(2 * PATIENCE_S)
    bench.runtime.rows.clear()
    bench.submit(piece, feeds_of(bench, piece, generator), share="client-0").result(PATIENCE_S)
    assert bench.runtime.rows == [1]
    bench.close()


def test_who_runs_something_else_does_not_wait_for_those_who_are_about_to_come(tmp_path: Path) -> None:
    bench = Bench(dynamic_model(tmp_path), wait_s=PATIENCE_S, shapes=SHAPES)
    piece = bench.bound.tail(("pool1",), ())
    generator = np.random.default_rng(0)
    bench.prove(piece, lambda: feeds_of(bench, piece, generator), sizes=(2,))
    bench.rest(piece)
    bench.pile(piece, [feeds_of(bench, piece, generator) for _ in range(2)])
    first = bench.submit(piece, feeds_of(bench, piece, generator), share="client-0")
    other = bench.executor.submit(lambda: "other", share="client-2")  # the other client never comes
    assert other.result(PATIENCE_S).value == "other"
    assert first.result(PATIENCE_S).value
    bench.close()
