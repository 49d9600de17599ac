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
    lose up to a factor of two without, products of one row hardly anything.

    Args:
        kernels: of the canonical graph, before any fusion.
    """
    return any(
        kernel.weight_bytes
        and (
            kernel.op_type in _RECURRENT
            or (kernel.op_type in _PRODUCTS and prod((kernel.outputs[0].shape or (0,))[:-1]) != 1)
        )
        for kernel in kernels
    )


def packed_bytes(nodes: Iterable[Node]) -> int:
    """At most what packed copies of the weights of nodes take, where they are made.

    Args:
        nodes: of the canonical graph.
    """
    return sum(node.weight_bytes for node in nodes if node.op_type in _PRODUCTS | _RECURRENT)
