"""Which core runs what, and how busy processes keep theirs.

Input: core numbers, and programs to start on them. Output: processes that stay on their core, and the seconds that they
computed. Linux alone can pin; elsewhere nothing is pinned and `can_pin` says so. Called by the benchmarks of loaded and
failing servers.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import psutil
from benchmarks.stage.namespaces import within


def can_pin() -> bool:
    """Whether there are two cores here that processes can be pinned to."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


def two_cores() -> tuple[int | None, int | None]:
    """A core for the device and another one for the server; None and None where nothing can be pinned."""
    if not can_pin():
        return None, None
    device, server, *_ = sorted(os.sched_getaffinity(0))
    return device, server


def on_core(core: int | None) -> contextlib.AbstractContextManager[None]:
    """Keep this thread, and the threads and processes that it starts, on one core while the block lasts.

    Args:
        core: its number; None for wherever it is allowed already.
    """
    return contextlib.nullcontext() if core is None else within(None, core)


def busy_s(pid: int) -> float:
    """Processor seconds that a process has used so far, in all of its threads."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def child(
    core: int | None,
    target: Callable[..., None],
    *arguments: object,
) -> Iterator[Connection]:
    """A Python process on a core, which is called with one end of a pipe and the arguments.

    Args:
        core: where it stays.
        target: a function of a module; it ends when the pipe does.
        arguments: its own, after the pipe.

    Yields:
        The other end of the pipe.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with on_core(core):
        process = context.Process(target=target, args=(there, *arguments), daemon=True)
        process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join(5.0)
        if process.is_alive():
            process.kill()
            process.join()
