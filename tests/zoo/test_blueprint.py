"""Blueprints: nothing large before it is asked for, and then what the builder would have made."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.graph.support import open_source

from partway.zoo import GraphBuilder, Tensor
from partway.zoo.blueprint import Blueprint


def layers(net: GraphBuilder, *, channels: int = 8) -> Tensor:
    x = net.conv(net.input(1, 3, 10, 10), channels, 3, act="Relu")
    return net.dense(net.flatten(net.reshape(x, 1, channels, -1)), 5)


def blueprint(*, seed: int = 5, channels: int = 8) -> Blueprint:
    net = GraphBuilder(np.random.default_rng(seed), weightless=True)
    return net.blueprint(layers(net, channels=channels))


def built() -> onnx.ModelProto:
    net = GraphBuilder(np.random.default_rng(5))
    return net.build(layers(net))


def test_it_builds_what_the_builder_builds() -> None:
    assert blueprint().build() == built()


def test_a_saved_model_is_the_same_model(tmp_path: Path) -> None:
    onnx.save(built(), tmp_path / "whole.onnx")
    blueprint().save(tmp_path / "split.onnx")
    assert open_source(tmp_path / "split.onnx").digest == open_source(tmp_path / "whole.onnx").digest
    assert (tmp_path / "split.data").stat().st_size >= blueprint().weight_bytes
    onnx.checker.check_model(str(tmp_path / "split.onnx"))


def test_weights_are_described_and_not_held() -> None:
    large = blueprint(channels=50_000)
    assert large.weight_bytes > 100e6
    assert large.model.ByteSize() < 10_000


def test_the_digest_changes_with_whatever_changes_the_model() -> None:
    assert blueprint().digest == blueprint().digest
    assert len({blueprint().digest, blueprint(seed=6).digest, blueprint(channels=9).digest}) == 3


def test_weights_that_were_taken_back_are_not_described() -> None:
    net = GraphBuilder(np.random.default_rng(5), weightless=True)
    x = net.input(1, 3, 10, 10)
    mark = net.mark()
    net.conv(x, 8, 3)
    net.rewind(mark)
    assert net.described_bytes == 0
    assert not net.blueprint(x).recipes


def test_what_is_renamed_and_what_is_in_a_scope_keep_their_names() -> None:
    net = GraphBuilder(np.random.default_rng(5), weightless=True)
    with net.scope("conv1"):
        made = net.rename(net.conv(net.input(1, 3, 10, 10, name="data"), 8, 3), "conv1")
    graph = net.blueprint(made).model.graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["data", "conv1"]
    assert [node.name for node in graph.node] == ["conv1"]
    assert all(tensor.name.startswith("conv1/") for tensor in graph.initializer)
    with pytest.raises(ValueError, match="data"):
        net.rename(Tensor("data", (1, 3, 10, 10)), "other")
