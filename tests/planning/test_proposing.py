"""Proposed cuts against all cuts of small graphs, by additive costs."""

import math
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.graph.support import canonical
from tests.models import chain_model, diamond_model, light_model, multi_io_model
from tests.planning.graphs import branching, chain_of, every_cut, model_of, small_models, uneven_costs, whole_costs
from tests.planning.strategies import conditions_inside

from partway.errors import InputError
from partway.graph import Cut, Model, cut_at, single_tensor_cuts
from partway.link.radio import NAMED_RADIOS
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost, latency_s
from partway.planning.energy import DeviceDraw, PowerDraw, energy_j
from partway.planning.frontier import Region
from partway.planning.objective import Goal, stages_s
from partway.planning.placement import allows
from partway.planning.proposing import Proposal, additive_gap, propose_cuts
from partway.planning.search import NodeCosts, Prices, Restrictions

TOLERANCE = 0.001
SLACK = 2e-5  # what searches round, on either side
SLOW = Region(uplink_bytes_per_s=(0.01, 100.0))  # where whole seconds and single bytes weigh alike
DEVICE, ACTIVE_W = DeviceDraw.of(NAMED_RADIOS["lte"], device_idle_w=1.0), 5.0
THROUGHPUT = Goal(objective="throughput")
NOTHING = Prices(uplink=0.0, server=0.0, downlink=0.0)
law = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))


def cost_of(cut: Cut, nodes: NodeCosts) -> CutCost:
    """What a cut costs if its nodes' seconds add up."""
    head = np.array([bool(cut.nodes >> index & 1) for index in range(len(nodes.device_s))])
    device_s = float(nodes.device_s[head].sum())
    return CutCost(
        crossing=cut.crossing,
        device_s=device_s,
        up_bytes=cut.up_bytes,
        server_s=float(nodes.server_s[~head].sum()),
        down_bytes=cut.down_bytes,
        offloaded=cut.offloaded,
        device_j=ACTIVE_W * device_s,
        device_j_how="constant",
    )


def table_of(cuts: Sequence[Cut], nodes: NodeCosts) -> CostTable:
    return CostTable.of([cost_of(cut, nodes) for cut in cuts])


def all_cuts(model: Model, nodes: NodeCosts, restrictions: Restrictions | None = None) -> list[Cut]:
    return [priced.cut for priced in every_cut(model, nodes, NOTHING, restrictions)]


def with_one_end(model: Model) -> bool:
    """Whether all nodes lead to one that makes all outputs: then cuts are the same by heads and by what they send."""
    last = len(model.nodes) - 1
    read = {name for node in model.nodes for name in node.inputs}
    return all(
        index == last or (read.issuperset(node.outputs) and not {t.name for t in model.outputs} & {*node.outputs})
        for index, node in enumerate(model.nodes)
    )


@st.composite
def joined(draw: st.DrawFn) -> Model:
    """Small graphs in which everything ends in one output."""
    model = draw(small_models(most_nodes=8))
    assume(with_one_end(model))
    return model


@st.composite
def named_restrictions(draw: st.DrawFn, model: Model) -> Restrictions:
    """What a user's words make of inputs and layers."""
    nodes = [node.name for node in model.nodes]
    names = st.sampled_from(["inputs", *(tensor.name for tensor in model.inputs), *nodes])
    wishes = Constraints(
        keep_on_device=tuple(draw(st.lists(names, max_size=2))),
        on_server=tuple(draw(st.lists(st.sampled_from(nodes), max_size=2))),
    )
    try:
        return wishes.restrict(model)
    except InputError:  # two of the names contradict each other
        return Restrictions()


@law
@given(data=st.data(), model=joined())
def test_one_proposed_cut_is_nearly_the_best_of_all_under_any_conditions(data: st.DataObject, model: Model) -> None:
    nodes = data.draw(whole_costs(model))
    proposal = propose_cuts(model, nodes, region=SLOW, tolerance=TOLERANCE)
    assert proposal.record.certified
    proposed, every = table_of(proposal.cuts, nodes), table_of(all_cuts(model, nodes), nodes)
    for _ in range(4):
        conditions = data.draw(conditions_inside(SLOW))
        best_s = latency_s(every, conditions).min()
        assert best_s * (1 - SLACK) <= latency_s(proposed, conditions).min() <= best_s * (1 + TOLERANCE + SLACK)


