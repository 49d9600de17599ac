"""Costs of cuts, the few that can be best, and one decision per request; pure functions of their inputs."""

from partway.planning.costs import Conditions, CostTable, CutCost, Parts, describe_cut, latency_s, parts
from partway.planning.decision import Decision, decide
from partway.planning.frontier import Region, frontier
from partway.planning.interpolation import PieceTimes, interpolate_costs
from partway.planning.plan import PlanDocument, RankedCut, make_plan, rank

__all__ = [
    "Conditions",
    "CostTable",
    "CutCost",
    "Decision",
    "Parts",
    "PieceTimes",
    "PlanDocument",
    "RankedCut",
    "Region",
    "decide",
    "describe_cut",
    "frontier",
    "interpolate_costs",
    "latency_s",
    "make_plan",
    "parts",
    "rank",
]
