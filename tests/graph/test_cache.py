import fcntl
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import IO

import pytest
from tests.models import chain_model

from partway.errors import InputError, ModelError
from partway.graph import Cache, Source

KIB = 1024

# Makes or takes the entry "aa", says what it did, and holds it until its standard input closes.
WRITER = """
import sys
from pathlib import Path
from partway.graph import Cache

def make(folder):
    print("making", flush=True)
    sys.stdin.readline()
    (folder / "weights.bin").write_bytes(bytes(1024))
    (folder / "graph").write_text("whole")

entry = Cache(Path(sys.argv[1])).entry("aa", make)
print("got", (entry.directory / "graph").read_text(), flush=True)
sys.stdin.read()
"""


class Writer:
    """Another process that uses the same cache."""

    def __init__(self, root: Path, program: str = WRITER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def says(self) -> str:
        return self.output.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.communicate(timeout=30)


class Filler:
    """Fills an entry and counts how often it was asked to."""

    def __init__(self, size_bytes: int, seed: int = 0) -> None:
        self.size_bytes = size_bytes
        self.seed = seed
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "weights.bin").write_bytes(bytes([self.seed]) * self.size_bytes)


def kept(cache: Cache) -> set[str]:
    return {path.name for path in (cache.root / "graphs").iterdir() if path.is_dir()}


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), Filler(KIB)
    for _ in range(3):
        assert (cache.entry("aa", make).directory / "weights.bin").stat().st_size == KIB
    assert make.calls == 1


def test_two_processes_at_once_make_one_entry_once(tmp_path: Path) -> None:
    writers = [Writer(tmp_path), Writer(tmp_path)]
    ready, _, _ = select.select([writer.output for writer in writers], [], [], 60)
    (maker,) = (writer for writer in writers if writer.output in ready)
    (other,) = (writer for writer in writers if writer is not maker)
    assert maker.says() == "making"
    maker.go_on()  # until now the other could only wait, and it never says "making"
    assert maker.says() == "got whole"
    assert other.says() == "got whole"
    maker.close()
    other.close()
    assert kept(Cache(tmp_path)) == {"aa"}


RACER = """
import sys
from pathlib import Path
from partway.graph import Cache
sys.stdin.readline()
held = [Cache(Path(sys.argv[1])).entry(f"{key:x}", lambda folder: None) for key in range(100)]
print("done", flush=True)
sys.stdin.readline()
"""


def test_processes_that_race_for_entries_and_keep_them_never_wait_for_each_other(tmp_path: Path) -> None:
    racers = [Writer(tmp_path, RACER) for _ in range(3)]
    for racer in racers:
        racer.go_on()
    for racer in racers:
        assert select.select([racer.output], [], [], 60)[0], "it waits for an entry that another one uses"
        assert racer.says() == "done"
    for racer in racers:
        racer.close()
    assert len(kept(Cache(tmp_path))) == 100


def test_a_killed_writer_leaves_nothing_that_is_taken_for_an_entry(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    assert writer.says() == "making"
    writer.process.send_signal(signal.SIGKILL)
    writer.process.communicate(timeout=30)
    left = kept(Cache(tmp_path))
    assert len(left) == 1
    assert all(name.startswith("tmp.") for name in left)
    make = Filler(KIB)
    Cache(tmp_path).entry("aa", make)
    assert make.calls == 1


def test_what_a_killed_writer_left_is_removed_a_day_later(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.entry("aa", Filler(KIB))
    left = tmp_path / "graphs" / "tmp.left"
    left.mkdir()
    cache.entry("aa", Filler(KIB))
    assert left.is_dir()
    os.utime(left, (0, 0))
    cache.entry("aa", Filler(KIB))
    assert not left.exists()


def test_an_entry_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ModelError("no such model")

    cache = Cache(tmp_path)
    with pytest.raises(ModelError, match=r"^no such model$"):
        cache.entry("aa", fail)
    assert kept(cache) == set()


def test_the_least_recently_used_entry_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=3 * KIB)
    for age, key in enumerate(("aa", "bb", "cc")):
        cache.entry(key, Filler(KIB, seed=age)).close()
        os.utime(tmp_path / "graphs" / key, (1000 + age, 1000 + age))
    cache.entry("aa", Filler(KIB)).close()  # used again: now bb is the oldest
    cache.entry("dd", Filler(KIB, seed=9)).close()
    assert kept(cache) == {"aa", "cc", "dd"}
    assert len(list((tmp_path / "weights").iterdir())) == 3


def test_entries_in_use_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=2 * KIB)
    held = cache.entry("aa", Filler(KIB, seed=1))
    cache.entry("bb", Filler(KIB, seed=2)).close()
    cache.entry("cc", Filler(KIB, seed=3)).close()
    assert kept(cache) == {"aa", "cc"}
    held.close()
    held.close()
    cache.entry("dd", Filler(KIB, seed=4)).close()
    assert kept(cache) == {"cc", "dd"}


