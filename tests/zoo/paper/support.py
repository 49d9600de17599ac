"""What tests of stacks and networks share: models that give out more than their last layer."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from partway.zoo import Layer
from partway.zoo.blueprint import Blueprint


def save_with_outputs(blueprint: Blueprint, layers: Sequence[Layer], path: Path) -> Path:
    """The model as a file that also gives out what these layers make: a wrong number shows there, however small."""
    model = onnx.ModelProto()
    model.CopyFrom(blueprint.model)
    model.graph.output.extend(
        helper.make_tensor_value_info(layer.name, TensorProto.FLOAT, layer.output_shape) for layer in layers
    )
    Blueprint(model=model, recipes=blueprint.recipes).save(path)
    return path
