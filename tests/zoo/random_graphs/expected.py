"""Which kernel each block of random graphs is there for, as a test of one kernel of the optimised graph."""

from collections.abc import Callable, Mapping

from partway.graph import Kernel

Test = Callable[[Kernel], bool]
Shape = tuple[int, ...]


def shape_of(kernel: Kernel, index: int) -> Shape:
    """Shape of an input; empty if it is left out."""
    operand = kernel.inputs[index] if len(kernel.inputs) > index else None
    return () if operand is None else operand.shape or ()


def of(*op_types: str) -> Test:
    """Any kernel of these operators."""
    return lambda kernel: kernel.op_type in op_types


def _numbers(kernel: Kernel, name: str) -> Shape:
    value = kernel.attributes.get(name, (1,))
    return tuple(map(int, value)) if isinstance(value, tuple) else ()


def _conv(test: Test) -> Test:
    return lambda kernel: kernel.op_type in ("Conv", "FusedConv") and test(kernel)


def _group(kernel: Kernel) -> int:
    value = kernel.attributes.get("group", 1)
    return value if isinstance(value, int) else 1


def _window(kernel: Kernel) -> Shape:
    return shape_of(kernel, 1)[2:]


def _blocked(kernel: Kernel) -> bool:
    return kernel.domain == "com.microsoft.nchwc"


def _depthwise(kernel: Kernel) -> bool:
    return _group(kernel) == shape_of(kernel, 1)[0] > 1


def _residual(kernel: Kernel) -> bool:
    return len(kernel.inputs) > 3 and kernel.inputs[3] is not None


def _product(kernel: Kernel) -> bool:
    return kernel.op_type in ("Gemm", "FusedGemm", "MatMul", "FusedMatMul") and kernel.inputs[1] is not None