def test_an_entry_that_another_process_uses_stays(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    assert writer.says() == "making"
    writer.go_on()
    assert writer.says() == "got whole"
    cache = Cache(tmp_path, limit_bytes=0)
    cache.entry("bb", Filler(KIB, seed=2)).close()
    assert "aa" in kept(cache)
    writer.close()
    cache.entry("cc", Filler(KIB, seed=3)).close()
    assert "aa" not in kept(cache)


def test_an_entry_larger_than_the_limit_is_served_all_the_same(tmp_path: Path) -> None:
    entry = Cache(tmp_path, limit_bytes=1).entry("aa", Filler(KIB))
    assert entry.directory.is_dir()


def test_equal_weights_take_room_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=2 * KIB)
    entries = [cache.entry(key, Filler(KIB)) for key in ("aa", "bb", "cc")]
    assert len({(entry.directory / "weights.bin").stat().st_ino for entry in entries}) == 1
    assert kept(cache) == {"aa", "bb", "cc"}


def test_a_folder_of_an_entry_is_made_once_and_goes_with_it(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), Filler(KIB)
    entry = cache.entry("aa", Filler(KIB))
    assert entry.folder("optimised", make) == entry.folder("optimised", make)
    assert make.calls == 1
    entry.close()
    Cache(tmp_path, limit_bytes=0).entry("bb", Filler(1)).close()
    assert kept(cache) == {"bb"}


def test_file_systems_without_links_keep_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    entry = Cache(tmp_path).entry("aa", Filler(KIB))
    assert (entry.directory / "weights.bin").stat().st_size == KIB


def test_partway_cache_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWAY_CACHE", str(tmp_path / "here"))
    Source.open(chain_model(tmp_path))
    assert len(list((tmp_path / "here" / "sources").iterdir())) == 1
    monkeypatch.delenv("PARTWAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert Cache.default().root == tmp_path / "home" / "partway"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / ".cache" / "partway"


def test_partway_cache_limit_bounds_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWAY_CACHE_LIMIT", "20GB")
    assert Cache.default().limit_bytes == 20 * 10**9
    monkeypatch.setenv("PARTWAY_CACHE_LIMIT", "plenty")
    with pytest.raises(InputError, match=r"'plenty' is not a size"):
        Cache.default()


@pytest.mark.parametrize("part", ["", "graphs", "sources"])
def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path, part: str) -> None:
    path = chain_model(tmp_path)
    root = tmp_path / "cache"
    if part:
        root.mkdir()
        (root / part).symlink_to("/proc/self")  # where not even root can make a file
    else:
        root.touch()

    def use() -> None:
        Source.open(path, cache=Cache(root))
        Cache(root).entry("aa", Filler(KIB))

    with pytest.raises(InputError, match=r"cache cannot be written \(.*\); set PARTWAY_CACHE to one that can"):
        use()


def test_the_lock_of_a_removed_entry_goes_with_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=0)
    cache.entry("aa", Filler(KIB)).close()
    cache.entry("bb", Filler(KIB, seed=1)).close()
    (tmp_path / "graphs" / "cc.lock").touch()
    cache.entry("bb", Filler(KIB, seed=1)).close()
    assert {path.name for path in (tmp_path / "graphs").glob("*.lock")} <= {"bb.lock"}


def test_whoever_waited_at_a_lock_that_was_removed_takes_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, make = Cache(tmp_path), Filler(KIB)
    lock = tmp_path / "graphs" / "aa.lock"
    flock, calls = fcntl.flock, Counter[str]()

    def remove_first(descriptor: int, operation: int) -> None:
        calls["flock"] += 1
        if calls["flock"] == 1:
            lock.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    entry = cache.entry("aa", make)
    assert (make.calls, lock.exists()) == (1, True)
    cache.limit_bytes = 0
    cache.entry("bb", Filler(KIB, seed=1))
    assert entry.directory.is_dir()


def test_memos_that_nobody_asks_for_are_forgotten_after_a_month(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    used, unused = chain_model(tmp_path / "used"), chain_model(tmp_path / "unused")
    for path in (used, unused):
        Source.open(path, cache=cache)
    for memo in cache.sources.iterdir():
        os.utime(memo, (0, 0))
    Source.open(used, cache=cache)
    cache.entry("aa", Filler(KIB))
    assert len(list(cache.sources.iterdir())) == 1


def test_a_damaged_file_is_replaced_and_so_is_its_shared_copy(tmp_path: Path) -> None:
    cache, make = Cache(tmp_path), Filler(KIB)
    entry = cache.entry("aa", make)
    os.truncate(entry.directory / "weights.bin", 10)
    entry.refill(entry.directory, make)
    assert (entry.directory / "weights.bin").stat().st_size == KIB
    assert [path.stat().st_size for path in (tmp_path / "weights").iterdir()] == [KIB]
    assert kept(cache) == {"aa"}
