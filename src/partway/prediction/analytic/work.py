"""What a layer asks of a machine: arithmetic and bytes, told of a layer of the zoo or of a node of any graph.

    Layer ─┐
           ├─> Work: its kind, multiply-accumulates, bytes read, written and of weights
    Node  ─┘

What a node only renames or reshapes is a view, which no machine spends time on. So is a dropout, which does nothing
once a network is trained, and a cast of the model's input: pictures come as bytes, and making numbers of them belongs
to loading, which the paper's times of layers do not hold. Input: a zoo layer, or a canonical graph and a node. Output:
a `Work`. Called by `machine`, by planning and by studies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from partway.graph import Model, Node
from partway.zoo import Layer

WorkKind = Literal["conv", "local", "fc", "other", "view"]

_KINDS: Mapping[str, WorkKind] = {"conv": "conv", "local": "local", "fc": "fc", "dropout": "view"}
_CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "ConvTranspose", "FusedConv", "QLinearConv"})
_VIEWS = frozenset(
    {"Constant", "Dropout", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze"}
)  # fmt: skip
_TAKERS = frozenset({"Gather", "GatherElements", "GatherND", "Slice"})  # read no more of a table than they write


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one execution of a layer asks of a machine.

    Attributes:
        kind: `conv`, `local` (weights of its own at every place), `fc` (any other product), `other`, or `view`, which
            moves nothing.
        macs: multiply-accumulates.
        read_bytes: of activations.
        written_bytes: of activations.
        weight_bytes: of constants, read once.
    """

    kind: WorkKind
    macs: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    weight_bytes: int = 0

    @property
    def moved_bytes(self) -> int:
        """All that passes between the machine and its memory."""
        return self.read_bytes + self.written_bytes + self.weight_bytes


def work_of_layer(layer: Layer) -> Work:
    """The work of a layer as the zoo counts it."""
    return Work(
        kind=_KINDS.get(layer.kind, "other"),
        macs=layer.macs,
        read_bytes=layer.input_bytes,
        written_bytes=layer.output_bytes,
        weight_bytes=layer.weight_bytes,
    )


def work_of_node(model: Model, node: Node) -> Work:
    """The work of a node as the canonical graph has it; tensors of unknown size count no bytes.

    Args:
        model: the canonical graph.
        node: one of its nodes.
    """
    inputs = {tensor.name for tensor in model.inputs}
    if not node.domain and (node.op_type in _VIEWS or (node.op_type == "Cast" and inputs.issuperset(node.inputs))):
        return Work(kind="view")
    written_bytes = _bytes(model, node.outputs)
    if node.op_type in _TAKERS:
        return Work(kind="other", read_bytes=written_bytes, written_bytes=written_bytes)
    kind: WorkKind = "other"
    if node.macs:
        kind = "conv" if node.op_type in _CONVOLUTIONS else "fc"
    return Work(
        kind=kind,
        macs=node.macs,
        read_bytes=_bytes(model, node.inputs),
        written_bytes=written_bytes,
        weight_bytes=node.weight_bytes,
    )


def _bytes(model: Model, names: tuple[str, ...]) -> int:
    return sum(model.tensors[name].size_bytes or 0 for name in names if name in model.tensors)
