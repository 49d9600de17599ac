"""Costs of cuts of a chain of layers, from seconds of its heads and tails: as papers cut, between layers.

    seconds of each layer ─> running sums ─> what every cut costs, one for each place between layers and the ends

Input: a network of the zoo and seconds. Output: `CutCost`. Pure. Called by the simulator and the studies.

Source: Kang et al., Neurosurgeon, ASPLOS 2017, Algorithm 1: sums over the layers.
"""

import numpy as np

from partway.planning.costs import CutCost, FloatArray
from partway.zoo import PaperNetwork


def running_s(layers_s: FloatArray) -> FloatArray:
    """Seconds of the first k layers, float64 (layers + 1,), 0 first.

    Args:
        layers_s: of each, float64 (layers,).
    """
    return np.concatenate(([0.0], np.cumsum(layers_s)))


def chain_cuts(
    network: PaperNetwork,
    heads_s: FloatArray,
    tails_s: FloatArray,
    *,
    input_bytes: int,
    down_bytes: int,
    heads_j: FloatArray | None = None,
) -> tuple[CutCost, ...]:
    """Every cut: before the first layer, after each, and the device alone, which sends nothing.

    Args:
        network: a chain of layers.
        heads_s: of the first k layers on the device, float64 (layers + 1,).
        tails_s: of the others on the server, the same shape.
        input_bytes: of the input, on its way.
        down_bytes: of what comes back.
        heads_j: joules of the heads; None where nothing is known of them.
    """
    layers, last = network.layers, len(network.layers)
    names = [network.input_name, *(layer.output for layer in layers)]
    sizes = [input_bytes, *(layer.output_bytes for layer in layers)]
    return tuple(
        CutCost(
            crossing=(names[cut],) if cut < last else (),
            device_s=float(heads_s[cut]),
            up_bytes=sizes[cut] if cut < last else 0,
            # Differences of sums may be off by a rounding.
            server_s=max(float(tails_s[cut]), 0.0) if cut < last else 0.0,
            down_bytes=down_bytes if cut < last else 0,
            offloaded=cut < last,
            device_j=None if heads_j is None else float(heads_j[cut]),
            device_j_how=None if heads_j is None else "constant",
            how="analytic",
        )
        for cut in range(last + 1)
    )
