"""Speed-ups and savings of many configurations in a few numbers, as the paper gives them.

The sources do not say which mean the paper means. Speed-ups are ratios, of which geometric means are usual, so both
are given.

Input: tables of costs and links. Output: a `Summary`. Pure. Called by studies of the 48 configurations.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import geometric_mean

import numpy as np

from partway.prediction.physical import FloatArray
from partway.studies.cut_costs import CostTable
from partway.studies.hardware import PaperLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What the best cuts of some configurations bring against server-only.

    Attributes:
        gains: how many times faster the fastest is, float64 (configurations,), >= 1.
        saved: what the cut of least energy saves, a share in [0, 1), the same shape.
    """

    gains: FloatArray
    saved: FloatArray

    @classmethod
    def of(cls, tables: Iterable[CostTable], links: Iterable[PaperLink]) -> "Outcomes":
        """The outcomes of each table over each link."""
        ways, gains, saved = tuple(links), [], []
        for table in tables:
            for link in ways:
                latency_s, energy_j = table.latency_s(link), table.energy_j(link)
                gains.append(latency_s[0] / latency_s.min())
                saved.append(1.0 - energy_j.min() / energy_j[0])
        return cls(gains=np.array(gains), saved=np.array(saved))

    @classmethod
    def joined(cls, *parts: "Outcomes") -> "Outcomes":
        """All of several."""
        return cls(
            gains=np.concatenate([part.gains for part in parts]), saved=np.concatenate([part.saved for part in parts])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Means and maxima of outcomes.

    Attributes:
        mean_gain: arithmetic mean of the speed-ups.
        geometric_gain: their geometric mean.
        max_gain: the largest.
        mean_saved: arithmetic mean of the shares that are saved.
        geometric_saved: 1 less the geometric mean of the shares that are still spent.
        max_saved: the largest share saved.
    """

    mean_gain: float
    geometric_gain: float
    max_gain: float
    mean_saved: float
    geometric_saved: float
    max_saved: float

    @classmethod
    def of(cls, outcomes: Outcomes) -> "Summary":
        """The summary of outcomes, at least one."""
        return cls(
            mean_gain=float(outcomes.gains.mean()),
            geometric_gain=geometric_mean(outcomes.gains),
            max_gain=float(outcomes.gains.max()),
            mean_saved=float(outcomes.saved.mean()),
            geometric_saved=1.0 - geometric_mean(1.0 - outcomes.saved),
            max_saved=float(outcomes.saved.max()),
        )
