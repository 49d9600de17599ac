"""What layers and nodes ask of a machine, and that both ways of asking agree."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.graph.support import canonical, save, value
from tests.models import chain_model
from tests.prediction.machines import machine

from partway.graph import Model
from partway.prediction.analytic import Work, work_of_layer, work_of_node
from partway.zoo import paper_network

BOARD = machine()


def weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def work_of(model: Model, name: str) -> Work:
    return next(work_of_node(model, node) for node in model.nodes if name in node.outputs)


def test_a_convolution_reads_its_input_and_weights_and_writes_its_output(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])]
    path = save(
        tmp_path / "m.onnx", nodes, [value("x", 1, 2, 5, 5)], [value("y", 1, 3, 5, 5)], [weight("w", 3, 2, 3, 3)]
    )
    assert work_of(canonical(path), "y") == Work(
        kind="conv", macs=75 * 18, read_bytes=200, written_bytes=300, weight_bytes=216
    )


def test_other_products_are_fully_connected_and_the_rest_only_moves(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [value("x", 2, 4)], [value("y", 2, 8)], [weight("w", 4, 8)])
    model = canonical(path)
    assert work_of(model, "h") == Work(kind="fc", macs=64, read_bytes=32, written_bytes=64, weight_bytes=128)
    assert work_of(model, "y") == Work(kind="other", read_bytes=64, written_bytes=64)


def test_views_and_a_cast_of_the_input_cost_nothing_and_other_casts_do(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["f"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["s"]),
        helper.make_node("Cast", ["s"], ["y"], to=TensorProto.FLOAT16),
    ]
    element, half = TensorProto.UINT8, TensorProto.FLOAT16
    path = save(tmp_path / "m.onnx", nodes, [value("x", 1, 2, 3, element=element)], [value("y", 1, 6, element=half)])
    model = canonical(path)
    assert work_of(model, "f").kind == work_of(model, "flat").kind == "view"
    assert work_of(model, "y") == Work(kind="other", read_bytes=24, written_bytes=12)
    assert BOARD.layer_s(work_of(model, "f")) == 0.0


def test_a_lookup_reads_what_it_takes_and_not_the_whole_table(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"])]
    ids = value("x", 3, element=TensorProto.INT64)
    path = save(tmp_path / "m.onnx", nodes, [ids], [value("y", 3, 5)], [weight("table", 1000, 5)])
    assert work_of(canonical(path), "y") == Work(kind="other", read_bytes=60, written_bytes=60)


def test_every_node_of_a_model_has_work(tmp_path: Path) -> None:
    model = canonical(chain_model(tmp_path))
    assert {work_of_node(model, node).kind for node in model.nodes} >= {"conv", "fc", "other"}


def test_layers_are_told_as_the_zoo_counts_them() -> None:
    layers = {layer.name: work_of_layer(layer) for layer in paper_network("alexnet").layers}
    assert layers["conv2"].macs == 223_948_800  # two groups, each of half of the channels
    assert layers["fc6"] == Work(
        kind="fc", macs=37_748_736, read_bytes=36_864, written_bytes=16_384, weight_bytes=151_011_328
    )
    assert {layers[name].kind for name in ("relu1", "pool1", "norm1", "prob", "argmax")} == {"other"}
    assert layers["drop6"].kind == "view"


@pytest.mark.parametrize("name", ["alexnet", "mnist", "senna-pos"])
def test_the_layers_of_a_network_take_what_the_nodes_of_its_graph_take(name: str, tmp_path: Path) -> None:
    network = paper_network(name)
    network.save(tmp_path / "network.onnx")
    model = canonical(tmp_path / "network.onnx")
    nodes_s = [BOARD.layer_s(work_of_node(model, node)) for node in model.nodes]
    until: dict[str, float] = {}
    for node, done_s in zip(model.nodes, np.cumsum(nodes_s), strict=True):
        until.update(dict.fromkeys(node.outputs, done_s))
    layers_s = np.cumsum(BOARD.layers_s(network.layers))
    # A graph also reads the bounds of a clip, 8 bytes that no layer has.
    for layer, layer_s in zip(network.layers, layers_s, strict=True):
        assert until[layer.output] == pytest.approx(layer_s, rel=1e-4), layer.name
    assert sum(nodes_s) == pytest.approx(layers_s[-1], rel=1e-4)
