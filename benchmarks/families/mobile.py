"""Convolutional networks for phones: depthwise convolutions, few products, many nodes.

In comes a seeded generator; out goes one network of the family.
"""

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor


def rounded(channels: float) -> int:
    """A width as mobile networks have it: the nearest multiple of 8, no less than 8."""
    return max(8, int(channels + 4) // 8 * 8)


def inverted_residual(
    net: Builder,
    x: Tensor,
    channels: int,
    kernel: int,
    *,
    stride: int,
    expansion: float,
    act: str,
    squeeze: int = 0,
    gate: str = "Sigmoid",
) -> Tensor:
    """Widen, filter each channel, narrow; `squeeze` channels of attention between, 0 for none.

    Source: Sandler et al., CVPR 2018.
    """
    wide = rounded(x.shape[1] * expansion)
    y = x if expansion == 1 else net.conv(x, wide, act=act)
    y = net.depthwise(y, kernel, stride=stride, act=act)
    if squeeze:
        y = net.squeeze_excite(y, squeeze, act="Relu" if gate == "HardSigmoid" else act, gate=gate)
    y = net.conv(y, channels, gain=0.7)
    return net.elementwise("Add", x, y) if x.shape == y.shape else y


def mobilenet_v1(rng: np.random.Generator) -> onnx.ModelProto:
    """A chain of depthwise and pointwise convolutions. Source: Howard et al., 2017."""
    net = Builder(rng)
    size, act = net.between(160, 288, 32), net.pick("Relu", "Relu6")
    width = 8 * net.between(2, 5)
    x = net.conv(net.input(1, 3, size, size), width, 3, stride=2, act=act)
    repeats = net.between(1, 5)
    for times, stride in ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *((16, 1),) * repeats, (32, 2), (32, 1)):
        x = net.conv(net.depthwise(x, 3, stride=stride, act=act), width * times, act=act)
    return net.build(net.classifier(x))


def mobilenet_v2(rng: np.random.Generator) -> onnx.ModelProto:
    """Inverted residuals of one kernel size. Source: Sandler et al., CVPR 2018."""
    net = Builder(rng)
    x = mobile_trunk(net, net.between(160, 288, 32), net.pick(0.5, 0.75, 1.0, 1.4))[-1]
    return net.build(net.classifier(net.conv(x, 1280, act="Relu6")))


def mobile_trunk(net: Builder, size: int, multiplier: float) -> list[Tensor]:
    """MobileNet v2 without its head: what it makes at 1/8, 1/16 and 1/32 of the input."""
    x = net.conv(net.input(1, 3, size, size), rounded(32 * multiplier), 3, stride=2, act="Relu6")
    levels = []
    for expansion, channels, blocks, stride in _MOBILENET_V2:
        if stride == 2 and channels in (64, 160):
            levels.append(x)
        for block in range(blocks if blocks < 3 else net.between(2, blocks)):
            x = inverted_residual(
                net,
                x,
                rounded(channels * multiplier),
                3,
                stride=1 if block else stride,
                expansion=expansion,
                act="Relu6",
            )
    return [*levels, x]


# Expansion, channels, blocks, stride. Source: Sandler et al., table 2.
_MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v3(rng: np.random.Generator) -> onnx.ModelProto:
    """Inverted residuals with attention and hard activations. Source: Howard et al., ICCV 2019."""
    net = Builder(rng)
    size, multiplier = net.between(160, 288, 32), net.pick(0.5, 0.75, 1.0, 1.4)
    hard = net.pick("HardSwish", "HardSwishParts")
    x = net.conv(net.input(1, 3, size, size), rounded(16 * multiplier), 3, stride=2, act=hard)
    for kernel, expansion, channels, attends, act, stride in net.pick(_MOBILENET_V3_SMALL, _MOBILENET_V3_LARGE):
        squeeze = rounded(x.shape[1] * expansion / 4) if attends else 0
        x = inverted_residual(
            net,
            x,
            rounded(channels * multiplier),
            kernel,
            stride=stride,
            expansion=expansion,
            act=hard if act == "HardSwish" else act,
            squeeze=squeeze,
            gate="HardSigmoid",
        )
    x = net.conv(x, 6 * x.shape[1], act=hard)
    x = net.dense(net.flatten(net.global_pool(x)), net.pick(1024, 1280), act=hard)
    return net.build(net.dense(x, net.pick(10, 100, 1000)))


# Kernel, expansion, channels, attention, activation, stride. Source: Howard et al., tables 1 and 2.
_MOBILENET_V3_LARGE = (
    (3, 1, 16, False, "Relu", 1),
    (3, 4, 24, False, "Relu", 2),
    (3, 3, 24, False, "Relu", 1),
    (5, 3, 40, True, "Relu", 2),
    (5, 3, 40, True, "Relu", 1),
    (5, 3, 40, True, "Relu", 1),
    (3, 6, 80, False, "HardSwish", 2),
    (3, 2.5, 80, False, "HardSwish", 1),
    (3, 2.3, 80, False, "HardSwish", 1),
    (3, 6, 112, True, "HardSwish", 1),
    (3, 6, 112, True, "HardSwish", 1),
    (5, 6, 160, True, "HardSwish", 2),
    (5, 6, 160, True, "HardSwish", 1),
    (5, 6, 160, True, "HardSwish", 1),
)
_MOBILENET_V3_SMALL = (
    (3, 1, 16, True, "Relu", 2),
    (3, 4.5, 24, False, "Relu", 2),
    (3, 3.7, 24, False, "Relu", 1),
    (5, 4, 40, True, "HardSwish", 2),
    (5, 6, 40, True, "HardSwish", 1),
    (5, 6, 40, True, "HardSwish", 1),
    (5, 3, 48, True, "HardSwish", 1),
    (5, 3, 48, True, "HardSwish", 1),
    (5, 6, 96, True, "HardSwish", 2),
    (5, 6, 96, True, "HardSwish", 1),
    (5, 6, 96, True, "HardSwish", 1),
)


