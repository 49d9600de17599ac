"""When weights are worth a second copy, in the layout that products like best.

Input: the kernels of a canonical graph. Output: yes or no, for all of them, and how much the copies take. Called
wherever sessions of its pieces are made, so that what is timed is what will run.
"""

from collections.abc import Iterable
from math import prod

from partway.graph import Kernel, Node

_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulNBits", "MatMulInteger", "QLinearMatMul"})
_RECURRENT = frozenset({"LSTM", "GRU", "DynamicQuantizeLSTM"})


def packs(kernels: Iterable[Kernel]) -> bool:
    """Whether a graph runs with packed weights.

    Packed weights are a second copy, so they are made only where they pay: products of many rows and recurrent layers
    lose up to a factor of two without, products of one row hardly anything. A stack of matrices, one for each position
    of a locally connected layer, is never packed.

    Args:
        kernels: of the canonical graph, before any fusion.
    """
    return any(
        kernel.op_type in _RECURRENT or (kernel.op_type in _PRODUCTS and _rows(kernel) != 1 and not _is_stacked(kernel))
        for kernel in kernels
        if kernel.weight_bytes
    )


def _rows(kernel: Kernel) -> int:
    return prod((kernel.outputs[0].shape or (0,))[:-1])


def _is_stacked(kernel: Kernel) -> bool:
    weights = (operand.shape for operand in kernel.inputs if operand is not None and operand.constant)
    return any(shape is not None and len(shape) > 2 for shape in weights)


def packed_bytes(nodes: Iterable[Node]) -> int:
    """At most what packed copies of the weights of nodes take, where they are made.

    Args:
        nodes: of the canonical graph.
    """
    return sum(node.weight_bytes for node in nodes if node.op_type in _PRODUCTS | _RECURRENT)
