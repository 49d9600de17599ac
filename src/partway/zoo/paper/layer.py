"""One layer of a network, counted as Caffe counts layers: what it reads and makes, its work and its weights."""

from dataclasses import dataclass
from typing import Literal

LayerKind = Literal[
    "conv", "local", "fc", "pool", "relu", "sigmoid", "htanh", "norm", "softmax", "argmax", "dropout"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer for one query.

    Attributes:
        name: as in the Caffe file.
        kind: what it computes; `local` is a convolution that shares no filter between positions.
        output: the tensor of the ONNX file to cut at after this layer. A dropout passes its input on and is gone once
            a runtime has simplified the graph, so it names its input.
        input_shapes: of the activations that it reads; the first dimension counts the items of the query.
        output_shape: of what it makes.
        macs: multiply-accumulates.
        weight_bytes: bytes of its filters and biases, float32.
        input_bytes: bytes of the activations that it reads, as a runtime holds them: float32.
        output_bytes: bytes of what it makes: float32, and int64 for the places that an argmax finds.
        filter_positions: (filter / stride)^2 * filters of a convolution, one of the two things that the paper predicts
            its time by; 0 for other kinds. Source: Kang et al., ASPLOS 2017, prediction models.
    """

    name: str
    kind: LayerKind
    output: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    filter_positions: float = 0.0
