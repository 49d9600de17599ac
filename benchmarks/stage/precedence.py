"""Precedence over the machine's other programs, which are no part of what is measured.

Called by the stage for its device and its server.

Source: sched(7), "The autogroup feature": where it is on, niceness counts between sessions by `/proc/PID/autogroup`.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_NICENESS = -10


def put_first(pid: int) -> None:
    """Give a process precedence, and its session where sessions count, as far as that is allowed."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    with contextlib.suppress(OSError):
        _autogroup(pid).write_text(str(_NICENESS), encoding="ascii")


@contextlib.contextmanager
def first() -> Iterator[None]:
    """Give this thread and its session precedence for as long as the block lasts."""
    niceness, group = os.getpriority(os.PRIO_PROCESS, 0), _group_niceness()
    put_first(os.getpid())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
        with contextlib.suppress(OSError):
            _autogroup(os.getpid()).write_text(group, encoding="ascii")


def _group_niceness() -> str:
    # Of `/autogroup-8 nice 0`.
    with contextlib.suppress(OSError, IndexError):
        return _autogroup(os.getpid()).read_text(encoding="ascii").split()[-1]
    return "0"


def _autogroup(pid: int) -> Path:
    return Path(f"/proc/{pid}/autogroup")
