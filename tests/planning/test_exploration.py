"""Heads of which one is nearly the best everywhere in a box of prices, against a fresh search at any price."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.graph.support import canonical
from tests.models import light_model
from tests.planning.graphs import (
    any_restrictions,
    branching,
    chain_of,
    every_cut,
    small_models,
    uneven_costs,
    whole_costs,
)
from tests.planning.strategies import conditions_inside

from partway.errors import InputError
from partway.graph import Model, single_tensor_cuts
from partway.link.radio import NAMED_RADIOS, Radio, parse_radio
from partway.planning import envelope
from partway.planning.costs import Conditions, FloatArray, coefficients
from partway.planning.energy import DeviceDraw, PowerDraw, energy_coefficients
from partway.planning.exploration import PriceBox, explore
from partway.planning.frontier import Region
from partway.planning.search import NodeCosts, Prices, Restrictions, Search

TOLERANCE = 0.001
SLACK = 2e-5  # what searches round, on either side
law = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
radios = st.sampled_from([*NAMED_RADIOS.values(), parse_radio("tx=1.2W,rx=1.0W,idle=0.5W")])


def prices_of(conditions: Conditions) -> Prices:
    device, _, uplink, server, downlink = coefficients(conditions).tolist()
    return Prices(device=device, uplink=uplink, server=server, downlink=downlink)


def least_of(search: Search, heads: tuple[int, ...], prices: Prices, wait: float = 0.0) -> float:
    alone = search.most if search.most.bit_count() == search.most.bit_length() else -1
    return min(search.measure(head, prices).value + (wait if head != alone else 0.0) for head in heads)


def assert_holds_on_a_grid(search: Search, heads: tuple[int, ...], region: Region, seed: int, points: int = 40) -> None:
    rng = np.random.default_rng(seed)
    for uplink in np.geomspace(*region.uplink_bytes_per_s, points):
        for slowdown in np.geomspace(*region.slowdown, points):
            conditions = Conditions(
                uplink_bytes_per_s=float(uplink),
                downlink_bytes_per_s=float(uplink * rng.uniform(*region.downlink_per_uplink)),
                rtt_s=0.0,
                slowdown=float(slowdown),
                device_factor=float(rng.uniform(*region.device_factor)),
            )
            prices = prices_of(conditions)
            best = search.best(prices).value
            assert best * (1 - SLACK) <= least_of(search, heads, prices) <= best * (1 + TOLERANCE + SLACK)


@pytest.mark.parametrize(("nodes", "seed", "outputs"), [(40, 1, 1), (40, 2, 3), (90, 3, 2)])
def test_one_head_is_nearly_the_best_on_a_grid_of_links_and_loads(nodes: int, seed: int, outputs: int) -> None:
    model = branching(nodes, seed, outputs=outputs)
    search = Search.of(model, uneven_costs(model, seed, spread=1.0))
    assert search.downlink_matters == (outputs > 1)
    found = explore(search, PriceBox.of(Region()), tolerance=TOLERANCE)
    assert found.certified
    assert found.gap <= TOLERANCE
    assert_holds_on_a_grid(search, found.heads, Region(), seed)


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_the_same_holds_for_real_graphs(name: str, tmp_path: Path) -> None:
    model = canonical(light_model(name, tmp_path))
    search = Search.of(model, uneven_costs(model, seed=1))
    found = explore(search, PriceBox.of(Region()), tolerance=TOLERANCE)
    assert found.certified
    assert len(found.heads) > 2
    assert_holds_on_a_grid(search, found.heads, Region(), seed=1)


@law
@given(data=st.data(), model=small_models(most_nodes=8))
def test_any_graph_price_pin_and_wait_has_a_head_that_is_nearly_the_best(data: st.DataObject, model: Model) -> None:
    costs, restrictions = data.draw(whole_costs(model)), data.draw(any_restrictions(model))
    region = Region(uplink_bytes_per_s=(0.01, 100.0))
    try:
        search = Search.of(model, costs, restrictions)
    except InputError:
        return
    found = explore(search, PriceBox.of(region), tolerance=TOLERANCE)
    assert found.certified
    assert all(search.allows(head) for head in found.heads)
    alone = (1 << len(model.nodes)) - 1
    for _ in range(4):
        conditions = data.draw(conditions_inside(region))
        prices = prices_of(conditions)
        wait = coefficients(conditions)[1]
        least = min(
            priced.value + (wait if priced.cut.nodes != alone else 0.0)
            for priced in every_cut(model, costs, prices, restrictions)
        )
        kept = min(search.measure(head, prices).value + (wait if head != alone else 0.0) for head in found.heads)
        assert least * (1 - SLACK) <= kept <= least * (1 + TOLERANCE + SLACK)


@law
@given(data=st.data(), radio=radios, active_w=st.floats(0.1, 50), idle_w=st.floats(0, 10), seed=st.integers(0, 9))
def test_the_same_holds_for_energy_and_any_balance_of_it(
    data: st.DataObject, radio: Radio, active_w: float, idle_w: float, seed: int
) -> None:
    model = branching(30, seed, outputs=2)
    search = Search.of(model, uneven_costs(model, seed, spread=1.0))
    box = PriceBox.of(Region(), DeviceDraw.of(radio, device_idle_w=idle_w), active_w)
    found = explore(search, box, tolerance=TOLERANCE)
    assert found.certified
    for _ in range(3):
        conditions = data.draw(conditions_inside(Region()))
        balance = data.draw(st.sampled_from([0.0, 0.03, 1.0, 40.0, math.inf]))
        vector = balanced(conditions, radio, active_w=active_w, idle_w=idle_w, balance=balance)
        prices = Prices(device=vector[0], uplink=vector[2], server=vector[3], downlink=vector[4])
        best = search.best(prices).value
        assert least_of(search, found.heads, prices) <= best * (1 + TOLERANCE + SLACK)


def balanced(conditions: Conditions, radio: Radio, *, active_w: float, idle_w: float, balance: float) -> list[float]:
    """What latency plus so much energy charges; energy alone where that is infinite."""
    energy = energy_coefficients(conditions, PowerDraw.of(radio, conditions, device_idle_w=idle_w))
    energy[0] *= active_w
    vector: FloatArray = energy if math.isinf(balance) else coefficients(conditions) + balance * energy
    return [float(price) for price in vector]


@law
@given(data=st.data(), radio=radios, active_w=st.floats(0.1, 50), idle_w=st.floats(0, 10))
def test_the_box_holds_all_prices_of_its_region(
    data: st.DataObject, radio: Radio, active_w: float, idle_w: float
) -> None:
    conditions = data.draw(conditions_inside(Region()))
    balance = data.draw(st.sampled_from([0.0, 0.03, 1.0, 40.0, math.inf]))
    box = PriceBox.of(Region(), DeviceDraw.of(radio, device_idle_w=idle_w), active_w)
    device, _, uplink, server, downlink = balanced(conditions, radio, active_w=active_w, idle_w=idle_w, balance=balance)
    for (low, high), price in (
        (box.uplink, uplink / device),
        (box.server, server / device),
        (box.downlink, downlink / device),
        (box.downlink_per_uplink, downlink / uplink),
    ):
        assert low * (1 - 1e-9) <= price <= high * (1 + 1e-9)


def test_the_box_of_one_link_is_a_point() -> None:
    region = Region(
        uplink_bytes_per_s=(1e6, 1e6),
        downlink_per_uplink=(2.0, 2.0),
        slowdown=(3.0, 3.0),
        device_factor=(2.0, 2.0),
    )
    box = PriceBox.of(region)
    assert (box.uplink, box.server, box.downlink) == ((5e-7, 5e-7), (1.5, 1.5), (2.5e-7, 2.5e-7))
    model = branching(30, 1, outputs=3)
    search = Search.of(model, uneven_costs(model, 1))
    found = explore(search, box)
    assert (found.searches, found.vertices, found.certified) == (1, 1, True)
    assert search.best(Prices(uplink=5e-7, server=1.5, downlink=2.5e-7)).head in found.heads


@pytest.mark.parametrize("field", ["uplink_bytes_per_s", "downlink_per_uplink", "slowdown"])
def test_a_condition_that_is_known_needs_no_dimension(field: str) -> None:
    region = dataclasses.replace(Region(), **{field: (2.0, 2.0) if field != "uplink_bytes_per_s" else (1e6, 1e6)})
    model = branching(40, 2, outputs=3)
    search = Search.of(model, uneven_costs(model, 2, spread=1.0))
    found = explore(search, PriceBox.of(region))
    assert found.certified
    assert_holds_on_a_grid(search, found.heads, region, seed=2, points=10)


def test_a_wider_tolerance_needs_no_more_searches() -> None:
    model = branching(90, 5)
    search = Search.of(model, uneven_costs(model, 5, spread=1.0))
    fine, coarse = (explore(search, PriceBox.of(Region()), tolerance=share) for share in (0.0, 0.1))
    assert len(coarse.heads) < len(fine.heads)
    assert coarse.searches < fine.searches
    assert fine.certified
    assert fine.gap <= 1e-5


def test_seeds_that_are_best_somewhere_stay_and_others_go() -> None:
    model = branching(60, 6)
    search = Search.of(model, uneven_costs(model, 6, spread=1.0), Restrictions(on_device=frozenset({0})))
    plain = explore(search, PriceBox.of(Region()))
    seeds = [*plain.heads, *(cut.nodes for cut in single_tensor_cuts(model)), 0]
    seeded = explore(search, PriceBox.of(Region()), seeds=seeds)
    assert set(plain.heads) <= set(seeded.heads) < set(seeds)
    assert 0 not in seeded.heads  # it breaks the pin
    assert seeded.certified


def test_stopped_early_it_says_how_wrong_it_can_be() -> None:
    model = branching(90, 5)
    search = Search.of(model, uneven_costs(model, 5, spread=1.0))
    found = explore(search, PriceBox.of(Region()), most_searches=9)
    assert found.searches == 9
    assert not found.certified
    for up in np.geomspace(1e-9, 1e-4, 40):
        prices = Prices(uplink=up, server=0.5, downlink=0.0)
        assert least_of(search, found.heads, prices) <= search.best(prices).value * (1 + found.gap) * (1 + SLACK)


def test_where_vertices_are_unknown_nothing_is_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope.PriceSpace, "vertices", lambda *_: None)
    model = branching(40, 5)
    found = explore(Search.of(model, uneven_costs(model, 5)), PriceBox.of(Region()))
    assert (found.searches, found.certified, found.gap) == (4, False, math.inf)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_one_node_and_costs_of_nothing_have_heads(seconds: float) -> None:
    model = chain_of([4, 4])
    costs = NodeCosts(device_s=np.array([seconds]), server_s=np.array([seconds]))
    found = explore(Search.of(model, costs), PriceBox.of(Region()))
    assert found.heads == (0, 1)
    assert found.certified


@pytest.mark.parametrize(
    ("restrictions", "heads"),
    [(Restrictions(on_device=frozenset({4})), (0b11111,)), (Restrictions(on_server=frozenset({0})), (0,))],
)
def test_pins_that_leave_one_side_leave_one_head(restrictions: Restrictions, heads: tuple[int, ...]) -> None:
    model = chain_of([9, 8, 7, 6, 5, 4])
    found = explore(Search.of(model, uneven_costs(model, 7), restrictions), PriceBox.of(Region()))
    assert found.heads == heads
    assert found.certified


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"uplink": (2.0, 1.0)}, "uplink of a price box"),
        ({"server": (0.0, math.inf)}, "server of a price box"),
        ({"downlink": (-1.0, 1.0)}, "downlink of a price box"),
    ],
)
def test_boxes_that_are_none_are_refused(change: dict[str, tuple[float, float]], told: str) -> None:
    ends = {"uplink": (1.0, 2.0), "server": (1.0, 2.0), "downlink": (1.0, 2.0)}
    with pytest.raises(InputError, match=told):
        PriceBox(**{**ends, **change})


def test_a_ratio_that_no_price_in_the_box_has_is_refused() -> None:
    model = branching(20, 1, outputs=2)
    box = PriceBox(uplink=(1.0, 2.0), server=(1.0, 2.0), downlink=(1.0, 2.0), downlink_per_uplink=(5.0, 6.0))
    with pytest.raises(InputError, match="no price is in the box"):
        explore(Search.of(model, uneven_costs(model, 1)), box)


def test_wrong_tolerances_limits_and_watts_are_refused() -> None:
    model = chain_of([4, 4])
    search = Search.of(model, uneven_costs(model, 1))
    with pytest.raises(InputError, match="tolerance is -1"):
        explore(search, PriceBox.of(Region()), tolerance=-1)
    with pytest.raises(InputError, match="at least 1"):
        explore(search, PriceBox.of(Region()), most_searches=0)
    with pytest.raises(InputError, match="active_w is 0"):
        PriceBox.of(Region(), DeviceDraw.of(NAMED_RADIOS["lte"], device_idle_w=1.0), 0.0)
