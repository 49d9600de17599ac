"""What Figure 15 shows, as records, a table, marks and a picture.

Input: what was measured under each load. Output: text on stdout, a figure. Called by `benchmarks.figure15`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.bootstrap import spread_of_means

from partway.cli.bench_contest import Summary
from partway.reporting import Column, print_table
from partway.reporting.canvas import open_figure, write_figure

_MOST_OVER_DEVICE, _MOST_MOVED, _LEAST_CLIMB = 0.05, 0.02, 1.2
_LEAST_OFFLOADED, _MOST_ASTRAY, _DEVIATIONS = 0.9, 0.1, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one load did.

    Attributes:
        load: share of the server's capacity that competing clients were to take.
        given: the share that they took: answers a second over the capacity.
        noise: standard deviation of `given` as a share, since arrivals come at random.
        server_busy: share of its core that the server process computed, for them and for us.
        refused: of the competing requests, because too many waited.
        solo_s: median of the device's own whole model, not slowed down. It drifts from row to row by what else the
            machine does; `Turn` tells what the load does to it.
        device_only: seconds of requests.
        server_only: seconds of requests.
        partway: seconds of requests.
        alone_s: mean of those of partway's requests that it did not send; None where there are fewer than five. Its
            device computes as device-only's does, but in other memory, which may make a tenth of difference.
        offloaded: share of partway's requests that the server answered.
        hedged: share of partway's requests that the device began to finish beside the server.
        fell_back: how many of partway's asked the server in vain.
        cuts: share of partway's requests by crossing tensors; `device` for none.
    """

    load: float
    given: float
    noise: float
    server_busy: float
    refused: int
    solo_s: float
    device_only: Summary
    server_only: Summary
    partway: Summary
    alone_s: float | None
    offloaded: float
    hedged: float
    fell_back: int
    cuts: dict[str, float]

    @property
    def device_s(self) -> float:
        """What the device takes alone: the less of device-only and of partway's own requests that were not sent."""
        return min(self.device_only.mean_s, math.inf if self.alone_s is None else self.alone_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The device's own whole model, not slowed down: medians of a second or two, one right after the other.

    Attributes:
        alone_s: while nobody else asked the server.
        beside_s: while competing clients did.
    """

    alone_s: float
    beside_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the figure is to show.

    Attributes:
        server_only_climbs: server-only's mean under the highest load, over that under the lowest.
        worst_over_device: the most that partway's mean is over what the device takes alone under the same load, as a
            share.
        offloaded_at_first: share of partway's requests that the server answered under the lowest load.
        over_device_at_first: partway's mean over device-only's there, as a share; below 0 where something was gained.
        astray: the most that the load which was taken is off what was asked for, as a share of that, beyond two
            deviations of random arrivals.
        solo_moves: how much longer the device's own time was beside the highest load than without, as a share.
        solo_spread: 95 % of what that could have been, had other turns been measured.
        lost: of partway's requests.
        wrong: of all answers.
    """

    server_only_climbs: float
    worst_over_device: float
    offloaded_at_first: float
    over_device_at_first: float
    astray: float
    solo_moves: float
    solo_spread: tuple[float, float]
    lost: int
    wrong: int

    @classmethod
    def of(cls, rows: Sequence[Row], turns: Sequence[Turn]) -> "Marks":
        """The marks of a row a load, from the lowest to the highest, and of turns with and without the highest."""
        first, last = rows[0], rows[-1]
        beside, alone = [turn.beside_s for turn in turns], [turn.alone_s for turn in turns]
        low, high = spread_of_means(beside, alone, paired=True)
        return cls(
            server_only_climbs=last.server_only.mean_s / first.server_only.mean_s,
            worst_over_device=max(row.partway.mean_s / row.device_s for row in rows) - 1.0,
            offloaded_at_first=first.offloaded,
            over_device_at_first=first.partway.mean_s / first.device_only.mean_s - 1.0,
            astray=max((_astray(row) for row in rows if row.load), default=0.0),
            solo_moves=float(np.mean(beside) / np.mean(alone)) - 1.0,
            solo_spread=(low - 1.0, high - 1.0),
            lost=sum(row.partway.lost for row in rows),
            wrong=sum(row.partway.wrong + row.device_only.wrong + row.server_only.wrong for row in rows),
        )


def _astray(row: Row) -> float:
    return max(0.0, abs(row.given / row.load - 1.0) - _DEVIATIONS * row.noise)


def draw(path: Path, rows: Sequence[Row], title: str) -> None:
    """Mean latencies over the load, and how much was offloaded below.

    Args:
        path: of the figure.
        rows: from the lowest load to the highest.
        title: above it.
    """
    figure = open_figure((6.4, 6.0))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    loads = [100 * row.load for row in rows]
    for name, marker, colour, summaries in (
        ("device-only", "s", "#0072b2", [row.device_only for row in rows]),
        ("server-only", "^", "#d55e00", [row.server_only for row in rows]),
        ("partway", "o", "#009e73", [row.partway for row in rows]),
    ):
        upper.plot(loads, [1e3 * one.mean_s for one in summaries], marker=marker, color=colour, label=name)
        upper.plot(loads, [1e3 * one.p95_s for one in summaries], linestyle=":", color=colour, linewidth=0.8)
    upper.set(ylabel="latency in ms: mean, and 95 % dotted", title=title)
    upper.set_ylim(bottom=0)
    upper.legend(frameon=False)
    lower.bar(loads, [100 * row.offloaded for row in rows], width=6, color="#009e73")
    lower.set(xlabel="server load of competing clients in %", ylabel="offloaded %", ylim=(0, 100))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(figure, path)


def print_rows(rows: Sequence[Row]) -> None:
    """The table, milliseconds."""
    columns = [
        Column(title=title)
        for title in (
            "load", "given", "server busy", "device solo", "device-only", "server-only", "its 95 %",
            "partway", "its 95 %", "unsent", "offloaded", "hedged", "fell back",
        )
    ]  # fmt: skip
    print_table(
        "Figure 15: mean milliseconds under competing load",
        (*columns, Column(title="cuts", right=False, shrinks=True)),
        (_cells(row) for row in rows),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.load:.0%}",
        f"{row.given:.0%}",
        f"{row.server_busy:.0%}",
        f"{row.solo_s * 1e3:.1f}",
        f"{row.device_only.mean_s * 1e3:.0f}",
        f"{row.server_only.mean_s * 1e3:.0f}",
        f"{row.server_only.p95_s * 1e3:.0f}",
        f"{row.partway.mean_s * 1e3:.0f}",
        f"{row.partway.p95_s * 1e3:.0f}",
        "" if row.alone_s is None else f"{row.alone_s * 1e3:.0f}",
        f"{row.offloaded:.0%}",
        f"{row.hedged:.0%}",
        str(row.fell_back),
        ", ".join(f"{name} {share:.0%}" for name, share in row.cuts.items()),
    )


