"""What one replay came to: every way's seconds, measured where there were real requests, reckoned for the rest.

Input: requests, a reckoner. Output: the numbers of one row of the table. Called by the benchmark of changing links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import msgspec
import numpy as np
from benchmarks.bootstrap import spread_of_means
from benchmarks.figure14.playing import Ask, PartwayAsk
from benchmarks.figure14.reckoning import Choices, Ints, Reckoner, choose, shares
from benchmarks.figure14.scaling import Scale, third_share

from partway.planning import CostTable
from partway.planning.costs import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Mean and 95th percentile of one way."""

    mean_s: float
    p95_s: float

    @classmethod
    def of(cls, values: FloatArray) -> "Seconds":
        """Those of some requests; NaN for none."""
        if not len(values):
            return cls(mean_s=float("nan"), p95_s=float("nan"))
        return cls(mean_s=float(values.mean()), p95_s=float(np.quantile(values, 0.95)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One request of partway, for the picture and the JSON.

    Attributes:
        at_s: when it was made, in seconds of the trace.
        crossing: what it sent.
        codec: under which codec.
        measured_s: what it took.
        reckoned_s: what the cut that was decided for should have taken, whoever finished; None for an unknown one.
        knower_s: what the chooser that knows the rate of the moment would have taken.
        clairvoyant_s: what the best cut would have taken.
        server_only_s: what sending the inputs would have taken.
        uplink_bytes_per_s: the rate when it was made.
    """

    at_s: float
    crossing: tuple[str, ...]
    codec: str
    measured_s: float
    reckoned_s: float | None
    knower_s: float
    clairvoyant_s: float
    server_only_s: float
    uplink_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One model on one trace.

    Attributes:
        trace: its name.
        origin: where the trace comes from.
        model: its name.
        scale: of device and rates.
        overhead_s: of a request over the wire, measured without much of a network.
        requests: how many partway was asked.
        shares: how often the clairvoyant uses each cut, most used first.
        partway_shares: how often partway did.
        third: share of the clairvoyant's third cut.
        ways: mean and 95th percentile of each way: `device_only`, `server_only`, `best_fixed`, `knower`,
            `clairvoyant` and `partway_reckoned` are reckoned at the moments of partway's requests, `partway` is
            measured.
        best_fixed: the cut that is best on average.
        to_knower: partway's measured mean over that of the chooser who knows the rate of the moment, which is reckoned.
        to_knower_spread: 95 % of that ratio over requests drawn anew.
        choices_to_knower: the same of what the cuts that it decided for are reckoned to take, though the device rescued
            some requests: what its choices alone cost.
        choices_spread: 95 % of it.
        to_best_fixed: its measured mean over the best fixed cut's.
        reckoned_to_measured: of the real requests of each way, by which the reckoning is judged.
        fell_back: how many requests asked the server in vain.
        hedged: share of partway's requests that the device began to finish beside the server.
        lost: requests without an answer, of every way.
        wrong: answers that were not the whole model's, of every way.
        points: partway's requests, in order.
    """

    trace: str
    origin: str
    model: str
    scale: Scale
    overhead_s: float
    requests: int
    shares: dict[str, float]
    partway_shares: dict[str, float]
    third: float
    ways: dict[str, Seconds]
    best_fixed: str
    to_knower: float
    to_knower_spread: tuple[float, float]
    choices_to_knower: float
    choices_spread: tuple[float, float]
    to_best_fixed: float
    reckoned_to_measured: dict[str, float]
    fell_back: int
    hedged: float
    lost: int
    wrong: int
    points: tuple[Point, ...]


def sum_up(
    reckoner: Reckoner,
    partway: Sequence[PartwayAsk],
    device: Sequence[Ask],
    server: Sequence[Ask],
    *,
    trace: str,
    origin: str,
    model: str,
    scale: Scale,
) -> Outcome:
    """The outcome of one replay.

    Args:
        reckoner: of the costs and the trace as they were.
        partway: its requests.
        device: those of device-only.
        server: those of server-only.
        trace: the trace's name.
        origin: where it comes from.
        model: the model's name.
        scale: of device and rates.
    """
    answered = [ask for ask in partway if ask.result is not None]
    choices = choose(reckoner, [ask.at_s for ask in answered])
    measured = np.array([ask.total_s for ask in answered])
    rows = np.array([_row(reckoner.table, ask) for ask in answered])
    reckoned = np.where(rows >= 0, choices.of(np.maximum(rows, 0)), measured)
    plain = (rows >= 0) & np.array([_as_decided(ask) for ask in answered], bool)
    alone, whole = len(reckoner.table) - 1, inputs_row(reckoner.table)
    knower, clairvoyant = choices.of(choices.knower), choices.of(choices.clairvoyant)
    fixed = choices.seconds[:, choices.best_fixed]
    used = shares(reckoner.table, choices.clairvoyant)
    ways = {
        "device_only": choices.seconds[:, alone],
        "server_only": choices.seconds[:, whole],
        "best_fixed": fixed,
        "knower": knower,
        "clairvoyant": clairvoyant,
        "partway_reckoned": reckoned,
        "partway": measured,
    }
    everyone = (*partway, *device, *server)
    return Outcome(
        trace=trace,
        origin=origin,
        model=model,
        scale=scale,
        overhead_s=reckoner.overheads.seconds,
        requests=len(partway),
        shares={name_of(crossing): share for crossing, share in used.items()},
        partway_shares=_used_by_partway(answered),
        third=third_share(used.values()),
        ways={name: Seconds.of(values) for name, values in ways.items()},
        best_fixed=name_of(reckoner.table.costs[choices.best_fixed].crossing),
        to_knower=float(measured.mean() / knower.mean()),
        to_knower_spread=spread_of_means(measured, knower, paired=True),
        choices_to_knower=float(reckoned.mean() / knower.mean()),
        choices_spread=spread_of_means(reckoned, knower, paired=True),
        to_best_fixed=float(measured.mean() / fixed.mean()),
        reckoned_to_measured={
            "device_only": _judged(reckoner, device, alone),
            "server_only": _judged(reckoner, server, whole),
            "partway": float(reckoned[plain].sum() / measured[plain].sum()) if plain.any() else float("nan"),
        },
        fell_back=sum(ask.result is not None and ask.result.fell_back for ask in answered),
        hedged=sum(ask.result is not None and ask.result.hedged for ask in answered) / max(1, len(answered)),
        lost=sum(bool(ask.lost) for ask in everyone),
        wrong=sum(ask.wrong for ask in everyone),
        points=tuple(_points(reckoner, answered, choices, rows, whole)),
    )


def name_of(crossing: Sequence[str]) -> str:
    """A cut for tables: what crosses, or the device alone."""
    return "+".join(crossing) if crossing else "device"


def message_bytes(table: CostTable, partway: Sequence[PartwayAsk]) -> tuple[float, float]:
    """Bytes of requests and of answers beside their tensors, medians over partway's requests; 0 for none."""
    up, down = [], []
    for ask in partway:
        if ask.result is not None and ask.result.offloaded and (row := _row(table, ask)) >= 0:
            cost = table.costs[row]
            if cost.codec == "raw":  # what others come to is only expected
                up.append(ask.result.up_bytes - cost.up_bytes)
                down.append(ask.result.down_bytes - cost.down_bytes)
    return (median(up), median(down)) if up else (0.0, 0.0)


def as_run(table: CostTable, device: Sequence[Ask], server: Sequence[Ask]) -> CostTable:
    """The costs, corrected by what whole models took in the requests themselves: one factor for each end.

    Pieces are timed one after the other, and run amid all that a request needs beside them. Partway's own requests have
    no say: were it slow, those whom it is held against would be reckoned slow, too.

    Args:
        table: what the cuts should cost.
        device: requests of device-only: the factor of heads.
        server: requests of server-only: the factor of tails.
    """
    whole = table.costs[inputs_row(table)]
    heads = [ask.total_s / table.costs[-1].device_s for ask in device if not ask.lost]
    tails = [ask.server_s / whole.server_s for ask in server if ask.server_s > 0.0 and whole.server_s > 0.0]
    head, tail = (median(ratios) if ratios else 1.0 for ratios in (heads, tails))
    return CostTable.of(
        [
            msgspec.structs.replace(cost, device_s=head * cost.device_s, server_s=tail * cost.server_s)
            for cost in table.costs
        ]
    )


def inputs_row(table: CostTable) -> int:
    """The row that sends the inputs as they are."""
    return next(row for row, cost in enumerate(table.costs) if cost.offloaded and cost.device_s == 0.0)


def _points(
    reckoner: Reckoner, answered: Sequence[PartwayAsk], choices: Choices, rows: Ints, whole: int
) -> list[Point]:
    points = []
    for number, ask in enumerate(answered):
        seconds = choices.seconds[number]
        if ask.result is not None:
            points.append(
                Point(
                    at_s=ask.at_s,
                    crossing=ask.result.crossing if ask.result.offloaded else (),
                    codec=ask.result.codec,
                    measured_s=ask.total_s,
                    reckoned_s=float(seconds[rows[number]]) if rows[number] >= 0 else None,
                    knower_s=float(seconds[choices.knower[number]]),
                    clairvoyant_s=float(seconds[choices.clairvoyant[number]]),
                    server_only_s=float(seconds[whole]),
                    uplink_bytes_per_s=reckoner.trace.uplink.rate_at(ask.at_s),
                )
            )
    return points


def _row(table: CostTable, ask: PartwayAsk) -> int:
    # The cut that was decided for, whoever finished; -1 where the table lacks it.
    result = ask.result
    if result is None:
        return -1
    wanted = (result.crossing, result.codec if result.crossing else "raw")
    rows = {(cost.crossing, cost.codec): row for row, cost in enumerate(table.costs)}
    # Nothing was saved by the codec, so it travelled raw.
    return rows.get(wanted, rows.get((wanted[0], "raw"), -1))


def _as_decided(ask: PartwayAsk) -> bool:
    return ask.result is not None and not ask.result.fell_back and not ask.result.hedged


def _used_by_partway(answered: Sequence[PartwayAsk]) -> dict[str, float]:
    names = [name_of(ask.result.crossing if ask.result.offloaded else ()) for ask in answered if ask.result is not None]
    counted = {name: names.count(name) / len(names) for name in dict.fromkeys(names)}
    return dict(sorted(counted.items(), key=lambda item: -item[1]))


def _judged(reckoner: Reckoner, asks: Sequence[Ask], row: int) -> float:
    answered = [ask for ask in asks if not ask.lost]
    if not answered:
        return float("nan")
    reckoned = sum(float(reckoner.exact_s(ask.at_s)[row]) for ask in answered)
    return reckoned / sum(ask.total_s for ask in answered)
