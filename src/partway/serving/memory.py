"""How much memory is free for what a server keeps ready.

Input: the kernel's files, or what the user allows. Output: a budget. Asked once, when a server is made.

Source: Linux Documentation/filesystems/proc.rst (`MemAvailable`).
"""

import math
import re

from partway.engine import MemoryBudget
from partway.profiling.cgroup import memory_limit_bytes
from partway.profiling.sysfs import Files

_SHARE = 0.5  # of what is free: the rest is for requests, and for the files of the weights


def available_bytes(files: Files) -> int | None:
    """Bytes that may be used without pushing out others, at most what the control group allows; None where unknown."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", files.find("proc/meminfo") or "", re.MULTILINE)
    amounts = [int(found[1]) * 1024] if found else []
    limit = memory_limit_bytes(files)
    return min(amounts + ([] if limit is None else [limit]), default=None)


def make_budget(limit_bytes: int | None = None) -> MemoryBudget:
    """The budget of what a server keeps ready.

    Args:
        limit_bytes: its limit; half of what is free now by default.
    """
    if limit_bytes is not None:
        return MemoryBudget(limit_bytes)
    available = available_bytes(Files())
    return MemoryBudget(math.inf if available is None else _SHARE * available)
