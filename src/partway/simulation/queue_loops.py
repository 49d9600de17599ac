"""The hot loops of queues: when each request's service begins.

In come times of arrival and service; out come times of beginning, written into arrays that are handed in. Compiled;
imported by `queues` when something is played.
"""

import numpy as np

from partway.simulation.compiling import compiled
from partway.simulation.distributions import FloatArray


@compiled
def replace_first(free_s: FloatArray, value: float) -> None:
    """Put a value in the place of a binary heap's least, and restore the heap.

    Args:
        free_s: the heap, float64 (workers,).
        value: at least the least.
    """
    place, size = 0, free_s.size
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and free_s[child + 1] < free_s[child]:
            child += 1
        if free_s[child] >= value:
            break
        free_s[place] = free_s[child]
        place = child
    free_s[place] = value


@compiled
def serve_in_order(arrivals_s: FloatArray, services_s: FloatArray, workers: int, starts_s: FloatArray) -> None:
    """First come, first served by several workers: each takes the next request as soon as it is free.

    Args:
        arrivals_s: float64 (requests,), not descending.
        services_s: float64 (requests,).
        workers: at least 1.
        starts_s: written to, float64 (requests,).

    Source: for one worker, Lindley's recursion (Mathematical Proceedings of the Cambridge Philosophical Society 48,
        1952); for several, Kiefer and Wolfowitz (Transactions of the American Mathematical Society 78, 1955).
    """
    free_s = np.zeros(workers)
    for request in range(arrivals_s.size):
        start_s = max(arrivals_s[request], free_s[0])
        starts_s[request] = start_s
        if workers == 1:
            free_s[0] = start_s + services_s[request]
        else:
            replace_first(free_s, start_s + services_s[request])


@compiled
def serve_in_batches(
    arrivals_s: FloatArray,
    workers: int,
    wait_s: float,
    seconds: FloatArray,
    factors: FloatArray,
    starts_s: FloatArray,
    services_s: FloatArray,
    sizes: FloatArray,
) -> int:
    """First come, first served in batches: a free worker takes who waits, and may wait for more.

    It begins once a full batch waits, or once the first of it has waited for so long, whichever is sooner.

    Args:
        arrivals_s: float64 (requests,), not descending.
        workers: at least 1.
        wait_s: longest wait of a free worker for more, at least 0.
        seconds: what a batch of 1, 2, ... takes, float64 (largest,).
        factors: what chance makes of each batch's seconds, float64 (requests,).
        starts_s: written to, float64 (requests,).
        services_s: written to: what each request's batch took, float64 (requests,).
        sizes: written to: requests in each batch, float64 (requests,).

    Returns:
        How many batches there were.
    """
    free_s = np.zeros(workers)
    largest, count = seconds.size, arrivals_s.size
    first = batches = 0
    while first < count:
        full_s = arrivals_s[first + largest - 1] if first + largest <= count else np.inf
        start_s = max(free_s[0], min(arrivals_s[first] + wait_s, full_s))
        last = first + 1
        while last < count and last < first + largest and arrivals_s[last] <= start_s:
            last += 1
        service_s = seconds[last - first - 1] * factors[batches]
        for request in range(first, last):
            starts_s[request] = start_s
            services_s[request] = service_s
        sizes[batches] = last - first
        batches += 1
        replace_first(free_s, start_s + service_s)
        first = last
    return batches
