"""Networks that answer for every place of an image: segmentation, detection, super-resolution.

In comes a seeded generator; out goes one network of the family.
"""

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor
from benchmarks.families.mobile import mobile_trunk, rounded


def unet(rng: np.random.Generator) -> onnx.ModelProto:
    """Down, up again, and a way across at each level. Source: Ronneberger et al., MICCAI 2015."""
    net = Builder(rng)
    size, width, levels = net.between(96, 224, 32), net.between(8, 24, 8), net.between(3, 4)
    act, resized = net.pick("Relu", "LeakyRelu"), net.pick(True, False)
    x = net.input(1, net.pick(1, 3), size, size)
    across = []
    for level in range(levels):
        x = _twice(net, x, width << level, act)
        across.append(x)
        x = net.pool(x, 2, 2, padding="valid")
    x = _twice(net, x, width << levels, act)
    for level, beside in reversed(list(enumerate(across))):
        x = net.resize(x, *beside.shape[2:], mode="linear") if resized else net.deconv(x, width << level)
        x = _twice(net, net.concat(beside, x), width << level, act)
    x = net.conv(x, net.pick(1, 2, 5), after="bias")
    return net.build(net.act(x, "Sigmoid") if x.shape[1] == 1 else net.softmax(x, axis=1))


def _twice(net: Builder, x: Tensor, channels: int, act: str) -> Tensor:
    return net.conv(net.conv(x, channels, 3, act=act), channels, 3, act=act)


def deeplab(rng: np.random.Generator) -> onnx.ModelProto:
    """A trunk that dilates instead of striding, then a pyramid of dilations or, for one in three, a plain head.

    Source: Chen et al., 2017 (DeepLab v3); Long et al., CVPR 2015 (FCN).
    """
    net = Builder(rng)
    size, width, pyramid = net.between(161, 273, 16), net.between(16, 32, 4), net.pick(True, True, False)
    x = net.conv(net.input(1, 3, size, size), width, 7, stride=2, act="Relu")
    x = net.pool(x, 3, 2)
    for stage, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4))):
        for block in range(net.between(1, 2)):
            channels, step = width << stage, 1 if block else stride
            y = net.conv(x, channels, 3, stride=step, act="Relu")
            y = net.conv(y, channels, 3, dilation=dilation, gain=0.5)
            side = x if x.shape == y.shape else net.conv(x, channels, stride=step)
            x = net.act(net.elementwise("Add", y, side), "Relu")
    x = _dilations(net, x, 4 * width) if pyramid else net.conv(x, 2 * width, 3, act="Relu")
    x = net.conv(x, net.pick(2, 19, 21), after="bias")
    return net.build(net.resize(x, size, size, mode="linear"))


def _dilations(net: Builder, x: Tensor, channels: int) -> Tensor:
    """Atrous spatial pyramid pooling: 1x1, three dilations and the whole image, joined."""
    parts = [net.conv(x, channels, act="Relu")]
    parts += [net.conv(x, channels, 3, dilation=rate, act="Relu") for rate in net.pick((6, 12, 18), (12, 24, 36))]
    whole = net.conv(net.global_pool(x), channels, act="Relu")
    parts.append(net.resize(whole, *x.shape[2:], mode="linear"))
    return net.conv(net.conv(net.concat(*parts), channels, act="Relu"), channels, 3, act="Relu")


def yolo(rng: np.random.Generator) -> onnx.ModelProto:
    """Cross-stage partial blocks, a pyramid up and down, three heads in one answer. Source: Ultralytics YOLOv8."""
    net = Builder(rng)
    size, width, depth = net.between(192, 416, 32), net.between(8, 24, 4), net.between(1, 2)
    x = net.conv(net.input(1, 3, size, size), width, 3, stride=2, act="Silu")
    levels = []
    for stage in range(1, 5):
        channels = width << stage
        x = _partial(net, net.conv(x, channels, 3, stride=2, act="Silu"), channels, net.between(1, 2), skips=True)
        levels.append(x)
    _, fine, middle, coarse = levels
    coarse = _pyramid_pool(net, coarse)
    middle = _partial(net, net.concat(_doubled(net, coarse), middle), middle.shape[1], depth)
    fine = _partial(net, net.concat(_doubled(net, middle), fine), fine.shape[1], depth)
    down = net.conv(fine, fine.shape[1], 3, stride=2, act="Silu")
    middle = _partial(net, net.concat(down, middle), middle.shape[1], depth)
    down = net.conv(middle, middle.shape[1], 3, stride=2, act="Silu")
    coarse = _partial(net, net.concat(down, coarse), coarse.shape[1], depth)
    return net.build(_boxes_and_scores(net, (fine, middle, coarse), net.pick(1, 20, 80)))


