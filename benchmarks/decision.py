"""How long one decision takes: microseconds for tables of 10, 50 and 200 cuts.

    python benchmarks/decision.py

Prints the least of several rounds, since anything above it is the machine's doing. The frontier, made once
per plan, is timed beside it in milliseconds.
"""

import timeit
from functools import partial

import numpy as np

from partway.planning.costs import Conditions, CostTable, CutCost
from partway.planning.decision import decide
from partway.planning.frontier import frontier

_ROUNDS = 7
_DECISIONS = 2000


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
        )
        for row in range(cuts - 1)
    ]
    alone = CutCost(crossing=(), device_s=0.3, up_bytes=0, server_s=0.0, down_bytes=0, offloaded=False)
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


if __name__ == "__main__":
    main()
