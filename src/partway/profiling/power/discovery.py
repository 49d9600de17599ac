"""Which meters this machine has, and what keeps it from more.

Input: a root folder and a clock. Output: `FoundMeters`. Called by `partway doctor` and by profiling.
"""

import time
from collections.abc import Callable
from pathlib import Path

from partway.engine import Clock
from partway.profiling.power.battery import find_batteries
from partway.profiling.power.ina3221 import find_ina3221
from partway.profiling.power.meters import FoundMeters
from partway.profiling.power.nvml import Nvml, find_nvml, load_nvml
from partway.profiling.power.rapl import find_rapl
from partway.profiling.sysfs import Files, read_text


def find_meters(
    root: Path = Path("/"),
    *,
    clock: Clock = time.perf_counter,
    read: Callable[[Path], str] = read_text,
    nvml: Callable[[], Nvml] = load_nvml,
) -> FoundMeters:
    """Look for every kind of meter; nothing is opened but NVML, and only where there is a GPU.

    Args:
        root: where /proc and /sys lie.
        clock: seconds, monotonic, for meters that must add up watts.
        read: reads one of the kernel's files.
        nvml: gives NVIDIA's library.
    """
    files = Files(root, read)
    jetson = find_ina3221(files, clock)
    # A Jetson's GPU hangs on its rails, and NVML knows nothing of it.
    gpus = FoundMeters() if jetson.meters or jetson.obstacles else find_nvml(files, clock, nvml)
    families = (jetson, find_rapl(files), gpus, find_batteries(files, clock))
    return FoundMeters(
        meters=tuple(meter for family in families for meter in family.meters),
        obstacles=tuple(obstacle for family in families for obstacle in family.obstacles),
    )
