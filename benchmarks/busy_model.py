"""A model that costs a server much and the network next to nothing.

Input: how much it is to compute. Output: an ONNX file. Called by the load generator and the benchmarks that use it.
"""

from pathlib import Path

import numpy as np

from partway.zoo.builder import GraphBuilder

CONVOLUTIONS_FOR_20_MS = 40
"""Of one core at about 20 billion products a second."""

_CHANNELS, _SIDE = 64, 16


def write_busy_model(path: Path, *, convolutions: int, input_channels: int = 1, seed: int = 0) -> Path:
    """Write a chain of convolutions that answers with 16 numbers.

    Each takes 9.4 million products on tensors of 64 KB. All have the same weights, 147 KB, so that the whole stays
    within its core's own caches: weights of their own would fill the cache that cores share, and slow down whoever
    works beside it.

    Args:
        path: the file; its folder is there.
        convolutions: how many; 40 take about 20 ms on one core.
        input_channels: of 1 KB each, all that is sent.
        seed: of the weights.
    """
    net = GraphBuilder(np.random.default_rng(seed))
    x = net.input(1, input_channels, _SIDE, _SIDE)
    x = net.conv(x, _CHANNELS, 3, act="Relu")
    kernel, bias = net.kernel(_CHANNELS, _CHANNELS, 3, 3, fan_in=9 * _CHANNELS), net.bias(_CHANNELS)
    for _ in range(convolutions - 1):
        x = net.activate(
            net.node("Conv", (x, kernel, bias), x.shape, macs=x.elements * 9 * _CHANNELS, pads=(1, 1, 1, 1)), "Relu"
        )
    path.write_bytes(net.build(net.dense(net.flatten(net.global_pool(x)), 16)).SerializeToString())
    return path