@law
@given(data=st.data(), model=joined(), lam=st.sampled_from([0.0, 0.05, 1.0, 40.0, math.inf]))
def test_with_watts_the_same_holds_for_energy_and_any_balance(data: st.DataObject, model: Model, lam: float) -> None:
    nodes = data.draw(whole_costs(model))
    proposal = propose_cuts(model, nodes, region=SLOW, draw=DEVICE, active_w=ACTIVE_W)
    proposed, every = table_of(proposal.cuts, nodes), table_of(all_cuts(model, nodes), nodes)
    for _ in range(3):
        conditions = data.draw(conditions_inside(SLOW))
        draw = DEVICE.at(conditions)

        def value(table: CostTable, at: Conditions = conditions, watts: PowerDraw = draw) -> float:
            joules = energy_j(table, at, watts)
            return float((joules if math.isinf(lam) else latency_s(table, at) + lam * joules).min())

        assert value(proposed) <= value(every) * (1 + TOLERANCE + SLACK)


@law
@given(data=st.data(), model=small_models(most_nodes=8))
def test_cuts_are_named_by_what_they_send_and_come_from_the_smallest_head(data: st.DataObject, model: Model) -> None:
    goal = data.draw(st.sampled_from([Goal(), THROUGHPUT]))
    proposal = propose_cuts(model, data.draw(whole_costs(model)), goal=goal)
    assert all(cut_at(model, cut.crossing) == cut for cut in proposal.cuts)
    assert len({cut.crossing for cut in proposal.cuts}) == len(proposal.cuts) == proposal.record.proposed
    assert [cut.depth for cut in proposal.cuts] == sorted(cut.depth for cut in proposal.cuts)
    assert not proposal.cuts[-1].offloaded


@law
@given(data=st.data(), model=small_models(most_nodes=8))
def test_what_the_user_forbids_is_never_proposed(data: st.DataObject, model: Model) -> None:
    nodes, restrictions = data.draw(whole_costs(model)), data.draw(named_restrictions(model))
    goal = data.draw(st.sampled_from([Goal(), THROUGHPUT, Goal(constraints=Constraints(max_up_bytes=5))]))
    try:
        proposal = propose_cuts(model, nodes, goal=goal, restrictions=restrictions, region=SLOW)
    except InputError:
        assert not all_cuts(model, nodes, restrictions)
        return
    assert proposal.cuts
    assert all(allows(cut, restrictions) for cut in proposal.cuts)
    alone = not restrictions.on_server
    assert any(not cut.offloaded for cut in proposal.cuts) == alone
    if with_one_end(model):
        proposed = table_of(proposal.cuts, nodes)
        every = table_of(all_cuts(model, nodes, restrictions), nodes)
        conditions = data.draw(conditions_inside(SLOW))
        assert latency_s(proposed, conditions).min() <= latency_s(every, conditions).min() * (1 + TOLERANCE + SLACK)


@law
@given(data=st.data(), model=small_models(most_nodes=8))
def test_no_cut_of_a_stream_is_faster_than_the_gap_says(data: st.DataObject, model: Model) -> None:
    nodes = data.draw(whole_costs(model))
    proposal = propose_cuts(model, nodes, goal=THROUGHPUT, region=SLOW)
    conditions = data.draw(conditions_inside(SLOW))
    gap = additive_gap(proposal, THROUGHPUT, conditions)
    assert gap is not None
    assert gap >= 0
    reached = stages_s(table_of(proposal.cuts, nodes), conditions).max(axis=1).min()
    best = stages_s(table_of(all_cuts(model, nodes), nodes), conditions).max(axis=1).min()
    assert best * (1 + 1e-9) >= reached / (1 + gap)


