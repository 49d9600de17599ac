"""What tests of graphs, pieces and checks share: canonical models in a cache of their own, random graphs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from partway.engine import OrtRuntime
from partway.graph import Cache, Cut, Model, Source, canonicalise

RUNTIME = OrtRuntime(threads=1)
ELEMENTWISE_SHAPE = (2, 3)
_UNARY = ("Tanh", "Sigmoid", "Softsign", "Elu")
_BINARY = ("Add", "Mul", "Sub", "Max")

law = settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def open_source(path: Path, cache_folder: Path | None = None) -> Source:
    """The source, remembered in a cache beside it."""
    return Source.open(path, cache=Cache(cache_folder or path.parent / "cache"))


def canonical(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    *,
    cache_folder: Path | None = None,
) -> Model:
    """The canonical graph of a model file under one binding."""
    source = open_source(path, cache_folder)
    cache = Cache(cache_folder or path.parent / "cache")
    return canonicalise(source, source.bind(shapes, values), RUNTIME, cache=cache)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
    *,
    opset: int = 17,
) -> Path:
    """Write nodes as a model file."""
    graph = helper.make_graph(list(nodes), "test", list(inputs), list(outputs), list(weights))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


def value(name: str, *shape: int | str | None, element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """The declaration of a tensor."""
    return helper.make_tensor_value_info(name, element, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomGraph:
    """Element-wise operators, each on tensors made before it; whatever nobody reads is an output."""

    inputs: tuple[str, ...]
    nodes: tuple[tuple[str, tuple[str, ...], str], ...]
    outputs: tuple[str, ...]

    def save(self, path: Path) -> Path:
        """Write it as a model."""
        return save(
            path,
            [helper.make_node(kind, reads, [made], name=f"n_{made}") for kind, reads, made in self.nodes],
            [value(name, *ELEMENTWISE_SHAPE) for name in self.inputs],
            [value(name, *ELEMENTWISE_SHAPE) for name in self.outputs],
        )


@st.composite
def random_graphs(draw: st.DrawFn) -> RandomGraph:
    """Small directed acyclic graphs with several inputs and outputs."""
    inputs = tuple(f"x{index}" for index in range(draw(st.integers(1, 3))))
    tensors = list(inputs)
    nodes = []
    for index in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(_UNARY + _BINARY))
        reads = tuple(draw(st.sampled_from(tensors)) for _ in range(1 if kind in _UNARY else 2))
        tensors.append(f"t{index}")
        nodes.append((kind, reads, f"t{index}"))
    made = tensors[len(inputs) :]
    read = {name for _, reads, _ in nodes for name in reads}
    outputs = tuple(name for name in made if name not in read or draw(st.integers(0, 4)) == 0)
    return RandomGraph(inputs=inputs, nodes=tuple(nodes), outputs=outputs)


def heads_of(model: Model) -> Iterator[frozenset[int]]:
    """Every set of nodes that waits for no other node: all possible heads, by brute force."""
    for bits in range(1 << len(model.nodes)):
        head = frozenset(index for index in range(len(model.nodes)) if bits >> index & 1)
        if all(model.producers.get(name, index) in head for index in head for name in model.nodes[index].inputs):
            yield head


def crossing_of(model: Model, head: frozenset[int]) -> frozenset[str]:
    """The tensors that nodes outside the head read and do not make."""
    tail = [node for index, node in enumerate(model.nodes) if index not in head]
    made = {name for node in tail for name in node.outputs}
    return frozenset(name for node in tail for name in node.inputs if name not in made)


def head_of(cut: Cut) -> frozenset[int]:
    """Indices of the nodes that a cut leaves on the device."""
    return frozenset(index for index in range(cut.nodes.bit_length()) if cut.nodes >> index & 1)


def elementwise_feeds(names: Sequence[str], seed: int = 0) -> dict[str, np.ndarray]:
    """Feeds for a random graph."""
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(ELEMENTWISE_SHAPE, dtype=np.float32) for name in names}
