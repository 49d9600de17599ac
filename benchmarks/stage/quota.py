"""A slower device by the kernel's own means: a control group that gets a share of a core's time.

Called by the stage, for processes whose slowness has to be real; the engine's `device_slowdown` is the other way.

Source: Linux Documentation/scheduler/sched-bwc.rst (version 1) and admin-guide/cgroup-v2.rst (`cpu.max`).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from partway.errors import InputError

# Short, so that a piece of a few milliseconds is slowed as evenly as a long one. The kernel grants no less than 1 ms.
_PERIOD_US, _LEAST_US = 5_000, 1_000
_ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def share_of_a_core(share: float | None) -> Iterator[None]:
    """Give this process no more than a share of one core's time for as long as the block lasts.

    Args:
        share: above 0, up to 1; None for all that there is.

    Raises:
        InputError: no such share, or control groups cannot be written here.
    """
    if share is None:
        yield
        return
    if not 0.0 < share <= 1.0:
        raise InputError(f"a share of a core is {share}; give one above 0, up to 1")
    before = _own_group()
    group = before / f"partway-stage-{os.getpid()}"
    try:
        try:
            group.mkdir()
            for name, text in _limits(share, first_version=before != _ROOT):
                (group / name).write_text(text, encoding="ascii")
            _move_to(group)
        except OSError as error:
            raise InputError(
                f"no share of a core can be set in {before} ({error.strerror}); slow the device with device_slowdown"
            ) from error
        yield
    finally:
        with contextlib.suppress(OSError):
            _move_to(before)
            group.rmdir()


def _limits(share: float, *, first_version: bool) -> tuple[tuple[str, str], ...]:
    period_us = max(_PERIOD_US, round(_LEAST_US / share))
    quota_us = round(share * period_us)
    if first_version:
        return ("cpu.cfs_period_us", f"{period_us}"), ("cpu.cfs_quota_us", f"{quota_us}")
    return (("cpu.max", f"{quota_us} {period_us}"),)


def _move_to(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")


def _own_group() -> Path:
    # Of the controller of version 1 where it is mounted, else the root of version 2.
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return _ROOT / controllers / path.lstrip("/")
    return _ROOT