@law
@given(data=st.data(), model=small_models(most_nodes=8), share=st.floats(0, 1))
def test_no_cut_within_a_deadline_costs_less_than_the_gap_says(data: st.DataObject, model: Model, share: float) -> None:
    nodes, conditions = data.draw(whole_costs(model)), data.draw(conditions_inside(SLOW))
    every = table_of(all_cuts(model, nodes), nodes)
    seconds, draw = latency_s(every, conditions), DEVICE.at(conditions)
    deadline_s = float(seconds.min() + share * np.ptp(seconds)) * (1 + 1e-9)
    assume(deadline_s > 0)
    goal = Goal(objective="energy", constraints=Constraints(deadline_s=deadline_s))
    proposal = propose_cuts(
        model,
        nodes,
        goal=goal,
        region=SLOW,
        draw=DEVICE,
        active_w=ACTIVE_W,
    )
    gap = additive_gap(proposal, goal, conditions, draw=draw, active_w=ACTIVE_W)
    proposed = table_of(proposal.cuts, nodes)
    within = latency_s(proposed, conditions) <= deadline_s
    if not within.any():
        assert gap is None
        return
    assert gap is not None
    assert gap >= 0
    reached = energy_j(proposed, conditions, draw)[within].min()
    best = energy_j(every, conditions, draw)[seconds <= deadline_s].min()
    assert best * (1 + 1e-9) + 1e-12 >= reached / (1 + gap)


LINK = Conditions(uplink_bytes_per_s=1e6, downlink_bytes_per_s=1e6, rtt_s=0.01)


@pytest.mark.parametrize(
    "goal",
    [
        Goal(),
        Goal(objective="energy"),
        Goal(objective="balanced"),
        Goal(constraints=Constraints(deadline_s=1.0)),
        Goal(objective="throughput", constraints=Constraints(deadline_s=1.0)),
        Goal(objective="throughput", constraints=Constraints(max_up_bytes=10)),
        Goal(objective="energy", constraints=Constraints(deadline_s=1.0, energy_budget_j=1.0)),
        Goal(objective="energy", constraints=Constraints(deadline_s=1.0, device_memory_bytes=10)),
    ],
)
def test_the_gap_is_unknown_where_no_bound_is_known(goal: Goal) -> None:
    model = chain_of([600, 400, 200, 50, 5])
    proposal = propose_cuts(model, uneven_costs(model, 0), goal=goal)
    assert additive_gap(proposal, goal, LINK, draw=DEVICE.at(LINK), active_w=ACTIVE_W) is None


def test_without_watts_the_gap_of_energy_is_unknown() -> None:
    model, goal = chain_of([600, 400, 5]), Goal(objective="energy", constraints=Constraints(deadline_s=9.0))
    proposal = propose_cuts(model, uneven_costs(model, 0), goal=goal)
    assert additive_gap(proposal, goal, LINK, draw=DEVICE.at(LINK)) is None
    assert additive_gap(proposal, goal, LINK, active_w=ACTIVE_W) is None
    assert additive_gap(proposal, goal, LINK, draw=DEVICE.at(LINK), active_w=ACTIVE_W) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "goal",
    [
        THROUGHPUT,
        Goal(constraints=Constraints(deadline_s=1.0)),
        Goal(constraints=Constraints(energy_budget_j=1.0)),
        Goal(constraints=Constraints(max_up_bytes=1000)),
        Goal(constraints=Constraints(device_memory_bytes=1000)),
    ],
)
def test_streams_and_limits_have_cuts_proposed_that_no_other_beats(goal: Goal) -> None:
    # In the middle lies a cut that no link makes the fastest, and that is the answer where the bytes are limited.
    model = chain_of([1000, 900, 100, 10])
    nodes = NodeCosts(device_s=np.array([1.0, 10.0, 1.0]), server_s=np.array([1.0, 1.0, 1.0]))
    plain = {cut.crossing for cut in propose_cuts(model, nodes).cuts}
    more = {cut.crossing for cut in propose_cuts(model, nodes, goal=goal).cuts}
    assert plain < more
    assert {cut.crossing for cut in single_tensor_cuts(model)} <= more


def test_even_of_a_long_chain_only_so_many_are_proposed_that_kernels_still_fuse() -> None:
    model = chain_of([10_000 - 50 * row for row in range(150)])
    proposal = propose_cuts(model, uneven_costs(model, 3), goal=THROUGHPUT)
    linear = propose_cuts(model, uneven_costs(model, 3))
    assert len(linear.cuts) < len(proposal.cuts) <= len(linear.cuts) + 24


