"""Weights that lie beside a model instead of in it.

Input: a graph as read from its file. Output: the same graph with every reference checked and followed to the
file it means, and those files' names. Model hubs lay a model out as links to files elsewhere; onnx-ir refuses
links that leave the folder, so references are rewritten to what they link to. Called when a source is read, and
when a graph of our own is read back from the cache.
"""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data

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


def read_graph(path: Path) -> onnx.ModelProto:
    """The weight-free graph that was stored at `path`, whole, as are the files of its weights.

    Raises:
        ModelError: the file is absent or cut short, or that of its weights is.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            if uses_external_data(tensor):
                data = {item.key: item.value for item in tensor.external_data}
                end = int(data.get("offset", 0)) + int(data.get("length", 0))
                if (size_bytes := (path.parent / data["location"]).stat().st_size) < end:
                    raise ModelError(f"{data['location']} beside {path} has {size_bytes} bytes, not {end} or more")
    except (OSError, ValueError, KeyError, DecodeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is damaged: {error}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(f"{path} is damaged: it ends too early")
    return model


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
