"""How much of the machine a control group leaves to this process: containers are limited so.

Input: the kernel's files. Output: cores' worth of time and bytes, the least of this group and those above it. Called
by `machine`.

Source: Linux Documentation/admin-guide/cgroup-v2.rst (`cpu.max`, `memory.max`); cgroup-v1 and
scheduler/sched-bwc.rst (`cpu.cfs_quota_us`, `memory.limit_in_bytes`).
"""

from collections.abc import Iterator

from partway.profiling.sysfs import Files

_MOUNT = "sys/fs/cgroup"
_UNLIMITED_BYTES = 2**60  # version 1 writes "no limit" as the largest number of pages that there can be


def cpu_quota(files: Files) -> float | None:
    """Cores' worth of time that this process may use; None for no limit."""
    quotas = [_share((files.find(f"{folder}/cpu.max") or "").split()) for folder in _folders(files, "")]
    for folder in _folders(files, "cpu"):
        words = [files.find(f"{folder}/cpu.cfs_{part}_us") or "" for part in ("quota", "period")]
        quotas.append(_share(words))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit_bytes(files: Files) -> int | None:
    """Bytes that this process may use; None for no limit."""
    limits = [files.find_number(f"{folder}/memory.max") for folder in _folders(files, "")]
    limits += [files.find_number(f"{folder}/memory.limit_in_bytes") for folder in _folders(files, "memory")]
    return min((int(limit) for limit in limits if limit is not None and limit < _UNLIMITED_BYTES), default=None)


def _share(words: list[str]) -> float | None:
    # Of `quota period`; "max" and -1 are no limit.
    if len(words) != 2 or not all(word.isdecimal() for word in words) or words[1] == "0":
        return None
    return int(words[0]) / int(words[1])


def _folders(files: Files, controller: str) -> Iterator[str]:
    # This process's group and those above it; controller "" is version 2's one tree.
    for line in (files.find("proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(parts), -1, -1):
            yield "/".join((_MOUNT, *([controllers] if controllers else []), *parts[:depth]))
