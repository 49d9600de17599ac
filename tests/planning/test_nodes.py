"""Seconds of single nodes: shares of what the whole model takes, or what a profile says of each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.support import canonical
from tests.model_profiles import profile_of
from tests.models import chain_model, diamond_model, multi_io_model
from tests.planning.graphs import chain_of, model_of, small_models

from partway.errors import InputError
from partway.graph import Model
from partway.planning.nodes import measured_nodes, profiled_nodes, rough_nodes
from partway.profiling import Environment, Measurement
from partway.profiling.measurement import CutTiming, Timing

HERE = Environment(host="made-up", processor="paper", cores=1, runtime="none 1", threads=1)
law = settings(max_examples=60, derandomize=True)


def measurement(*cuts: CutTiming) -> Measurement:
    return Measurement(model="0" * 64, binding="", environment=HERE, cuts=cuts, busy_share=0.0)


def timing(median_s: float) -> Timing:
    return Timing(median_s=median_s, spread=0.0, runs=5)


@law
@given(model=small_models(), whole_s=st.floats(0, 100))
def test_shares_are_of_every_node_and_sum_to_the_whole(model: Model, whole_s: float) -> None:
    seconds = rough_nodes(model, whole_s)
    assert seconds.shape == (len(model.nodes),)
    assert np.all(seconds >= 0)
    assert seconds.sum() == pytest.approx(whole_s)


def test_nodes_without_multiplications_take_by_the_bytes_that_they_move() -> None:
    seconds = rough_nodes(chain_of([100, 200, 600]), 1.1)
    assert seconds == pytest.approx([0.3, 0.8])


def test_bytes_of_unknown_size_count_nothing_and_a_graph_that_moves_none_is_shared_evenly() -> None:
    unknown = model_of([(["x"], ["a"]), (["a"], ["y"])], {"x": 8, "a": None, "y": 0}, ["y"])
    assert rough_nodes(unknown, 1.0) == pytest.approx([1.0, 0.0])
    assert rough_nodes(chain_of([0, 0, 0, 0]), 0.3) == pytest.approx([0.1, 0.1, 0.1])


def test_layers_that_multiply_take_more_than_those_that_only_move(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    seconds = dict(zip((node.op_type for node in model.nodes[3:]), rough_nodes(model, 1.0)[3:], strict=True))
    assert seconds["Conv"] == max(seconds.values())
    assert all(seconds["Conv"] > seconds[other] for other in ("Relu", "GlobalAveragePool", "Gemm", "Softmax"))


def test_a_measurement_is_shared_out_from_its_largest_piece(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    whole = CutTiming(crossing=(), head=timing(0.09), tail=None)
    part = CutTiming(crossing=("pool1",), head=timing(0.03), tail=timing(0.05))
    assert measured_nodes(model, measurement(part, whole)) == pytest.approx(rough_nodes(model, 0.09))
    assert measured_nodes(model, measurement(part)) == pytest.approx(rough_nodes(model, 0.05))
    assert not measured_nodes(model, measurement()).any()


@pytest.mark.parametrize("make", [chain_model, diamond_model, multi_io_model])
def test_a_profile_says_what_each_node_takes_as_a_kernel_of_its_own(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    model = canonical(path)
    seconds = profiled_nodes(model, profile_of(path, kernel_s=2e-3), threads=1)
    assert seconds == pytest.approx(np.full(len(model.nodes), 2e-3))


def test_kernels_that_a_profile_never_sampled_take_what_its_roofline_says(tmp_path: Path) -> None:
    known, model = chain_model(tmp_path), canonical(diamond_model(tmp_path))
    seconds = profiled_nodes(model, profile_of(known, kernel_s=2e-3))
    assert np.all(seconds > 0)
    assert 0 < np.count_nonzero(np.isclose(seconds, 2e-3)) < len(model.nodes)


def test_a_profile_without_this_number_of_threads_is_refused(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    with pytest.raises(InputError, match="no samples with 2 threads"):
        profiled_nodes(canonical(path), profile_of(path), threads=2)
