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

    Each takes 9.4 million products on tensors of 64 KB and weights of 147 KB, so that it stays within its core's caches
    and leaves the memory to others.

    Args:
        path: the file; its folder is there.
        convolutions: how many; 40 take about 20 ms on one core.
        input_channels: of 1 KB each, all that is sent.
        seed: of the weights.
    """
    net = GraphBuilder(np.random.default_rng(seed))
    x = net.input(1, input_channels, _SIDE, _SIDE)
    for _ in range(convolutions):
        x = net.conv(x, _CHANNELS, 3, act="Relu")
    path.write_bytes(net.build(net.dense(net.flatten(net.global_pool(x)), 16)).SerializeToString())
    return path
