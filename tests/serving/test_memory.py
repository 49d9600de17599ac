from pathlib import Path

from tests.profiling.power.trees import plant

from partway.profiling.sysfs import Files
from partway.serving.memory import available_bytes, make_budget


def test_what_is_free_is_what_the_kernel_says_and_the_control_group_allows(tmp_path: Path) -> None:
    plant(tmp_path, "proc", {"meminfo": "MemTotal:       800 kB\nMemAvailable:   200 kB\n"})
    assert available_bytes(Files(tmp_path)) == 200 * 1024
    plant(tmp_path, "proc/self", {"cgroup": "0::/box"})
    plant(tmp_path, "sys/fs/cgroup/box", {"memory.max": 100_000})
    assert available_bytes(Files(tmp_path)) == 100_000


def test_a_machine_that_does_not_say_is_unknown(tmp_path: Path) -> None:
    assert available_bytes(Files(tmp_path)) is None


def test_half_of_what_is_free_is_kept_unless_the_user_says_how_much() -> None:
    found = available_bytes(Files())
    if found is not None:
        assert 0 < make_budget().limit_bytes < found
    assert make_budget(1000).limit_bytes == 1000
