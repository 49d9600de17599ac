"""Seconds of single nodes: what a search over all cuts adds up, where pieces cannot be priced one by one.

A model of a thousand nodes has more cuts than anybody can measure, so a search needs times that add up. Those are
rough, since kernels fuse and layouts change between neighbours; the pieces of the few cuts that it proposes are priced
again. The times of all nodes together are those of the whole model, measured or predicted.

Input: a model and its measurement or profile. Output: seconds, one per node in graph order. Called by `partway plan`;
nodes of a machine that is known by its datasheet are in `analytic`.
"""

import math

import numpy as np

from partway.graph import Model
from partway.planning.costs import FloatArray
from partway.planning.predicted import predicted_node_seconds
from partway.prediction.profile import Profile
from partway.profiling import Measurement

# A plain core's; only their ratio matters, since the sum is scaled to what the whole model takes.
_MACS_PER_S, _BYTES_PER_S = 2e10, 1e10


def profiled_nodes(model: Model, profile: Profile, *, threads: int | None = None) -> FloatArray:
    """What a profile says of each node on its own, float64 (nodes,).

    Args:
        model: the canonical graph.
        profile: of the machine.
        threads: as `predicted_side` takes them.

    Raises:
        InputError: the profile has nothing for this number of threads.
    """
    return predicted_node_seconds(model, profile.predictor(profile.settle_threads(threads)))


def measured_nodes(model: Model, measurement: Measurement) -> FloatArray:
    """The measured seconds of the largest piece, the whole model's as a rule, shared out by each node's work.

    Args:
        model: the canonical graph.
        measurement: of this model.

    Returns:
        float64 (nodes,).
    """
    pieces = [piece.median_s for cut in measurement.cuts for piece in (cut.head, cut.tail) if piece is not None]
    return rough_nodes(model, max(pieces, default=0.0))


def rough_nodes(model: Model, whole_s: float) -> FloatArray:
    """Seconds of the whole model, shared out by multiply-accumulates and bytes, float64 (nodes,).

    Args:
        model: the canonical graph.
        whole_s: of the whole, >= 0.
    """
    moved = [
        node.weight_bytes + sum(model.tensors[name].size_bytes or 0 for name in (*node.inputs, *node.outputs))
        for node in model.nodes
    ]
    work = np.array([node.macs for node in model.nodes], dtype=np.float64) / _MACS_PER_S
    work += np.array(moved, dtype=np.float64) / _BYTES_PER_S
    total = math.fsum(work)
    if not total:
        return np.full(len(work), whole_s / max(len(work), 1))
    return np.asarray(work * (whole_s / total), dtype=np.float64)
