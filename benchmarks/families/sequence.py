"""Networks for sound, text and other rows: one-dimensional convolutions and recurrent layers.

In comes a seeded generator; out goes one network of the family.
"""

from functools import reduce

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import ABSENT, Tensor
from onnx import TensorProto


def tcn(rng: np.random.Generator) -> onnx.ModelProto:
    """Dilated causal convolutions in residual blocks. Source: Bai et al., 2018."""
    net = Builder(rng)
    x = net.input(1, net.between(1, 40), net.between(256, 1024, 128))
    width, kernel = net.between(48, 160, 16), net.pick(3, 5, 7)
    for level in range(net.between(4, 7)):
        y = net.conv(x, width, kernel, dilation=1 << level, padding="causal", act="Relu")
        y = net.conv(y, width, kernel, dilation=1 << level, padding="causal", act="Relu", gain=0.7)
        x = net.act(net.elementwise("Add", y, x if x.shape == y.shape else net.conv(x, width)), "Relu")
    last = net.take(x, x.shape[2] - 1, 2)
    return net.build(net.dense(last, net.pick(2, 10, 64)))


def wavenet(rng: np.random.Generator) -> onnx.ModelProto:
    """Gated dilated convolutions, every layer heard at the end. Source: van den Oord et al., 2016."""
    net = Builder(rng, batch_norm=False)
    length, width, heard = net.between(1024, 4096, 512), net.between(24, 64, 8), net.between(32, 96, 16)
    x = net.conv(net.input(1, 1, length), width)
    skips = []
    for layer in range(net.between(6, 16)):
        dilation = 1 << layer % 8
        before = net.constant([0, 0, dilation, 0, 0, 0])
        padded = net.node("Pad", (x, before), (1, width, length + dilation), mode="constant")
        tone, gate = (
            net.conv(padded, width, 2, dilation=dilation, padding="valid", act=act) for act in ("Tanh", "Sigmoid")
        )
        y = net.elementwise("Mul", tone, gate)
        skips.append(net.conv(y, heard))
        x = net.elementwise("Add", net.conv(y, width), x)
    y = net.act(reduce(lambda total, skip: net.elementwise("Add", total, skip), skips), "Relu")
    return net.build(net.conv(net.conv(y, heard, act="Relu"), net.pick(30, 256)))


def ds_cnn(rng: np.random.Generator) -> onnx.ModelProto:
    """Keyword spotting on a spectrogram, kernels longer in time. Source: Zhang et al., 2017 (Hello Edge)."""
    net = Builder(rng)
    (frames, bands), width = net.pick((49, 10), (98, 40), (99, 64)), net.between(64, 272, 16)
    kernel, stride = net.pick((10, 4), (8, 4), (10, 10)), net.pick((2, 2), (2, 1), (1, 2))
    x = net.conv(net.input(1, 1, frames, bands), width, kernel, stride=stride, act="Relu")
    for _ in range(net.between(4, 6)):
        x = net.depthwise(x, net.pick((3, 3), (5, 3), (9, 1), (1, 5)), act="Relu")
        x = net.conv(x, width, act="Relu")
    x = net.pool(x, x.shape[2:], 1, kind="Average", padding="valid")
    return net.build(net.softmax(net.dense(net.flatten(x), net.pick(2, 12, 35))))


def quartznet(rng: np.random.Generator) -> onnx.ModelProto:
    """Speech recognition by long depthwise kernels over time. Source: Kriman et al., ICASSP 2020."""
    net = Builder(rng)
    width, repeats = net.between(128, 320, 16), net.between(1, 4)
    x = net.depthwise(net.input(1, net.pick(64, 80), net.between(256, 1024, 64)), 33, stride=2)
    x = net.conv(x, width, act="Relu")
    for kernel in (33, 39, 51, 63, 75)[: net.between(2, 5)]:
        y = x
        for repeat in range(repeats):
            y = net.conv(net.depthwise(y, kernel), width, act="" if repeat == repeats - 1 else "Relu", gain=0.7)
        x = net.act(net.elementwise("Add", y, net.conv(x, width)), "Relu")
    x = net.conv(net.depthwise(x, 87, dilation=2), 2 * width, act="Relu")
    scores = net.transpose(net.conv(x, net.pick(29, 34)), 0, 2, 1)
    return net.build(net.node("LogSoftmax", (scores,), scores.shape, axis=-1))


