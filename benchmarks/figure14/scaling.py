"""How slow a device has to be for a trace to be worth adapting to.

On most pairs of device and link one cut is best nearly always, and nothing is tested. Input: costs on this machine, a
trace. Output: the factor that slows the device, and one for the trace's rates, at which a clairvoyant uses several
cuts, each often. Called by the benchmark of changing links. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from benchmarks.figure14.reckoning import Overheads, Reckoner, choose, shares

from partway.link import LinkTrace, Trace
from partway.planning import CostTable

LEAST_CUTS, LEAST_SHARE = 3, 0.1
_RATE_FACTORS = (1.0, 2.0, 0.5, 4.0, 0.25, 8.0)  # as it was measured, if that will do
_DEVICE_FACTORS = tuple(float(factor) for factor in np.geomspace(1.0, 200.0, 80))
_TRIED = 120  # moments of the trace
_MOST_S = 1.0  # of a request on average: a replay has an end
COMFORT = 1.2  # requests will not be made at just these moments: aim higher


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a pair of model and trace is scaled by.

    Attributes:
        device: how many times slower than this machine the device is.
        rate: what the trace's rates are multiplied by.
        third: share of the third most used cut of the clairvoyant.
    """

    device: float
    rate: float
    third: float


def slowed(table: CostTable, factor: float) -> CostTable:
    """The costs with a device so many times slower."""
    return CostTable.of([msgspec.structs.replace(cost, device_s=factor * cost.device_s) for cost in table.costs])


def faster(trace: LinkTrace, factor: float) -> LinkTrace:
    """The link with so many times its rates; the round trip stays."""
    return replace(trace, uplink=_times(trace.uplink, factor), downlink=_times(trace.downlink, factor))


def find_scale(table: CostTable, trace: LinkTrace, overheads: Overheads, requests: float) -> Scale:
    """The scale at which the clairvoyant's third cut is used most; rates are left alone where that will do.

    What is tried is as much of the trace as so many requests take. Devices are not slowed, nor rates lowered, until
    requests take a second and more.

    Args:
        table: costs on this machine.
        trace: as it was measured.
        overheads: of requests.
        requests: how many will be made, one after the other.
    """
    best = Scale(device=1.0, rate=1.0, third=0.0)
    for rate in _RATE_FACTORS:
        link = faster(trace, rate)
        for device in _DEVICE_FACTORS:
            mean_s, third = foreseen(Reckoner(slowed(table, device), link, overheads), requests)
            if mean_s > _MOST_S:
                break  # slower devices take longer still
            if third > best.third:
                best = Scale(device=device, rate=rate, third=third)
        if best.third >= COMFORT * LEAST_SHARE:
            break
    return best


def foreseen(reckoner: Reckoner, requests: float) -> tuple[float, float]:
    """Mean seconds of a request, and how often the clairvoyant will use its third cut while so many are made.

    Args:
        reckoner: of costs and link.
        requests: how many, one after the other, from the beginning of the trace.
    """
    everywhere = choose(reckoner, np.linspace(0.0, reckoner.trace.uplink.duration_s, _TRIED, endpoint=False).tolist())
    mean_s = float(everywhere.of(everywhere.knower).mean())
    choices = choose(reckoner, np.linspace(0.0, requests * mean_s, _TRIED).tolist())
    return mean_s, third_share(shares(reckoner.table, choices.clairvoyant).values())


def third_share(found: Iterable[float]) -> float:
    """How often the last of the cuts that have to be used often is; 0 where there are fewer."""
    ordered = sorted(found, reverse=True)
    return ordered[LEAST_CUTS - 1] if len(ordered) >= LEAST_CUTS else 0.0


def _times(trace: Trace, factor: float) -> Trace:
    return Trace(starts_s=trace.starts_s, rates_bytes_per_s=tuple(factor * rate for rate in trace.rates_bytes_per_s))
