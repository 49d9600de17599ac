"""Convolutional networks without sums: plain chains and the modules of Inception.

In comes a seeded generator; out goes one network of the family.
"""

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor


def vgg(rng: np.random.Generator) -> onnx.ModelProto:
    """A chain of 3x3 convolutions and two wide linear layers. Source: Simonyan and Zisserman, ICLR 2015."""
    net = Builder(rng)
    size, width = net.between(96, 192, 32), net.between(16, 48, 8)
    x = net.input(1, 3, size, size)
    for stage in range(5):
        for _ in range(net.between(1, 2 if stage < 2 else 3)):
            x = net.conv(x, width << min(stage, 3), 3, act="Relu")
        x = net.pool(x, 2, 2, padding="valid")
    return net.build(_linear_layers(net, x, net.pick(256, 512, 1024)))


def alexnet(rng: np.random.Generator) -> onnx.ModelProto:
    """Few convolutions, large kernels, most weights in linear layers. Source: Krizhevsky et al., NIPS 2012."""
    net = Builder(rng, batch_norm=False)
    local, groups = net.pick(True, False), net.pick(1, 2)
    size, width = net.pick(195, 211, 224, 227), net.between(32, 72, 8)
    x = net.input(1, 3, size, size)
    for kernel, channels, stride in ((11, width, 4), (5, 3 * width, 1)):
        x = net.conv(x, channels, kernel, stride=stride, groups=groups if stride == 1 else 1, act="Relu")
        if local:
            x = _local_response(net, x)
        x = net.pool(x, 3, 2, padding="valid")
    for times in net.pick((6, 4, 4), (4, 4, 4), (6, 6, 4)):
        x = net.conv(x, times * width, 3, groups=groups, act="Relu")
    return net.build(_linear_layers(net, net.pool(x, 3, 2, padding="valid"), net.between(512, 1024, 128)))