def lstm_tagger(rng: np.random.Generator) -> onnx.ModelProto:
    """A tag for each word of a sentence. Source: Huang et al., 2015."""
    net = Builder(rng)
    words, width, directions = net.between(16, 96, 8), net.between(64, 256, 32), net.pick(1, 2)
    x = net.embed(net.input(words, 1, element=TensorProto.INT64), net.between(2000, 12000, 1000), width)
    for _ in range(net.between(1, 2)):
        x = recurrent(net, x, "LSTM", net.between(128, 448, 32), directions)
    return net.build(net.node("LogSoftmax", (y := net.dense(x, net.pick(5, 9, 17)),), y.shape, axis=-1))


def bidirectional_gru(rng: np.random.Generator) -> onnx.ModelProto:
    """Frames of features through stacked recurrent layers, read at the end. Source: Chung et al., 2014."""
    net = Builder(rng)
    x = net.input(net.between(40, 200, 20), 1, net.pick(13, 40, 64, 80))
    hidden = net.between(96, 352, 32)
    for _ in range(net.between(1, 3)):
        x = recurrent(net, x, "GRU", hidden, 2)
    x = net.take(x, x.shape[0] - 1, 0) if net.pick(True, False) else net.mean(x, 0, keep=False)
    return net.build(net.dense(net.dense(x, hidden, act="Relu"), net.pick(2, 10, 50)))


def crnn(rng: np.random.Generator) -> onnx.ModelProto:
    """A line of text: columns of a convolutional network read both ways. Source: Shi et al., TPAMI 2017."""
    net = Builder(rng)
    width, act = net.between(16, 48, 8), net.pick("Relu", "LeakyRelu")
    x = net.input(1, net.pick(1, 3), 32, net.between(128, 320, 32))
    for times, convs, stride in ((1, 1, (2, 2)), (2, 1, (2, 2)), (4, 2, (2, 1)), (8, net.between(1, 2), (2, 1))):
        for _ in range(convs):
            x = net.conv(x, times * width, 3, act=act)
        x = net.pool(x, stride, stride, padding="valid")
    x = net.conv(x, x.shape[1], 2, padding="valid", act=act)
    columns = net.node("Squeeze", (x, net.constant([2])), (*x.shape[:2], x.shape[3]))
    x = net.transpose(columns, 2, 0, 1)
    hidden = net.between(48, 192, 16)
    for _ in range(net.between(1, 2)):
        x = recurrent(net, x, "LSTM", hidden, 2)
    return net.build(net.dense(x, net.pick(37, 97)))


def recurrent(net: Builder, x: Tensor, kind: str, hidden: int, directions: int) -> Tensor:
    """An LSTM or GRU layer as PyTorch exports it, its state zero at first.

    Args:
        net: where to.
        x: (steps, batch, features).
        kind: `LSTM` or `GRU`.
        hidden: width of the state.
        directions: 1 for forward, 2 for both.

    Returns:
        (steps, batch, directions x hidden).
    """
    steps, batch, features = x.shape
    rows = {"LSTM": 4, "GRU": 3}[kind] * hidden
    deviation = hidden**-0.5
    weights = [net.normal(directions, rows, columns, deviation=deviation) for columns in (features, hidden)]
    bias = net.normal(directions, 2 * rows, deviation=0.1)
    state = net.constant(np.zeros((directions, batch, hidden), np.float32))
    states = (state, state) if kind == "LSTM" else (state,)
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    y = net.node(
        kind,
        (x, *weights, bias, ABSENT, *states),
        (steps, directions, batch, hidden),
        hidden_size=hidden,
        direction="bidirectional" if directions == 2 else "forward",
        **extra,
    )
    if directions == 1:
        return net.node("Squeeze", (y, net.constant([1])), (steps, batch, hidden))
    return net.reshape(net.transpose(y, 0, 2, 1, 3), steps, batch, directions * hidden)
