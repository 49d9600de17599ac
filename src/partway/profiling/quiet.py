"""Is this machine quiet enough to time anything?

    the same product, again and again, for half a second: seconds on the wall against seconds on the processor,
    how much the repeats differ, and how busy everybody else was

Input: clocks and the kernel's count of busy time. Output: a `Noise` record, which says whether the machine is quiet
and if not, why. Called by `partway doctor` and by profiling.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from partway.engine import Clock
from partway.profiling.measurement import summarise
from partway.profiling.sysfs import Files

_EDGE = 48  # small enough that no linear-algebra library spreads the product over threads
_PRODUCTS = 64  # in one repeat, together about a millisecond
_TICKS_PER_S = 100.0  # Source: Linux USER_HZ, the unit of /proc/stat

_MOST_WAITING = 0.02
_MOST_SPREAD = 0.05
_MOST_OTHERS = 0.10
_MOST_STOLEN = 0.01


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How far a machine was from quiet, for a moment.

    A msgspec record because profiles store it.

    Attributes:
        span_s: how long was watched.
        waiting_share: share of the seconds in which the work was ready and did not run.
        spread: distance of the repeats' quartiles as a share of their median.
        others_share: share of the machine's time that other programs used; None where the kernel does not say.
        stolen_share: share that other virtual machines on the same host took; None where it does not say.
    """

    span_s: float
    waiting_share: float
    spread: float
    others_share: float | None
    stolen_share: float | None

    @property
    def disturbances(self) -> tuple[str, ...]:
        """What makes it too loud to time small things; nothing for a quiet machine."""
        found = []
        if self.waiting_share > _MOST_WAITING:
            found.append(f"work waited {_percent(self.waiting_share)} of the time for a core")
        if self.spread > _MOST_SPREAD:
            found.append(f"equal work differed by {_percent(self.spread)}")
        if self.others_share is not None and self.others_share > _MOST_OTHERS:
            found.append(f"other programs used {_percent(self.others_share)} of the machine")
        if self.stolen_share is not None and self.stolen_share > _MOST_STOLEN:
            found.append(f"other virtual machines took {_percent(self.stolen_share)}")
        return tuple(found)

    @property
    def quiet(self) -> bool:
        """Whether nothing disturbs."""
        return not self.disturbances


def multiply() -> None:
    """One repeat: products of small matrices, on one core."""
    matrix = np.ones((_EDGE, _EDGE), np.float32)
    for _ in range(_PRODUCTS):
        np.matmul(matrix, matrix)


def check_noise(
    root: Path = Path("/"),
    *,
    budget_s: float = 0.5,
    work: Callable[[], None] = multiply,
    wall: Clock = time.perf_counter,
    thread: Clock = time.thread_time,
    process: Clock = time.process_time,
) -> Noise:
    """Repeat a small piece of work and see what gets in its way.

    Args:
        root: where /proc lies.
        budget_s: how long, > 0.
        work: one repeat, all on this thread.
        wall: seconds that pass.
        thread: processor seconds of this thread.
        process: processor seconds of this process.
    """
    files = Files(root)
    work()
    runs_s: list[float] = []
    before = _busy_s(files)
    own_s, start_s, ran_s = process(), wall(), thread()
    last_s = start_s
    while last_s - start_s < budget_s:
        work()
        now_s = wall()
        runs_s.append(now_s - last_s)
        last_s = now_s
    elapsed_s, ran_s, own_s = last_s - start_s, thread() - ran_s, process() - own_s
    after = _busy_s(files)
    others = stolen = None
    if before is not None and after is not None:
        total_s = elapsed_s * after[2]
        others = min(max((after[0] - before[0] - own_s) / total_s, 0.0), 1.0)
        stolen = min(max((after[1] - before[1]) / total_s, 0.0), 1.0)
    return Noise(
        span_s=elapsed_s,
        waiting_share=max(0.0, 1.0 - ran_s / elapsed_s),
        spread=summarise(runs_s).spread,
        others_share=others,
        stolen_share=stolen,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _busy_s(files: Files) -> tuple[float, float, int] | None:
    # Seconds that everybody computed and that the host withheld since boot, and the number of cores.
    lines = [line.split() for line in (files.find("proc/stat") or "").splitlines() if line.startswith("cpu")]
    if len(lines) < 2 or len(lines[0]) < 9:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) / _TICKS_PER_S for word in lines[0][1:9])
    return user + nice + system + irq + softirq, steal, len(lines) - 1
