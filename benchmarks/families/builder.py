"""Layers as exporters emit them, on a graph under construction; shapes tracked, weights drawn.

Called by the families of this package, which read like the networks that they are:

    net = Builder(rng)
    x = net.input(1, 3, 96, 96)
    x = net.conv(x, net.pick(16, 24), 3, stride=2, act="Relu")
    return net.build(net.classifier(x))
"""

import math
from typing import Literal

import numpy as np
from benchmarks.families.graph import ABSENT, Graph, Tensor
from benchmarks.families.windows import Padding, Sizes, Window

After = Literal["norm", "bias", "nothing"]


class Builder(Graph):
    """One network under construction; every layer adds nodes and returns the tensor that they make.

    Sizes of convolutions and pools are one number or one a dimension; how many dimensions there are, the input says.

    Args:
        rng: draws architecture and weights.
        batch_norm: whether a convolution is followed by BatchNormalization, or has it folded into its bias; drawn
            if None, since exporters differ.
    """

    def __init__(self, rng: np.random.Generator, *, batch_norm: bool | None = None) -> None:
        super().__init__(rng)
        self.batch_norm = self.pick(True, False) if batch_norm is None else batch_norm
        self._whole_layer_norm = self.pick(True, False)  # one operator since opset 17, its parts before

    # --- Products ---------------------------------------------------------------------------------------------

    def kernel(self, *shape: int, fan_in: int, gain: float = 1.0, act: str = "") -> Tensor:
        """A stored factor of a product, scaled to leave the scale of activations as it is, times the gain.

        Source: He et al., ICCV 2015, equation 10: a variance of 2 / fan-in before a rectifier, else 1 / fan-in.
        """
        return self.normal(*shape, deviation=gain * math.sqrt((2 if act else 1) / fan_in))

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Sizes = 1,
        *,
        stride: Sizes = 1,
        groups: int = 1,
        dilation: Sizes = 1,
        padding: Padding = "same",
        act: str = "",
        gain: float = 1.0,
        after: After | None = None,
    ) -> Tensor:
        """Conv, what comes after it (None for what does throughout the network) and its activation."""
        window = Window.over(x.shape[2:], kernel, stride, dilation, padding)
        inner = x.shape[1] // groups
        fan_in = inner * math.prod(window.kernel)
        operands = [x, self.kernel(channels, inner, *window.kernel, fan_in=fan_in, gain=gain, act=act)]
        after = after or ("norm" if self.batch_norm else "bias")
        if after == "bias":
            operands.append(self.normal(channels, deviation=0.1))
        shape = (x.shape[0], channels, *window.sizes())
        y = self.node("Conv", operands, shape, group=groups, dilations=window.dilation, **window.attributes())
        return self.act(self.normalise(y) if after == "norm" else y, act)

    def depthwise(self, x: Tensor, kernel: Sizes, *, stride: Sizes = 1, dilation: Sizes = 1, act: str = "") -> Tensor:
        """A convolution that keeps every channel to itself."""
        return self.conv(x, x.shape[1], kernel, stride=stride, dilation=dilation, groups=x.shape[1], act=act)

    def deconv(self, x: Tensor, channels: int, *, act: str = "") -> Tensor:
        """ConvTranspose of kernel 2 and stride 2, which doubles every dimension."""
        two = (2,) * len(x.shape[2:])
        weight = self.kernel(x.shape[1], channels, *two, fan_in=x.shape[1], act=act)
        shape = (x.shape[0], channels, *(2 * size for size in x.shape[2:]))
        operands = (x, weight, self.normal(channels, deviation=0.1))
        return self.act(self.node("ConvTranspose", operands, shape, kernel_shape=two, strides=two), act)

    def dense(self, x: Tensor, features: int, *, act: str = "", gain: float = 1.0) -> Tensor:
        """A linear layer: Gemm on a matrix, else MatMul and Add, as PyTorch exports it."""
        bias, inner = self.normal(features, deviation=0.1), x.shape[-1]
        if len(x.shape) == 2:
            weight = self.kernel(features, inner, fan_in=inner, gain=gain, act=act)
            return self.act(self.node("Gemm", (x, weight, bias), (x.shape[0], features), transB=1), act)
        weight = self.kernel(inner, features, fan_in=inner, gain=gain, act=act)
        return self.act(self.elementwise("Add", bias, self.matmul(x, weight)), act)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """MatMul over the last two dimensions; the others broadcast."""
        stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        return self.node("MatMul", (x, y), (*stack, x.shape[-2], y.shape[-1]))

    # --- Normalisation, activation, element-wise --------------------------------------------------------------

    def normalise(self, x: Tensor) -> Tensor:
        """BatchNormalization with statistics near those of unit activations."""
        scale, shift, mean = (self.normal(x.shape[1], deviation=0.1, mean=at) for at in (1.0, 0.0, 0.0))
        variance = self.constant(self.rng.uniform(0.7, 1.3, x.shape[1]).astype(np.float32))
        return self.node("BatchNormalization", (x, scale, shift, mean, variance), x.shape, epsilon=1e-5)

    def layer_norm(self, x: Tensor) -> Tensor:
        """Layer normalisation over the last dimension: an operator of its own or its parts."""
        scale, shift = (self.normal(x.shape[-1], deviation=0.1, mean=at) for at in (1.0, 0.0))
        if self._whole_layer_norm:
            return self.node("LayerNormalization", (x, scale, shift), x.shape, axis=-1, epsilon=1e-5)
        centred = self.elementwise("Sub", x, self.mean(x, -1))
        variance = self.mean(self.elementwise("Pow", centred, 2.0), -1)
        deviation = self.elementwise("Sqrt", self.elementwise("Add", variance, 1e-5))
        scaled = self.elementwise("Mul", self.elementwise("Div", centred, deviation), scale)
        return self.elementwise("Add", scaled, shift)

    def act(self, x: Tensor, kind: str) -> Tensor:
        """An activation as exporters spell it: one of these or any unary operator; "" is none."""
        match kind:
            case "":
                return x
            case "Relu6":
                return self.node("Clip", (x, self._scalar(0.0), self._scalar(6.0)), x.shape)
            case "Silu":
                return self.elementwise("Mul", x, self.elementwise("Sigmoid", x))
            case "HardSigmoid":
                return self.node("HardSigmoid", (x,), x.shape, alpha=1 / 6)
            case "HardSwishParts":  # what it is before opset 14
                return self.elementwise("Mul", x, self.act(x, "HardSigmoid"))
            case "LeakyRelu":
                return self.node("LeakyRelu", (x,), x.shape, alpha=0.1)
            case "PRelu":
                slope = self.normal(x.shape[1], *(1 for _ in x.shape[2:]), deviation=0.05, mean=0.25)
                return self.node("PRelu", (x, slope), x.shape)
            case "Gelu":
                erf = self.elementwise("Erf", self.elementwise("Div", x, math.sqrt(2)))
                return self.elementwise("Mul", self.elementwise("Mul", x, self.elementwise("Add", erf, 1.0)), 0.5)
            case "GeluTanh":
                cubed = self.elementwise("Mul", self.elementwise("Pow", x, 3.0), 0.044715)
                inner = self.elementwise("Mul", self.elementwise("Add", x, cubed), math.sqrt(2 / math.pi))
                gate = self.elementwise("Add", self.elementwise("Tanh", inner), 1.0)
                return self.elementwise("Mul", self.elementwise("Mul", x, 0.5), gate)
            case _:
                return self.elementwise(kind, x)

    def elementwise(self, op_type: str, *operands: Tensor | float) -> Tensor:
        """A unary or broadcasting operator; numbers are stored as scalars."""
        tensors = [operand if isinstance(operand, Tensor) else self._scalar(operand) for operand in operands]
        return self.node(op_type, tensors, np.broadcast_shapes(*(tensor.shape for tensor in tensors)))

    def _scalar(self, value: float) -> Tensor:
        return self.constant(np.array(value, np.float32))

    # --- Pools, reductions ------------------------------------------------------------------------------------

    def pool(
        self,
        x: Tensor,
        kernel: Sizes,
        stride: Sizes,
        *,
        kind: str = "Max",
        padding: Padding = "same",
        ceil: bool = False,
    ) -> Tensor:
        """MaxPool or AveragePool."""
        window = Window.over(x.shape[2:], kernel, stride, 1, padding)
        shape = (*x.shape[:2], *window.sizes(ceil=ceil))
        return self.node(f"{kind}Pool", (x,), shape, ceil_mode=int(ceil), **window.attributes())

    def global_pool(self, x: Tensor) -> Tensor:
        """The mean of every channel; spatial dimensions stay as 1."""
        return self.node("GlobalAveragePool", (x,), (*x.shape[:2], *(1 for _ in x.shape[2:])))

    def mean(self, x: Tensor, *axes: int, keep: bool = True) -> Tensor:
        """ReduceMean; dimensions stay as 1 or go."""
        gone = {axis % len(x.shape) for axis in axes}
        shape = [1 if axis in gone else size for axis, size in enumerate(x.shape) if keep or axis not in gone]
        return self.node("ReduceMean", (x,), shape, axes=axes, keepdims=int(keep))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        """Softmax over one dimension."""
        return self.node("Softmax", (x,), x.shape, axis=axis)

    # --- Moving data ------------------------------------------------------------------------------------------

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        """Another static shape; one dimension may be -1."""
        known = math.prod(size for size in shape if size != -1)
        return self.node(
            "Reshape",
            (x, self.constant(shape)),
            [math.prod(x.shape) // known if size == -1 else size for size in shape],
        )

    def flatten(self, x: Tensor) -> Tensor:
        """A row for each item of the batch."""
        return self.node("Flatten", (x,), (x.shape[0], math.prod(x.shape[1:])), axis=1)

    def transpose(self, x: Tensor, *order: int) -> Tensor:
        """Dimensions in another order."""
        return self.node("Transpose", (x,), [x.shape[axis] for axis in order], perm=order)

    def concat(self, *parts: Tensor, axis: int = 1) -> Tensor:
        """Parts one after the other."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.node("Concat", parts, shape, axis=axis)

    def split(self, x: Tensor, *sizes: int, axis: int = 1) -> tuple[Tensor, ...]:
        """Parts of these sizes."""
        shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
        return self.emit("Split", (x, self.constant(sizes)), shapes, axis=axis)

    def slice(self, x: Tensor, start: int, end: int, axis: int) -> Tensor:
        """Indices from start to before end of one dimension."""
        shape = (*x.shape[:axis], end - start, *x.shape[axis + 1 :])
        return self.node("Slice", (x, *(self.constant([number]) for number in (start, end, axis))), shape)

    def take(self, x: Tensor, index: int, axis: int) -> Tensor:
        """One index of a dimension, which goes: Gather of a scalar, as PyTorch exports x[..., index]."""
        position = self.constant(np.array(index, np.int64))
        return self.node("Gather", (x, position), (*x.shape[:axis], *x.shape[axis + 1 :]), axis=axis)

    def embed(self, tokens: Tensor, rows: int, features: int) -> Tensor:
        """For each token, its row of a table."""
        return self.node("Gather", (self.normal(rows, features, deviation=1.0), tokens), (*tokens.shape, features))

    def resize(self, x: Tensor, *sizes: int, mode: str = "nearest") -> Tensor:
        """Spatial dimensions of these sizes; `nearest` by scales and `linear` by sizes, as PyTorch exports them."""
        shape = (*x.shape[:2], *sizes)
        if mode == "linear":
            half = "half_pixel"
            operands = (x, ABSENT, ABSENT, self.constant(shape))
            return self.node("Resize", operands, shape, mode=mode, coordinate_transformation_mode=half)
        scales = self.constant(np.array(shape, np.float32) / np.array(x.shape, np.float32))
        rounding = {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self.node("Resize", (x, ABSENT, scales), shape, mode=mode, **rounding)

    # --- What many networks share -----------------------------------------------------------------------------

    def squeeze_excite(self, x: Tensor, inner: int, *, act: str = "Relu", gate: str = "Sigmoid") -> Tensor:
        """Channels weighed by what the whole image says. Source: Hu et al., CVPR 2018."""
        squeezed = self.conv(self.global_pool(x), inner, act=act, after="bias")
        return self.elementwise("Mul", x, self.conv(squeezed, x.shape[1], act=gate, after="bias"))

    def classifier(self, x: Tensor) -> Tensor:
        """Mean over the image, a linear layer to 10, 100 or 1,000 classes and, as often as not, Softmax."""
        scores = self.dense(self.flatten(self.global_pool(x)), self.pick(10, 100, 1000))
        return self.softmax(scores) if self.pick(True, False) else scores