def squeezenet(rng: np.random.Generator) -> onnx.ModelProto:
    """Fire modules, with or without a bypass, and no linear layer. Source: Iandola et al., 2016."""
    net = Builder(rng, batch_norm=False)
    bypass = net.pick(True, False)
    size, kernel, squeeze = net.between(160, 320, 16), net.pick(3, 7), net.between(8, 24, 4)
    x = net.conv(net.input(1, 3, size, size), net.between(48, 96, 16), kernel, stride=2, padding="valid", act="Relu")
    for index in range(8):
        if index in (0, 2, 4):
            x = net.pool(x, 3, 2, padding="valid", ceil=True)
        narrow = squeeze * (1 + index // 2)
        y = net.conv(x, narrow, act="Relu")
        y = net.concat(net.conv(y, 4 * narrow, act="Relu"), net.conv(y, 4 * narrow, 3, act="Relu"))
        x = net.elementwise("Add", x, y) if bypass and x.shape == y.shape else y
    x = net.conv(x, net.pick(10, 100, 1000), act="Relu")
    return net.build(net.softmax(net.flatten(net.global_pool(x))))


def inception_v1(rng: np.random.Generator) -> onnx.ModelProto:
    """Modules of four branches, like GoogLeNet. Source: Szegedy et al., CVPR 2015."""
    net = Builder(rng)
    local = net.pick(True, False) and not net.batch_norm
    size, width = net.between(160, 288, 32), net.between(32, 64, 8)
    x = net.conv(net.input(1, 3, size, size), width, 7, stride=2, act="Relu")
    x = net.pool(x, 3, 2, padding="valid", ceil=True)
    x = net.conv(net.conv(_local_response(net, x) if local else x, width, act="Relu"), 3 * width, 3, act="Relu")
    for stage, modules in enumerate((2, net.between(2, 5), net.between(1, 2))):
        x = net.pool(x, 3, 2, padding="valid", ceil=True)
        for _ in range(modules):
            x = _module(net, x, width + (width // 2) * stage, net.pick(3, 5))
    return net.build(net.classifier(x))


def inception_v3(rng: np.random.Generator) -> onnx.ModelProto:
    """Modules of factorised convolutions: 1x7 and 7x1, 1x3 and 3x1. Source: Szegedy et al., CVPR 2016."""
    net = Builder(rng)
    size, width = net.between(155, 299, 16), net.between(16, 32, 8)
    x = net.conv(net.input(1, 3, size, size), width, 3, stride=2, padding="valid", act="Relu")
    x = net.conv(net.conv(x, width, 3, padding="valid", act="Relu"), 2 * width, 3, act="Relu")
    x = net.conv(net.pool(x, 3, 2, padding="valid"), 2 * width, act="Relu")
    x = net.pool(net.conv(x, 6 * width, 3, padding="valid", act="Relu"), 3, 2, padding="valid")
    for _ in range(net.between(1, 3)):
        x = _module(net, x, 2 * width, 5)
    x = _reduction(net, x, 4 * width)
    for _ in range(net.between(1, 4)):
        x = _long_module(net, x, net.between(4, 6) * width, 6 * width)
    x = _reduction(net, x, 6 * width)
    for _ in range(net.between(1, 2)):
        x = _split_module(net, x, 10 * width)
    return net.build(net.classifier(x))


def tensorflow_cnn(rng: np.random.Generator) -> onnx.ModelProto:
    """A small image classifier as tf2onnx writes one: NHWC outside, SAME padding, MatMul and Add at the end."""
    net = Builder(rng)
    size, width = net.between(96, 224, 16), net.between(24, 64, 8)
    act, wide = net.pick("Relu", "Relu6", "LeakyRelu", "Elu"), net.pick(3, 5)
    x = net.transpose(net.input(1, size, size, 3), 0, 3, 1, 2)
    for stage in range(net.between(3, 5)):
        if net.pick(True, False):
            x = net.conv(x, width << min(stage, 3), wide if stage < 2 else 3, stride=2, padding="upper", act=act)
        else:
            x = net.conv(x, width << min(stage, 3), 3, padding="upper", act=act)
            x = net.pool(x, 2, 2, padding="upper")
        for _ in range(net.between(0, 2)):
            x = net.conv(x, x.shape[1], 3, padding="upper", act=act)
    # Keras flattens rows of pixels, not of channels.
    x = net.mean(x, 2, 3, keep=False) if net.pick(True, False) else net.transpose(x, 0, 2, 3, 1)
    x = net.reshape(x, -1, int(np.prod(x.shape)))
    for features, kind in ((net.pick(64, 128, 256), "Relu"), (net.pick(10, 100), "")):
        weight = net.kernel(x.shape[1], features, fan_in=x.shape[1], act=kind)
        x = net.elementwise("Add", net.matmul(x, weight), net.normal(features, deviation=0.1))
        x = net.act(x, kind)
    return net.build(net.softmax(x))


def _linear_layers(net: Builder, x: Tensor, features: int) -> Tensor:
    x = net.dense(net.flatten(x), features, act="Relu")
    scores = net.dense(net.dense(x, features, act="Relu"), net.pick(10, 100, 1000))
    return net.softmax(scores) if net.pick(True, False) else scores


def _local_response(net: Builder, x: Tensor) -> Tensor:
    return net.node("LRN", (x,), x.shape, alpha=1e-4, beta=0.75, size=5)


def _module(net: Builder, x: Tensor, width: int, wide: int) -> Tensor:
    """Four branches: 1x1, 3x3, a wider one and a pool; `width` is of the first."""
    middle = net.conv(net.conv(x, 3 * width // 4, act="Relu"), 3 * width // 2, 3, act="Relu")
    outer = net.conv(net.conv(x, width // 4, act="Relu"), width // 2, wide, act="Relu")
    pooled = net.conv(net.pool(x, 3, 1), width // 2, act="Relu")
    return net.concat(net.conv(x, width, act="Relu"), middle, outer, pooled)


def _reduction(net: Builder, x: Tensor, width: int) -> Tensor:
    """Half the size, by two convolutions and a pool."""
    one = net.conv(x, width, 3, stride=2, padding="valid", act="Relu")
    two = net.conv(net.conv(x, width // 2, act="Relu"), width // 2, 3, act="Relu")
    two = net.conv(two, width // 2, 3, stride=2, padding="valid", act="Relu")
    return net.concat(one, two, net.pool(x, 3, 2, padding="valid"))


def _long_module(net: Builder, x: Tensor, inner: int, outer: int) -> Tensor:
    """1x7 and 7x1, once and twice."""
    once, twice = net.conv(x, inner, act="Relu"), net.conv(x, inner, act="Relu")
    once = net.conv(net.conv(once, inner, (1, 7), act="Relu"), outer, (7, 1), act="Relu")
    for kernel, channels in (((7, 1), inner), ((1, 7), inner), ((7, 1), inner), ((1, 7), outer)):
        twice = net.conv(twice, channels, kernel, act="Relu")
    pooled = net.conv(net.pool(x, 3, 1, kind="Average"), outer, act="Relu")
    return net.concat(net.conv(x, outer, act="Relu"), once, twice, pooled)


def _split_module(net: Builder, x: Tensor, width: int) -> Tensor:
    """1x3 beside 3x1, after 1x1 and after 3x3."""
    near = net.conv(x, width, act="Relu")
    far = net.conv(net.conv(x, width, act="Relu"), width, 3, act="Relu")
    sides = [net.conv(y, width, kernel, act="Relu") for y in (near, far) for kernel in ((1, 3), (3, 1))]
    pooled = net.conv(net.pool(x, 3, 1, kind="Average"), width // 2, act="Relu")
    return net.concat(net.conv(x, width, act="Relu"), *sides, pooled)