def verdicts(marks: Marks) -> list[tuple[str, str, bool]]:
    """Each mark: what it is of, what was found in words, and whether it holds."""
    low, high = marks.solo_spread
    return [
        ("server-only climbs", f"{marks.server_only_climbs:.2f} times", marks.server_only_climbs > _LEAST_CLIMB),
        (
            "partway over the device alone",
            f"{marks.worst_over_device:+.1%} at worst, +5 % allowed",
            marks.worst_over_device <= _MOST_OVER_DEVICE,
        ),
        (
            "offloaded under the lowest load",
            f"{marks.offloaded_at_first:.0%}, and {marks.over_device_at_first:+.1%} over device-only",
            marks.offloaded_at_first >= _LEAST_OFFLOADED and marks.over_device_at_first < 0.0,
        ),
        (
            "load that was taken",
            f"{marks.astray:.1%} off what was asked for beyond what chance explains, 10 % allowed",
            marks.astray <= _MOST_ASTRAY,
        ),
        (
            "the device's own time",
            f"{marks.solo_moves:+.1%} ({low:+.1%} to {high:+.1%}) beside the highest load, 2 % allowed",
            abs(marks.solo_moves) <= _MOST_MOVED,
        ),
        ("lost and wrong", f"{marks.lost} and {marks.wrong}", not marks.lost and not marks.wrong),
    ]
