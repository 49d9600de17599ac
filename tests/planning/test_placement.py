from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper
from tests.graph.support import canonical, save, value
from tests.models import chain_model, diamond_model, multi_io_model

from partway.engine import OrtRuntime
from partway.errors import CutError, InputError
from partway.graph import Cache, Cut, Model, Source, canonicalise, cut_of, device_only, server_only
from partway.planning.constraints import Constraints
from partway.planning.placement import allows

Build = Callable[[Path], Path]


def load(build: Build, folder: Path) -> Model:
    cache = Cache(folder / "cache")
    source = Source.open(build(folder), cache=cache)
    return canonicalise(source, source.bind(), OrtRuntime(), cache=cache)


def all_cuts(model: Model) -> Iterator[Cut]:
    found = {}
    for head in range(1 << len(model.nodes)):
        try:
            cut = cut_of(model, head)
        except CutError:
            continue
        found[cut.crossing] = cut
    yield from found.values()


def leads_to(model: Model, tensor: str, layer: int) -> bool:
    """Whether a layer is computed from a tensor."""
    readers = model.consumers.get(tensor, ())
    return layer in readers or any(
        leads_to(model, made, layer) for reader in readers for made in model.nodes[reader].outputs
    )


@pytest.mark.parametrize("build", [chain_model, diamond_model, multi_io_model])
def test_nothing_from_which_a_kept_layer_is_computed_may_cross_and_all_else_may(build: Build, tmp_path: Path) -> None:
    model = load(build, tmp_path)
    for index, node in enumerate(model.nodes):
        restrictions = Constraints(keep_on_device=(node.name,)).restrict(model)
        for cut in all_cuts(model):
            leaks = any(leads_to(model, name, index) for name in cut.crossing)
            assert allows(cut, restrictions) == (not leaks and bool(cut.nodes >> index & 1)), (node.name, cut.crossing)
        assert restrictions == Constraints(keep_on_device=node.outputs[:1]).restrict(model)


@pytest.mark.parametrize("build", [chain_model, diamond_model, multi_io_model])
def test_a_layer_on_the_server_is_in_the_tail_of_every_cut(build: Build, tmp_path: Path) -> None:
    model = load(build, tmp_path)
    for index, node in enumerate(model.nodes):
        restrictions = Constraints(on_server=(node.name,)).restrict(model)
        assert not allows(device_only(model), restrictions)
        assert allows(server_only(model), restrictions)
        for cut in all_cuts(model):
            assert allows(cut, restrictions) == (not cut.nodes >> index & 1)
        assert restrictions == Constraints(on_server=node.outputs[:1]).restrict(model)


@pytest.mark.parametrize("build", [chain_model, diamond_model, multi_io_model])
def test_a_kept_input_never_crosses_and_all_else_may(build: Build, tmp_path: Path) -> None:
    model = load(build, tmp_path)
    names = tuple(tensor.name for tensor in model.inputs)
    for kept in ((names[0],), names[1:], names, ("inputs",)):
        restrictions = Constraints(keep_on_device=kept).restrict(model)
        stays = names if kept == ("inputs",) else kept
        assert restrictions.stays == frozenset(stays)
        for cut in all_cuts(model):
            assert allows(cut, restrictions) == frozenset(stays).isdisjoint(cut.crossing)


def test_without_names_everything_is_allowed(tmp_path: Path) -> None:
    model = load(diamond_model, tmp_path)
    assert all(allows(cut, Constraints().restrict(model)) for cut in all_cuts(model))


def test_unknown_names_are_refused_with_those_they_resemble(tmp_path: Path) -> None:
    model = load(chain_model, tmp_path)
    with pytest.raises(InputError, match=r"'Conv_conv3', to keep on the device, is no .* did you mean .*Conv_conv2"):
        Constraints(keep_on_device=("Conv_conv3",)).restrict(model)
    with pytest.raises(InputError, match=r"'zzzzzz', to put on the server, is no layer.*partway inspect"):
        Constraints(on_server=("zzzzzz",)).restrict(model)
    with pytest.raises(InputError, match="'image', to put on the server, is an input"):
        Constraints(on_server=("image",)).restrict(model)
    with pytest.raises(InputError, match="'inputs', to put on the server, is no layer"):
        Constraints(on_server=("inputs",)).restrict(model)


@pytest.mark.parametrize(
    ("kept", "put", "why"),
    [
        ("pool1", "pool1", "'pool1' is kept on the device and put on the server"),
        ("MaxPool_pool1", "pool1", "is the layer that 'MaxPool_pool1' keeps on the device"),
        ("pool1", "conv1", "runs before 'pool1', which is kept on the device"),
        ("image", "conv1", "a tensor that may not cross since 'image' is kept on the device"),
        ("inputs", "conv1", "a tensor that may not cross since 'inputs' is kept on the device"),
    ],
)
def test_contradictions_are_refused_by_both_names(kept: str, put: str, why: str, tmp_path: Path) -> None:
    model = load(chain_model, tmp_path)
    with pytest.raises(InputError, match=why) as refused:
        Constraints(keep_on_device=(kept,), on_server=(put,)).restrict(model)
    assert kept in str(refused.value)
    assert put in str(refused.value)


def test_what_reads_beside_a_kept_layer_stays_with_it(tmp_path: Path) -> None:
    # The skip reads the stem, which lies before the left branch and so may not cross.
    model = load(diamond_model, tmp_path)
    with pytest.raises(InputError, match=r"'skipped' is put on the server.*since 'left2' is kept"):
        Constraints(keep_on_device=("left2",), on_server=("skipped",)).restrict(model)


def test_an_input_that_was_only_moved_is_the_input_still(tmp_path: Path) -> None:
    weights = [
        numpy_helper.from_array(np.array([2], np.float32), "gain"),
        numpy_helper.from_array(np.array([0], np.int64), "from"),
        numpy_helper.from_array(np.array([2], np.int64), "to"),
    ]
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[1, 0]),
        helper.make_node("Slice", ["turned", "from", "to"], ["part"]),
        helper.make_node("Mul", ["part", "gain"], ["scaled"]),
        helper.make_node("Relu", ["scaled"], ["y"]),
    ]
    path = save(tmp_path / "moved.onnx", nodes, [value("x", 2, 3)], [value("y", 2, 2)], weights)
    model = canonical(path)
    for name in ("inputs", "x"):
        restrictions = Constraints(keep_on_device=(name,)).restrict(model)
        assert restrictions.stays >= {"x", "turned", "part"}
        assert {cut.crossing for cut in all_cuts(model) if allows(cut, restrictions)} == {("scaled",), ()}


def test_an_input_that_is_held_cannot_be_kept_since_the_server_is_told_of_it(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", "gain"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    path = save(tmp_path / "held.onnx", nodes, [value("x", 1, 3), value("gain", 1)], [value("y", 1, 3)])
    model = canonical(path, values={"gain": np.array([2], np.float32)})
    with pytest.raises(InputError, match="'gain' is held by --bind"):
        Constraints(keep_on_device=("gain",)).restrict(model)
