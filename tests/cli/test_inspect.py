from pathlib import Path

from tests.cli.conftest import Command
from tests.models import chain_model, diamond_model, dynamic_model, loop_model, multi_io_model, optional_input_model


def test_layers_and_cuts_are_shown(partway: Command, tmp_path: Path) -> None:
    finished = partway("inspect", chain_model(tmp_path))
    assert finished.status == 0
    assert "inputs image float32[1,3,8,8]" in finished.text
    assert "Conv_conv1" in finished.out
    assert "float32[1,8,8,8]" in finished.out
    assert "after 8 of 9 layers" in finished.out


def test_json_has_the_documented_keys(partway: Command, tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    document = partway("inspect", path, "--json").document
    assert document["model"] == str(path)
    assert document["nodes"][0].keys() >= {"name", "op", "output_bytes", "macs", "weight_bytes"}
    assert [node["op"] for node in document["nodes"]][:3] == ["Conv", "Relu", "MaxPool"]
    assert {"crossing": ["image"], "up_bytes": 768}.items() <= document["cuts"][0].items()
    assert document["cuts"][-1]["crossing"] == []


def test_tensors_that_cross_only_with_others_are_counted_and_candidates_of_several_shown(
    partway: Command, tmp_path: Path
) -> None:
    document = partway("inspect", diamond_model(tmp_path), "--json").document
    assert document["uncrossable"]["together_only"] > 0
    assert "cross only together with others" in partway("inspect", diamond_model(tmp_path)).out
    finished = partway("inspect", multi_io_model(tmp_path))
    assert "a + b + 1 more" in finished.out


def test_open_dimensions_are_bound_by_shape_or_by_the_arrays(partway: Command, tmp_path: Path) -> None:
    document = partway("inspect", dynamic_model(tmp_path), "--shape", "image=2,3,8,8", "--json").document
    assert document["inputs"][0]["shape"] == [2, 3, 8, 8]


def test_inputs_held_constant_and_defaults_are_named(partway: Command, tmp_path: Path) -> None:
    path = optional_input_model(tmp_path)
    assert "defaults scale" in partway("inspect", path).text
    assert "bound scale = [[4.0, 3.0, 2.0, 1.0]]" in partway("inspect", path, "--bind", "scale=[[4,3,2,1]]").text


def test_bodies_are_one_layer(partway: Command, tmp_path: Path) -> None:
    document = partway("inspect", loop_model(tmp_path), "--json").document
    assert "Loop" in [node["op"] for node in document["nodes"]]
