"""The cheapest cut of a search, against brute force over all heads."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.graph.support import RandomGraph, canonical, random_graphs
from tests.planning.graphs import (
    any_restrictions,
    branching,
    chain_of,
    every_cut,
    model_of,
    small_models,
    uneven_costs,
    whole_costs,
    whole_prices,
)

from partway.errors import InputError, PartwayError
from partway.graph import Model, candidate_cuts
from partway.planning import network
from partway.planning.search import NodeCosts, Prices, Restrictions, Search

law = settings(max_examples=250, derandomize=True, suppress_health_check=list(HealthCheck))
FREE = Prices(uplink=0.0, server=0.0, downlink=0.0)


def costs_of(device_s: list[float], server_s: list[float]) -> NodeCosts:
    return NodeCosts(device_s=np.array(device_s), server_s=np.array(server_s))


def equal_costs(model: Model) -> NodeCosts:
    return NodeCosts(device_s=np.ones(len(model.nodes)), server_s=np.ones(len(model.nodes)))


@law
@given(data=st.data(), model=small_models(), prices=whole_prices)
def test_no_head_of_any_graph_is_cheaper(data: st.DataObject, model: Model, prices: Prices) -> None:
    costs = data.draw(whole_costs(model))
    found = Search.of(model, costs).best(prices)
    cuts = {priced.cut.nodes: priced for priced in every_cut(model, costs, prices)}
    assert found.value == cuts[found.head].value == min(priced.value for priced in cuts.values())
    assert (found.up_bytes, found.down_bytes) == (cuts[found.head].cut.up_bytes, cuts[found.head].cut.down_bytes)


@law
@given(data=st.data(), model=small_models(most_nodes=9), prices=whole_prices)
def test_pins_hold_and_contradictions_are_told(data: st.DataObject, model: Model, prices: Prices) -> None:
    costs, restrictions = data.draw(whole_costs(model)), data.draw(any_restrictions(model))
    cuts = {priced.cut.nodes: priced for priced in every_cut(model, costs, prices, restrictions)}
    if not cuts:
        with pytest.raises(InputError, match="cannot run on the server"):
            Search.of(model, costs, restrictions)
        return
    search = Search.of(model, costs, restrictions)
    assert search.best(prices).value == min(priced.value for priced in cuts.values())
    assert {head for head in range(1 << len(model.nodes)) if search.allows(head)} == cuts.keys()
    assert search.least == min(cuts, key=int.bit_count)
    assert search.most == max(cuts, key=int.bit_count)
    downlinks = {priced.cut.down_bytes for priced in cuts.values() if priced.cut.depth < len(model.nodes)}
    assert search.downlink_matters == (len(downlinks) > 1)


@law
@given(data=st.data(), model=small_models(most_nodes=8))
def test_the_answer_is_right_at_any_scale(data: st.DataObject, model: Model) -> None:
    whole = data.draw(whole_costs(model))
    device_s, server_s = (10.0 ** data.draw(st.integers(-9, 3)) * 1.37 for _ in range(2))
    costs = NodeCosts(device_s=device_s * whole.device_s, server_s=server_s * whole.server_s)
    prices = Prices(
        device=10.0 ** data.draw(st.integers(-6, 6)),
        uplink=10.0 ** data.draw(st.integers(-12, 9)),
        server=10.0 ** data.draw(st.integers(-6, 6)),
        downlink=10.0 ** data.draw(st.integers(-12, 9)),
    )
    least = min(priced.value for priced in every_cut(model, costs, prices))
    assert Search.of(model, costs).best(prices).value == pytest.approx(least, rel=1e-5, abs=0)


@law
@given(data=st.data(), sizes=st.lists(st.integers(0, 10**6), min_size=2, max_size=60), prices=whole_prices)
def test_a_chain_is_searched_as_if_every_cut_were_tried(data: st.DataObject, sizes: list[int], prices: Prices) -> None:
    model = chain_of(sizes)
    count = len(model.nodes)
    seconds = st.lists(st.floats(0, 1e6), min_size=count, max_size=count)
    device_s, server_s = np.array(data.draw(seconds)), np.array(data.draw(seconds))
    values = [
        prices.device * device_s[:depth].sum()
        + (depth < count)
        * (prices.uplink * sizes[depth] + prices.server * server_s[depth:].sum() + prices.downlink * sizes[-1])
        for depth in range(count + 1)
    ]
    found = Search.of(model, NodeCosts(device_s=device_s, server_s=server_s)).best(prices)
    assert found.value == pytest.approx(min(values), rel=1e-5, abs=0)


@settings(law, max_examples=25)
@given(graph=random_graphs(), seed=st.integers(0, 99), prices=whole_prices)
def test_canonical_graphs_are_searched_like_any(
    graph: RandomGraph, seed: int, prices: Prices, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = canonical(graph.save(tmp_path_factory.getbasetemp() / "search" / "random.onnx"))
    rng = np.random.default_rng(seed)
    device_s, server_s = rng.integers(0, 60, (2, len(model.nodes))).astype(np.float64)
    costs = NodeCosts(device_s=device_s, server_s=server_s)
    least = min(priced.value for priced in every_cut(model, costs, prices))
    assert Search.of(model, costs).best(prices).value == least


def test_bytes_far_beyond_32_bits_and_nanoseconds_do_not_wrap_around() -> None:
    gigabyte = 10**9
    sizes = {"x": 5 * gigabyte, "a": 4 * gigabyte, "b": 3 * gigabyte, "c": gigabyte, "y": 8 * gigabyte}
    model = model_of([(["x"], ["a"]), (["x"], ["b"]), (["a", "b"], ["c"]), (["c"], ["y"])], sizes, ["y"])
    costs = costs_of([1e-9, 2e-9, 3e-9, 1e12], [1e12, 1e12, 1e12, 1e-9])
    prices = Prices(uplink=1.0, server=1.0, downlink=1.0)
    found = Search.of(model, costs).best(prices)
    assert found.head == 0b0111
    assert (found.up_bytes, found.down_bytes) == (gigabyte, 8 * gigabyte)
    # Beside terabytes the nanoseconds are far below the rounding of one solution.
    tiny = Search.of(model, costs).best(Prices(uplink=1e-25, server=1e-3, downlink=0.0))
    assert tiny.head == 0b0111


def test_a_far_better_cut_than_either_extreme_is_found_exactly() -> None:
    count = 50
    model = chain_of([10**12, *[10**6 + row for row in range(count - 1)], 1])
    device_s = [1e-9] * 20 + [1e-8] + [1e9] * (count - 21)
    server_s = [1e9] * 20 + [1e-9] * (count - 20)
    found = Search.of(model, costs_of(device_s, server_s)).best(Prices(uplink=1e-15, server=1.0, downlink=0.0))
    assert found.head == (1 << 20) - 1


def test_a_tensor_with_several_readers_crosses_once() -> None:
    model = model_of(
        [(["x"], ["a"]), (["a"], ["b"]), (["a"], ["c"]), (["b", "c"], ["y"])],
        {"x": 100, "a": 10, "b": 6, "c": 6, "y": 1},
        ["y"],
    )
    found = Search.of(model, costs_of([1, 50, 50, 50], [0, 0, 0, 0])).best(Prices(uplink=1, server=1, downlink=0))
    assert (found.head, found.up_bytes, found.value) == (0b0001, 10, 11.0)


def test_a_tensor_of_unknown_size_costs_nothing() -> None:
    model = model_of([(["x"], ["y"])], {"x": None, "y": 3}, ["y"])
    found = Search.of(model, costs_of([5], [1])).best(Prices(uplink=9, server=1, downlink=1))
    assert (found.head, found.value) == (0, 4.0)


def test_ties_and_free_nodes_have_an_answer() -> None:
    model = chain_of([0, 0, 0])
    found = Search.of(model, costs_of([0, 0], [0, 0])).best(Prices(uplink=1, server=1, downlink=1))
    assert found.value == 0


def test_more_bandwidth_never_makes_the_best_worse() -> None:
    model = branching(60, seed=3)
    search = Search.of(model, uneven_costs(model, seed=3))
    values = [search.best(Prices(uplink=up, server=1, downlink=up / 2)).value for up in np.geomspace(1e-10, 1e-3, 60)]
    assert np.all(np.diff(values) >= -1e-5 * np.array(values[1:]))


def test_candidates_are_never_better_than_the_search() -> None:
    model = branching(120, seed=4)
    search = Search.of(model, uneven_costs(model, seed=4))
    for up in np.geomspace(1e-9, 1e-4, 12):
        prices = Prices(uplink=up, server=0.5, downlink=up)
        least = min(search.measure(cut.nodes, prices).value for cut in candidate_cuts(model))
        assert search.best(prices).value <= least * (1 + 1e-5)


def diamond() -> Model:
    return model_of(
        [(["x"], ["a"]), (["a"], ["b"]), (["a"], ["c"]), (["b", "c"], ["y"])],
        {"x": 8, "a": 4, "b": 2, "c": 2, "y": 1},
        ["y"],
    )


@pytest.mark.parametrize(
    ("restrictions", "told"),
    [
        (Restrictions(on_device=frozenset({3}), on_server=frozenset({3})), ["'n3' is pinned to the device"]),
        (
            Restrictions(on_device=frozenset({3}), on_server=frozenset({0})),
            ["'n0' cannot run on the server", "'n3' needs its", "'n3' is pinned to the device"],
        ),
        (
            Restrictions(on_server=frozenset({0}), stays=frozenset({"x"})),
            ["'n0' reads 'x', which may not cross"],
        ),
        (
            Restrictions(on_device=frozenset({1}), on_server=frozenset({3}), stays=frozenset({"b"})),
            ["'b', made by 'n1', may not cross", "'n1' is pinned to the device"],
        ),
        (Restrictions(on_device=frozenset({4})), ["node 4", "0 to 3"]),
        (Restrictions(stays=frozenset({"nothing"})), ["'nothing'", "no such tensor"]),
    ],
)
def test_a_contradiction_names_what_contradicts_what(restrictions: Restrictions, told: list[str]) -> None:
    with pytest.raises(InputError) as error:
        Search.of(diamond(), equal_costs(diamond()), restrictions)
    assert all(text in str(error.value) for text in told), str(error.value)


def test_a_long_way_from_pin_to_pin_is_told_in_a_few_steps() -> None:
    model = chain_of([1] * 21)
    with pytest.raises(InputError, match="and 16 more steps"):
        Search.of(model, equal_costs(model), Restrictions(on_device=frozenset({19}), on_server=frozenset({0})))


def test_all_pinned_leaves_one_cut() -> None:
    search = Search.of(diamond(), equal_costs(diamond()), Restrictions(on_device=frozenset({3})))
    assert search.least == search.most == search.best(FREE).head == 0b1111
    assert not search.downlink_matters


@pytest.mark.parametrize("values", [{"device": 0.0}, {"uplink": -1.0}, {"server": float("nan")}, {"downlink": np.inf}])
def test_prices_outside_their_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"price '{next(iter(values))}'"):
        Prices(**{"uplink": 1.0, "server": 1.0, "downlink": 1.0, **values})


def test_costs_that_are_no_seconds_of_this_graph_are_refused() -> None:
    with pytest.raises(InputError, match="not finite or negative"):
        costs_of([-1.0], [1.0])
    with pytest.raises(InputError, match="device and"):
        costs_of([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="1 nodes were given for a graph of 4"):
        Search.of(diamond(), costs_of([1.0], [1.0]))


def test_sums_beyond_a_float_are_refused() -> None:
    costs = costs_of([1e308] * 4, [1e308] * 4)
    with pytest.raises(InputError, match="more than a float can hold"):
        Search.of(diamond(), costs).best(Prices(device=1e300, uplink=1e300, server=1.0, downlink=0.0))


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse.csgraph", None)
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(InputError, match=r"pip install 'partway\[plan\]'"):
        Search.of(diamond(), equal_costs(diamond()))


def test_a_flow_that_is_not_the_cut_s_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search.of(diamond(), costs_of([9, 1, 2, 3], [1, 5, 5, 0]))
    real = network.load_scipy

    def wrong(module: str) -> object:
        found = real(module)
        if module != "sparse.csgraph":
            return found

        def flow(*given: object) -> object:
            answer = found.maximum_flow(*given)
            return SimpleNamespace(flow=answer.flow, flow_value=answer.flow_value - 1)

        return SimpleNamespace(maximum_flow=flow, breadth_first_order=found.breadth_first_order)

    monkeypatch.setattr(network, "load_scipy", wrong)
    with pytest.raises(PartwayError, match="maximum flow"):
        search.best(Prices(uplink=0.1, server=1.0, downlink=0.0))
