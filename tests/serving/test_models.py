import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from tests.models import chain_model, diamond_model, dynamic_model
from tests.serving.support import Clock, CountingRuntime

from partway.engine import MemoryBudget, OrtRuntime, PieceStore
from partway.errors import BindingError, CutError
from partway.graph import Binding, Source, whole
from partway.serving.models import BoundModel, Models


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def dynamic(tmp_path: Path) -> Source:
    return Source.open(dynamic_model(tmp_path))


def three_model(folder: Path) -> Source:
    """A model of one open dimension that works for a length of three only."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "three"], ["y"])],
        "three",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor("three", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])],
    )
    opsets = [helper.make_opsetid("", 17)]
    (folder / "three.onnx").write_bytes(
        helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()
    )
    return Source.open(folder / "three.onnx")


def at(source: Source, batch: int) -> Binding:
    return source.bind({"image": (batch, 3, 8, 8)})


def in_models(
    pool: ThreadPoolExecutor,
    ask: Callable[[Models], Awaitable[object]],
    *,
    capacity: int = 8,
    clock: Clock | None = None,
    budget: MemoryBudget | None = None,
) -> CountingRuntime:
    """What the runtime had to do while `ask` used models that are kept with it."""
    runtime = CountingRuntime()

    async def run() -> None:
        await ask(Models(runtime, pool, clock=clock or Clock(), capacity=capacity, budget=budget))

    asyncio.run(run())
    return runtime


def test_one_bound_model_is_made_however_many_ask(dynamic: Source, pool: ThreadPoolExecutor) -> None:
    async def ask(models: Models) -> None:
        found = await asyncio.gather(*(models.bind(dynamic, at(dynamic, 1)) for _ in range(16)))
        assert len(set(map(id, found))) == 1
        assert await models.bind(dynamic, at(dynamic, 1)) is found[0]

    assert in_models(pool, ask).simplified == 1


def test_a_binding_is_known_by_exactly_the_text_that_a_kept_model_is_bound_by(
    dynamic: Source, pool: ThreadPoolExecutor
) -> None:
    text = at(dynamic, 1).encode()

    async def ask(models: Models) -> None:
        assert models.known(dynamic, text) is None
        await models.bind(dynamic, at(dynamic, 1))
        assert models.known(dynamic, text) == at(dynamic, 1)
        for other in (None, 7, f" {text}", at(dynamic, 2).encode()):
            assert models.known(dynamic, other) is None
        await models.bind(dynamic, at(dynamic, 2))
        assert models.known(dynamic, text) is None

    in_models(pool, ask, capacity=1)


def test_the_least_recently_used_is_dropped(dynamic: Source, pool: ThreadPoolExecutor) -> None:
    async def ask(models: Models) -> None:
        first = await models.bind(dynamic, at(dynamic, 1))
        await models.bind(dynamic, at(dynamic, 2))
        assert await models.bind(dynamic, at(dynamic, 1)) is first
        await models.bind(dynamic, at(dynamic, 3))
        assert models.peek(dynamic, at(dynamic, 1)) is first
        assert models.peek(dynamic, at(dynamic, 2)) is None
        assert await models.bind(dynamic, at(dynamic, 2)) is not None

    in_models(pool, ask, capacity=2)


def test_models_and_pieces_share_a_budget_and_are_made_anew_on_demand(
    dynamic: Source, pool: ThreadPoolExecutor
) -> None:
    budget = MemoryBudget(1)

    async def ask(models: Models) -> None:
        first = await models.bind(dynamic, at(dynamic, 1))
        await models.build(first, whole(first.model))
        assert models.peek(dynamic, at(dynamic, 1)) is first
        second = await models.bind(dynamic, at(dynamic, 2))
        assert not first.is_built(whole(first.model))
        assert models.peek(dynamic, at(dynamic, 1)) is None
        assert models.peek(dynamic, at(dynamic, 2)) is second
        again = await models.bind(dynamic, at(dynamic, 1))
        await models.build(again, whole(again.model))
        assert again.is_built(whole(again.model))

    in_models(pool, ask, budget=budget)


def test_a_model_that_is_dropped_takes_its_pieces_along(dynamic: Source, pool: ThreadPoolExecutor) -> None:
    budget = MemoryBudget()

    async def ask(models: Models) -> None:
        first = await models.bind(dynamic, at(dynamic, 1))
        await models.build(first, whole(first.model))
        one = budget.held_bytes
        await models.bind(dynamic, at(dynamic, 2))
        assert budget.held_bytes < one
        assert not first.is_built(whole(first.model))

    in_models(pool, ask, capacity=1, budget=budget)


def test_a_model_that_is_dropped_while_it_is_used_takes_no_room_any_more(
    dynamic: Source, pool: ThreadPoolExecutor
) -> None:
    budget = MemoryBudget()

    async def ask(models: Models) -> None:
        used = await models.bind(dynamic, at(dynamic, 1))
        await models.bind(dynamic, at(dynamic, 2))
        namesake = await models.bind(dynamic, at(dynamic, 1))
        assert used.closed
        assert not namesake.closed
        held_bytes = budget.held_bytes
        await models.build(used, whole(used.model))
        used.store.session(whole(used.model))
        used.multiply(2, PieceStore(used.model, OrtRuntime(threads=1), budget=budget)).session(whole(used.model))
        assert budget.held_bytes == held_bytes
        await models.build(namesake, whole(namesake.model))
        assert budget.held_bytes > held_bytes

    in_models(pool, ask, capacity=1, budget=budget)


def test_a_binding_that_the_model_refuses_is_not_tried_for_every_request(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    clock = Clock()
    source = three_model(tmp_path)
    impossible = source.bind({"x": (4,)})

    async def ask(models: Models) -> None:
        for _ in range(3):
            with pytest.raises(BindingError, match="refuses"):
                await models.bind(source, impossible)
        clock.advance(60.0)
        with pytest.raises(BindingError, match="refuses"):
            await models.bind(source, impossible)

    assert in_models(pool, ask, clock=clock).simplified == 2


def test_a_piece_is_built_once_however_many_ask(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    source = Source.open(diamond_model(tmp_path))

    async def ask(models: Models) -> None:
        bound = await models.bind(source, source.bind())
        piece = bound.tail(("stem", "left1"), ())
        await asyncio.gather(*(models.build(bound, piece) for _ in range(16)))
        assert bound.is_built(piece)
        assert bound.known == (piece,)

    runtime = in_models(pool, ask)
    assert runtime.made[("stem", "left1"), ("mean",)] == 1


def test_a_tail_is_found_once_and_what_is_none_is_an_error_each_time(tmp_path: Path) -> None:
    source = Source.open(chain_model(tmp_path))
    runtime = CountingRuntime()

    async def make() -> BoundModel:
        with ThreadPoolExecutor(1) as pool:
            return await Models(runtime, pool, clock=Clock()).bind(source, source.bind())

    bound = asyncio.run(make())
    assert bound.tail(("image",), ()) is bound.tail(("image",), ())
    assert bound.tail(("image",), ()) == whole(bound.model)
    for _ in range(2):
        with pytest.raises(CutError):
            bound.tail(("image", "pool1"), ())
