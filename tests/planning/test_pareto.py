import math

from hypothesis import given
from hypothesis import strategies as st
from tests.planning.strategies import any_conditions, cost_sets, cut_costs, lossy, office, power_draws, with_joules

from partway.errors import InputError
from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost, parts
from partway.planning.decision import decide
from partway.planning.energy import PowerDraw, energy_parts
from partway.planning.objective import Goal, ObjectiveName
from partway.planning.pareto import pareto

budgets = st.none() | st.floats(1e-3, 100)
bounds = st.builds(
    Constraints,
    deadline_s=budgets,
    energy_budget_j=budgets,
    device_memory_bytes=st.none() | st.integers(1, 10**8),
    max_up_bytes=st.none() | st.integers(0, 10**8),
    max_error=st.none() | st.floats(0, 0.05),
)


def joules_of(cost: CutCost, conditions: Conditions, draw: PowerDraw) -> float:
    total_j = energy_parts(cost, conditions, draw).total_j
    return math.inf if total_j is None else total_j


def value_of(cost: CutCost, conditions: Conditions, draw: PowerDraw, objective: ObjectiveName) -> float:
    shown = parts(cost, conditions)
    if objective == "throughput":
        return max(shown.device_s, shown.uplink_s, shown.server_s, shown.downlink_s)
    return shown.total_s if objective == "latency" else joules_of(cost, conditions, draw)


def allowed(cost: CutCost, conditions: Conditions, draw: PowerDraw, limit: Constraints) -> bool:
    pairs = (
        (parts(cost, conditions).total_s, limit.deadline_s),
        (joules_of(cost, conditions, draw), limit.energy_budget_j),
        (math.inf if cost.device_bytes is None else cost.device_bytes, limit.device_memory_bytes),
        (cost.up_bytes, limit.max_up_bytes),
        (cost.error, limit.max_error or 0.0),
    )
    return all(most is None or value <= most * (1 + 1e-9) for value, most in pairs)


def clearly_allowed(cost: CutCost, conditions: Conditions, draw: PowerDraw, limit: Constraints) -> bool:
    pairs = (
        (parts(cost, conditions).total_s, limit.deadline_s),
        (joules_of(cost, conditions, draw), limit.energy_budget_j),
    )
    sure = all(most is None or value <= most * (1 - 1e-9) for value, most in pairs)
    return sure and allowed(cost, conditions, draw, limit)


@given(
    st.lists(lossy(cut_costs | with_joules(cut_costs)), min_size=1, max_size=12),
    any_conditions(),
    power_draws,
    bounds,
    st.sampled_from(["latency", "energy", "throughput"]),
)
def test_the_best_of_the_kept_within_any_limits_is_the_best_of_all(
    costs: list[CutCost],
    conditions: Conditions,
    draw: PowerDraw,
    limit: Constraints,
    objective: ObjectiveName,
) -> None:
    values = [value_of(cost, conditions, draw, objective) for cost in costs]
    sure = [v for c, v in zip(costs, values, strict=True) if clearly_allowed(c, conditions, draw, limit)]
    maybe = [v for c, v in zip(costs, values, strict=True) if allowed(c, conditions, draw, limit)]
    kept = CostTable.of([costs[row] for row in pareto(costs)])
    try:
        decision = decide(kept, conditions, goal=Goal(objective=objective, constraints=limit), draw=draw)
    except InputError:
        assert min(sure, default=math.inf) == math.inf
    else:
        assert min(maybe) * (1 - 1e-9) <= decision.value <= min(sure, default=math.inf) * (1 + 1e-9)


@given(cost_sets)
def test_the_rows_are_ascending_and_the_kept_keep_themselves(costs: list[CutCost]) -> None:
    kept = pareto(costs)
    assert list(kept) == sorted(set(kept))
    assert pareto([costs[row] for row in kept]) == tuple(range(len(kept)))


def test_of_equal_cuts_the_first_is_kept_and_what_is_beaten_is_dropped() -> None:
    costs = office()
    assert pareto([*costs, *costs]) == (0, 1, 2)
    worse = CutCost(crossing=("x",), device_s=0.2, up_bytes=40_000, server_s=0.02, down_bytes=0, offloaded=True)
    assert pareto([worse, *costs]) == (1, 2, 3)
