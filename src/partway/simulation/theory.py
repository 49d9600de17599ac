"""What is known of queues without playing them: the formulas that the simulator is held against.

In come loads, workers, and the moments of service; out come mean waits and responses, and for some queues a quantile.
Pure functions. Called by tests and `benchmarks.simulation_truth`, and by whoever wants an answer without a simulation.
"""

import math

from partway.errors import InputError


def erlang_c(workers: int, load: float) -> float:
    """The share of requests that wait, with Poisson arrivals and exponential service.

    Args:
        workers: at least 1.
        load: arrivals over capacity, in (0, 1).

    Raises:
        InputError: either is out of its range.

    Source: Erlang, 1917; the recursion of Erlang's B formula, which never overflows.
    """
    _check(workers, load)
    offered = workers * load
    blocked = 1.0
    for busy in range(1, workers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


def wait_mmk_s(service_s: float, workers: int, load: float) -> float:
    """Mean wait with Poisson arrivals, exponential service and several workers.

    Args:
        service_s: mean service, above 0.
        workers: at least 1.
        load: arrivals over capacity, in (0, 1).

    Raises:
        InputError: workers or load are out of their range.
    """
    return erlang_c(workers, load) * service_s / (workers * (1.0 - load))


def wait_mg1_s(service_s: float, variation: float, load: float) -> float:
    """Mean wait with Poisson arrivals, any service and one worker.

    Args:
        service_s: mean service, above 0.
        variation: coefficient of variation of service; 0 for M/D/1.
        load: arrivals over capacity, in (0, 1).

    Raises:
        InputError: the load is out of its range.

    Source: Pollaczek, 1930, and Khinchine, 1932.
    """
    _check(1, load)
    return load * service_s * (1.0 + variation**2) / (2.0 * (1.0 - load))


def quantile_mmk_s(share: float, service_s: float, workers: int, load: float) -> float:
    """What such a share of responses takes at most, with Poisson arrivals, exponential service and several workers.

    Args:
        share: in (0, 1).
        service_s: mean service, above 0.
        workers: at least 1.
        load: arrivals over capacity, in (0, 1).

    Raises:
        InputError: a number is out of its range.

    Source: a response is a service, and for a share of `erlang_c` an exponential wait of rate k (1 - load) / service
        before it; the distribution function is inverted by bisection.
    """
    if not 0 < share < 1:
        raise InputError(f"the quantile {share:g} was asked for; it must lie between 0 and 1")
    waits = erlang_c(workers, load)
    rate = workers * (1.0 - load)
    low, high = 0.0, 1.0
    while _beyond(high, waits, rate) > 1.0 - share:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        if _beyond(middle, waits, rate) > 1.0 - share:
            low = middle
        else:
            high = middle
    return service_s * (low + high) / 2.0


def _beyond(x: float, waits: float, rate: float) -> float:
    # The share of responses above x mean services.
    if abs(rate - 1.0) < 1e-9:
        both = (1.0 + x) * math.exp(-x)
    else:
        both = (rate * math.exp(-x) - math.exp(-rate * x)) / (rate - 1.0)
    return (1.0 - waits) * math.exp(-x) + waits * both


def _check(workers: int, load: float) -> None:
    if workers < 1 or not 0 < load < 1:
        raise InputError(
            f"{workers} workers at a load of {load:g}: at least 1 worker is needed, and a load between 0 and 1"
        )
