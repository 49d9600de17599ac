"""On analytic machines costs of cuts are sums over nodes, exactly."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from tests.graph.support import canonical
from tests.models import chain_model, multi_io_model
from tests.planning.graphs import model_of, small_models
from tests.prediction.machines import LAW, machine

from partway.graph import Model, candidate_cuts, device_only, node_indices, server_only, single_tensor_cuts
from partway.planning import analytic_nodes, analytic_side, costs_of_sides
from partway.prediction.analytic import named_machine, work_of_node
from partway.profiling.power import ConstantPower

BOARD = machine()


@LAW
@given(small_models())
def test_heads_and_tails_are_the_sums_of_their_nodes(model: Model) -> None:
    cuts = (*single_tensor_cuts(model), device_only(model))
    seconds = analytic_nodes(model, BOARD)
    side = analytic_side(model, cuts, BOARD)
    for cut, head, tail in zip(cuts, side.heads, side.tails, strict=True):
        inside = set(node_indices(cut.nodes))
        assert head.seconds == pytest.approx(sum(seconds[index] for index in inside))
        assert head.seconds + tail.seconds == pytest.approx(seconds.sum())
        assert (head.how, tail.how, head.spread, head.energy_j) == ("analytic", "analytic", None, None)


def test_the_extremes_leave_nothing_on_the_other_side(tmp_path: Path) -> None:
    model = canonical(multi_io_model(tmp_path))
    first, last = server_only(model), device_only(model)
    side = analytic_side(model, (first, last), BOARD)
    assert side.heads[0].seconds == side.tails[1].seconds == 0.0
    assert side.tails[0].seconds == pytest.approx(side.heads[1].seconds)


def test_nodes_take_what_the_machine_says_of_their_work(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    seconds = analytic_nodes(model, BOARD)
    assert seconds.shape == (len(model.nodes),)
    assert list(seconds) == [BOARD.layer_s(work_of_node(model, node)) for node in model.nodes]


def test_joules_of_heads_are_watts_times_seconds(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    device, server = named_machine("jetson-tk1-gpu"), named_machine("tesla-k40")
    assert device is not None
    assert server is not None
    cuts = candidate_cuts(model)
    power = device.power
    assert isinstance(power, ConstantPower)
    sides = (analytic_side(model, cuts, device), analytic_side(model, cuts, server))
    for cost in costs_of_sides(cuts, device=sides[0], server=sides[1], power=power):
        assert (cost.how, cost.device_j_how) == ("analytic", "constant")
        assert cost.device_j == pytest.approx(power.active_w * cost.device_s)


def test_a_graph_of_tensors_of_unknown_size_takes_its_calls_alone() -> None:
    unknown = model_of([(["x"], ["a"]), (["a"], ["y"])], {"x": None, "a": None, "y": None}, ["y"])
    assert analytic_nodes(unknown, BOARD) == pytest.approx(np.full(2, BOARD.overhead_s.value))
