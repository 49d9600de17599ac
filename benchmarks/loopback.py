"""Servers on loopback in processes and on cores of their own, and the spread of ratios of what is measured on them.

Input: what to serve, and on which cores. Output: processes that live as long as a block does. Called by
`benchmarks.overhead` and `benchmarks.throughput`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from partway.client.transport import GrpcTransport
from partway.errors import InputError, ServerError
from partway.wire import InferRequest

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_S = 30.0
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server process.

    Attributes:
        address: `host:port`.
        process: the process.
    """

    address: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Seconds that it computed so far, on all cores together."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Keeps this thread, and the threads and processes that it starts, on some cores for the time of a block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def listening(arguments: Sequence[str], *, cores: Collection[int], cache: Path) -> Iterator[Listening]:
    """A Python process that serves while the block runs.

    Args:
        arguments: of the interpreter; the process has to print `listening address=HOST:PORT` once it is ready.
        cores: where it may run.
        cache: where it keeps canonical graphs.

    Yields:
        The process.

    Raises:
        InputError: it ended before it listened.
    """
    environment = {**os.environ, "PARTWAY_CACHE": str(cache)}
    command = [sys.executable, *arguments]
    with pinned(cores):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stdout is not None
    try:
        found = re.match(r"listening address=(\S+)", process.stdout.readline())
        if found is None:
            raise InputError(f"`{' '.join(command)}` ended before it listened; run it alone to see why")
        yield Listening(address=found[1], process=psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def settle(transport: GrpcTransport, request: InferRequest, *, for_s: float) -> None:
    """Ask until the server has answered for a while: its models are opened and optimised by then.

    Args:
        transport: to the server.
        request: what to ask.
        for_s: how long to go on.

    Raises:
        ServerError: it did not answer for half a minute.
    """
    first_s: float | None = None
    start_s = time.perf_counter()
    while first_s is None or time.perf_counter() - first_s < for_s:
        try:
            transport.start(request, _PATIENCE_S).result()
        except ServerError:
            if first_s is not None or time.perf_counter() - start_s > _PATIENCE_S:
                raise
            time.sleep(0.05)
        else:
            first_s = time.perf_counter() if first_s is None else first_s


def spread_of_ratio(
    above: Sequence[float], below: Sequence[float], *, less: Sequence[float] = (), seed: int = 0
) -> tuple[float, float]:
    """Where 95 % of the ratios of medians lie when whole rounds are drawn anew.

    Args:
        above: the numerator's samples, one a round.
        below: the denominator's, of the same rounds.
        less: samples whose median is taken off the numerator's; of the same rounds.
        seed: of the draws.
    """
    rounds = np.random.default_rng(seed).integers(len(above), size=(_RESAMPLES, len(above)))
    medians = {
        name: np.median(np.asarray(values)[rounds], axis=1)
        for name, values in {"above": above, "below": below, "less": less or [0.0] * len(above)}.items()
    }
    ratios = (medians["above"] - medians["less"]) / medians["below"]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(low), float(high)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float(low), float(middle), float(high)
