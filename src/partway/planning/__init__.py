"""Costs of cuts in seconds and joules, the few that can be best, and one decision per request."""

from partway.planning.analytic import analytic_nodes, analytic_side
from partway.planning.battery import Charge, read_charge
from partway.planning.bounds import Bound, energy_bound, throughput_bound
from partway.planning.chains import chain_cuts, running_s
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost, Parts, describe_cut, latency_s, parts, spread_s
from partway.planning.decision import Decision, decide
from partway.planning.energy import (
    DeviceDraw,
    EnergyParts,
    PowerDraw,
    energy_coefficients,
    energy_j,
    energy_parts,
    energy_terms,
)
from partway.planning.frontier import Draws, Region, frontier
from partway.planning.interpolation import PieceTimes, interpolate_costs
from partway.planning.objective import OBJECTIVES, Goal, ObjectiveName
from partway.planning.pareto import pareto
from partway.planning.placement import allows
from partway.planning.plan import PlanDocument, SearchRecord, make_plan
from partway.planning.predicted import PredictedSide, predicted_costs, predicted_side
from partway.planning.proposing import Proposal, additive_gap, propose_cuts
from partway.planning.ranking import RankedCut, rank
from partway.planning.search import NodeCosts
from partway.planning.sides import PieceCost, Side, costs_of_sides

__all__ = [
    "OBJECTIVES",
    "Bound",
    "Charge",
    "Conditions",
    "Constraints",
    "CostTable",
    "CutCost",
    "Decision",
    "DeviceDraw",
    "Draws",
    "EnergyParts",
    "Goal",
    "NodeCosts",
    "ObjectiveName",
    "Parts",
    "PieceCost",
    "PieceTimes",
    "PlanDocument",
    "PowerDraw",
    "PredictedSide",
    "Proposal",
    "RankedCut",
    "Region",
    "SearchRecord",
    "Side",
    "additive_gap",
    "allows",
    "analytic_nodes",
    "analytic_side",
    "chain_cuts",
    "costs_of_sides",
    "decide",
    "describe_cut",
    "energy_bound",
    "energy_coefficients",
    "energy_j",
    "energy_parts",
    "energy_terms",
    "frontier",
    "interpolate_costs",
    "latency_s",
    "make_plan",
    "pareto",
    "parts",
    "predicted_costs",
    "predicted_side",
    "propose_cuts",
    "rank",
    "read_charge",
    "running_s",
    "spread_s",
    "throughput_bound",
]
