"""Costs of cuts in seconds and joules, the few that can be best, and one decision per request."""

from partway.planning.costs import Conditions, CostTable, CutCost, Parts, describe_cut, latency_s, parts, spread_s
from partway.planning.decision import Decision, decide
from partway.planning.energy import (
    EnergyParts,
    PowerDraw,
    energy_coefficients,
    energy_j,
    energy_parts,
    energy_terms,
)
from partway.planning.frontier import Region, frontier
from partway.planning.interpolation import PieceTimes, interpolate_costs
from partway.planning.plan import PlanDocument, RankedCut, make_plan, rank
from partway.planning.predicted import PredictedSide, predicted_costs, predicted_side
from partway.planning.sides import PieceCost, Side, costs_of_sides

__all__ = [
    "Conditions",
    "CostTable",
    "CutCost",
    "Decision",
    "EnergyParts",
    "Parts",
    "PieceCost",
    "PieceTimes",
    "PlanDocument",
    "PowerDraw",
    "PredictedSide",
    "RankedCut",
    "Region",
    "Side",
    "costs_of_sides",
    "decide",
    "describe_cut",
    "energy_coefficients",
    "energy_j",
    "energy_parts",
    "energy_terms",
    "frontier",
    "interpolate_costs",
    "latency_s",
    "make_plan",
    "parts",
    "predicted_costs",
    "predicted_side",
    "rank",
    "spread_s",
]
