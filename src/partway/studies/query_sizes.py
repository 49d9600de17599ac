"""Figures 10 to 12 over what a query may hold: how means and maxima of the 48 configurations move with it.

The sources do not say how many digits, frames and words one query of the paper's holds, and its means and maxima hang
on that. So they are given over a grid of sizes, from one item to ten times what the working files of its authors hold,
and no size is chosen by what it gives.

Input: the set-up. Output: the paper's numbers over the grid, and which sizes come near them.

Source: 100 digits, 548 frames and 28 words a query: the zoo, from the working files of the paper's authors (DjiNN,
graph-gen/offloading), which the paper itself does not mention.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partway.prediction.physical import FloatArray
from partway.reporting import Chart, Grid, Level, Lines, LineSeries, format_value
from partway.studies.cut_costs import CostTable
from partway.studies.setup import Setup
from partway.studies.summary import Outcomes, Summary
from partway.zoo import paper_network

NETWORK_OF_DIG, NETWORK_OF_ASR = "mnist", "kaldi"
NETWORKS_OF_WORDS = ("senna-pos", "senna-chk", "senna-ner")

DIGITS = (1, 10, 100, 1000)
FRAMES = (1, 10, 30, 100, 548, 5480)
WORDS = (1, 3, 10, 28, 100, 280)

_SHOWN_FRAMES = 548  # in figures; results of frames are larger than the frames, so ASR stays on the server anyway


def costs_of_size(setup: Setup, network: str, queries: int) -> tuple[CostTable, ...]:
    """What every cut costs with so many items in a query, on each of the devices."""
    sized = paper_network(network, queries=queries)
    return tuple(setup.table_of(sized, device) for device in setup.devices)


@dataclass(frozen=True, slots=True)
class SizeGrid:
    """A summary of the 48 configurations for every combination of sizes.

    Args:
        summaries: in the order of digits, then frames, then words.
    """

    summaries: tuple[Summary, ...]

    @classmethod
    def of(cls, setup: Setup) -> "SizeGrid":
        """The summaries over `DIGITS`, `FRAMES` and `WORDS`; POS, CHK and NER hold the same number of words."""
        sized = (NETWORK_OF_DIG, NETWORK_OF_ASR, *NETWORKS_OF_WORDS)
        settled = [
            setup.table(name, device) for name in setup.networks if name not in sized for device in setup.devices
        ]
        parts = (
            [_outcomes(setup, (NETWORK_OF_DIG,), size) for size in DIGITS],
            [_outcomes(setup, (NETWORK_OF_ASR,), size) for size in FRAMES],
            [_outcomes(setup, NETWORKS_OF_WORDS, size) for size in WORDS],
        )
        fixed = Outcomes.of(settled, setup.links)
        return cls(tuple(Summary.of(Outcomes.joined(fixed, *chosen)) for chosen in itertools.product(*parts)))

    def values(self, pick: Callable[[Summary], float]) -> FloatArray:
        """One number of every summary, float64 (digits, frames, words).

        Args:
            pick: which.
        """
        return np.array([pick(summary) for summary in self.summaries]).reshape(len(DIGITS), len(FRAMES), len(WORDS))


def _outcomes(setup: Setup, networks: tuple[str, ...], size: int) -> Outcomes:
    return Outcomes.of((table for name in networks for table in costs_of_size(setup, name, size)), setup.links)


def near(values: FloatArray, target: float, share: float) -> list[str]:
    """The digits, frames and words with which a number comes as near to the paper's as a share of it.

    Args:
        values: over the grid.
        target: the paper's.
        share: of the target.
    """
    return [
        f"{DIGITS[digits]}, {FRAMES[frames]}, {WORDS[words]}"
        for digits, frames, words in np.argwhere(np.abs(values / target - 1.0) <= share)
    ]


def size_chart(grid: SizeGrid, mean: float, largest: float) -> Chart:
    """How means and the maximum move with the sizes.

    Args:
        grid: over all sizes.
        mean: the paper's mean speed-up.
        largest: its largest.
    """
    shown = FRAMES.index(_SHOWN_FRAMES)
    arithmetic = grid.values(lambda each: each.mean_gain)[:, shown]
    geometric = grid.values(lambda each: each.geometric_gain)[:, shown]
    top = grid.values(lambda each: each.max_gain)[:, shown]
    return Chart(
        name="figure-10-sizes",
        title="Speed-up over 48 configurations, by what a query holds",
        panels=(
            _lines("Arithmetic mean", arithmetic, Level(name="the paper's", value=mean)),
            _lines("Geometric mean", geometric, Level(name="the paper's", value=mean)),
            _lines("Largest", top, Level(name="the paper's", value=largest)),
            _cells("Geometric mean", geometric),
        ),
        caption=f"With {_SHOWN_FRAMES} frames. The sources do not say what a query holds: no point is the right one.",
    )


def _lines(title: str, values: FloatArray, level: Level) -> Lines:
    return Lines(
        title=title,
        series=tuple(
            LineSeries(name=f"{digits} digits", points=tuple(zip(map(float, WORDS), map(float, row), strict=True)))
            for digits, row in zip(DIGITS, values, strict=True)
        ),
        x_unit="count",
        x_axis="words in a query of POS, CHK, NER",
        unit="x",
        axis="speed-up",
        x_logarithmic=True,
        levels=(level,),
    )


def _cells(title: str, values: FloatArray) -> Grid:
    spread = max(float(values.max() - values.min()), 1e-9)
    return Grid(
        title=title,
        columns=tuple(map(str, WORDS)),
        rows=tuple(map(str, DIGITS)),
        texts=tuple(tuple(format_value(float(value), "x") for value in row) for row in values),
        shares=tuple(tuple(float((value - values.min()) / spread) for value in row) for row in values),
        scale="the larger",
        column_axis="words in a query of POS, CHK, NER",
        row_axis="digits of DIG",
    )
