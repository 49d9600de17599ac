"""Networks of linear layers: rows of numbers, identifiers, and pairs to compare.

In comes a seeded generator; out goes one network of the family.
"""

import numpy as np
import onnx
from benchmarks.families.builder import Builder
from benchmarks.families.graph import Tensor
from onnx import TensorProto


def autoencoder(rng: np.random.Generator) -> onnx.ModelProto:
    """Narrower and wider again, as for the detection of anomalies. Source: Hinton and Salakhutdinov, 2006."""
    net = Builder(rng)
    features, width, layers = net.between(128, 2048, 64), net.between(128, 1024, 64), net.between(2, 4)
    act, rows = net.pick("Relu", "Tanh", "Elu"), net.pick(1, 1, 16)
    widths = [width >> layer for layer in range(layers)]
    x = net.input(rows, features)
    for inner in (*widths, net.pick(8, 16, 32), *reversed(widths)):
        x = net.dense(x, inner, act=act)
        if net.batch_norm:
            x = net.normalise(x)
    return net.build(net.act(net.dense(x, features), net.pick("", "Sigmoid")))


def tabular(rng: np.random.Generator) -> onnx.ModelProto:
    """A batch of rows through a few small layers, some with a sum around them. Source: Gorishniy et al., 2021."""
    net = Builder(rng)
    width, skips = net.between(64, 512, 32), net.pick(True, False)
    x = net.dense(net.normalise(net.input(net.pick(16, 32, 128), net.between(10, 200, 10))), width, act="Relu")
    for _ in range(net.between(1, 4)):
        y = net.dense(net.dense(net.normalise(x) if net.batch_norm else x, 2 * width, act="Relu"), width, gain=0.5)
        x = net.elementwise("Add", x, y) if skips else net.act(y, "Relu")
    return net.build(net.dense(x, net.pick(1, 2, 10)))


def recommender(rng: np.random.Generator) -> onnx.ModelProto:
    """Identifiers as rows of tables, their products in pairs, an MLP. Source: Naumov et al., 2019 (DLRM)."""
    net = Builder(rng)
    rows, width, fields = net.pick(16, 64, 256), net.pick(16, 32, 64), net.between(4, 16)
    dense = net.input(rows, net.between(4, 16))
    identifiers = net.input(rows, fields, element=TensorProto.INT64)
    bottom = net.dense(net.dense(dense, net.between(64, 512, 64), act="Relu"), width, act="Relu")
    vectors = [bottom]
    vectors += [
        net.embed(net.take(identifiers, field, 1), net.between(500, 5000, 500), width) for field in range(fields)
    ]
    top = net.concat(bottom, _pairs(net, vectors)) if net.pick(True, False) else net.concat(*vectors)
    for features in (net.between(128, 1024, 128), net.between(64, 512, 64)):
        top = net.dense(top, features, act="Relu")
    return net.build(net.act(net.dense(top, 1), "Sigmoid"))


def _pairs(net: Builder, vectors: list[Tensor]) -> Tensor:
    """The product of every two vectors: (rows, pairs)."""
    rows, width = vectors[0].shape
    count = len(vectors)
    stacked = net.reshape(net.concat(*vectors), rows, count, width)
    products = net.reshape(net.matmul(stacked, net.transpose(stacked, 0, 2, 1)), rows, count * count)
    above, beside = np.triu_indices(count, k=1)
    places = net.constant(above * count + beside)
    return net.node("Gather", (products, places), (rows, len(above)), axis=1)


def siamese(rng: np.random.Generator) -> onnx.ModelProto:
    """Two images through one network, then how alike they are. Source: Koch et al., 2015."""
    net = Builder(rng)
    size, width, features = net.between(64, 112, 8), net.between(16, 48, 8), net.between(48, 256, 16)
    kernels = [net.pick(3, 5) for _ in range(3)]

    def branch(x: Tensor) -> Tensor:
        for times, kernel in zip((1, 2, 4, 4), (*kernels, 3), strict=True):
            x = net.pool(net.conv(x, times * width, kernel, act="Relu"), 2, 2, padding="valid")
        return net.dense(net.flatten(x), features, act="Sigmoid")

    images = [net.input(1, 3, size, size) for _ in range(2)]
    one, other = net.twin(branch, *images)
    apart = net.act(net.elementwise("Sub", one, other), "Abs")
    return net.build(net.act(net.dense(apart, 1), "Sigmoid"))
