"""Multiply-accumulates of a node, from its shapes.

Input: a node and the shapes of its tensors. Output: a count, 0 for operators that are not dominated by
products. A measure of depth for tables and interpolation, not a prediction of time.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod

Shape = tuple[int, ...] | None
_Rule = Callable[[Sequence[Shape], Shape], int]


def count_macs(op_type: str, inputs: Sequence[Shape], output: Shape) -> int:
    """Multiply-accumulates of one execution.

    Args:
        op_type: the operator's ONNX name.
        inputs: shapes of the node's inputs in order, weights included; None where unknown.
        output: shape of the first output; None where unknown.
    """
    rule = _RULES.get(op_type)
    return rule(inputs, output) if rule is not None else 0


def _convolution(weight_index: int) -> _Rule:
    def count(inputs: Sequence[Shape], output: Shape) -> int:
        weight = inputs[weight_index] if len(inputs) > weight_index else None
        return 0 if weight is None or output is None else prod(output) * prod(weight[1:])

    return count


def _transposed_convolution(inputs: Sequence[Shape], _output: Shape) -> int:
    data, weight = inputs[0], inputs[1]
    return 0 if data is None or weight is None else prod(data) * prod(weight[1:])


def _general_product(inputs: Sequence[Shape], output: Shape) -> int:
    # Either factor may be transposed: what the left one has beside the output's rows is summed over.
    left = inputs[0]
    return prod(left) * output[-1] if left and output else 0


def _product(inputs: Sequence[Shape], output: Shape) -> int:
    left = inputs[0]
    return prod(output) * left[-1] if left and output is not None else 0


def _recurrent(gates: int) -> _Rule:
    def count(inputs: Sequence[Shape], _output: Shape) -> int:
        data, weight, recurrence = inputs[0], inputs[1], inputs[2]
        if data is None or weight is None or recurrence is None or len(data) != 3:
            return 0
        steps, batch, features = data
        directions, _, hidden = recurrence
        return steps * batch * directions * gates * hidden * (features + hidden)

    return count


_RULES: Mapping[str, _Rule] = {
    "Conv": _convolution(1),
    "FusedConv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _general_product,
    "FusedGemm": _general_product,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
}
