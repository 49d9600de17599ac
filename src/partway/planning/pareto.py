"""The cuts that can be best where an objective is not linear, and how far from the best of all a cut can be.

A deadline, a budget of joules and throughput (a maximum) can make a cut the best that no linear objective ever picks,
so the few cuts of `frontier` are not enough. What no other cut beats in every number is: all prices are at least 0, so
whatever a beaten cut keeps to and reaches, the one that beats it keeps to and reaches, too.

In come costs; out come the rows to keep. Called by `plan` and `frontier`. Where the rows are all cuts of a graph, the
best of the kept is the best there is; where they are those that a search proposed, `bounds` says how far off it can be.
"""

from collections.abc import Sequence

import numpy as np

from partway.planning.costs import CostTable, CutCost, FloatArray


def pareto(costs: Sequence[CutCost]) -> tuple[int, ...]:
    """The cuts that no other beats or equals in all of seconds, joules, bytes, memory and error.

    Offloading counts against a cut, for it costs a round trip; an unknown number counts as the worst.

    Args:
        costs: the cuts to choose from; of equal ones the first is kept.

    Returns:
        Rows of `costs`, ascending.

    Raises:
        InputError: no costs.
    """
    table = CostTable.of(costs)
    numbers = np.column_stack((table.terms, table.device_j, table.device_bytes, table.error))
    return tuple(undominated(np.where(np.isnan(numbers), np.inf, numbers)).tolist())


def undominated(numbers: FloatArray) -> np.ndarray:
    """Rows that no other row beats or equals in every column, ascending; of equal rows the first.

    Args:
        numbers: (rows, columns), none of them `nan`.
    """
    # A row that beats another comes before it in lexical order, so each need only face those kept before it.
    kept: list[int] = []
    for row in np.lexsort(numbers.T[::-1]).tolist():
        if not kept or not np.any(np.all(numbers[kept] <= numbers[row], axis=1)):
            kept.append(row)
    return np.array(sorted(kept))
