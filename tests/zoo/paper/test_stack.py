"""Stacks of layers: what their records say is what a runtime finds, and after every layer one may cut."""

import itertools
from pathlib import Path

import numpy as np
from tests.graph.support import RUNTIME, canonical, open_source
from tests.zoo.paper.support import save_with_outputs

from partway.graph import cut_at
from partway.verification import check_model
from partway.zoo import Layer
from partway.zoo.blueprint import Blueprint
from partway.zoo.paper.stack import LayerStack


def every_kind() -> tuple[tuple[Layer, ...], Blueprint]:
    """DeepFace, reduced, with a layer of every other kind on it."""
    stack = LayerStack()
    stack.images(2, 3, 20, 20)
    stack.conv("conv1", 8, 3, stride=2)
    stack.relu("relu1")
    stack.norm("norm1")
    stack.pool("pool1", 2, 2)
    stack.local("local2", 6, 3)
    stack.fc("fc3", 40)
    stack.sigmoid("sig3")
    stack.fc("fc4", 40)
    stack.htanh("htanh4")
    stack.dropout("drop4")
    stack.fc("fc5", 10)
    stack.softmax("prob")
    stack.argmax("argmax")
    return stack.finish("every_kind")


def test_every_layer_ends_in_a_cut_and_every_cut_answers_as_the_whole(tmp_path: Path) -> None:
    layers, blueprint = every_kind()
    scores = [layer for layer in layers if layer.kind == "softmax"]
    path = save_with_outputs(blueprint, scores, tmp_path / "every_kind.onnx")
    model, feeds = canonical(path), {"data": np.random.default_rng(0).integers(0, 9, (2, 3, 20, 20), dtype=np.uint8)}
    for layer in layers[:-1]:
        assert cut_at(model, (layer.output,)).crossing == (layer.output,)
        assert model.tensors[layer.output].size_bytes == layer.output_bytes
    report = check_model(open_source(path), model, RUNTIME, feeds, generator=np.random.default_rng(0))
    assert report.passed
    assert {(layer.output,) for layer in layers[:-1]} <= {check.crossing for check in report.checks}


def test_layers_follow_on_each_other() -> None:
    layers, _ = every_kind()
    for below, above in itertools.pairwise(layers):
        assert above.input_shapes == (below.output_shape,)
        assert above.input_bytes == below.output_bytes


def test_a_dropout_is_cut_where_its_input_is() -> None:
    layers, _ = every_kind()
    outputs = {layer.name: layer.output for layer in layers}
    assert outputs["drop4"] == outputs["htanh4"] == "htanh4"


def test_only_layers_with_filters_have_weights_and_work() -> None:
    layers, _ = every_kind()
    for layer in layers:
        heavy = layer.kind in ("conv", "local", "fc")
        assert (layer.weight_bytes > 0) == (layer.macs > 0) == heavy
        assert (layer.filter_positions > 0) == (layer.kind == "conv")


def test_a_last_window_that_lies_partly_outside_counts_as_in_caffe() -> None:
    stack = LayerStack()
    stack.images(1, 1, 6, 7)
    stack.pool("pool1", 3, 2)
    ((pool,), _) = stack.finish("pool")
    assert pool.output_shape == (1, 1, 3, 3)
