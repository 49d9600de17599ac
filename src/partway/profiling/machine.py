"""This machine as its kernel describes it: what seconds and joules depend on beside the model.

Input: a root folder with /proc and /sys. Output: a `Machine` record; what the kernel does not say is None or empty.
Called by `partway doctor` and by profiling, which stores it with what it measured.
"""

import platform
import re
from collections import Counter
from pathlib import Path

import msgspec

from partway.profiling.cgroup import cpu_quota, memory_limit_bytes
from partway.profiling.sysfs import Files

_CPUS = "sys/devices/system/cpu"

# What fast products are written with, by the kernel's names; the rest of the flags do not matter here.
_INSTRUCTIONS = (
    *("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
# Source: Arm, Main ID Register of each core, as listed by util-linux lscpu.
_ARM_CORES = {
    "0xc07": "Cortex-A7", "0xc0f": "Cortex-A15", "0xd03": "Cortex-A53", "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE", "0xd44": "Cortex-X1", "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}  # fmt: skip
_ARM = "0x41"


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """One cache, as the first core sees it.

    Attributes:
        level: 1, 2, 3 ...
        content: data, instruction or unified.
        size_bytes: its size.
        shared_by: logical processors that share it.
    """

    level: int
    content: str
    size_bytes: int
    shared_by: int


class CoreGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Logical processors that are clocked alike.

    Attributes:
        cores: how many.
        fastest_hz: their highest clock.
        now_hz: the highest clock among them at the moment; None where the kernel does not say.
        governor: who chooses the clock, such as `schedutil`; None where the kernel does not say.
    """

    cores: int
    fastest_hz: float
    now_hz: float | None
    governor: str | None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, in what matters to seconds and joules.

    Attributes:
        board: the maker's name of the whole, such as `Raspberry Pi 4 Model B Rev 1.4`.
        processor: its model name.
        architecture: `x86_64`, `aarch64` ...
        instructions: instruction sets for fast products, by the kernel's names.
        virtual: whether it is known to be a virtual machine.
        logical_cores: what the system runs threads on.
        physical_cores: cores that share nothing but caches; None where the kernel does not say.
        usable_cores: logical cores that this process may use.
        quota_cores: cores' worth of time that its control group may use; None for no limit.
        core_groups: clocks, the fastest first; empty where the kernel does not say.
        caches: those of the first core.
        memory_bytes: all of it.
        memory_limit_bytes: what its control group may use; None for no limit.
    """

    board: str | None
    processor: str | None
    architecture: str
    instructions: tuple[str, ...]
    virtual: bool
    logical_cores: int
    physical_cores: int | None
    usable_cores: int
    quota_cores: float | None
    core_groups: tuple[CoreGroup, ...]
    caches: tuple[Cache, ...]
    memory_bytes: int | None
    memory_limit_bytes: int | None


def read_machine(root: Path = Path("/"), *, architecture: str | None = None) -> Machine:
    """Describe this machine.

    Args:
        root: where /proc and /sys lie.
        architecture: the processor's; this one's by default.
    """
    files = Files(root)
    information = files.find("proc/cpuinfo") or ""
    flags = frozenset(_field(information, "flags", "Features").split())
    online = parse_range(files.find(f"{_CPUS}/online") or "") or (0,)
    usable = parse_range(_field(files.find("proc/self/status") or "", "Cpus_allowed_list"))
    memory_kib = _field(files.find("proc/meminfo") or "", "MemTotal").split()
    return Machine(
        board=files.find("proc/device-tree/model") or files.find("sys/class/dmi/id/product_name"),
        processor=_processor(information),
        architecture=architecture or platform.machine(),
        instructions=tuple(name for name in _INSTRUCTIONS if name in flags),
        virtual="hypervisor" in flags or files.exists("sys/hypervisor/type"),
        logical_cores=len(online),
        physical_cores=_physical_cores(files, online),
        usable_cores=len(set(usable) & set(online)) or len(online),
        quota_cores=cpu_quota(files),
        core_groups=_core_groups(files, online),
        caches=_caches(files, online[0]),
        memory_bytes=int(memory_kib[0]) * 1024 if memory_kib else None,
        memory_limit_bytes=memory_limit_bytes(files),
    )


def parse_range(text: str) -> tuple[int, ...]:
    """The numbers in a list of the kernel's: `0-2,7` is 0, 1, 2, 7.

    Args:
        text: numbers and ranges with commas between them; anything else counts for nothing.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match:
            found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)


def _field(text: str, *names: str) -> str:
    # The value in the first line `name: value`.
    match = re.search(rf"^(?:{'|'.join(names)})[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    return match[1] if match else ""


def _processor(information: str) -> str | None:
    name = _field(information, "model name")
    parts = re.findall(r"^CPU part\s*:\s*(\w+)", information, re.MULTILINE)
    if parts and _field(information, "CPU implementer") == _ARM:
        return " + ".join(f"{count} x {_ARM_CORES.get(part, part)}" for part, count in Counter(parts).items())
    return name or _field(information, "Hardware") or None


def _physical_cores(files: Files, online: tuple[int, ...]) -> int | None:
    siblings = {files.find(f"{_CPUS}/cpu{cpu}/topology/thread_siblings_list") for cpu in online}
    return None if None in siblings else len(siblings)


def _core_groups(files: Files, online: tuple[int, ...]) -> tuple[CoreGroup, ...]:
    clocks: dict[tuple[float, str | None], list[float | None]] = {}
    for cpu in online:
        folder = f"{_CPUS}/cpu{cpu}/cpufreq"
        fastest_khz = files.find_number(f"{folder}/cpuinfo_max_freq")
        if fastest_khz is not None:
            governor = files.find(f"{folder}/scaling_governor")
            clocks.setdefault((fastest_khz, governor), []).append(files.find_number(f"{folder}/scaling_cur_freq"))
    return tuple(
        CoreGroup(
            cores=len(now),
            fastest_hz=fastest_khz * 1e3,
            now_hz=max((khz * 1e3 for khz in now if khz is not None), default=None),
            governor=governor,
        )
        for (fastest_khz, governor), now in sorted(clocks.items(), key=lambda item: -item[0][0])
    )


def _caches(files: Files, cpu: int) -> tuple[Cache, ...]:
    found: list[Cache] = []
    for entry in files.names(f"{_CPUS}/cpu{cpu}/cache"):
        folder = f"{_CPUS}/cpu{cpu}/cache/{entry}"
        size = re.fullmatch(r"(\d+)([KM])", files.find(f"{folder}/size") or "")
        level = files.find_number(f"{folder}/level")
        if size and level is not None:
            found.append(
                Cache(
                    level=int(level),
                    content=(files.find(f"{folder}/type") or "unified").lower(),
                    size_bytes=int(size[1]) * (1024 if size[2] == "K" else 1024**2),
                    shared_by=len(parse_range(files.find(f"{folder}/shared_cpu_list") or "")) or 1,
                )
            )
    return tuple(found)