@pytest.mark.parametrize("make", [chain_model, diamond_model, multi_io_model])
@pytest.mark.parametrize("goal", [Goal(), THROUGHPUT])
def test_real_graphs_have_their_extremes_proposed(tmp_path: Path, make: Callable[[Path], Path], goal: Goal) -> None:
    model = canonical(make(tmp_path))
    cuts = propose_cuts(model, uneven_costs(model, 0), goal=goal).cuts
    assert set(cuts[0].crossing) == {tensor.name for tensor in model.inputs}
    assert not cuts[-1].offloaded
    assert all(model.crossable.issuperset(cut.crossing) for cut in cuts)


def test_of_a_real_deep_graph_a_few_cuts_are_proven_to_be_enough(tmp_path: Path) -> None:
    model = canonical(light_model("squeezenet", tmp_path))
    nodes = uneven_costs(model, 1)
    proposal = propose_cuts(model, nodes)
    assert proposal.record.certified
    assert 2 < len(proposal.cuts) < len(model.nodes) / 2
    proposed, single = table_of(proposal.cuts, nodes), table_of(single_tensor_cuts(model), nodes)
    for uplink in np.geomspace(*Region().uplink_bytes_per_s, 20):
        conditions = Conditions(uplink_bytes_per_s=uplink, downlink_bytes_per_s=uplink, rtt_s=0.01)
        assert latency_s(proposed, conditions).min() <= latency_s(single, conditions).min() * (1 + TOLERANCE + SLACK)


def test_the_record_tells_how_cuts_were_found() -> None:
    model = branching(30, 4)
    ticks = count()
    proposal: Proposal = propose_cuts(model, uneven_costs(model, 4), tolerance=0.02, clock=lambda: float(next(ticks)))
    record = proposal.record
    assert (record.nodes, record.tolerance, record.seconds, record.gap) == (len(model.nodes), 0.02, 1.0, None)
    assert record.single_tensor_cuts == len(single_tensor_cuts(model))
    assert record.certified
    assert record.searches > 0


def test_restrictions_that_contradict_each_other_are_refused() -> None:
    model = chain_of([10, 10, 10])
    both = Restrictions(on_device=frozenset({1}), on_server=frozenset({0}))
    with pytest.raises(InputError):
        propose_cuts(model, uneven_costs(model, 0), restrictions=both)


def test_a_head_whose_name_moves_outputs_to_the_server_is_not_called_proven() -> None:
    # "big" is made from what crosses anyway, cheap here and dear to bring back: the best head keeps it.
    model = model_of(
        [(("x",), ("mid",)), (("mid",), ("big",)), (("mid",), ("y",))],
        {"x": 1000, "mid": 10, "big": 100_000, "y": 1},
        ("big", "y"),
    )
    nodes = NodeCosts(device_s=np.array([0.01, 0.001, 10.0]), server_s=np.array([0.01, 0.001, 0.01]))
    proposal = propose_cuts(model, nodes)
    assert not proposal.record.certified
    assert propose_cuts(chain_of([8, 4, 2]), uneven_costs(chain_of([8, 4, 2]), 0)).record.certified


def test_a_cut_that_only_a_codec_makes_small_is_proposed_with_its_sizes() -> None:
    # Two wide branches after a cheap layer; nothing single is small before the heavy end.
    model = model_of(
        [(("x",), ("a",)), (("x",), ("b",)), (("a", "b"), ("y",))],
        {"x": 1000, "a": 900, "b": 900, "y": 1},
        ("y",),
    )
    nodes = NodeCosts(device_s=np.array([1e-2, 1e-2, 10.0]), server_s=np.array([1e-5, 1e-5, 1e-3]))
    raw = propose_cuts(model, nodes)
    coded = propose_cuts(model, nodes, coded_bytes=[{"a": 9, "b": 9}])
    assert ("a", "b") not in {cut.crossing for cut in raw.cuts}
    assert ("a", "b") in {cut.crossing for cut in coded.cuts}
    assert {cut.crossing for cut in raw.cuts} <= {cut.crossing for cut in coded.cuts}
    assert coded.record.searches > raw.record.searches
