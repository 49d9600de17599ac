"""The identity of a model: a digest of what it computes, whatever it was packed in.

Two files with the same graph and the same tensor contents have one digest, wherever their weights lie
and however their protobuf was laid out. Both ends compare digests before they trust each other's tensors.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import onnx_ir as ir


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def digest_model(model: ir.Model) -> str:
    """`sha256:` and 64 hex digits over operators, wiring, attributes, types and tensor contents.

    Names of tensors and nodes count, since cuts are named by them; doc strings, metadata, producer and
    the place of the weights do not.

    Args:
        model: the source model as read from its file.
    """
    digest = hashlib.sha256(b"partway model 1")
    for domain, version in sorted(model.opset_imports.items()):
        _add(digest, "opset", domain, str(version))
    for key in sorted(model.functions, key=str):
        function = model.functions[key]
        _add(digest, "function", *map(str, key), *_names(function.inputs), "->", *_names(function.outputs))
        for domain, version in sorted(function.opset_imports.items()):
            _add(digest, "opset", domain, str(version))
        for name in sorted(function.attributes):
            _add_attribute(digest, function.attributes[name])
        _add_nodes(digest, function)
    _add_graph(digest, model.graph)
    return f"sha256:{digest.hexdigest()}"


def _add(digest: _Hash, *words: str) -> None:
    # Lengths go first, so that no two different sequences of words feed the same bytes.
    for word in words:
        encoded = word.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    digest.update(b"\xff")


def _names(values: Iterable[ir.Value | None]) -> tuple[str, ...]:
    return tuple("" if value is None else value.name or "" for value in values)


def _add_graph(digest: _Hash, graph: ir.Graph) -> None:
    for role, values in (("input", graph.inputs), ("output", graph.outputs)):
        for value in values:
            _add(digest, role, value.name or "", str(value.type), str(value.shape))
    for name in sorted(graph.initializers):
        _add(digest, "initializer", name)
        tensor = graph.initializers[name].const_value
        if tensor is not None:
            _add_tensor(digest, tensor)
    _add_nodes(digest, graph)


def _add_nodes(digest: _Hash, nodes: Iterable[ir.Node]) -> None:
    for node in nodes:
        _add(digest, "node", node.domain, node.op_type, node.overload, node.name or "")
        _add(digest, *_names(node.inputs), "->", *_names(node.outputs))
        for name in sorted(node.attributes):
            _add_attribute(digest, node.attributes[name])


def _add_attribute(digest: _Hash, attribute: ir.Attr) -> None:
    _add(digest, "attribute", attribute.name, str(attribute.type))
    if attribute.is_ref():
        _add(digest, "reference", str(attribute.ref_attr_name))
    elif attribute.type is ir.AttributeType.TENSOR:
        _add_tensor(digest, attribute.as_tensor())
    elif attribute.type is ir.AttributeType.TENSORS:
        for tensor in attribute.as_tensors():
            _add_tensor(digest, tensor)
    elif attribute.type is ir.AttributeType.GRAPH:
        _add_graph(digest, attribute.as_graph())
    elif attribute.type is ir.AttributeType.GRAPHS:
        for graph in attribute.as_graphs():
            _add_graph(digest, graph)
    else:
        _add(digest, repr(attribute.value))


def _add_tensor(digest: _Hash, tensor: ir.TensorProtocol) -> None:
    _add(digest, str(tensor.dtype), str(tuple(tensor.shape.numpy())))
    if tensor.dtype is ir.DataType.STRING:
        for element in np.asarray(tensor.numpy()).reshape(-1):
            _add(digest, element.decode(errors="backslashreplace") if isinstance(element, bytes) else str(element))
    else:
        digest.update(tensor.tobytes())
