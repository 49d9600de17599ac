from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.graph.support import RUNTIME, canonical, open_source, value
from tests.models import chain_model, external_data_model, run_whole

from partway.engine import PieceStore
from partway.graph import whole

Edit = Callable[[onnx.GraphProto], None]


def digest(path: Path) -> str:
    return open_source(path).digest


def edited(path: Path, target: Path, edit: Edit) -> Path:
    model = onnx.load(path)
    edit(model.graph)
    onnx.save(model, target)
    return target


def test_the_same_model_has_one_digest_however_it_is_packed(tmp_path: Path) -> None:
    embedded, external = digest(chain_model(tmp_path)), digest(external_data_model(tmp_path))
    assert embedded == external == digest(external_data_model(tmp_path / "far", "weights/deep"))
    floats = edited(chain_model(tmp_path), tmp_path / "floats.onnx", unpack_weights)
    assert digest(floats) == embedded


def unpack_weights(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor).reshape(-1)
        tensor.ClearField("raw_data")
        tensor.float_data.extend(array.tolist())


def change_a_weight(graph: onnx.GraphProto) -> None:
    array = numpy_helper.to_array(graph.initializer[0]).copy()
    array.flat[-1] = np.nextafter(array.flat[-1], np.inf)
    graph.initializer[0].CopyFrom(numpy_helper.from_array(array, graph.initializer[0].name))


def change_an_attribute(graph: onnx.GraphProto) -> None:
    (pads,) = (attribute for attribute in graph.node[0].attribute if attribute.name == "pads")
    pads.ints[0] = 0


def change_a_tensors_name(graph: onnx.GraphProto) -> None:
    graph.node[0].output[0] = graph.node[1].input[0] = "renamed"


def change_a_nodes_name(graph: onnx.GraphProto) -> None:
    graph.node[0].name = "renamed"


def change_an_operator(graph: onnx.GraphProto) -> None:
    graph.node[1].op_type = "Sigmoid"


def change_a_shape(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def swap_two_inputs(graph: onnx.GraphProto) -> None:
    graph.node[0].input[0], graph.node[0].input[1] = graph.node[0].input[1], graph.node[0].input[0]


@pytest.mark.parametrize(
    "edit",
    [
        change_a_weight,
        change_an_attribute,
        change_a_tensors_name,
        change_a_nodes_name,
        change_an_operator,
        change_a_shape,
        swap_two_inputs,
    ],
)
def test_any_change_of_what_is_computed_changes_the_digest(tmp_path: Path, edit: Edit) -> None:
    path = chain_model(tmp_path)
    assert digest(edited(path, tmp_path / "edited.onnx", edit)) != digest(path)


def test_notes_and_producers_are_no_part_of_the_digest(tmp_path: Path) -> None:
    path = chain_model(tmp_path)
    model = onnx.load(path)
    model.producer_name, model.doc_string, model.graph.doc_string = "someone", "about", "it"
    model.metadata_props.add(key="author", value="me")
    onnx.save(model, tmp_path / "noted.onnx")
    assert digest(tmp_path / "noted.onnx") == digest(path)


def test_a_functions_default_attributes_are_part_of_the_digest(tmp_path: Path) -> None:
    digests = set()
    for alpha in (0.1, 0.2):
        leaky = helper.make_node("LeakyRelu", ["u"], ["v"])
        leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        function = helper.make_function(
            "own", "Bent", ["u"], ["v"], [leaky], opsets[:1], [], [helper.make_attribute("slope", alpha)]
        )
        graph = helper.make_graph(
            [helper.make_node("Bent", ["x"], ["y"], domain="own")], "g", [value("x", 2)], [value("y", 2)]
        )
        path = tmp_path / f"{alpha}.onnx"
        onnx.save(helper.make_model(graph, ir_version=10, opset_imports=opsets, functions=[function]), path)
        digests.add(digest(path))
        expected = run_whole(path, {"x": np.array([-1, 1], np.float32)})["y"]
        model = canonical(path)
        answer = PieceStore(model, RUNTIME).session(whole(model)).run({"x": np.array([-1, 1], np.float32)})
        np.testing.assert_allclose(answer["y"], expected)
    assert len(digests) == 2