def efficientnet(rng: np.random.Generator) -> onnx.ModelProto:
    """Inverted residuals with attention and SiLU, width and depths scaled. Source: Tan and Le, ICML 2019."""
    net = Builder(rng)
    size, width = net.between(160, 288, 32), net.pick(0.5, 0.75, 1.0, 1.1)
    x = net.conv(net.input(1, 3, size, size), rounded(32 * width), 3, stride=2, act="Silu")
    for expansion, kernel, channels, blocks, stride in _EFFICIENTNET_B0:
        for block in range(max(1, round(blocks * net.pick(0.5, 1.0, 1.2)))):
            x = inverted_residual(
                net,
                x,
                rounded(channels * width),
                kernel,
                stride=1 if block else stride,
                expansion=expansion,
                act="Silu",
                squeeze=max(4, x.shape[1] // 4),
            )
    return net.build(net.classifier(net.conv(x, rounded(1280 * width), act="Silu")))


# Expansion, kernel, channels, blocks, stride. Source: Tan and Le, table 1.
_EFFICIENTNET_B0 = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


def mnasnet(rng: np.random.Generator) -> onnx.ModelProto:
    """A searched network: every block's kernel (3, 5 or 7) and expansion its own. Source: Cai et al., ICLR 2019."""
    net = Builder(rng)
    size, multiplier, act = net.between(160, 288, 32), net.pick(0.75, 1.0, 1.4), net.pick("Relu", "Relu6")
    x = net.conv(net.input(1, 3, size, size), rounded(32 * multiplier), 3, stride=2, act=act)
    x = inverted_residual(net, x, rounded(16 * multiplier), 3, stride=1, expansion=1, act=act)
    for channels, stride in ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2), (320, 1)):
        for block in range(net.between(1, 4) if channels < 320 else 1):
            x = inverted_residual(
                net,
                x,
                rounded(channels * multiplier),
                net.pick(3, 5, 7),
                stride=1 if block else stride,
                expansion=net.pick(3, 6),
                act=act,
            )
    return net.build(net.classifier(net.conv(x, 1280, act=act)))


def shufflenet_v2(rng: np.random.Generator) -> onnx.ModelProto:
    """Half the channels pass by, then all are shuffled. Source: Ma et al., ECCV 2018."""
    net = Builder(rng)
    size, width = net.between(160, 288, 32), net.pick(48, 116, 176, 244)
    x = net.pool(net.conv(net.input(1, 3, size, size), 24, 3, stride=2, act="Relu"), 3, 2)
    for stage, blocks in enumerate((net.between(2, 4), net.between(4, 8), net.between(2, 4))):
        half = (width << stage) // 2
        y = net.conv(net.depthwise(x, 3, stride=2), half, act="Relu")
        x = _shuffled(net, y, _shuffle_branch(net, x, half, 2))
        for _ in range(blocks - 1):
            passed, worked = net.split(x, half, half)
            x = _shuffled(net, passed, _shuffle_branch(net, worked, half, 1))
    return net.build(net.classifier(net.conv(x, 1024, act="Relu")))


def _shuffle_branch(net: Builder, x: Tensor, channels: int, stride: int) -> Tensor:
    y = net.depthwise(net.conv(x, channels, act="Relu"), 3, stride=stride)
    return net.conv(y, channels, act="Relu")


def _shuffled(net: Builder, one: Tensor, other: Tensor) -> Tensor:
    """The channels of two tensors, in turn."""
    x = net.concat(one, other)
    batch, channels, *size = x.shape
    x = net.transpose(net.reshape(x, batch, 2, channels // 2, *size), 0, 2, 1, 3, 4)
    return net.reshape(x, batch, channels, *size)


def ghostnet(rng: np.random.Generator) -> onnx.ModelProto:
    """Half of every product's channels made cheaply from the other half. Source: Han et al., CVPR 2020."""
    net = Builder(rng)
    size, multiplier = net.between(160, 288, 32), net.pick(0.5, 1.0, 1.3)
    x = net.conv(net.input(1, 3, size, size), rounded(16 * multiplier), 3, stride=2, act="Relu")
    for kernel, expansion, channels, attends, _, stride in _MOBILENET_V3_LARGE:
        out = rounded(channels * multiplier)
        if stride == 1 and x.shape[1] == out and net.pick(True, False, False):
            continue  # shallower than the table
        y = _ghost(net, x, rounded(x.shape[1] * expansion), "Relu")
        if stride == 2:
            y = net.depthwise(y, kernel, stride=2)
        if attends:
            y = net.squeeze_excite(y, rounded(y.shape[1] / 4), gate="HardSigmoid")
        y = _ghost(net, y, out, "")
        if y.shape != x.shape:
            x = net.conv(net.depthwise(x, kernel, stride=stride), out)
        x = net.elementwise("Add", y, x)
    return net.build(net.classifier(net.conv(x, rounded(960 * multiplier), act="Relu")))


def _ghost(net: Builder, x: Tensor, channels: int, act: str) -> Tensor:
    made = net.conv(x, channels // 2, act=act, gain=0.7)
    return net.concat(made, net.depthwise(made, 3, act=act))
