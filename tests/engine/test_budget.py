import threading
from collections import OrderedDict
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import RUNTIME, canonical
from tests.models import chain_model, random_feeds, run_whole

from partway.engine import MemoryBudget, PieceStore
from partway.graph import single_tensor_cuts, whole

steps = st.lists(st.tuples(st.sampled_from(("hold", "use", "release")), st.integers(0, 7), st.integers(0, 40)))


@given(steps, st.integers(0, 100))
def test_the_least_recently_used_go_first_and_the_rest_fits(plan: list[tuple[str, int, int]], limit: int) -> None:
    budget = MemoryBudget(limit)
    kept: OrderedDict[int, int] = OrderedDict()
    last = -1
    for what, key, size in plan:
        if what == "hold":
            kept.pop(key, None)
            kept[key] = size
            last = key
            budget.hold(key, size, partial(kept.__delitem__, key))
            oldest = list(kept)
            budget.trim()
            assert list(kept) == oldest[len(oldest) - len(kept) :]
            assert sum(kept.values()) <= limit or list(kept) == [last]
        elif what == "use" and key in kept:
            budget.use(key)
            kept.move_to_end(key)
            last = key
        elif what == "release":
            budget.release(key)
            kept.pop(key, None)
        assert budget.held_bytes == sum(kept.values())


def test_an_owner_is_kept_longer_than_what_it_owns() -> None:
    budget = MemoryBudget(10)
    dropped: list[str] = []
    for key, owner in (("graph", None), ("old", None), ("piece", "graph"), ("another", "graph")):
        budget.hold(key, 4, partial(dropped.append, key), owner=owner)
        budget.trim()
    assert dropped == ["old", "piece"]
    budget.resize("graph", 1)
    budget.resize("gone", 9)
    assert budget.held_bytes == 1 + 4


def test_dropping_may_take_locks_and_hold_more() -> None:
    budget, lock = MemoryBudget(10), threading.Lock()

    def drop() -> None:
        with lock:
            budget.release("other")

    for key in ("first", "other", "last"):
        budget.hold(key, 6, drop)
    budget.trim()
    assert budget.held_bytes == 6


def test_a_store_under_a_tight_budget_keeps_its_newest_session_and_answers_from_all(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model, feeds = canonical(path), random_feeds(path)
    store = PieceStore(model, RUNTIME, budget=MemoryBudget(1))
    expected = run_whole(path, feeds)["scores"]
    for cut in single_tensor_cuts(model):
        if cut.tail is None:
            continue
        known = dict(feeds)
        if cut.head is not None:
            known |= store.session(cut.head).run(feeds)
        found = store.session(cut.tail).run({name: known[name] for name in cut.tail.inputs})["scores"]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert store.sessions == 1
        assert store.ready(cut.tail) is not None


def test_stores_share_a_budget_and_give_back_what_they_forget(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    budget = MemoryBudget()
    first, second = (PieceStore(model, RUNTIME, budget=budget) for _ in range(2))
    first.session(whole(model))
    alone = budget.held_bytes
    second.session(whole(model))
    assert budget.held_bytes == 2 * alone > 0
    first.close()
    assert budget.held_bytes == alone
    first.session(whole(model))
    assert budget.held_bytes == alone
    assert first.sessions == 0
    second.want_candidates()
    second.promote()
    assert budget.held_bytes == 0
    second.session(whole(model))
    assert budget.held_bytes == alone
