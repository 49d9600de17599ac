"""Convolutional networks whose layers are skipped by sums or joined by concatenation: ResNets and DenseNet.

In comes a seeded generator; out goes one network of the family.
"""

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor

BRANCH_GAIN = 0.5  # sums of many branches would grow without it


def resnet_basic(rng: np.random.Generator) -> onnx.ModelProto:
    """ResNet of basic blocks, like 18 and 34. Source: He et al., CVPR 2016."""
    net = Builder(rng)
    width = net.between(32, 64, 8)
    x = _stem(net, net.between(128, 256, 32), width)
    for stage in range(4):
        for block in range(net.between(1, 3)):
            channels, stride = width << stage, 2 if stage and not block else 1
            y = net.conv(x, channels, 3, stride=stride, act="Relu")
            y = net.conv(y, channels, 3, gain=BRANCH_GAIN)
            x = net.act(net.elementwise("Add", y, _shortcut(net, x, channels, stride)), "Relu")
    return net.build(net.classifier(x))


def resnet_bottleneck(rng: np.random.Generator) -> onnx.ModelProto:
    """ResNet of bottlenecks, like 50. Source: He et al., CVPR 2016."""
    net = Builder(rng)
    return _bottlenecks(net, net.between(32, 56, 8), groups=1, squeeze=0)


def resnext(rng: np.random.Generator) -> onnx.ModelProto:
    """ResNet of bottlenecks with grouped convolutions. Source: Xie et al., CVPR 2017."""
    net = Builder(rng)
    groups = net.pick(8, 16, 32)
    return _bottlenecks(net, groups * net.pick(2, 4) if groups > 8 else 8 * net.pick(4, 8), groups=groups, squeeze=0)


def se_resnet(rng: np.random.Generator) -> onnx.ModelProto:
    """ResNet of bottlenecks that squeeze and excite. Source: Hu et al., CVPR 2018."""
    net = Builder(rng)
    return _bottlenecks(net, net.between(32, 56, 8), groups=1, squeeze=net.pick(8, 16))


def wide_resnet(rng: np.random.Generator) -> onnx.ModelProto:
    """Pre-activation ResNet for small images, wide and shallow. Source: Zagoruyko and Komodakis, BMVC 2016."""
    net = Builder(rng)
    widening, blocks, size = net.between(1, 6), net.between(1, 3), net.pick(32, 48, 64)
    x = net.conv(net.input(1, 3, size, size), 16, 3, after="nothing")
    for stage in range(3):
        for block in range(blocks):
            channels, stride = 16 * widening << stage, 2 if stage and not block else 1
            y = net.act(net.normalise(x), "Relu")
            skipped = x if x.shape[1] == channels else net.conv(y, channels, 1, stride=stride, after="nothing")
            y = net.conv(y, channels, 3, stride=stride, after="nothing")
            y = net.conv(net.act(net.normalise(y), "Relu"), channels, 3, gain=BRANCH_GAIN, after="nothing")
            x = net.elementwise("Add", skipped, y)
    return net.build(net.classifier(net.act(net.normalise(x), "Relu")))


def densenet(rng: np.random.Generator) -> onnx.ModelProto:
    """DenseNet with bottlenecks and compression. Source: Huang et al., CVPR 2017."""
    net = Builder(rng)
    growth = net.between(16, 32, 4)
    x = _stem(net, net.between(128, 256, 32), 2 * growth)
    for stage in range(4):
        if stage:
            x = net.conv(net.act(net.normalise(x), "Relu"), x.shape[1] // 2, after="nothing")
            x = net.pool(x, 2, 2, kind="Average", padding="valid")
        for _ in range(net.between(4, 12)):
            y = net.conv(net.act(net.normalise(x), "Relu"), 4 * growth, act="Relu")
            x = net.concat(x, net.conv(y, growth, 3, after="nothing"))
    return net.build(net.classifier(net.act(net.normalise(x), "Relu")))


def _bottlenecks(net: Builder, width: int, *, groups: int, squeeze: int) -> onnx.ModelProto:
    """A whole network; `width` is of the 3x3 convolution in the first stage, `squeeze` divides channels or is 0."""
    outer = width * (2 if groups > 1 else 4)
    x = _stem(net, net.between(128, 256, 32), net.pick(32, 64))
    for stage in range(4):
        for block in range(net.between(1, 4 if stage == 2 else 3)):
            channels, stride = outer << stage, 2 if stage and not block else 1
            y = net.conv(x, width << stage, act="Relu")
            y = net.conv(y, width << stage, 3, stride=stride, groups=groups, act="Relu")
            y = net.conv(y, channels, gain=BRANCH_GAIN)
            if squeeze:
                y = net.squeeze_excite(y, channels // squeeze)
            x = net.act(net.elementwise("Add", y, _shortcut(net, x, channels, stride)), "Relu")
    return net.build(net.classifier(x))


def _stem(net: Builder, size: int, width: int) -> Tensor:
    """The input and what brings it down to a quarter."""
    x = net.conv(net.input(1, 3, size, size), width, 7, stride=2, act="Relu")
    return net.pool(x, 3, 2)


def _shortcut(net: Builder, x: Tensor, channels: int, stride: int) -> Tensor:
    return x if (x.shape[1], stride) == (channels, 1) else net.conv(x, channels, 1, stride=stride)
