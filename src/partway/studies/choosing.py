"""What somebody chooses who only believes to know the seconds of layers, and what that costs in truth.

    believed seconds of layers ─> every cut as believed ─> the best of these ─> what it takes in truth

Input: a configuration, and predictors of layers for either side. Output: how much of the best possible is reached.
Pure. Called by the studies of the paper's regressions and of MAUI.
"""

from dataclasses import dataclass, replace

import numpy as np

from partway.planning import running_s
from partway.prediction.layers import LayerPredictor
from partway.prediction.physical import FloatArray
from partway.studies.cut_costs import CostTable
from partway.studies.setup import Configuration

_SAME = 1e-9  # costs that differ by less, as a share, are those of equally good cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A choice, in truth.

    Attributes:
        cut: that was chosen.
        cost: seconds or joules of it.
        best: the same of the best cut, > 0.
    """

    cut: int
    cost: float
    best: float

    @property
    def share(self) -> float:
        """How much of the best speed-up, or of the best saving's factor, is reached; 1 is all of it."""
        return self.best / self.cost

    @property
    def optimal(self) -> bool:
        """Whether no cut is better."""
        return self.cost <= (1.0 + _SAME) * self.best


def believed_table(table: CostTable, device: LayerPredictor, server: LayerPredictor) -> CostTable:
    """Every cut by what predictors say of its layers; bytes and watts are known.

    Args:
        table: in truth.
        device: predicts layers on the device.
        server: predicts them on the server.
    """
    return believed(table, device.layers_s(table.network.layers), server.layers_s(table.network.layers))


def believed(table: CostTable, device_s: FloatArray, server_s: FloatArray) -> CostTable:
    """The same from seconds of layers, float64 (layers,) each."""
    heads_s, tails_s = running_s(device_s), running_s(server_s)
    power_w = float(table.device_j[-1] / table.device_s[-1])
    return replace(table, device_s=heads_s, server_s=tails_s[-1] - tails_s, device_j=power_w * heads_s)


def choose_latency(item: Configuration, table: CostTable) -> Outcome:
    """The cut that a believed table calls the fastest."""
    return _outcome(table.latency_s(item.link), item.table.latency_s(item.link))


def choose_energy(item: Configuration, table: CostTable) -> Outcome:
    """The cut that a believed table calls that of least energy."""
    return _outcome(table.energy_j(item.link), item.table.energy_j(item.link))


def _outcome(believed_costs: FloatArray, costs: FloatArray) -> Outcome:
    cut = int(np.argmin(believed_costs))
    return Outcome(cut=cut, cost=float(costs[cut]), best=float(costs.min()))
