"""Kernels in, their variants and amounts of work out."""

from collections.abc import Callable, Mapping

from partway.graph import Kernel
from partway.prediction.features.convolution import convolution, quantised_convolution, transposed_convolution
from partway.prediction.features.plain import (
    copying,
    elementwise,
    free,
    normalisation,
    other,
    pooling,
    reduction,
    reorder,
    resizing,
    transposition,
)
from partway.prediction.features.product import attention, product, quantised_product, recurrent
from partway.prediction.features.record import Features

__all__ = ["Features", "features_of"]

Rule = Callable[[Kernel], Features | None]


def features_of(kernel: Kernel) -> Features:
    """The variant of a kernel, its amounts of work and its sizes."""
    rule = _RULES.get(kernel.op_type, other)
    enough = bool(kernel.outputs) and len(kernel.inputs) >= _LEAST_INPUTS.get(rule, 0)
    found = (rule(kernel) if enough else None) or other(kernel)
    # Empty tensors: nothing is computed, and a size of zero would have no logarithm.
    return found if min(found.sizes.values(), default=1) > 0 else free(kernel)


_LEAST_INPUTS: Mapping[Rule, int] = {
    convolution: 2, transposed_convolution: 2, product: 2, quantised_product: 4, recurrent: 3, pooling: 1, reorder: 1,
    transposition: 1, normalisation: 1, reduction: 1, attention: 1, quantised_convolution: 4,
}  # fmt: skip
_BY_RULE: Mapping[Rule, str] = {
    convolution: "Conv FusedConv ConvInteger",
    quantised_convolution: "QLinearConv",
    transposed_convolution: "ConvTranspose",
    product: "Gemm FusedGemm MatMul FusedMatMul MatMulInteger DynamicQuantizeMatMul MatMulIntegerToFloat",
    quantised_product: "QLinearMatMul QGemm",
    attention: "Attention MultiHeadAttention QAttention",
    recurrent: "LSTM GRU DynamicQuantizeLSTM",
    free: "Reshape Flatten Squeeze Unsqueeze Identity Shape Size Dropout",
    pooling: "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool QLinearAveragePool QLinearGlobalAveragePool",
    reorder: "ReorderInput ReorderOutput",
    transposition: "Transpose",
    copying: "Concat Split Slice Pad Gather GatherND GatherElements Expand Tile SpaceToDepth DepthToSpace",
    normalisation: "Softmax LogSoftmax LayerNormalization SimplifiedLayerNormalization SkipLayerNormalization "
    "InstanceNormalization GroupNormalization LRN LpNormalization",
    reduction: "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp "
    "ArgMax ArgMin",
    resizing: "Resize Upsample",
    elementwise: "Add Sub Mul Div Max Min Pow Mod Sum PRelu Where Equal Greater GreaterOrEqual Less LessOrEqual And Or "
    "Xor Not Relu Sigmoid Tanh Clip LeakyRelu HardSigmoid HardSwish Elu Selu Celu Softplus Softsign Mish "
    "ThresholdedRelu Sqrt Exp Log Abs Neg Erf Floor Ceil Round Reciprocal Sign Sin Cos Gelu QuickGelu FastGelu "
    "BiasGelu Cast BatchNormalization QuantizeLinear DequantizeLinear QLinearAdd QLinearMul QLinearSigmoid "
    "QLinearLeakyRelu",
}
_RULES: Mapping[str, Rule] = {name: rule for rule, names in _BY_RULE.items() for name in names.split()}
