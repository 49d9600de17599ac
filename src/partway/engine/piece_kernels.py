"""The kernels of any piece, without making a session for it.

Input: a graph as the runtime executes it, and pieces. Output: for each the kernels that it runs, in order. Types and
shapes of all tensors are asked of the runtime once; a piece is then a choice among the graph's nodes. Called by
`PieceStore`; prediction turns kernels into seconds.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx

from partway.engine.ort import Level, OrtRuntime
from partway.graph import Kernel, Piece, Slicer, TensorInfo, read_kernels, resident_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceKernels:
    """What a piece runs.

    Attributes:
        kernels: in order; those of one graph are the same objects for every piece.
        returned: indices of kernels whose outputs leave the piece.
        resident_bytes: of its weights and its largest tensors: what it wants to find in the caches.
    """

    kernels: tuple[Kernel, ...]
    returned: frozenset[int]
    resident_bytes: int


class KernelTable:
    """The kernels of one graph.

    Args:
        graph: weight-free, as the runtime executes it.
        directory: the folder that its references are relative to.
        slicer: slices the graph.
        runtime: says what every tensor is.

    Raises:
        EngineError: the runtime refuses the graph.
    """

    def __init__(self, graph: onnx.ModelProto, directory: Path, slicer: Slicer, runtime: OrtRuntime) -> None:
        self._graph = graph
        self._slicer = slicer
        self._tensors = _describe(graph, directory, runtime)
        self._kernels = read_kernels(graph, self._tensors)
        self._adapters: dict[str, Kernel] = {}

    def of(self, piece: Piece) -> PieceKernels:
        """The kernels of a piece.

        Raises:
            CutError: the graph cannot compute the piece's outputs from its inputs.
        """
        selection = self._slicer.select(piece)
        entering = [self._adapter(adapter.inner, adapter.node) for adapter in selection.adapters]
        chosen = sorted(selection.nodes)
        wanted = frozenset(piece.outputs)
        nodes = self._graph.graph.node
        returned = (place for place, index in enumerate(chosen) if not wanted.isdisjoint(nodes[index].output))
        kernels = (*entering, *(self._kernels[index] for index in chosen))
        return PieceKernels(
            kernels=kernels,
            returned=frozenset(len(entering) + place for place in returned),
            resident_bytes=resident_bytes(kernels),
        )

    def _adapter(self, inner: str, node: onnx.NodeProto) -> Kernel:
        if inner not in self._adapters:
            alone = onnx.ModelProto()
            alone.graph.node.append(node)
            self._adapters[inner] = read_kernels(alone, self._tensors)[0]
        return self._adapters[inner]


def _describe(graph: onnx.ModelProto, directory: Path, runtime: OrtRuntime) -> dict[str, TensorInfo]:
    probe = onnx.ModelProto()
    probe.CopyFrom(graph)
    outputs = {value.name for value in graph.graph.output}
    made = dict.fromkeys(name for node in graph.graph.node for name in node.output if name and name not in outputs)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    session = runtime.load(probe, directory, level=Level.AS_IS, prepack=False)
    return {tensor.name: tensor for tensor in (*session.input_infos, *session.output_infos)}