def _partial(net: Builder, x: Tensor, channels: int, depth: int, *, skips: bool = False) -> Tensor:
    """A block that works on half of the channels and keeps every step (C2f)."""
    half = channels // 2
    parts = list(net.split(net.conv(x, channels, act="Silu"), half, half))
    for _ in range(depth):
        y = net.conv(net.conv(parts[-1], half, 3, act="Silu"), half, 3, act="Silu")
        parts.append(net.elementwise("Add", parts[-1], y) if skips else y)
    return net.conv(net.concat(*parts), channels, act="Silu")


def _pyramid_pool(net: Builder, x: Tensor) -> Tensor:
    """Three pools in a row, all kept (SPPF)."""
    channels = x.shape[1]
    parts = [net.conv(x, channels // 2, act="Silu")]
    for _ in range(3):
        parts.append(net.pool(parts[-1], 5, 1))
    return net.conv(net.concat(*parts), channels, act="Silu")


def _doubled(net: Builder, x: Tensor) -> Tensor:
    return net.resize(x, 2 * x.shape[2], 2 * x.shape[3])


def _boxes_and_scores(net: Builder, levels: tuple[Tensor, ...], classes: int) -> Tensor:
    """For every place four distances, each the mean of a distribution over 16 bins, and a score for each class."""
    made = []
    for x in levels:
        channels = rounded(max(16, levels[0].shape[1] // 2))
        sides = []
        for outputs in (64, classes):
            y = net.conv(net.conv(x, channels, 3, act="Silu"), channels, 3, act="Silu")
            sides.append(net.conv(y, outputs, after="bias"))
        made.append(net.reshape(net.concat(*sides), 1, 64 + classes, -1))
    everywhere = net.concat(*made, axis=2)
    boxes, scores = net.split(everywhere, 64, classes)
    bins = net.transpose(net.reshape(boxes, 1, 4, 16, -1), 0, 2, 1, 3)
    weight = net.constant(np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1))
    places = bins.shape[3]
    means = net.node("Conv", (net.softmax(bins, axis=1), weight), (1, 1, 4, places), kernel_shape=(1, 1))
    return net.concat(net.reshape(means, 1, 4, places), net.act(scores, "Sigmoid"))


def ssd_lite(rng: np.random.Generator) -> onnx.ModelProto:
    """MobileNet v2 and more levels after it, each with depthwise heads; boxes and scores apart.

    Source: Sandler et al., CVPR 2018, section 6.2.
    """
    net = Builder(rng)
    levels = mobile_trunk(net, net.between(192, 352, 32), net.pick(0.5, 0.75, 1.0))[1:]
    anchors, classes = net.between(3, 6), net.pick(2, 21, 91)
    for channels in (256, 128)[: net.between(1, 2)]:
        y = net.depthwise(net.conv(levels[-1], channels, act="Relu6"), 3, stride=2, act="Relu6")
        levels.append(net.conv(y, 2 * channels, act="Relu6"))
    boxes, scores = (net.concat(*(_head(net, level, anchors, values) for level in levels)) for values in (4, classes))
    return net.build(boxes, net.softmax(scores) if net.pick(True, False) else net.act(scores, "Sigmoid"))


def _head(net: Builder, x: Tensor, anchors: int, values: int) -> Tensor:
    """(1, places x anchors, values), channels last as SSD orders them."""
    y = net.conv(net.depthwise(x, 3, act="Relu6"), anchors * values, after="bias")
    return net.reshape(net.transpose(y, 0, 2, 3, 1), 1, -1, values)


def super_resolution(rng: np.random.Generator) -> onnx.ModelProto:
    """Residual blocks at the small size, then channels become pixels. Source: Lim et al., CVPRW 2017 (EDSR)."""
    net = Builder(rng, batch_norm=False)
    size, width, factor = net.between(48, 96, 16), net.between(16, 40, 8), net.pick(2, 3, 4)
    act = net.pick("Relu", "PRelu")
    first = x = net.conv(net.input(1, net.pick(1, 3), size, size), width, 3)
    for _ in range(net.between(2, 8)):
        y = net.conv(net.conv(x, width, 3, act=act), width, 3)
        x = net.elementwise("Add", net.elementwise("Mul", y, 0.1), x)
    x = net.elementwise("Add", net.conv(x, width, 3), first)
    for step in (2, 2) if factor == 4 else (factor,):
        x = net.conv(x, width * step**2, 3)
        shape = (1, width, x.shape[2] * step, x.shape[3] * step)
        x = net.node("DepthToSpace", (x,), shape, blocksize=step, mode="CRD")
    return net.build(net.conv(x, 3, 3))
