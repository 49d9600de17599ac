from itertools import pairwise
from pathlib import Path

from hypothesis import given
from tests.graph.support import canonical, law
from tests.models import light_model
from tests.planning.graphs import chain_of, closed_sets, model_of, small_models

from partway.graph import Model, most_crossing_bytes
from partway.graph.cuts import head_cut


def legal_cuts_bytes(model: Model) -> list[int]:
    before = [
        sum({1 << model.producers[name] for name in node.inputs if name in model.producers}) for node in model.nodes
    ]
    cuts = (head_cut(model, head) for head in closed_sets(before))
    return [cut.up_bytes for cut in cuts if model.crossable.issuperset(cut.crossing)]


@law
@given(model=small_models(most_nodes=9))
def test_no_cut_sends_more(model: Model) -> None:
    most = most_crossing_bytes(model)
    assert most is not None
    assert max(legal_cuts_bytes(model)) <= most <= sum(model.tensors[name].size_bytes or 0 for name in model.crossable)


def test_on_a_chain_it_is_the_largest_tensor() -> None:
    for sizes in ((3, 9, 4, 1), (9, 3), (1, 2, 9)):
        model = chain_of(sizes)
        assert most_crossing_bytes(model) == max(before for before, _ in pairwise(sizes))


def test_a_tensor_of_unknown_size_leaves_it_unknown() -> None:
    model = model_of([(["x"], ["y"]), (["y"], ["z"])], {"x": None, "y": 5, "z": 1}, ["z"])
    assert most_crossing_bytes(model) is None


def test_a_real_network_may_send_little_more_than_its_largest_activation(tmp_path: Path) -> None:
    model = canonical(light_model("squeezenet", tmp_path))
    most = most_crossing_bytes(model)
    assert most is not None
    largest = max(legal for legal in (model.tensors[name].size_bytes or 0 for name in model.crossable))
    assert largest <= most <= 4 * largest
