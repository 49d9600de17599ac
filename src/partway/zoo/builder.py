"""Layers as exporters emit them, on a graph under construction that tracks shapes, work and weights.

Called by the paper's networks and by random graphs, which read like the networks that they are:

    net = GraphBuilder(np.random.default_rng(0))
    x = net.input(1, 3, 224, 224)
    x = net.pool(net.lrn(net.conv(x, 96, 11, stride=4, padding=0, act="Relu")), 3, 2)
    x = net.dense(net.flatten(x), 1000)
    model = net.build(net.softmax(x))
"""

import math
from collections.abc import Sequence

import numpy as np
from onnx import helper

from partway.zoo.activations import activation
from partway.zoo.graph import ABSENT, CONTRIB, Attribute, Graph, Tensor
from partway.zoo.window import Padding, Sizes, Window


class GraphBuilder(Graph):
    """One network under construction: every layer adds nodes and returns the tensor that they make.

    Sizes of convolutions and pools are one number or one a dimension; how many dimensions there are, the input says.

    Args:
        generator: draws the weights, in the order of the calls, so that a seed gives the same bytes.
        dtype: element type of inputs and weights: `float32` or `float16`.
        weightless: describe weights instead of making them, for a `blueprint`.
    """

    # --- Products ---------------------------------------------------------------------------------------------

    def kernel(self, *shape: int, fan_in: int) -> Tensor:
        """A stored factor of a product that sums over `fan_in` elements, and leaves their scale or lowers it."""
        return self.weights(*shape, deviation=1 / math.sqrt(fan_in))

    def bias(self, channels: int) -> Tensor:
        """A stored small number for each channel."""
        return self.weights(channels, deviation=0.1)

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Sizes = 1,
        *,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        groups: int = 1,
        padding: Padding = "same",
        bias: bool = True,
        act: str = "",
    ) -> Tensor:
        """Conv with a bias and an activation.

        Args:
            x: batch, channels, then spatial dimensions.
            channels: of the output.
            kernel: its sizes.
            stride: distance between outputs.
            dilation: distance between positions of the kernel.
            groups: parts that channels are divided into; as many as channels for a depthwise convolution.
            padding: see `Window.over`.
            bias: whether each output channel has a number added.
            act: an activation, see `activate`.
        """
        window = Window.over(x.shape[2:], kernel, stride=stride, dilation=dilation, padding=padding)
        inner = x.shape[1] // groups
        fan_in = inner * math.prod(window.kernel)
        operands = [x, self.kernel(channels, inner, *window.kernel, fan_in=fan_in)]
        if bias:
            operands.append(self.bias(channels))
        shape = (x.shape[0], channels, *window.sizes())
        settings: dict[str, Attribute] = {**window.attributes(), "dilations": window.dilations, "group": groups}
        return self.activate(self.node("Conv", operands, shape, macs=math.prod(shape) * fan_in, settings=settings), act)

    def depthwise(self, x: Tensor, kernel: Sizes, *, stride: Sizes = 1, dilation: Sizes = 1, act: str = "") -> Tensor:
        """A convolution that keeps every channel to itself."""
        return self.conv(x, x.shape[1], kernel, stride=stride, dilation=dilation, groups=x.shape[1], act=act)

    def conv_transpose(
        self, x: Tensor, channels: int, kernel: Sizes, *, stride: int = 1, groups: int = 1, padding: int = 0
    ) -> Tensor:
        """ConvTranspose with a bias; the output's sizes are (size - 1) * stride + kernel - 2 * padding."""
        spatial = x.shape[2:]
        kernels = (kernel,) * len(spatial) if isinstance(kernel, int) else kernel
        sizes = [(size - 1) * stride + side - 2 * padding for size, side in zip(spatial, kernels, strict=True)]
        inner, outer = x.shape[1] // groups, channels // groups
        weight = self.kernel(x.shape[1], outer, *kernels, fan_in=max(1, inner * math.prod(kernels) // stride))
        return self.node(
            "ConvTranspose",
            (x, weight, self.bias(channels)),
            (x.shape[0], channels, *sizes),
            macs=x.elements * outer * math.prod(kernels),
            kernel_shape=kernels,
            strides=(stride,) * len(spatial),
            pads=(padding,) * 2 * len(spatial),
            group=groups,
        )

    def dense(self, x: Tensor, features: int, *, bias: bool = True, act: str = "") -> Tensor:
        """A linear layer over the last dimension: Gemm for a matrix, else MatMul and Add, as PyTorch exports it."""
        inner = x.shape[-1]
        if x.rank == 2:
            operands = [x, self.kernel(features, inner, fan_in=inner)]
            if bias:
                operands.append(self.bias(features))
            shape = (x.shape[0], features)
            return self.activate(self.node("Gemm", operands, shape, macs=x.elements * features, transB=1), act)
        y = self.matmul(x, self.kernel(inner, features, fan_in=inner))
        return self.activate(self.elementwise("Add", y, self.bias(features)) if bias else y, act)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """MatMul over the last two dimensions; the others broadcast."""
        shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
        return self.node("MatMul", (x, y), shape, macs=math.prod(shape) * x.shape[-1])

    # --- Element by element -----------------------------------------------------------------------------------

    def activate(self, x: Tensor, kind: str) -> Tensor:
        """An activation as exporters spell it: a name of `ACTIVATIONS` or any unary operator; "" is none."""
        return activation(self, x, kind)

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """The same elements as another type."""
        return self.node("Cast", (x,), x.shape, dtype, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def dropout(self, x: Tensor) -> Tensor:
        """Dropout as it is where a network answers and does not learn: it lets everything pass."""
        return self.node("Dropout", (x,), x.shape)

    # --- Normalisation, pools, reductions ---------------------------------------------------------------------

    def batch_norm(self, x: Tensor) -> Tensor:
        """BatchNormalization with statistics near those of unit activations."""
        channels = x.shape[1]
        scale, shift, mean = (self.weights(channels, deviation=0.1, mean=middle) for middle in (1.0, 0.0, 0.0))
        variance = self.constant(self.generator.uniform(0.7, 1.3, channels).astype(self.dtype))
        return self.node("BatchNormalization", (x, scale, shift, mean, variance), x.shape)

    def instance_norm(self, x: Tensor) -> Tensor:
        """InstanceNormalization: every channel of every image on its own."""
        operands = (x, self.weights(x.shape[1], deviation=0.1, mean=1.0), self.bias(x.shape[1]))
        return self.node("InstanceNormalization", operands, x.shape)

    def layer_norm(self, x: Tensor, *, whole: bool = True) -> Tensor:
        """Layer normalisation over the last dimension.

        Args:
            x: any tensor.
            whole: as one operator, there since opset 17, or as its parts.
        """
        scale, shift = self.weights(x.shape[-1], deviation=0.1, mean=1.0), self.bias(x.shape[-1])
        if whole:
            return self.node("LayerNormalization", (x, scale, shift), x.shape, axis=-1)
        centred = self.elementwise("Sub", x, self.reduce("ReduceMean", x, -1))
        variance = self.reduce("ReduceMean", self.elementwise("Pow", centred, 2.0), -1)
        deviation = self.elementwise("Sqrt", self.elementwise("Add", variance, 1e-5))
        scaled = self.elementwise("Mul", self.elementwise("Div", centred, deviation), scale)
        return self.elementwise("Add", scaled, shift)

    def lrn(self, x: Tensor, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
        """Local response normalisation across `size` neighbouring channels; AlexNet's constants but for the bias."""
        return self.node("LRN", (x,), x.shape, size=size, alpha=alpha, beta=beta, bias=bias)

    def pool(
        self,
        x: Tensor,
        kernel: Sizes,
        stride: Sizes | None = None,
        *,
        kind: str = "Max",
        padding: Padding = "valid",
        ceil: bool = False,
        count_padding: bool = False,
    ) -> Tensor:
        """MaxPool or AveragePool; the stride is the kernel's size unless it says otherwise.

        Args:
            x: batch, channels, then spatial dimensions.
            kernel: its sizes.
            stride: distance between outputs.
            kind: `Max` or `Average`.
            padding: see `Window.over`.
            ceil: whether a last window that lies partly outside counts.
            count_padding: whether padding counts in a mean, as it does in PyTorch.
        """
        window = Window.over(x.shape[2:], kernel, stride=kernel if stride is None else stride, padding=padding)
        shape = (*x.shape[:2], *window.sizes(ceil=ceil))
        settings: dict[str, Attribute] = {**window.attributes()}
        if ceil:
            settings["ceil_mode"] = 1
        if count_padding:
            settings["count_include_pad"] = 1
        return self.node(f"{kind}Pool", (x,), shape, settings=settings)

    def global_pool(self, x: Tensor, *, kind: str = "Average") -> Tensor:
        """The mean (or Max) of every channel; spatial dimensions stay as 1."""
        return self.node(f"Global{kind}Pool", (x,), (*x.shape[:2], *(1 for _ in x.shape[2:])))

    def reduce(self, op_type: str, x: Tensor, *axes: int, keep: bool = True) -> Tensor:
        """ReduceMean and its like over some axes, which stay as 1 or go."""
        gone = {axis % x.rank for axis in axes}
        shape = [1 if axis in gone else size for axis, size in enumerate(x.shape) if keep or axis not in gone]
        if op_type == "ReduceSum":  # its axes became an input first
            return self.node(op_type, (x, self.constant(sorted(gone))), shape, keepdims=int(keep))
        if op_type in ("ArgMax", "ArgMin"):
            return self.node(op_type, (x,), shape, "int64", axis=axes[0], keepdims=int(keep))
        return self.node(op_type, (x,), shape, axes=sorted(gone), keepdims=int(keep))

    def softmax(self, x: Tensor, axis: int = -1) -> Tensor:
        """Softmax over one dimension."""
        return self.node("Softmax", (x,), x.shape, axis=axis)

    # --- Moving elements --------------------------------------------------------------------------------------

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        """The same elements in another shape; one length may be -1."""
        known = math.prod(size for size in shape if size != -1)
        made = [x.elements // known if size == -1 else size for size in shape]
        return self.node("Reshape", (x, self.constant(shape)), made)

    def flatten(self, x: Tensor) -> Tensor:
        """A row for each item of the batch."""
        return self.node("Flatten", (x,), (x.shape[0], math.prod(x.shape[1:])), axis=1)

    def transpose(self, x: Tensor, *order: int) -> Tensor:
        """Dimensions in another order."""
        return self.node("Transpose", (x,), [x.shape[axis] for axis in order], perm=order)

    def concat(self, *parts: Tensor, axis: int = 1) -> Tensor:
        """Parts one behind the other."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.node("Concat", parts, shape, axis=axis)

    def split(self, x: Tensor, *sizes: int, axis: int = 1) -> tuple[Tensor, ...]:
        """Parts of these sizes."""
        place = axis % x.rank
        outputs = [((*x.shape[:place], size, *x.shape[place + 1 :]), x.dtype) for size in sizes]
        return self.emit("Split", (x, self.constant(sizes)), outputs, settings={"axis": axis})

    def slice(self, x: Tensor, start: int, end: int, *, axis: int, step: int = 1) -> Tensor:
        """Every `step`-th index from `start` to before `end` of one dimension, 0 <= start < end <= its length."""
        place = axis % x.rank
        shape = (*x.shape[:place], -(-(end - start) // step), *x.shape[place + 1 :])
        return self.node("Slice", (x, *(self.constant([number]) for number in (start, end, axis, step))), shape)

    def gather(self, x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
        """For each index, that part of one dimension."""
        place = axis % x.rank
        return self.node("Gather", (x, indices), (*x.shape[:place], *indices.shape, *x.shape[place + 1 :]), axis=axis)

    def pad(self, x: Tensor, before: Sequence[int], after: Sequence[int], *, mode: str = "constant") -> Tensor:
        """More elements around, as many as said for each dimension."""
        shape = [size + front + back for size, front, back in zip(x.shape, before, after, strict=True)]
        return self.node("Pad", (x, self.constant([*before, *after])), shape, mode=mode)

    def resize(self, x: Tensor, *sizes: int, mode: str = "nearest", place: str = "asymmetric") -> Tensor:
        """Spatial dimensions of other sizes, given as scales.

        Args:
            x: batch, channels, then spatial dimensions.
            sizes: the new ones.
            mode: `nearest` or `linear`.
            place: where outputs lie between inputs, ONNX's `coordinate_transformation_mode`.
        """
        shape = (*x.shape[:2], *sizes)
        before, after = np.array(x.shape, np.float64), np.array(shape, np.float64)
        ratios = (after / before).astype(np.float32)
        short = np.floor(before * ratios) < after  # rounded down, which may cost the length its last element
        scales = self.constant(np.where(short, np.nextafter(ratios, np.float32(np.inf)), ratios))
        rounding: dict[str, Attribute] = {"nearest_mode": "floor"} if mode == "nearest" else {}
        operands = (x, ABSENT, scales)
        return self.node("Resize", operands, shape, mode=mode, coordinate_transformation_mode=place, settings=rounding)

    # --- What many networks share -----------------------------------------------------------------------------

    def squeeze_excite(self, x: Tensor, inner: int, *, act: str = "Relu", gate: str = "Sigmoid") -> Tensor:
        """Channels weighed by what the whole image says. Source: Hu et al., CVPR 2018."""
        squeezed = self.conv(self.global_pool(x), inner, act=act)
        return self.elementwise("Mul", x, self.conv(squeezed, x.shape[1], act=gate))

    def skip_layer_norm(self, x: Tensor, skip: Tensor) -> Tensor:
        """The runtime's own sum of two tensors and its layer normalisation."""
        operands = (x, skip, self.weights(x.shape[-1], deviation=0.1, mean=1.0), self.bias(x.shape[-1]))
        return self.node("SkipLayerNormalization", operands, x.shape, domain=CONTRIB)
