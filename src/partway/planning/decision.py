"""One cut, chosen for one request.

In come a cost table and the conditions of this moment; out comes the decision, a few microseconds later, so
every request is decided anew. Called by the client before each run.
"""

from dataclasses import dataclass, field

from partway.errors import InputError
from partway.planning.costs import Conditions, CostTable, describe_cut, latency_s
from partway.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The cut to use now, and what it was weighed against.

    Attributes:
        index: row of the table.
        crossing: the tensors to send; empty for the device alone.
        latency_s: expected seconds of the request at this cut.
        runner_up: row of the best other cut, or None when there is only one.
        runner_up_latency_s: expected seconds there, or None. Below `latency_s` only when `kept`.
        kept: the current cut stays although another is faster, by less than `switch_gain`.
        switch_gain: the share of the latency that a switch had to save.
    """

    index: int
    crossing: tuple[str, ...]
    latency_s: float
    runner_up: int | None
    runner_up_latency_s: float | None
    kept: bool
    switch_gain: float
    _table: CostTable = field(repr=False, compare=False)

    @property
    def reason(self) -> str:
        """One plain sentence that says why; made only when asked for."""
        chosen = f"{describe_cut(self._table.costs[self.index])} takes {format_duration(self.latency_s)}"
        if self.runner_up is None or self.runner_up_latency_s is None:
            return f"{chosen}, and there is no other cut"
        other = describe_cut(self._table.costs[self.runner_up])
        other_time = format_duration(self.runner_up_latency_s)
        if self.kept:
            return (
                f"{chosen} and stays: {other} would take {other_time}, and a switch has to save {self.switch_gain:.0%}"
            )
        return f"{chosen}; the next best, {other}, would take {other_time}"


def decide(
    table: CostTable, conditions: Conditions, *, current: int | None = None, switch_gain: float = 0.0
) -> Decision:
    """The cut with the least expected latency.

    Args:
        table: the cuts to choose from; of equal ones the first wins.
        conditions: link, load and device now.
        current: row of the cut in use, or None.
        switch_gain: share of the current cut's latency that another must save before it is preferred, in
            [0, 1). 0, the default, always takes the best; more keeps estimates that flicker around a tie from
            building and warming pieces in turn, at the price of at most that share of the latency.

    Raises:
        InputError: `current` is no row of the table or `switch_gain` is out of range.
    """
    if not 0 <= switch_gain < 1:
        raise InputError(f"switch_gain is {switch_gain}; expected a share in [0, 1), such as 0.05")
    if current is not None and not 0 <= current < len(table):
        raise InputError(f"the current cut is row {current}; expected a row below {len(table)}")
    seconds = latency_s(table, conditions)
    chosen = int(seconds.argmin())
    # Written so that a tie, too, keeps the current cut.
    if current is not None and seconds[chosen] >= (1.0 - switch_gain) * seconds[current]:
        chosen = current
    chosen_s = float(seconds[chosen])
    runner_up: int | None = None
    runner_up_s: float | None = None
    if len(seconds) > 1:
        seconds[chosen] = float("inf")
        runner_up = int(seconds.argmin())
        runner_up_s = float(seconds[runner_up])
    return Decision(
        index=chosen,
        crossing=table.costs[chosen].crossing,
        latency_s=chosen_s,
        runner_up=runner_up,
        runner_up_latency_s=runner_up_s,
        kept=runner_up_s is not None and runner_up_s < chosen_s,
        switch_gain=switch_gain,
        _table=table,
    )
