"""The paper's networks: layers, sizes and work as published, and nothing large before it is asked for."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import RUNTIME, canonical, open_source
from tests.zoo.paper.support import save_with_outputs

from partway.errors import InputError
from partway.graph.macs import count_macs
from partway.verification import check_model
from partway.zoo import PAPER_NETWORKS, PaperNetwork, named_network, paper_network

SMALL = ("mnist", "senna-pos", "senna-chk", "senna-ner")


def inferred_shapes(network: PaperNetwork) -> dict[str, tuple[int, ...]]:
    graph = onnx.shape_inference.infer_shapes(network.blueprint.model, strict_mode=True).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in values}
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


@pytest.mark.parametrize(
    ("name", "application", "layers"),
    [
        ("alexnet", "IMC", 24),
        ("vgg19", "VGG", 46),
        ("deepface", "FACE", 10),
        ("mnist", "DIG", 9),
        ("kaldi", "ASR", 13),
        ("senna-pos", "POS", 3),
        ("senna-chk", "CHK", 3),
        ("senna-ner", "NER", 3),
    ],
)
def test_layers_are_as_many_as_the_paper_counts(name: str, application: str, layers: int) -> None:
    network = paper_network(name)
    assert (network.name, network.application, len(network.layers)) == (name, application, layers)
    assert len({layer.name for layer in network.layers}) == layers


def test_there_are_eight() -> None:
    assert len(PAPER_NETWORKS) == 8
    assert len({paper_network(name).application for name in PAPER_NETWORKS}) == 8


def test_layers_are_of_the_paper_s_kinds() -> None:
    def kinds(name: str) -> Counter[str]:
        return Counter(layer.kind for layer in paper_network(name).layers)

    ends = {"fc": 3, "dropout": 2, "softmax": 1, "argmax": 1}
    assert kinds("alexnet") == {"conv": 5, "relu": 7, "pool": 3, "norm": 2, **ends}
    assert kinds("vgg19") == {"conv": 16, "relu": 18, "pool": 5, **ends}
    assert [layer.kind for layer in paper_network("deepface").layers] == [
        "conv", "pool", "conv", "local", "local", "local", "fc", "fc", "softmax", "argmax",
    ]  # fmt: skip
    assert [layer.kind for layer in paper_network("mnist").layers] == [
        "conv", "pool", "conv", "pool", "fc", "relu", "fc", "softmax", "argmax",
    ]  # fmt: skip
    assert kinds("kaldi") == {"fc": 7, "sigmoid": 6}
    assert [layer.kind for layer in paper_network("senna-ner").layers] == ["fc", "htanh", "fc"]


def test_alexnet_s_outputs_have_the_sizes_that_are_known() -> None:
    sizes = {layer.name: layer.output_bytes for layer in paper_network("alexnet").layers}
    assert sizes == {
        **dict.fromkeys(("conv1", "relu1", "norm1"), 1_161_600),
        "pool1": 279_936,
        **dict.fromkeys(("conv2", "relu2", "norm2"), 746_496),
        "pool2": 173_056,
        **dict.fromkeys(("conv3", "relu3", "conv4", "relu4"), 259_584),
        **dict.fromkeys(("conv5", "relu5"), 173_056),
        "pool5": 36_864,
        **dict.fromkeys(("fc6", "relu6", "drop6", "fc7", "relu7", "drop7"), 16_384),
        **dict.fromkeys(("fc8", "prob"), 4_000),
        "argmax": 8,
    }


def test_images_are_sent_as_bytes_and_computed_in_float32() -> None:
    alexnet = paper_network("alexnet")
    assert (alexnet.input_bytes, alexnet.layers[0].input_bytes) == (154_587, 4 * 154_587)
    assert str(paper_network("kaldi").input_dtype) == "float32"


# Parameters and multiply-accumulates of one item as their authors and others count them; those of DeepFace, Kaldi and
# SENNA follow from the sizes of their layers.
@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("alexnet", 60_965_224, 724_406_816),
        ("vgg19", 143_667_240, 19_632_062_464),
        ("deepface", 118_923_774, 517_624_448),
        ("mnist", 431_080, 2_293_000),
        ("kaldi", 25_380_522, 25_366_528),
        ("senna-pos", 103_845, 103_500),
        ("senna-chk", 102_942, 102_600),
        ("senna-ner", 117_917, 117_600),
    ],
)
def test_parameters_and_work_are_those_of_the_published_networks(name: str, parameters: int, macs: int) -> None:
    network = paper_network(name)
    assert network.weight_bytes == 4 * parameters
    assert network.macs == macs * network.queries


@pytest.mark.parametrize("name", PAPER_NETWORKS)
def test_records_say_what_shape_inference_says(name: str) -> None:
    network = paper_network(name)
    shapes = inferred_shapes(network)
    assert shapes[network.input_name] == network.input_shape
    for layer in network.layers:
        assert shapes[layer.name] == shapes[layer.output] == layer.output_shape
    nodes = network.blueprint.model.graph.node
    counted = (
        count_macs(node.op_type, [shapes.get(read) for read in node.input], shapes[node.output[0]]) for node in nodes
    )
    assert network.macs == sum(counted)


def test_deepface_s_sizes_are_the_published_ones() -> None:
    shapes = [layer.output_shape[1:] for layer in paper_network("deepface").layers]
    assert shapes[:6] == [(32, 142, 142), (32, 71, 71), (16, 63, 63), (16, 55, 55), (16, 25, 25), (16, 21, 21)]


@pytest.mark.parametrize("name", PAPER_NETWORKS)
def test_looking_at_layers_makes_no_weights(name: str) -> None:
    assert paper_network(name).blueprint.model.ByteSize() < 100_000


@given(name=st.sampled_from(PAPER_NETWORKS), queries=st.integers(1, 600))
def test_work_and_activations_grow_with_the_query_and_weights_do_not(name: str, queries: int) -> None:
    one, many = paper_network(name, 1), paper_network(name, queries)
    assert many.queries == queries
    assert many.input_bytes == queries * one.input_bytes
    assert many.macs == queries * one.macs
    assert [layer.output_bytes for layer in many.layers] == [queries * layer.output_bytes for layer in one.layers]
    assert [layer.weight_bytes for layer in many.layers] == [layer.weight_bytes for layer in one.layers]


def test_a_name_may_say_how_large_a_query_is() -> None:
    assert named_network("mnist") == paper_network("mnist", 100)
    assert named_network("mnist@10") == paper_network("mnist", 10)
    assert named_network("mnist@10").key != named_network("mnist").key


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("alexnett", r"no network is called 'alexnett'; did you mean alexnet\? They are alexnet, vgg19, .*, senna-ner"),
        ("gpt", r"no network is called 'gpt'; they are alexnet, .*, senna-ner"),
        ("mnist@", r"'' is no number of items in 'mnist@'; write NAME@N"),
        ("mnist@many", r"'many' is no number of items"),
        ("mnist@" + "9" * 20, r"is no number of items"),
        ("mnist@0", r"a query of mnist holds 1 to 100,000 digits, not 0; write for instance mnist@10"),
        ("kaldi@100001", r"a query of kaldi holds 1 to 100,000 frames, not 100,001"),
    ],
)
def test_names_that_are_none_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        named_network(text)


@pytest.mark.parametrize("name", SMALL)
def test_every_cut_of_the_small_ones_answers_as_the_whole(name: str, tmp_path: Path) -> None:
    network = named_network(f"{name}@3")
    scores = [layer for layer in network.layers if layer.kind == "softmax"]
    path = save_with_outputs(network.blueprint, scores, tmp_path / f"{name}.onnx")
    generator = np.random.default_rng(0)
    fed = generator.integers(0, 9, network.input_shape).astype(network.input_dtype)
    report = check_model(open_source(path), canonical(path), RUNTIME, {network.input_name: fed}, generator=generator)
    assert report.passed
    assert {(layer.output,) for layer in network.layers[:-1]} <= {check.crossing for check in report.checks}


def test_the_same_name_gives_the_same_bytes(tmp_path: Path) -> None:
    network = paper_network("senna-pos")
    network.save(tmp_path / "one.onnx")
    network.save(tmp_path / "other.onnx")
    assert (tmp_path / "one.data").read_bytes() == (tmp_path / "other.data").read_bytes()
    onnx.save(network.build(), tmp_path / "whole.onnx")
    assert open_source(tmp_path / "whole.onnx").digest == open_source(tmp_path / "one.onnx").digest
