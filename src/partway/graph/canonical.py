"""From a source and a binding to the canonical graph.

The source's graph is bound (shapes fixed, constants put in), its weights are gathered in one file, and ONNX
Runtime's own BASIC level folds constants and simplifies with standard operators only. What comes out does not
depend on the machine, and its surviving tensor names do not depend on the runtime's version.
Called by the client, the server and the commands; the result lies in the cache under the source's digest.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import onnx
import onnx_ir as ir

from partway.documents import Document, read_document, write_document
from partway.errors import BindingError, EngineError, ModelError
from partway.graph.binding import Binding
from partway.graph.cache import Cache
from partway.graph.model import GRAPH_FILE, Model
from partway.graph.source import Source
from partway.graph.tensors import TensorInfo, TensorRecord, read_value

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "weights.bin"
_ENTRY_FILE = "entry.json"
_EXTERNAL_FROM_BYTES = 1024  # smaller constants stay in the graph, where shape inference can read them
_LOWEST_IR_VERSION = 8  # below 4, initializers must be listed as inputs; 8 suits every operator set since


class GraphRuntime(Protocol):
    """What canonicalisation needs of an inference runtime; the engine has it."""

    @property
    def version(self) -> str:
        """Name and version, part of the key of what it makes."""

    def simplify(self, source: Path, target: Path, weights_name: str) -> None:
        """Write the machine-independent simplification of one ONNX file as another, weights beside it."""

    def describe_outputs(self, graph: onnx.ModelProto, directory: Path) -> tuple[TensorInfo, ...]:
        """Types and shapes of a graph's outputs, its weights lying in `directory`."""


class GraphEntry(Document, frozen=True, kw_only=True):
    """What a cache entry says of its graph."""

    kind = "partway.graph"
    version = 1

    source_digest: str
    binding: str
    runtime: str
    tensors: tuple[TensorRecord, ...]
    source_names: tuple[str, ...]


def canonicalise(source: Source, binding: Binding, runtime: GraphRuntime, *, cache: Cache | None = None) -> Model:
    """The canonical graph of `source` under `binding`, from the cache or made now.

    Args:
        source: the model.
        binding: shapes and constants, as `source.bind` gives them.
        runtime: simplifies graphs and infers shapes.
        cache: where canonical graphs lie; by default the one of `PARTWAY_CACHE`.

    Raises:
        ModelError: the runtime cannot load the model.
        BindingError: the runtime refuses the model under these shapes.
    """
    cache = cache or Cache.default()
    identity = "\n".join(("1", source.digest, binding.encode(), runtime.version))
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]
    entry = cache.entry(key, lambda folder: _make(folder, source, binding, runtime))
    record = read_document(entry.directory / _ENTRY_FILE, GraphEntry)
    return Model(
        source_digest=source.digest,
        binding=binding,
        source_names=frozenset(record.source_names),
        tensors=tuple(tensor.info() for tensor in record.tensors),
        graph=onnx.load(entry.directory / GRAPH_FILE, load_external_data=False),
        entry=entry,
    )


def _make(folder: Path, source: Source, binding: Binding, runtime: GraphRuntime) -> None:
    logger.info("graph_canonicalised digest=%s binding=%s", source.digest, binding.encode())
    bound = folder / "bound.onnx"
    model = source.load()
    bind_model(model, binding)
    ir.save(model, bound, external_data="bound.bin", size_threshold_bytes=_EXTERNAL_FROM_BYTES)
    try:
        runtime.simplify(bound, folder / GRAPH_FILE, WEIGHTS_FILE)
    except EngineError as error:
        shapes = {name: list(shape) for name, shape in binding.shapes}
        raise BindingError(f"ONNX Runtime refuses {source.path} with the shapes {shapes}: {error}") from error
    bound.unlink()
    bound.with_suffix(".bin").unlink(missing_ok=True)
    graph = onnx.load(folder / GRAPH_FILE, load_external_data=False)
    record = GraphEntry(
        source_digest=source.digest,
        binding=binding.encode(),
        runtime=runtime.version,
        tensors=tuple(TensorRecord.of(tensor) for tensor in _describe(graph, folder, binding, runtime)),
        source_names=tuple(sorted(source.names)),
    )
    write_document(folder / _ENTRY_FILE, record)


def bind_model(model: ir.Model, binding: Binding) -> None:
    """Fix the graph's inputs in place: fed ones to their shapes, constants to initializers.

    Initializers that are listed among the inputs and not fed become plain constants.

    Args:
        model: the graph to change.
        binding: a binding of this graph's inputs.
    """
    graph = model.graph
    shapes: Mapping[str, tuple[int, ...]] = dict(binding.shapes)
    values = {value.name: value.array() for value in binding.values}
    model.ir_version = max(model.ir_version or 0, _LOWEST_IR_VERSION)
    for value in tuple(graph.inputs):
        name = value.name or ""
        if name in shapes:
            graph.initializers.pop(name, None)
            value.const_value = None
            value.shape = ir.Shape(shapes[name])
        elif name in values:
            graph.inputs.remove(value)
            graph.initializers.pop(name, None)
            value.const_value = ir.Tensor(values[name], name=name)
            value.shape = ir.Shape(values[name].shape)
            graph.register_initializer(value)
        elif name in graph.initializers:
            graph.inputs.remove(value)


def _describe(graph: onnx.ModelProto, folder: Path, binding: Binding, runtime: GraphRuntime) -> tuple[TensorInfo, ...]:
    # The runtime itself says what every tensor is, so operators that only it knows are covered too.
    probe = onnx.ModelProto()
    probe.CopyFrom(graph)
    outputs = {value.name for value in graph.graph.output}
    made = [name for node in graph.graph.node for name in node.output if name and name not in outputs]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    try:
        described = runtime.describe_outputs(probe, folder)
    except EngineError as error:
        raise ModelError(f"ONNX Runtime cannot describe the tensors of its own simplified graph: {error}") from error
    shapes = dict(binding.shapes)
    fed = (read_value(value) for value in ir.from_proto(graph).graph.inputs)
    return (*(replace(tensor, shape=shapes.get(tensor.name)) for tensor in fed), *described)
