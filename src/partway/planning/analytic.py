"""Costs of cuts on a machine that is known by its datasheet: sums over nodes, so nothing has to run or be optimised.

    seconds of each node ─> of every head, and of every tail        "analytic"

Unlike those of profiles, these sums are all that the machine says: exact, for every cut alike, and the same that the
search adds up. Input: a canonical graph, cuts and an `AnalyticMachine`. Output: seconds of nodes, or a `Side`. Pure.
Called by `partway plan`.
"""

from collections.abc import Sequence

import numpy as np

from partway.graph import Cut, Model
from partway.planning.costs import FloatArray
from partway.planning.sides import PieceCost, Side, nodes_of_heads
from partway.prediction.analytic import AnalyticMachine, work_of_node


def analytic_nodes(model: Model, machine: AnalyticMachine) -> FloatArray:
    """What each node takes, float64 (nodes,).

    Args:
        model: the canonical graph.
        machine: where it would run.
    """
    return np.array([machine.layer_s(work_of_node(model, node)) for node in model.nodes], dtype=np.float64)


def analytic_side(model: Model, cuts: Sequence[Cut], machine: AnalyticMachine) -> Side:
    """What the pieces of every cut take; their joules are watts times seconds, as with any constant.

    Args:
        model: the canonical graph.
        cuts: any of its cuts.
        machine: where the pieces would run.
    """
    seconds = analytic_nodes(model, machine)
    heads = nodes_of_heads(cuts, len(seconds))
    return Side(heads=_pieces(heads @ seconds), tails=_pieces(~heads @ seconds))


def _pieces(seconds: FloatArray) -> tuple[PieceCost, ...]:
    return tuple(PieceCost(seconds=float(piece_s), how="analytic") for piece_s in seconds)
