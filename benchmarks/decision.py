"""How long one decision takes: microseconds for tables of 10, 50 and 200 cuts, and for every objective on 30.

    python -m benchmarks.decision

Prints the least of several rounds, since anything above it is the machine's doing. The frontier, made once
per plan, is timed beside it in milliseconds.
"""

import timeit
from functools import partial

import numpy as np

from partway.planning.constraints import Constraints
from partway.planning.costs import Conditions, CostTable, CutCost
from partway.planning.decision import decide
from partway.planning.energy import PowerDraw
from partway.planning.frontier import frontier
from partway.planning.objective import OBJECTIVES, Goal

_ROUNDS = 7
_DECISIONS = 2000
_ACTIVE_W = 5.0


def random_costs(cuts: int, rng: np.random.Generator) -> tuple[CutCost, ...]:
    """Costs like a deep chain's: heads grow, tails shrink, bytes fall with much scatter; device-only last."""
    share = np.linspace(0.0, 1.0, cuts)
    sizes = 600_000 * np.exp(rng.normal(0.0, 1.0, cuts) - 3.0 * share)
    offloaded = [
        CutCost(
            crossing=(f"tensor_{row}",),
            device_s=0.3 * share[row],
            up_bytes=int(sizes[row]),
            server_s=0.03 * (1.0 - share[row]),
            down_bytes=4000,
            offloaded=True,
            device_j=_ACTIVE_W * 0.3 * share[row],
            device_j_how="constant",
        )
        for row in range(cuts - 1)
    ]
    alone = CutCost(
        crossing=(),
        device_s=0.3,
        up_bytes=0,
        server_s=0.0,
        down_bytes=0,
        offloaded=False,
        device_j=_ACTIVE_W * 0.3,
        device_j_how="constant",
    )
    return (*offloaded, alone)


def main() -> None:
    """Time and print."""
    rng = np.random.default_rng(0)
    link = Conditions(uplink_bytes_per_s=7.3e5, downlink_bytes_per_s=1.7e6, rtt_s=0.05)
    print(f"{'cuts':>5} {'decision µs':>12} {'frontier ms':>12} {'kept':>5}")
    for cuts in (10, 50, 200):
        costs = random_costs(cuts, rng)
        table = CostTable.of(costs)
        decision_s = min(timeit.repeat(partial(decide, table, link), number=_DECISIONS, repeat=_ROUNDS))
        frontier_s = min(timeit.repeat(partial(frontier, costs), number=1, repeat=_ROUNDS))
        kept = len(frontier(costs))
        print(f"{cuts:>5} {decision_s / _DECISIONS * 1e6:>12.1f} {frontier_s * 1e3:>12.1f} {kept:>5}")
    table = CostTable.of(random_costs(30, rng))
    draw = PowerDraw(tx_w=3.0, rx_w=2.0, idle_w=1.0)
    limits = Constraints(deadline_s=1.0, energy_budget_j=5.0, max_up_bytes=10**6, max_error=0.01)
    goals = [*(Goal(objective=name) for name in OBJECTIVES), Goal(objective="balanced", constraints=limits)]
    print(f"\n{'objective, 30 cuts':<34} {'decision µs':>12}")
    for goal in goals:
        within = ", within four limits" if goal.constraints == limits else ""
        weigh = partial(decide, table, link, goal=goal, draw=draw, charge=0.5)
        decision_s = min(timeit.repeat(weigh, number=_DECISIONS, repeat=_ROUNDS))
        print(f"{goal.objective + within:<34} {decision_s / _DECISIONS * 1e6:>12.1f}")


if __name__ == "__main__":
    main()
