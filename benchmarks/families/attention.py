"""Networks of layer normalisation, linear layers and GELU: Transformers and what was made after them.

In comes a seeded generator; out goes one network of the family.
"""

import math

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor
from onnx import TensorProto

BRANCH_GAIN = 0.5  # sums of many branches would grow without it


def convnext(rng: np.random.Generator) -> onnx.ModelProto:
    """7x7 depthwise, then pixels through a small MLP, channels last. Source: Liu et al., CVPR 2022."""
    net = Builder(rng, batch_norm=False)
    size, width = net.between(128, 224, 32), net.between(32, 80, 8)
    x = net.conv(net.input(1, 3, size, size), width, 4, stride=4, padding="valid")
    x = _norm_of_channels(net, x)
    for stage in range(4):
        channels = width << stage
        if stage:
            x = net.conv(_norm_of_channels(net, x), channels, 2, stride=2, padding="valid")
        for _ in range(net.between(1, 6 if stage == 2 else 3)):
            y = net.layer_norm(net.transpose(net.depthwise(x, 7), 0, 2, 3, 1))
            y = net.dense(net.dense(y, 4 * channels, act="Gelu"), channels)
            y = net.elementwise("Mul", net.normal(channels, deviation=0.1, mean=0.5), y)
            x = net.elementwise("Add", x, net.transpose(y, 0, 3, 1, 2))
    x = net.layer_norm(net.mean(x, 2, 3, keep=False))
    return net.build(net.dense(x, net.pick(10, 100, 1000)))


def _norm_of_channels(net: Builder, x: Tensor) -> Tensor:
    return net.transpose(net.layer_norm(net.transpose(x, 0, 2, 3, 1)), 0, 3, 1, 2)


def vit(rng: np.random.Generator) -> onnx.ModelProto:
    """Patches as tokens through an encoder. Source: Dosovitskiy et al., ICLR 2021."""
    net = Builder(rng, batch_norm=False)
    heads, head, patch = net.pick(3, 4, 6), net.pick(32, 64), net.pick(16, 32)
    x = _patches(net, patch * net.between(5, 14), patch, heads * head)
    x = net.concat(net.normal(1, 1, heads * head, deviation=0.5), x)
    x = net.elementwise("Add", x, net.normal(*x.shape, deviation=0.5))
    for _ in range(net.between(4, 10)):
        attended = _fused_attention(net, net.layer_norm(x), heads)
        x = net.elementwise("Add", x, attended)
        x = net.elementwise("Add", x, _mlp(net, net.layer_norm(x), 4 * heads * head, "Gelu"))
    return net.build(net.dense(net.take(net.layer_norm(x), 0, 1), net.pick(10, 100, 1000)))


def mlp_mixer(rng: np.random.Generator) -> onnx.ModelProto:
    """Patches mixed by linear layers over places, then over channels. Source: Tolstikhin et al., NeurIPS 2021."""
    net = Builder(rng, batch_norm=False)
    patch, width = net.pick(16, 32), net.between(192, 448, 64)
    x = _patches(net, patch * net.between(5, 14), patch, width)
    places, between = net.pick(64, 128, 256), width * net.pick(2, 4)
    for _ in range(net.between(4, 8)):
        y = net.transpose(net.layer_norm(x), 0, 2, 1)
        x = net.elementwise("Add", x, net.transpose(_mlp(net, y, places, "Gelu"), 0, 2, 1))
        x = net.elementwise("Add", x, _mlp(net, net.layer_norm(x), between, "Gelu"))
    return net.build(net.dense(net.mean(net.layer_norm(x), 1, keep=False), net.pick(10, 100, 1000)))


def _patches(net: Builder, size: int, patch: int, width: int) -> Tensor:
    """An image as (1, places, width)."""
    x = net.conv(net.input(1, 3, size, size), width, patch, stride=patch, padding="valid")
    return net.transpose(net.reshape(x, 1, width, -1), 0, 2, 1)


def _mlp(net: Builder, x: Tensor, inner: int, act: str) -> Tensor:
    return net.dense(net.dense(x, inner, act=act), x.shape[-1], gain=BRANCH_GAIN)


