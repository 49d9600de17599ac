from pathlib import Path

import pytest
from tests.profiling.power.trees import plant

from partway.profiling.cgroup import cpu_quota, memory_limit_bytes
from partway.profiling.sysfs import Files


def test_the_tightest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    plant(tmp_path, "proc/self", {"cgroup": "0::/pod/box"})
    plant(tmp_path, "sys/fs/cgroup/pod", {"cpu.max": "150000 100000", "memory.max": 1_000})
    plant(tmp_path, "sys/fs/cgroup/pod/box", {"cpu.max": "400000 100000", "memory.max": "max"})
    assert cpu_quota(Files(tmp_path)) == 1.5
    assert memory_limit_bytes(Files(tmp_path)) == 1_000


def test_a_container_that_sees_only_its_own_group_is_limited_by_it(tmp_path: Path) -> None:
    plant(tmp_path, "proc/self", {"cgroup": "0::/../../host/path"})
    plant(tmp_path, "sys/fs/cgroup", {"cpu.max": "50000 100000"})
    assert cpu_quota(Files(tmp_path)) == 0.5


def test_the_older_trees_are_read_too(tmp_path: Path) -> None:
    plant(tmp_path, "proc/self", {"cgroup": "4:memory:/box\n2:cpu,cpuacct:/box\n0::/"})
    plant(tmp_path, "sys/fs/cgroup/cpu,cpuacct/box", {"cpu.cfs_quota_us": 200_000, "cpu.cfs_period_us": 100_000})
    plant(tmp_path, "sys/fs/cgroup/memory/box", {"memory.limit_in_bytes": 2_000})
    assert cpu_quota(Files(tmp_path)) == 2.0
    assert memory_limit_bytes(Files(tmp_path)) == 2_000


@pytest.mark.parametrize("text", ["max 100000", "-1 100000", "5 0", "100000", ""])
def test_no_limit_is_none(tmp_path: Path, text: str) -> None:
    plant(tmp_path, "proc/self", {"cgroup": "1:cpu:/\n2:memory:/\n0::/"})
    plant(tmp_path, "sys/fs/cgroup", {"cpu.max": text})
    plant(tmp_path, "sys/fs/cgroup/cpu", {"cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100_000})
    plant(tmp_path, "sys/fs/cgroup/memory", {"memory.limit_in_bytes": 9_223_372_036_854_771_712})
    assert cpu_quota(Files(tmp_path)) is None
    assert memory_limit_bytes(Files(tmp_path)) is None


def test_a_system_without_groups_has_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(Files(tmp_path)) is None
    assert memory_limit_bytes(Files(tmp_path)) is None
