from pathlib import Path

import pytest
from tests.profiling.power.trees import forbidding, plant

from partway.profiling.sysfs import Files


def test_words_and_numbers_are_read_without_what_surrounds_them(tmp_path: Path) -> None:
    plant(tmp_path, "sys", {"model": "Raspberry Pi 4\0", "count": 7, "empty": ""})
    files = Files(tmp_path)
    assert files.read("sys/model") == "Raspberry Pi 4"
    assert files.number("sys/count") == 7.0
    assert files.find("sys/empty") is None
    assert files.find_number("sys/model") is None
    with pytest.raises(ValueError, match="could not convert"):
        files.number("sys/model")


def test_what_is_missing_or_forbidden_is_told_apart_only_where_asked(tmp_path: Path) -> None:
    plant(tmp_path, "sys", {"secret": 7})
    files = Files(tmp_path, forbidding("secret"))
    with pytest.raises(PermissionError):
        files.read("sys/secret")
    with pytest.raises(FileNotFoundError):
        files.read("sys/nothing")
    assert files.find("sys/secret") is files.find("sys/nothing") is None
    assert files.exists("sys/secret")
    assert not files.exists("sys/nothing")


def test_names_are_in_the_order_that_people_count_in(tmp_path: Path) -> None:
    plant(tmp_path, "cpu", dict.fromkeys(("cpu10", "cpu2", "cpufreq", "7", "cpu²"), ""))
    assert Files(tmp_path).names("cpu")[:3] == ("7", "cpu2", "cpu10")
    assert Files(tmp_path).names("nothing") == ()
