from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.support import law
from tests.profiling.power.trees import plant

from partway.profiling.machine import Cache, CoreGroup, Machine, parse_range, read_machine

CPUS = "sys/devices/system/cpu"


def laptop(root: Path) -> None:
    """Four cores with two threads each."""
    processor = "model name\t: Core i7\nflags\t\t: fpu avx2 fma f16c avx_vnni sse\n"
    plant(root, "proc", {"cpuinfo": processor * 2, "meminfo": "MemTotal:  16000000 kB\nMemFree: 1 kB"})
    plant(root, "proc/self", {"status": "Name:\tpython\nCpus_allowed_list:\t0-5"})
    plant(root, "sys/class/dmi/id", {"product_name": "ThinkPad"})
    plant(root, CPUS, {"online": "0-7"})
    for cpu in range(8):
        plant(root, f"{CPUS}/cpu{cpu}/topology", {"thread_siblings_list": f"{cpu % 4},{cpu % 4 + 4}"})
        clocks = {"cpuinfo_max_freq": 4_700_000, "scaling_cur_freq": 400_000 + cpu, "scaling_governor": "powersave"}
        plant(root, f"{CPUS}/cpu{cpu}/cpufreq", clocks)
    cache = {"level": 1, "type": "Data", "size": "48K", "shared_cpu_list": "0,4"}
    plant(root, f"{CPUS}/cpu0/cache/index0", cache)
    plant(root, f"{CPUS}/cpu0/cache/index3", cache | {"level": 3, "type": "Unified", "size": "12M"})


def phone(root: Path) -> None:
    """Two kinds of cores."""
    parts = "".join(f"CPU implementer\t: 0x41\nCPU part\t: {part}\n" for part in ("0xd05", "0xd05", "0xd44", "0xfff"))
    plant(root, "proc", {"cpuinfo": f"Features\t: fp asimd asimddp\n{parts}"})
    plant(root, "proc/device-tree", {"model": "Some Phone\0"})
    plant(root, CPUS, {"online": "0-3"})
    for cpu, khz in enumerate((1_800_000, 1_800_000, 2_400_000, 2_400_000)):
        plant(root, f"{CPUS}/cpu{cpu}/cpufreq", {"cpuinfo_max_freq": khz, "scaling_governor": "schedutil"})


def test_a_laptop_is_described(tmp_path: Path) -> None:
    laptop(tmp_path)
    assert read_machine(tmp_path, architecture="x86_64") == Machine(
        board="ThinkPad",
        processor="Core i7",
        architecture="x86_64",
        instructions=("avx2", "fma", "f16c", "avx_vnni"),
        virtual=False,
        logical_cores=8,
        physical_cores=4,
        usable_cores=6,
        quota_cores=None,
        core_groups=(CoreGroup(cores=8, fastest_hz=4.7e9, now_hz=400_007e3, governor="powersave"),),
        caches=(
            Cache(level=1, content="data", size_bytes=48 * 1024, shared_by=2),
            Cache(level=3, content="unified", size_bytes=12 * 1024**2, shared_by=2),
        ),
        memory_bytes=16_000_000 * 1024,
        memory_limit_bytes=None,
    )


def test_cores_that_differ_are_told_apart_the_fastest_first(tmp_path: Path) -> None:
    phone(tmp_path)
    machine = read_machine(tmp_path, architecture="aarch64")
    assert machine.board == "Some Phone"
    assert machine.processor == "2 x Cortex-A55 + 1 x Cortex-X1 + 1 x 0xfff"
    assert machine.instructions == ("asimd", "asimddp")
    assert [(group.cores, group.fastest_hz, group.now_hz) for group in machine.core_groups] == [
        (2, 2.4e9, None),
        (2, 1.8e9, None),
    ]
    assert machine.physical_cores is None
    assert machine.usable_cores == 4


def test_a_kernel_that_says_nothing_leaves_everything_open(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert (machine.board, machine.processor, machine.memory_bytes) == (None, None, None)
    assert (machine.logical_cores, machine.usable_cores, machine.physical_cores) == (1, 1, None)
    assert not machine.virtual


def test_virtual_machines_are_known_by_their_flag(tmp_path: Path) -> None:
    plant(tmp_path, "proc", {"cpuinfo": "flags\t: fpu hypervisor"})
    assert read_machine(tmp_path).virtual


@law
@given(st.sets(st.integers(0, 300)))
def test_a_list_of_processors_is_read(numbers: set[int]) -> None:
    assert parse_range(",".join(map(str, sorted(numbers)))) == tuple(sorted(numbers))


@pytest.mark.parametrize(("text", "numbers"), [("0-2,7", (0, 1, 2, 7)), ("", ()), ("x", ()), ("3", (3,))])
def test_ranges_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_range(text) == numbers


def test_this_machine_is_described_and_can_be_stored() -> None:
    machine = read_machine()
    assert 1 <= machine.usable_cores <= machine.logical_cores
    assert msgspec.json.decode(msgspec.json.encode(machine), type=Machine) == machine
