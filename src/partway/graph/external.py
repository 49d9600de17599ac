"""Weights that lie beside a model instead of in it.

Input: a graph as read from its file. Output: the same graph with every reference checked and followed to the
file it means, and those files' names. Model hubs lay a model out as links to files elsewhere; onnx-ir refuses
links that leave the folder, so references are rewritten to what they link to. Called when a source is read.
"""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import onnx_ir as ir

from partway.errors import ModelError


def resolve_external_data(path: Path, model: ir.Model) -> frozenset[Path]:
    """Check and follow the references to external data, in place.

    Args:
        path: the model's file; data lies beside it, or beside the file that it links to.
        model: the graph read from it, subgraphs included.

    Returns:
        The files of external data, as the model names them.

    Raises:
        ModelError: a file is absent, or outside the model's folder.
    """
    files = set()
    for tensor, replace in tuple(_references(model)):
        file = _locate(path, tensor)
        files.add(file)
        target = file.resolve()
        replace(
            ir.ExternalTensor(
                target.name,
                tensor.offset,
                tensor.length,
                tensor.dtype,
                shape=tensor.shape,
                name=tensor.name,
                base_dir=target.parent,
            )
        )
    return frozenset(files)


def _references(model: ir.Model) -> Iterator[tuple[ir.ExternalTensor, Callable[[ir.ExternalTensor], None]]]:
    for graph in model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield value.const_value, _setter(value)
        for node in graph:
            for attribute in node.attributes.values():
                if attribute.type is ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                    yield attribute.value, _attribute_setter(node, attribute.name)


def _setter(value: ir.Value) -> Callable[[ir.ExternalTensor], None]:
    def replace(tensor: ir.ExternalTensor) -> None:
        value.const_value = tensor

    return replace


def _attribute_setter(node: ir.Node, name: str) -> Callable[[ir.ExternalTensor], None]:
    def replace(tensor: ir.ExternalTensor) -> None:
        # Read at once: when a graph is saved elsewhere, only initializers are moved along with it.
        try:
            content = np.array(tensor.numpy())
        except (OSError, ValueError) as error:
            raise ModelError(f"the constant {tensor.name!r} in {tensor.path} cannot be read: {error}") from error
        node.attributes[name] = ir.AttrTensor(name, ir.Tensor(content, dtype=tensor.dtype, name=tensor.name))

    return replace


def _locate(path: Path, tensor: ir.ExternalTensor) -> Path:
    location = PurePosixPath(tensor.location)
    if location.is_absolute() or ".." in location.parts:
        raise ModelError(
            f"{path} keeps {tensor.name!r} at {str(location)!r}; external data must lie in the model's own folder"
        )
    for folder in (path.parent, path.resolve().parent):
        if (folder / location).is_file():
            return folder / location
    raise ModelError(f"{path} keeps {tensor.name!r} in {str(location)!r}, which is not beside it")