def _fused_attention(net: Builder, x: Tensor, heads: int) -> Tensor:
    """Query, key and value from one product, taken apart by Gather."""
    _, tokens, width = x.shape
    joint = net.reshape(net.dense(x, 3 * width), 1, tokens, 3, heads, width // heads)
    query, key, value = (net.take(net.transpose(joint, 2, 0, 3, 1, 4), index, 0) for index in range(3))
    return net.dense(_merged(net, _attend(net, query, key, value)), width, gain=BRANCH_GAIN)


def _attend(net: Builder, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax of the scaled products, applied. Source: Vaswani et al., NIPS 2017, equation 1.

    Args:
        net: where to.
        query: (1, heads, tokens, head width).
        key: (1, heads, seen, head width).
        value: as the keys.
        mask: what to add to the scores; None for nothing.
    """
    scores = net.matmul(query, net.transpose(key, 0, 1, 3, 2))
    scores = net.elementwise("Div", scores, math.sqrt(query.shape[-1]))
    if mask is not None:
        scores = net.elementwise("Add", scores, mask)
    return net.matmul(net.softmax(scores), value)


def _heads(net: Builder, x: Tensor, heads: int) -> Tensor:
    return net.transpose(net.reshape(x, 1, x.shape[1], heads, x.shape[2] // heads), 0, 2, 1, 3)


def _merged(net: Builder, x: Tensor) -> Tensor:
    _, heads, tokens, width = x.shape
    return net.reshape(net.transpose(x, 0, 2, 1, 3), 1, tokens, heads * width)


def bert(rng: np.random.Generator) -> onnx.ModelProto:
    """Tokens and, for one in two, a mask through an encoder that normalises after each sum.

    Source: Devlin et al., NAACL 2019.
    """
    net = Builder(rng, batch_norm=False)
    heads, head, tokens = net.pick(2, 4, 6), net.pick(32, 64), net.pick(32, 64, 128, 256)
    width, layers = heads * head, net.between(3, 8)
    x = net.embed(net.input(1, tokens, element=TensorProto.INT64), net.between(1000, 8000, 1000), width)
    x = net.elementwise("Add", x, net.normal(1, tokens, width, deviation=0.3))
    x = net.layer_norm(x)
    mask = _mask(net, tokens) if net.pick(True, False) else None
    for _ in range(layers):
        query, key, value = (_heads(net, net.dense(x, width), heads) for _ in range(3))
        attended = net.dense(_merged(net, _attend(net, query, key, value, mask)), width)
        x = net.layer_norm(net.elementwise("Add", attended, x))
        x = net.layer_norm(net.elementwise("Add", _mlp(net, x, 4 * width, "Gelu"), x))
    if net.pick(True, False):
        return net.build(net.dense(x, net.pick(2, 9)))
    return net.build(net.dense(net.dense(net.take(x, 0, 1), width, act="Tanh"), net.pick(2, 5)))


def _mask(net: Builder, tokens: int) -> Tensor:
    """An input of ones and zeros as what is added to scores: 0 to keep, a large negative number to drop."""
    given = net.input(1, tokens, element=TensorProto.INT64)
    wide = net.node("Unsqueeze", (given, net.constant([1, 2])), (1, 1, 1, tokens))
    kept = net.node("Cast", (wide,), wide.shape, to=TensorProto.FLOAT)
    return net.elementwise("Mul", net.elementwise("Sub", 1.0, kept), -10000.0)


def gpt(rng: np.random.Generator) -> onnx.ModelProto:
    """A decoder: one more token with the keys and values of those before, or a short beginning.

    Source: Radford et al., 2019 (GPT-2).
    """
    net = Builder(rng, batch_norm=False)
    heads, head, layers = net.pick(3, 4, 6), net.pick(32, 64), net.between(3, 8)
    width, rows = heads * head, net.between(1000, 6000, 1000)
    step = net.pick(True, False)
    tokens, past = (1, net.between(16, 128, 16)) if step else (net.pick(16, 32, 64), 0)
    x = net.embed(net.input(1, tokens, element=TensorProto.INT64), rows, width)
    x = net.elementwise("Add", x, net.normal(1, tokens, width, deviation=0.3))
    later = np.triu(np.full((tokens, tokens), -10000.0, np.float32), k=1)
    mask = None if step else net.constant(later[np.newaxis, np.newaxis])
    kept = []
    for _ in range(layers):
        joint = _product(net, net.layer_norm(x), 3 * width)
        query, key, value = (_heads(net, part, heads) for part in net.split(joint, width, width, width, axis=2))
        if step:
            key, value = (net.concat(net.input(1, heads, past, head), new, axis=2) for new in (key, value))
            kept += [key, value]
        x = net.elementwise("Add", _product(net, _merged(net, _attend(net, query, key, value, mask)), width), x)
        y = _product(net, net.layer_norm(x), 4 * width, act="GeluTanh")
        x = net.elementwise("Add", x, _product(net, y, width))
    scores = net.matmul(net.layer_norm(x), net.kernel(width, rows, fan_in=width))
    return net.build(scores, *kept)


def _product(net: Builder, x: Tensor, features: int, *, act: str = "") -> Tensor:
    """A linear layer as Gemm between two Reshapes."""
    y = net.dense(net.reshape(x, -1, x.shape[-1]), features, gain=1.0 if act else BRANCH_GAIN)
    return net.act(net.reshape(y, *x.shape[:-1], features), act)