def _by_weights(rows: range) -> Test:
    return lambda kernel: (
        _product(kernel)
        and bool(kernel.inputs[1] and kernel.inputs[1].constant)
        and (kernel.outputs[0].elements // shape_of(kernel, 1)[0 if kernel.attributes.get("transB") else -1] in rows)
    )


def _of_activations(kernel: Kernel) -> bool:
    return _product(kernel) and not (kernel.inputs[1] and kernel.inputs[1].constant)


def _inner_softmax(kernel: Kernel) -> bool:
    return kernel.op_type == "Softmax" and kernel.attributes.get("axis", -1) not in (-1, len(shape_of(kernel, 0)) - 1)


def _batch_norm(kernel: Kernel) -> bool:
    """As it is, or as the pointwise depthwise convolution that it is on blocks of channels."""
    return kernel.op_type == "BatchNormalization" or (
        kernel.op_type == "Conv" and _depthwise(kernel) and _window(kernel) == (1, 1)
    )


def _from(op_type: str, dtype: str) -> Test:
    return lambda kernel: kernel.op_type == op_type and kernel.inputs[0] is not None and kernel.inputs[0].dtype == dtype


_MANY = range(2, 1 << 30)

KERNELS: Mapping[str, Test] = {
    "conv.dense": _conv(lambda kernel: _group(kernel) == 1 and max(_window(kernel)) > 1),
    "conv.pointwise": _conv(lambda kernel: _group(kernel) == 1 and set(_window(kernel)) == {1}),
    "conv.depthwise": _conv(_depthwise),
    "conv.grouped": _conv(lambda kernel: 1 < _group(kernel) < shape_of(kernel, 0)[1]),
    "conv.first": _conv(lambda kernel: shape_of(kernel, 0)[1] <= 4),
    "conv.rectangular": _conv(lambda kernel: len(set(_window(kernel))) == 2 or _window(kernel) == (2, 2)),
    "conv.1d": _conv(lambda kernel: len(_window(kernel)) == 1),
    "conv.dilated": _conv(lambda kernel: max(_numbers(kernel, "dilations")) > 1),
    "conv.strided": _conv(lambda kernel: min(_numbers(kernel, "strides")) > 1),
    "conv.residual": _conv(lambda kernel: _blocked(kernel) and _residual(kernel)),
    "conv.transpose": of("ConvTranspose"),
    "conv.plain": _conv(lambda kernel: not _blocked(kernel) and len(_window(kernel)) == 2),
    "pool.max": of("MaxPool"),
    "pool.average": of("AveragePool"),
    "pool.global": of("GlobalAveragePool", "GlobalMaxPool"),
    "norm.batch": _batch_norm,
    "norm.instance": of("InstanceNormalization"),
    "norm.group": lambda kernel: kernel.op_type == "InstanceNormalization" and len(shape_of(kernel, 0)) == 3,
    "norm.lrn": of("LRN"),
    "se": lambda kernel: kernel.op_type == "Mul" and shape_of(kernel, 1)[2:] == (1, 1),
    "resize": of("Resize", "Upsample"),
    "pad": of("Pad"),
    "space_to_depth": of("SpaceToDepth"),
    "depth_to_space": of("DepthToSpace"),
    "activation.Relu6": of("Clip"),
    "activation.HardSwish": of("HardSigmoid", "HardSwish"),
    "activation.HardSwishParts": of("HardSigmoid"),
    "activation.HardSwishClip": of("Clip"),
    "activation.Silu": of("QuickGelu"),
    "activation.GeluTanh": of("FastGelu"),
    "activation.Mish": of("Softplus"),
    "where": of("Where"),
    "where.masked": of("Where"),
    "compare": of("Greater", "Less", "GreaterOrEqual", "LessOrEqual"),
    "cast": of("Cast"),
    "cast.pixels": _from("Cast", "uint8"),
    "concat": of("Concat"),
    "concat.last": of("Concat"),
    "split": of("Split"),
    "slice": of("Slice"),
    "slice.steps": of("Slice", "SpaceToDepth"),
    "transpose": of("Transpose"),
    "transpose.layout": of("Transpose", "ReorderInput"),
    "transpose.shuffle": lambda kernel: kernel.op_type == "Transpose" and len(shape_of(kernel, 0)) == 5,
    "transpose.tokens": of("Transpose"),
    "shapes": of("Unsqueeze"),
    "gather": of("Gather"),
    "gather.rows": lambda kernel: kernel.op_type == "Gather" and bool(kernel.inputs[0] and kernel.inputs[0].constant),
    "expand": of("Expand"),
    "tile": of("Tile"),
    "gemm": _by_weights(range(1, 2)),
    "gemm.batch": _by_weights(range(2, 65)),
    "matmul.weights": _by_weights(_MANY),
    "matmul.activations": _of_activations,
    "attention": of("Softmax", "Attention", "MultiHeadAttention"),
    "feed_forward": of("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "Relu", "FusedGemm"),
    "lstm": of("LSTM"),
    "gru": of("GRU"),
    "norm.layer": of("LayerNormalization"),
    "norm.skip": of("SkipLayerNormalization"),
    "norm.rms": of("SimplifiedLayerNormalization"),
    "rotary": of("Neg"),
    "softmax": of("Softmax"),
    "softmax.inner": _inner_softmax,
    "reduce.ArgMax": of("ArgMax"),
    "reduce.TopK": of("TopK"),
    "reduce.CumSum": of("CumSum"),
    "quantised.conv": of("QLinearConv"),
    "quantised.product": of("QLinearMatMul", "QGemm"),
    "quantised.between": lambda kernel: (
        kernel.op_type.startswith("QLinear") or _from("MaxPool", "uint8")(kernel) or _from("Concat", "uint8")(kernel)
    ),
    "quantised.dynamic_product": of("DynamicQuantizeMatMul"),
    "quantised.dynamic_conv": of("ConvInteger"),
    "quantised.dynamic_lstm": of("DynamicQuantizeLSTM"),
    "quantised.four_bits": of("MatMulNBits"),
}


def expected_kernel(block: str) -> Test:
    """The test of one block; those that only wrap an operator are named after it."""
    family, _, op_type = block.partition(".")
    return KERNELS.get(block) or of(f"Reduce{op_type}" if family == "reduce" else op_type)
