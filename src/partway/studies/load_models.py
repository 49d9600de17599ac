"""What a busy server does to latency: several models, since the sources do not say which one the paper's was.

    one queue      a query waits for all that came before it, then is served as on an idle server (M/G/1)
    sharing        the server works on all queries at once, each so much slower: 1 / (1 - load)
    slow in all    so much slower in everything that it does, receiving the query among it

Input: costs of cuts, a link, a load in [0, 1). Output: seconds of every cut. Pure. Called by the study of Figure 15.

Source: Pollaczek and Khinchine for the mean wait of M/G/1; Kleinrock, Queueing Systems II, section 4.4, for sharing,
whose mean hangs on no distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partway.prediction.physical import FloatArray
from partway.simulation.theory import wait_mg1_s
from partway.studies.cut_costs import CostTable
from partway.studies.hardware import PaperLink


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """One way in which load makes a server slower.

    Attributes:
        name: short, for tables.
        words: what it supposes, a sentence.
        latency_s: of every cut; takes the costs, the link and the load.
    """

    name: str
    words: str
    latency_s: Callable[[CostTable, PaperLink, float], FloatArray]


def mean_wait_s(services_s: FloatArray, load: float) -> float:
    """How long a query waits on average in one queue of queries that are equally often of each kind.

    Args:
        services_s: what each kind takes on an idle server, > 0, float64 (kinds,).
        load: share of its time that the server is busy, in [0, 1).
    """
    mean_s = float(services_s.mean())
    return wait_mg1_s(mean_s, float(services_s.std()) / mean_s, load) if load else 0.0


def residual_s(services_s: FloatArray) -> float:
    """What is left on average of a service that one comes upon: what waiting is at half load."""
    return mean_wait_s(services_s, 0.5)


def one_queue(services_s: FloatArray) -> LoadModel:
    """First come, first served, behind queries of all kinds.

    Args:
        services_s: what each kind takes, float64 (kinds,).
    """

    def latency_s(table: CostTable, link: PaperLink, load: float) -> FloatArray:
        offloaded = np.arange(len(table)) < len(table) - 1
        return table.latency_s(link) + mean_wait_s(services_s, load) * offloaded

    return LoadModel(
        name="one queue",
        words="queries of the eight networks come equally often, at random, and wait in one queue for one server",
        latency_s=latency_s,
    )


SHARING = LoadModel(
    name="sharing",
    words="the server works on all queries at once, so that computing takes 1 / (1 - load) times as long",
    latency_s=lambda table, link, load: table.latency_s(link, slowdown=1.0 / (1.0 - load)),
)

SLOW_IN_ALL = LoadModel(
    name="slow in all",
    words="all that the server does, receiving the query among it, takes 1 / (1 - load) times as long",
    latency_s=lambda table, link, load: (
        table.device_s + (table.up_bytes / link.uplink_bytes_per_s + table.server_s) / (1.0 - load)
    ),
)
