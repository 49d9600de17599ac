"""What queries of the eight networks leave to the server, by how devices decide.

Input: costs of cuts on CPU and GPU, a link, a way of deciding. Output: seconds of the server per query, and throughput
over that of server-only by their ratio, as the paper's simulator has it. Pure. Called by the study of Figure 16.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from partway.planning import decide
from partway.prediction.physical import FloatArray
from partway.studies.cut_costs import CostTable
from partway.studies.hardware import PaperLink
from partway.studies.planned import conditions_over, planned_costs
from partway.studies.queue_rates import Work
from partway.studies.setup import Setup

Pair = tuple[CostTable, CostTable]
"""A network's cuts on the device's CPU and on its GPU."""

Left = Callable[[CostTable, PaperLink], float]
"""Seconds of the server that a way of deciding leaves of a query."""


def left_by_paper(table: CostTable, link: PaperLink) -> float:
    """Of the fastest cut by the paper's Algorithm 1."""
    return float(table.server_s[int(np.argmin(table.latency_s(link)))])


def left_by_planner(table: CostTable, link: PaperLink) -> float:
    """Of partway's, which counts round trip and answer and may pack; unpacking is the server's."""
    costs = planned_costs(table)
    return costs.costs[decide(costs, conditions_over(link)).index].server_s


def pairs_of(setup: Setup) -> dict[str, Pair]:
    """All networks by name, in the paper's order."""
    cpu, gpu = setup.devices
    return {name: (setup.table(name, cpu), setup.table(name, gpu)) for name in setup.networks}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centre:
    """What the server has to do for queries over one link.

    Attributes:
        whole_s: of each network when everything is offloaded, float64 (networks,).
        left_s: what the chosen cuts leave of it on CPU and GPU, float64 (2, networks).
    """

    whole_s: FloatArray = field(repr=False)
    left_s: FloatArray = field(repr=False)

    @classmethod
    def of(cls, pairs: Mapping[str, Pair], link: PaperLink, left: Left) -> "Centre":
        """All networks over one link.

        Args:
            pairs: of each network, by name.
            link: of all devices.
            left: how devices decide.
        """
        return cls(
            whole_s=np.array([cpu.server_s[0] for cpu, _ in pairs.values()]),
            left_s=np.array([[left(table, link) for table in pair] for pair in pairs.values()]).T,
        )

    def taking(self, whole_s: Mapping[str, float], names: Collection[str]) -> "Centre":
        """The same cuts on a server that takes other seconds for each network; what is left falls in proportion.

        Args:
            whole_s: by network's name, > 0.
            names: the networks, in the order of the arrays.
        """
        seconds = np.array([whole_s[name] for name in names])
        return Centre(whole_s=seconds, left_s=self.left_s * (seconds / self.whole_s))

    @property
    def status_quo(self) -> Work:
        """What queries bring when everything is offloaded."""
        return Work(weights=np.full(len(self.whole_s), 1.0 / len(self.whole_s)), seconds=self.whole_s)

    def work(self, gpu_share: float) -> Work:
        """What they bring when devices decide.

        Args:
            gpu_share: of the devices, in [0, 1]; the others have the CPU alone.
        """
        weights = np.outer((1.0 - gpu_share, gpu_share), np.full(len(self.whole_s), 1.0 / len(self.whole_s)))
        return Work(weights=weights.ravel(), seconds=self.left_s.ravel())

    def gain(self, gpu_share: float) -> float:
        """Throughput over that of server-only; infinite where nothing is left to the server.

        Args:
            gpu_share: as for `work`.
        """
        left_s = self.work(gpu_share).mean_s
        return self.status_quo.mean_s / left_s if left_s else math.inf
