from pathlib import Path

import pytest
from tests.cli.conftest import Command

from partway.zoo import PAPER_NETWORKS


def test_every_network_is_listed_with_what_it_costs(partway: Command, cache: Path) -> None:
    finished = partway("inspect", "--list")
    assert finished.status == 0
    assert all(f"{name} " in finished.out for name in PAPER_NETWORKS)
    assert "alexnet AlexNet IMC 24 uint8[1,3,227,227] 1 image 155 kB 244 MB 724 M" in finished.text
    assert "kaldi Kaldi ASR 13 float32[548,440] 548 frames 964 kB 102 MB 13.9 G" in finished.text
    assert not cache.exists()


def test_the_list_is_one_document(partway: Command) -> None:
    networks = partway("inspect", "--list", "--json").document["networks"]
    assert [network["name"] for network in networks] == list(PAPER_NETWORKS)
    alexnet = networks[0]
    assert alexnet["input"] == {"name": "data", "dtype": "uint8", "shape": [1, 3, 227, 227], "size_bytes": 154587}
    assert [layer["name"] for layer in alexnet["layers"]][-2:] == ["prob", "argmax"]


def test_a_name_goes_where_a_model_does(partway: Command) -> None:
    document = partway("inspect", "senna-pos", "--json").document
    assert document["model"] == "senna-pos"
    assert document["cuts"][0]["up_bytes"] == 28 * 300 * 4
    assert [cut["crossing"] for cut in document["cuts"]] == [["data"], ["fc1"], ["htanh"], []]
    assert partway("check", "senna-pos", "--json").document["passed"]
    assert partway("run", "senna-pos", "--json").document["outputs"][0]["shape"] == [28, 45]


def test_an_image_is_sent_as_bytes(partway: Command) -> None:
    document = partway("inspect", "mnist@10", "--json").document
    assert document["cuts"][0] | {"crossing": ["data"], "up_bytes": 7840} == document["cuts"][0]


def test_nodes_are_told_from_the_layers_that_caffe_counts(partway: Command) -> None:
    said = partway("inspect", "mnist@10").text
    assert "11 layers" in said
    assert "layers 9 as Caffe counts and --list says; here each node of the graph is one" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("inspect",), "no MODEL was given"),
        (("inspect", "mnist", "--list"), "leave mnist out"),
        (("inspect", "minst"), "did you mean mnist? They are alexnet, vgg19"),
        (("check", "mnist@none"), "'none' is no number of items"),
        (("inspect", "mnist@0"), "partway: a query of mnist holds 1 to 100,000 digits, not 0"),
        (("plan", "mnist", "--device", "jetson-tk1-gpx", "--link", "wifi"), "did you mean 'jetson-tk1-gpu'?"),
        (("run", "lenet"), "no network is called 'lenet'"),
    ],
)
def test_what_is_no_network_is_one_line(partway: Command, words: tuple[str, ...], complaint: str) -> None:
    finished = partway(*words)
    assert (finished.status, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert complaint in finished.err
