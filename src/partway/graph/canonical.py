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
from onnx_ir.passes.common import LiftConstantsToInitializersPass

from partway.documents import Document, read_document, write_document
from partway.errors import BindingError, DocumentError, EngineError, ModelError
from partway.graph.binding import Binding
from partway.graph.cache import Cache
from partway.graph.external import read_graph
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
    identity = "\n".join(("3", source.digest, binding.encode(), runtime.version))
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]

    def make(folder: Path) -> None:
        _make(folder, source, binding, runtime)

    entry = cache.entry(key, make)
    try:
        record, graph = _read(entry.directory)
    except (DocumentError, ModelError) as error:
        logger.warning("cache_entry_damaged key=%s reason=%s", key, error)
        entry.refill(entry.directory, make)
        record, graph = _read_again(entry.directory)
    return Model(
        source_digest=source.digest,
        binding=binding,
        source_names=frozenset(record.source_names),
        tensors=tuple(tensor.info() for tensor in record.tensors),
        graph=graph,
        entry=entry,
    )


def _read(directory: Path) -> tuple[GraphEntry, onnx.ModelProto]:
    return read_document(directory / _ENTRY_FILE, GraphEntry), read_graph(directory / GRAPH_FILE)


def _read_again(directory: Path) -> tuple[GraphEntry, onnx.ModelProto]:
    try:
        return _read(directory)
    except DocumentError as error:
        raise ModelError(f"a graph that was made just now cannot be read: {error}; is the disk sound?") from error


def _make(folder: Path, source: Source, binding: Binding, runtime: GraphRuntime) -> None:
    logger.info("graph_canonicalised digest=%s binding=%s", source.digest, binding.encode())
    model = source.load()
    bind_values(model, binding)
    if binding.values:
        # Bodies of `If` that the values rule out must be gone before shapes are inferred: what is right for one
        # value may be wrong for another, and ONNX Runtime 1.24 to 1.32 crashes on a wrong body that it folds.
        _lift_constants(model)
        model = ir.load(_simplify(model, folder, "values", source, binding, runtime))
    bind_shapes(model, binding)
    _simplify(model, folder, Path(GRAPH_FILE).stem, source, binding, runtime)
    source.require_unchanged()
    for spare in folder.iterdir():
        if spare.name not in (GRAPH_FILE, WEIGHTS_FILE):
            spare.unlink()
    graph = onnx.load(folder / GRAPH_FILE, load_external_data=False)
    record = GraphEntry(
        source_digest=source.digest,
        binding=binding.encode(),
        runtime=runtime.version,
        tensors=tuple(TensorRecord.of(tensor) for tensor in _describe(graph, folder, binding, runtime)),
        source_names=tuple(sorted(source.names)),
    )
    write_document(folder / _ENTRY_FILE, record)


def _lift_constants(model: ir.Model) -> None:
    # ONNX Runtime 1.24 fails on constants over 127 bytes in a body that it folds ("HasExternalDataInMemory was false").
    LiftConstantsToInitializersPass()(model)
    bodies = (graph for graph in model.graph.subgraphs() if graph is not model.graph)
    for number, body in enumerate(tuple(bodies)):
        for name, value in tuple(body.initializers.items()):
            if not value.is_graph_input() and not value.is_graph_output():
                del body.initializers[name]
                value.name = f"partway.{number}.{name}"  # bodies that exclude each other may share names
                model.graph.register_initializer(value)


def _simplify(
    model: ir.Model, folder: Path, stem: str, source: Source, binding: Binding, runtime: GraphRuntime
) -> Path:
    given, target = folder / f"{stem}-given.onnx", folder / f"{stem}.onnx"
    ir.save(model, given, external_data=f"{given.stem}.bin", size_threshold_bytes=_EXTERNAL_FROM_BYTES)
    try:
        runtime.simplify(given, target, WEIGHTS_FILE if target.name == GRAPH_FILE else f"{stem}.bin")
    except EngineError as error:
        shapes = {name: list(shape) for name, shape in binding.shapes}
        raise BindingError(
            f"ONNX Runtime refuses {source.label} with the shapes {shapes}: {error}; give shapes that the model takes, "
            "and hold inputs that switch between its branches constant (--bind NAME=VALUE)"
        ) from error
    _mark_invented(target, frozenset(model.graph.initializers))
    return target


def _mark_invented(file: Path, known: frozenset[str]) -> None:
    # ONNX Runtime invents names for constants of its own; when it optimises its own result again it invents the
    # same ones once more, and then refuses the graph (its MatMulAddFusion, 1.32).
    model = ir.load(file)
    for name, value in tuple(model.graph.initializers.items()):
        if name not in known and not value.is_graph_output():
            value.name = f"partway.{name}"
    ir.save(model, file)


def bind_values(model: ir.Model, binding: Binding) -> None:
    """Make constants, in place, of the inputs that are bound by value and of defaults that are not fed.

    Args:
        model: the graph to change.
        binding: a binding of this graph's inputs.
    """
    graph = model.graph
    fed = {name for name, _ in binding.shapes}
    values = {value.name: value.array() for value in binding.values}
    model.ir_version = max(model.ir_version or 0, _LOWEST_IR_VERSION)
    for value in tuple(graph.inputs):
        name = value.name or ""
        if name in fed:
            graph.initializers.pop(name, None)
            value.const_value = None
        elif name in values:
            graph.inputs.remove(value)
            graph.initializers.pop(name, None)
            value.const_value = ir.Tensor(values[name], name=name)
            value.shape = ir.Shape(values[name].shape)
            graph.register_initializer(value)
        elif name in graph.initializers:
            graph.inputs.remove(value)


def bind_shapes(model: ir.Model, binding: Binding) -> None:
    """Fix the fed inputs to their shapes, in place.

    Args:
        model: the graph to change.
        binding: a binding of this graph's inputs.
    """
    shapes: Mapping[str, tuple[int, ...]] = dict(binding.shapes)
    for value in model.graph.inputs:
        if (shape := shapes.get(value.name or "")) is not None:
            value.shape = ir.Shape(shape)


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
    # A tensor of unknown rank is described as a scalar; the graph it was saved in tells them apart.
    declared = (*graph.graph.value_info, *graph.graph.output)
    ranked = {value.name for value in declared if value.type.tensor_type.HasField("shape")}
    return (
        *(replace(tensor, shape=shapes.get(tensor.name)) for tensor in fed),
        *(tensor if tensor.shape or tensor.name in ranked else replace(tensor, shape=None) for tensor in described),
    )
